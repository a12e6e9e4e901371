//! Overview: the answer to "am I safe?", in one sentence.

use askama::Template;
use axum::response::Response;
use portward_api::Severity;

use super::{
    answer,
    frame::{Frame, Nav},
    view::{Mark, counted},
    visit::Visit,
};
use crate::app::{AppError, right};

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    mark: Mark,
    mark_label: &'static str,
    verdict: String,
    facts: Vec<String>,
}

/// Shows how things stand.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let served = visit.app.served();
    let sites = counted(served.desired.sites.len(), "site");
    let worst = served.problems.iter().map(|problem| problem.severity).min();
    let (mark, mark_label, verdict) = match worst {
        None => (Mark::Ok, "All is well", format!("Everything is served as asked for: {sites}.")),
        Some(Severity::Warning) => {
            (Mark::Warn, "Needs attention", format!("{sites}, all served; something needs a look."))
        }
        Some(Severity::Error) => (Mark::Bad, "Something is not served", "Something is not served.".to_owned()),
    };
    let facts = vec![
        counted(served.desired.bindings.len(), "binding"),
        counted(served.desired.certificates.len(), "certificate"),
    ];
    answer::html(&OverviewPage { frame: visit.frame(Nav::Overview, "Overview"), mark, mark_label, verdict, facts })
}
