//! Removing a certificate: what follows, and the question whether.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};

use super::super::{
    answer,
    bindings::{ImpactRow, apply},
    equivalents::{DifferenceLine, Equivalents, curl, word},
    frame::{Frame, Nav},
    view::Mark,
    visit::Visit,
};
use crate::app::{AppError, Apply, Precondition, right};

#[derive(Template)]
#[template(path = "certificates/remove.html")]
struct RemovePage {
    frame: Frame,
    id: String,
    impacts: Vec<ImpactRow>,
    versions: usize,
    /// Whether something breaks, so that it is proposed that it comes back by itself.
    breaks: bool,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Asks whether it is to go.
pub(in crate::portal) async fn ask(visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None).await?)
}

/// Removes it.
pub(in crate::portal) async fn remove(mut visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let confirm = visit.form().await?.is_ticked("confirm");
    let id = visit.param("id").to_owned();
    match visit.app.remove_certificate(&visit.by, &id, Precondition::None, apply(confirm, confirm)).await {
        Ok(removed) => {
            let mut said = format!("{id} is removed.");
            for warning in &removed.warnings {
                said.push_str(&format!(" But {warning}."));
            }
            Ok(visit.done("/certificates", said))
        }
        Err(error) if error.status() == StatusCode::CONFLICT => {
            let page = page(&visit, Some(answer::sentence(&error))).await?;
            answer::with_status(StatusCode::CONFLICT, &page)
        }
        Err(error) => Err(error),
    }
}

async fn page(visit: &Visit<right::CertificateChange>, refused: Option<String>) -> Result<RemovePage, AppError> {
    let id = visit.param("id").to_owned();
    let dry = visit.app.remove_certificate(&visit.by, &id, Precondition::None, Apply::DryRun).await?;
    let versions = visit.app.list_certificate_versions(&visit.may()?, &id)?.len();
    let impacts: Vec<ImpactRow> = dry.impacts.iter().map(ImpactRow::of).collect();
    let breaks = impacts.iter().any(|row| row.mark == Mark::Bad);
    let (flags, query) = if breaks {
        (" \\\n  --force \\\n  --confirm-within 60s", "?force=true&confirm_within=60")
    } else {
        Default::default()
    };
    Ok(RemovePage {
        frame: visit.frame(Nav::Certificates, format!("Remove {id}")),
        equivalents: Equivalents {
            cli: format!("portward certificate remove {}{flags}", word(&id)),
            curl: curl(&Method::DELETE, &format!("/api/v1/certificates/{id}{query}"), None),
            yaml: String::new(),
            difference: vec![DifferenceLine::Removed(format!("certificate: {id}"))],
        },
        id,
        impacts,
        versions,
        breaks,
        refused,
    })
}
