//! Problems: what is left out of what is served, or needs a hand.

use askama::Template;
use axum::response::Response;
use portward_api::Severity;

use super::{
    answer,
    frame::{Frame, Nav},
    view::{Mark, counted, sentence_case},
    visit::Visit,
};
use crate::{
    app::{AppError, right},
    problem::{Problem, Subject},
};

#[derive(Template)]
#[template(path = "problems.html")]
struct ProblemsPage {
    frame: Frame,
    lead: String,
    problems: Vec<ShownProblem>,
    pager: Option<String>,
    previous: Option<String>,
    next: Option<String>,
}

/// Is one problem as a page shows it.
pub(super) struct ShownProblem {
    /// How bad it is.
    pub(super) mark: Mark,
    /// What it is about.
    pub(super) what: String,
    /// What is wrong, and why.
    pub(super) message: String,
    /// What to do.
    pub(super) remedy: String,
    /// The stable word.
    pub(super) code: &'static str,
    /// The page of what it is about.
    pub(super) path: Option<String>,
}

/// Shows all of them, the worst first.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let served = visit.app.served();
    let all = served.problems.len();
    let lead = match all {
        0 => "Everything that was asked for is served.".to_owned(),
        count => format!("{}, the worst first.", counted(count, "problem")),
    };
    let pages = all.div_ceil(ON_A_PAGE).max(1);
    let page = visit.query.text("page").parse().unwrap_or(1).clamp(1, pages);
    let path = |page: usize| format!("/problems?page={page}");
    answer::html(&ProblemsPage {
        frame: visit.frame(Nav::Problems, "Problems"),
        lead,
        problems: served.problems.iter().skip((page - 1) * ON_A_PAGE).take(ON_A_PAGE).map(shown).collect(),
        pager: (pages > 1).then(|| format!("Page {page} of {pages}.")),
        previous: (page > 1).then(|| path(page - 1)),
        next: (page < pages).then(|| path(page + 1)),
    })
}

/// What is shown of a problem.
pub(super) fn shown(problem: &Problem) -> ShownProblem {
    let mark = match problem.severity {
        Severity::Error => Mark::Bad,
        Severity::Warning => Mark::Warn,
    };
    let path = match &problem.subject {
        Subject::Binding(_) => Some("/bindings".to_owned()),
        Subject::Site(id) => Some(format!("/sites/{id}")),
        Subject::Certificate(id) => Some(format!("/certificates/{id}")),
        Subject::Channel(_) => Some("/notifications".to_owned()),
        Subject::Agent(name) => Some(format!("/agents/{name}")),
        Subject::Delivery(id) => Some(format!("/deliveries/{id}")),
        Subject::Agents => Some("/agents".to_owned()),
        Subject::Record(_) | Subject::Store => None,
    };
    let what = sentence_case(&problem.subject.to_string());
    let (message, remedy) = (sentence_case(&problem.message), sentence_case(&problem.remedy));
    ShownProblem { mark, what, message, remedy, code: problem.code, path }
}

/// Each has its cause and its remedy: more are not read at once.
const ON_A_PAGE: usize = 50;
