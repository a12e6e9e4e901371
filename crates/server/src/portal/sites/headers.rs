//! What becomes of the headers of a site's responses.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use portward_api::{HeaderSet, SiteUpdate};
use portward_core::{Hsts, Site};

use super::{
    super::{
        answer,
        equivalents::{DifferenceLine, Equivalents},
        form::Form,
        frame::{Frame, Nav},
        visit::Visit,
    },
    given,
    tab::{Head, Tab, find},
};
use crate::app::{AppError, Apply, Precondition, Right, right};

#[derive(Template)]
#[template(path = "sites/headers.html")]
struct HeadersPage {
    frame: Frame,
    head: Head,
    given: Given,
    hsts: String,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Is what the form has in it: one header a line.
#[derive(Clone, PartialEq, Eq)]
struct Given {
    set: String,
    remove: String,
}

/// Shows them.
pub(in crate::portal) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None, None)?)
}

/// Changes them.
pub(in crate::portal) async fn save(mut visit: Visit<right::SiteChange>) -> Result<Response, AppError> {
    let given = Given::read(&visit.form().await?);
    let id = visit.param("id").to_owned();
    let changed = async {
        let update = given.update()?;
        visit.app.edit_site(&visit.by, &id, &update, Precondition::None, Apply::Now).await
    };
    match changed.await {
        Ok(_) => Ok(visit.done(&format!("/sites/{id}/headers"), format!("The header rules of {id} are served."))),
        Err(error) if error.status().is_client_error() && error.status() != StatusCode::NOT_FOUND => {
            let page = page(&visit, Some(given), Some(answer::sentence(&error)))?;
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

fn page<R: Right>(visit: &Visit<R>, given: Option<Given>, refused: Option<String>) -> Result<HeadersPage, AppError> {
    let served = visit.app.served();
    let site = find(&served.desired, visit.param("id"))?;
    let head = Head::of(visit, &served, site, Tab::Headers);
    let before = Given::of(site);
    let given = given.unwrap_or_else(|| before.clone());
    let update = given.update().unwrap_or_default();
    let lines = |text: &str| text.replace('\n', ", ");
    let equivalents = given::equivalents(
        site,
        &update,
        &[
            ("set_headers", &lines(&before.set), &lines(&given.set)),
            ("remove_headers", &lines(&before.remove), &lines(&given.remove)),
        ],
    );
    let hsts = match site.hsts {
        Hsts::Off => "is off; what the application sends passes.".to_owned(),
        hsts @ Hsts::On { .. } => {
            format!("is {}; it stands in the place of what the application sends.", super::list::hsts_word(hsts))
        }
    };
    Ok(HeadersPage {
        frame: visit.frame(Nav::Sites, format!("{} headers", head.title)),
        head,
        given,
        hsts,
        refused,
        equivalents,
    })
}

impl Given {
    fn of(site: &Site) -> Self {
        let set: Vec<String> = site.headers.set().iter().map(|(name, value)| format!("{name}: {value}")).collect();
        Self { set: set.join("\n"), remove: site.headers.remove().join("\n") }
    }

    fn read(form: &Form) -> Self {
        let lines = |name: &str| {
            let lines = form.text(name).lines().map(str::trim).filter(|line| !line.is_empty());
            lines.collect::<Vec<_>>().join("\n")
        };
        Self { set: lines("set"), remove: lines("remove") }
    }

    fn update(&self) -> Result<SiteUpdate, AppError> {
        let read = |line: &str| {
            let read = portward_core::HeaderRules::parse_set(line);
            read.map(|(name, value)| HeaderSet { name, value }).map_err(|error| AppError::invalid("set", &error))
        };
        Ok(SiteUpdate {
            set_headers: Some(self.set.lines().map(read).collect::<Result<_, _>>()?),
            remove_headers: Some(self.remove.lines().map(str::to_owned).collect()),
            ..SiteUpdate::default()
        })
    }
}
