//! Removing a site: what follows, and the question whether.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};

use super::super::{
    answer,
    bindings::ImpactRow,
    equivalents::{DifferenceLine, Equivalents, curl, word},
    frame::{Frame, Nav},
    going_back::GoingBack,
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
    going_back: GoingBack,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Asks whether it is to go.
pub(in crate::portal) async fn ask(visit: Visit<right::SiteChange>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None, None).await?)
}

/// Removes it.
pub(in crate::portal) async fn remove(mut visit: Visit<right::SiteChange>) -> Result<Response, AppError> {
    let going_back = GoingBack::read(&visit.form().await?);
    let id = visit.param("id").to_owned();
    let removed = async {
        visit.app.remove_site(&visit.by, &id, Precondition::None, going_back.apply(going_back.confirm)?).await
    };
    match removed.await {
        Ok(_) => Ok(visit.done("/sites", format!("The site {id} is removed."))),
        Err(error) if [StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY].contains(&error.status()) => {
            let page = page(&visit, Some(going_back), Some(answer::sentence(&error))).await?;
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

async fn page(
    visit: &Visit<right::SiteChange>,
    given: Option<GoingBack>,
    refused: Option<String>,
) -> Result<RemovePage, AppError> {
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
    let locks_out = impacts.iter().any(|row| row.mark == Mark::Bad && row.what == "This portal");
    let going_back = given.unwrap_or_else(|| GoingBack::usual(locks_out));
    Ok(RemovePage {
        frame: visit.frame(Nav::Sites, format!("Remove {name}")),
        locks_out,
        equivalents: Equivalents {
            cli: format!("portward site remove {}{}", word(&id), going_back.option(locks_out)),
            curl: curl(&Method::DELETE, &format!("/api/v1/sites/{id}{}", going_back.query(locks_out)), None),
            yaml: String::new(),
            difference: vec![DifferenceLine::Removed(format!("site: {id}"))],
        },
        going_back,
        id,
        name,
        lead,
        impacts,
        refused,
    })
}
