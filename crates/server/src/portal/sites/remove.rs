//! Removing a site: what follows, and the question whether.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};

use super::super::{
    answer,
    bindings::{ImpactRow, apply},
    equivalents::{DifferenceLine, Equivalents, curl, word},
    frame::{Frame, Nav},
    view::{Mark, grouped},
    visit::Visit,
};
use super::tab::find;
use crate::app::{AppError, Apply, Precondition, right};

#[derive(Template)]
#[template(path = "sites/remove.html")]
struct RemovePage {
    frame: Frame,
    id: String,
    name: String,
    lead: String,
    impacts: Vec<ImpactRow>,
    locks_out: bool,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Asks whether it is to go.
pub(in crate::portal) async fn ask(visit: Visit<right::SiteChange>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None).await?)
}

/// Removes it.
pub(in crate::portal) async fn remove(mut visit: Visit<right::SiteChange>) -> Result<Response, AppError> {
    let confirm = visit.form().await?.is_ticked("confirm");
    let id = visit.param("id").to_owned();
    match visit.app.remove_site(&visit.by, &id, Precondition::None, apply(confirm, confirm)).await {
        Ok(_) => Ok(visit.done("/sites", format!("The site {id} is removed."))),
        Err(error) if error.status() == StatusCode::CONFLICT => {
            let page = page(&visit, Some(answer::sentence(&error))).await?;
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

async fn page(visit: &Visit<right::SiteChange>, refused: Option<String>) -> Result<RemovePage, AppError> {
    let id = visit.param("id").to_owned();
    let dry = visit.app.remove_site(&visit.by, &id, Precondition::None, Apply::DryRun).await?;
    let served = visit.app.served();
    let site = find(&served.desired, &id)?;
    let count = visit.app.traffic_of(site).map_or(0, |traffic| traffic.last_minute());
    let impacts: Vec<ImpactRow> = dry.impacts.iter().map(ImpactRow::of).collect();
    let name = site.names.first().map(ToString::to_string).unwrap_or_default();
    let lead = match count {
        0 => "No request came in the last minute. You can undo this for 10 minutes.".to_owned(),
        1 => "1 request came in the last minute. You can undo this for 10 minutes.".to_owned(),
        count => format!("{} requests came in the last minute. You can undo this for 10 minutes.", grouped(count)),
    };
    Ok(RemovePage {
        frame: visit.frame(Nav::Sites, format!("Remove {name}")),
        locks_out: impacts.iter().any(|row| row.mark == Mark::Bad && row.what == "This portal"),
        equivalents: Equivalents {
            cli: format!("portward site remove {}", word(&id)),
            curl: curl(&Method::DELETE, &format!("/api/v1/sites/{id}"), None),
            yaml: String::new(),
            difference: vec![DifferenceLine::Removed(format!("site: {id}"))],
        },
        id,
        name,
        lead,
        impacts,
        refused,
    })
}
