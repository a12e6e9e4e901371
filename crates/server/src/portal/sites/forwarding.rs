//! How the requests of a site reach its upstreams.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use portward_api::{SiteRoute, SiteUpdate};
use portward_core::{HealthPath, PathRoute, Site};

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
#[template(path = "sites/forwarding.html")]
struct ForwardingPage {
    frame: Frame,
    head: Head,
    is_portal: bool,
    upstreams: Vec<String>,
    given: Given,
    errors: Errors,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Is what the form has in it.
#[derive(Clone, PartialEq, Eq)]
struct Given {
    balance: String,
    health_path: String,
    /// One `PREFIX=URL` a line.
    routes: String,
    proxy_protocol: String,
    upstream_http: String,
}

/// Is what is wrong with a field.
#[derive(Default)]
struct Errors {
    health_path: Option<String>,
    routes: Option<String>,
}

/// Shows it.
pub(in crate::portal) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None, Errors::default(), None)?)
}

/// Changes it.
pub(in crate::portal) async fn save(mut visit: Visit<right::SiteChange>) -> Result<Response, AppError> {
    let given = Given::read(&visit.form().await?);
    let errors = given.errors();
    if errors.health_path.is_some() || errors.routes.is_some() {
        return answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page(&visit, Some(given), errors, None)?);
    }
    let id = visit.param("id").to_owned();
    match visit.app.edit_site(&visit.by, &id, &given.update(), Precondition::None, Apply::Now).await {
        Ok(_) => {
            let said = format!("Requests of {id} reach the upstreams as you asked.");
            Ok(visit.done(&format!("/sites/{id}/forwarding"), said))
        }
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
) -> Result<ForwardingPage, AppError> {
    let served = visit.app.served();
    let site = find(&served.desired, visit.param("id"))?;
    let head = Head::of(visit, &served, site, Tab::Forwarding);
    let before = Given::of(site);
    let given = given.unwrap_or_else(|| before.clone());
    let update = given.update();
    let lines = |text: &str| text.replace('\n', ", ");
    let equivalents = given::equivalents(
        site,
        &update,
        &[
            ("balance", &before.balance, &given.balance),
            ("health_path", &before.health_path, &given.health_path),
            ("routes", &lines(&before.routes), &lines(&given.routes)),
            ("proxy_protocol", &before.proxy_protocol, &given.proxy_protocol),
            ("upstream_http", &before.upstream_http, &given.upstream_http),
        ],
    );
    Ok(ForwardingPage {
        frame: visit.frame(Nav::Sites, format!("{} forwarding", head.title)),
        head,
        is_portal: site.is_portal(),
        upstreams: site.upstreams.iter().map(ToString::to_string).collect(),
        given,
        errors,
        refused,
        equivalents,
    })
}

impl Given {
    fn of(site: &Site) -> Self {
        let forwarding = &site.forwarding;
        Self {
            balance: forwarding.balance.to_string(),
            health_path: HealthPath::write(forwarding.health.as_ref()),
            routes: forwarding.routes.iter().flat_map(PathRoute::texts).collect::<Vec<_>>().join("\n"),
            proxy_protocol: forwarding.proxy_protocol.to_string(),
            upstream_http: forwarding.http.to_string(),
        }
    }

    fn read(form: &Form) -> Self {
        let or = |name: &str, usual: &str| form.filled(name).unwrap_or(usual).to_owned();
        Self {
            balance: or("balance", "round-robin"),
            health_path: or("health_path", "none"),
            routes: form.words("routes").join("\n"),
            proxy_protocol: or("proxy_protocol", "off"),
            upstream_http: or("upstream_http", "auto"),
        }
    }

    fn errors(&self) -> Errors {
        let health = HealthPath::parse_choice(&self.health_path).err();
        let routes = PathRoute::parse_all(self.routes.lines()).err();
        Errors {
            health_path: health.map(|error| answer::as_sentence(&error.to_string())),
            routes: routes.map(|error| answer::as_sentence(&crate::app::chain_text(&error))),
        }
    }

    /// All of it; of routes that cannot be read, none.
    fn update(&self) -> SiteUpdate {
        let routes = PathRoute::parse_all(self.routes.lines()).unwrap_or_default();
        let route = |route: &PathRoute| SiteRoute {
            prefix: route.prefix.to_string(),
            upstreams: route.upstreams.iter().map(ToString::to_string).collect(),
        };
        SiteUpdate {
            balance: Some(self.balance.clone()),
            health_path: Some(self.health_path.clone()),
            routes: Some(routes.iter().map(route).collect()),
            proxy_protocol: Some(self.proxy_protocol.clone()),
            upstream_http: Some(self.upstream_http.clone()),
            ..SiteUpdate::default()
        }
    }
}
