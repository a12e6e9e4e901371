//! Removing a user: what follows, and the question whether.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};

use super::super::{
    answer,
    equivalents::{DifferenceLine, Equivalents, curl, word},
    frame::{Frame, Nav},
    visit::Visit,
};
use crate::app::{AppError, Apply, Precondition, right};

#[derive(Template)]
#[template(path = "user-remove.html")]
struct RemovePage {
    frame: Frame,
    name: String,
    warnings: Vec<String>,
    /// Why this one cannot be removed.
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Asks whether one is to go.
pub(in crate::portal) async fn ask(visit: Visit<right::UserChange>) -> Result<Response, AppError> {
    let dry = visit.app.remove_user(&visit.by, visit.param("id"), Precondition::None, Apply::DryRun).await;
    match dry {
        Ok(removed) => answer::html(&page(&visit, removed.warnings, None)),
        Err(error) => refuse(&visit, error, StatusCode::OK),
    }
}

/// Removes one.
pub(in crate::portal) async fn remove(visit: Visit<right::UserChange>) -> Result<Response, AppError> {
    match visit.app.remove_user(&visit.by, visit.param("id"), Precondition::None, Apply::Now).await {
        Ok(removed) => Ok(visit.told("/users", format!("{} is removed.", removed.id))),
        Err(error) => refuse(&visit, error, StatusCode::UNPROCESSABLE_ENTITY),
    }
}

fn refuse(visit: &Visit<right::UserChange>, error: AppError, status: StatusCode) -> Result<Response, AppError> {
    if error.status().is_server_error() || error.status() == StatusCode::NOT_FOUND {
        return Err(error);
    }
    let page = page(visit, Vec::new(), Some(answer::sentence(&error)));
    answer::with_status(status, &page)
}

fn page(visit: &Visit<right::UserChange>, warnings: Vec<String>, refused: Option<String>) -> RemovePage {
    let name = visit.param("id").to_owned();
    RemovePage {
        frame: visit.frame(Nav::Users, format!("Remove {name}")),
        warnings: warnings.iter().map(|warning| answer::as_sentence(warning)).collect(),
        refused,
        equivalents: Equivalents {
            cli: format!("portward user remove {}", word(&name)),
            curl: curl(&Method::DELETE, &format!("/api/v1/users/{name}"), None),
            yaml: String::new(),
            difference: vec![DifferenceLine::Removed(format!("user: {name}"))],
        },
        name,
    }
}
