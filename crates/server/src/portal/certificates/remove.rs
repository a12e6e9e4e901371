//! Removing a certificate: what follows, and the question whether.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};

use super::super::{
    answer,
    bindings::ImpactRow,
    equivalents::{DifferenceLine, Equivalents, curl, word},
    frame::{Frame, Nav},
    going_back::GoingBack,
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
    going_back: GoingBack,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Asks whether it is to go.
pub(in crate::portal) async fn ask(visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None, None).await?)
}

/// Removes it.
pub(in crate::portal) async fn remove(mut visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let going_back = GoingBack::read(&visit.form().await?);
    let id = visit.param("id").to_owned();
    let removed = async {
        visit.app.remove_certificate(&visit.by, &id, Precondition::None, going_back.apply(going_back.confirm)?).await
    };
    match removed.await {
        Ok(removed) => {
            let mut said = format!("{id} is removed.");
            for warning in &removed.warnings {
                said.push_str(&format!(" But {warning}."));
            }
            Ok(visit.done("/certificates", said))
        }
        Err(error) if [StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY].contains(&error.status()) => {
            let page = page(&visit, Some(going_back), Some(answer::sentence(&error))).await?;
            answer::with_status(error.status(), &page)
        }
        Err(error) => Err(error),
    }
}

async fn page(
    visit: &Visit<right::CertificateChange>,
    given: Option<GoingBack>,
    refused: Option<String>,
) -> Result<RemovePage, AppError> {
    let id = visit.param("id").to_owned();
    let dry = visit.app.remove_certificate(&visit.by, &id, Precondition::None, Apply::DryRun).await?;
    let versions = visit.app.list_certificate_versions(&visit.may()?, &id)?.len();
    let impacts: Vec<ImpactRow> = dry.impacts.iter().map(ImpactRow::of).collect();
    let breaks = impacts.iter().any(|row| row.mark == Mark::Bad);
    let going_back = given.unwrap_or_else(|| GoingBack::usual(breaks));
    Ok(RemovePage {
        frame: visit.frame(Nav::Certificates, format!("Remove {id}")),
        equivalents: Equivalents {
            cli: format!("portward certificate remove {}{}", word(&id), going_back.option(breaks)),
            curl: curl(&Method::DELETE, &format!("/api/v1/certificates/{id}{}", going_back.query(breaks)), None),
            yaml: String::new(),
            difference: vec![DifferenceLine::Removed(format!("certificate: {id}"))],
        },
        id,
        impacts,
        versions,
        breaks,
        going_back,
        refused,
    })
}
