//! What one request may take of a site.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use portward_api::SiteUpdate;
use portward_core::{BodyLimit, Site, WaitLimit};

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
#[template(path = "sites/limits.html")]
struct LimitsPage {
    frame: Frame,
    head: Head,
    given: Given,
    errors: Errors,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Is what the form has in it.
#[derive(Clone, PartialEq, Eq)]
struct Given {
    max_body: String,
    response: String,
    idle: String,
}

/// Is what is wrong with a field.
#[derive(Default)]
struct Errors {
    max_body: Option<String>,
    response: Option<String>,
    idle: Option<String>,
}

/// Shows them.
pub(in crate::portal) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None, Errors::default(), None)?)
}

/// Changes them.
pub(in crate::portal) async fn save(mut visit: Visit<right::SiteChange>) -> Result<Response, AppError> {
    let given = Given::read(&visit.form().await?);
    let errors = given.errors();
    if errors.max_body.is_some() || errors.response.is_some() || errors.idle.is_some() {
        return answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page(&visit, Some(given), errors, None)?);
    }
    let id = visit.param("id").to_owned();
    match visit.app.edit_site(&visit.by, &id, &given.update(), Precondition::None, Apply::Now).await {
        Ok(_) => Ok(visit.done(&format!("/sites/{id}/limits"), format!("The limits of {id} are in force."))),
        Err(error) if error.status().is_client_error() && error.status() != StatusCode::NOT_FOUND => {
            let page = page(&visit, Some(given), errors, Some(answer::sentence(&error)))?;
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

fn page<R: Right>(
    visit: &Visit<R>,
    given: Option<Given>,
    errors: Errors,
    refused: Option<String>,
) -> Result<LimitsPage, AppError> {
    let served = visit.app.served();
    let site = find(&served.desired, visit.param("id"))?;
    let head = Head::of(visit, &served, site, Tab::Limits);
    let before = Given::of(site);
    let given = given.unwrap_or_else(|| before.clone());
    let update = given.update();
    let equivalents = given::equivalents(
        site,
        &update,
        &[
            ("max_body", &before.max_body, &given.max_body),
            ("response_timeout", &before.response, &given.response),
            ("idle_timeout", &before.idle, &given.idle),
        ],
    );
    let frame = visit.frame(Nav::Sites, format!("{} limits", head.title));
    Ok(LimitsPage { frame, head, given, errors, refused, equivalents })
}

impl Given {
    fn of(site: &Site) -> Self {
        Self {
            max_body: BodyLimit::write(site.limits.body),
            response: WaitLimit::write(site.limits.response),
            idle: WaitLimit::write(site.limits.idle),
        }
    }

    fn read(form: &Form) -> Self {
        let or = |name: &str, usual: &str| form.filled(name).unwrap_or(usual).to_owned();
        Self { max_body: or("max_body", "none"), response: or("response", "default"), idle: or("idle", "default") }
    }

    fn errors(&self) -> Errors {
        let wait = |text: &str| WaitLimit::parse(text).err().map(|error| answer::as_sentence(&error.to_string()));
        Errors {
            max_body: BodyLimit::parse(&self.max_body).err().map(|error| answer::as_sentence(&error.to_string())),
            response: wait(&self.response),
            idle: wait(&self.idle),
        }
    }

    fn update(&self) -> SiteUpdate {
        SiteUpdate {
            max_body: Some(self.max_body.clone()),
            response_timeout: Some(self.response.clone()),
            idle_timeout: Some(self.idle.clone()),
            ..SiteUpdate::default()
        }
    }
}
