//! Problems: what is left out of what is served, or needs a hand.

use askama::Template;
use axum::response::Response;
use portward_api::Severity;

use super::{
    answer,
    frame::{Frame, Nav},
    view::{Mark, counted},
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
    let problems: Vec<ShownProblem> = served.problems.iter().map(shown).collect();
    let lead = match problems.len() {
        0 => "Everything that was asked for is served.".to_owned(),
        count => format!("{}, the worst first.", counted(count, "problem")),
    };
    answer::html(&ProblemsPage { frame: visit.frame(Nav::Problems, "Problems"), lead, problems })
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
        Subject::Record(_) | Subject::Store => None,
    };
    let what = problem.subject.to_string();
    let (message, remedy) = (problem.message.clone(), problem.remedy.clone());
    ShownProblem { mark, what, message, remedy, code: problem.code, path }
}
