//! About: which Portward this is, and what it serves.

use askama::Template;
use axum::response::Response;

use super::{
    answer,
    frame::{Frame, Nav},
    view::{counted, grouped},
    visit::Visit,
};
use crate::app::{AppError, right};

#[derive(Template)]
#[template(path = "about.html")]
struct AboutPage {
    frame: Frame,
    version: &'static str,
    build: String,
    revision: String,
    counts: Vec<String>,
}

/// Shows it.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let served = visit.app.served();
    let desired = &served.desired;
    let managed = desired.certificates.iter().filter(|stored| stored.value.management.managed().is_some()).count();
    let counts = vec![
        counted(desired.sites.len(), "site"),
        counted(desired.bindings.len(), "binding"),
        format!(
            "{}, of which Portward renews {}",
            counted(desired.certificates.len(), "certificate"),
            grouped(managed as u64)
        ),
        counted(desired.issuers.len(), "issuer"),
        counted(desired.dns_providers.len(), "DNS provider"),
    ];
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    answer::html(&AboutPage {
        frame: visit.frame(Nav::None, "About"),
        version: env!("CARGO_PKG_VERSION"),
        build: format!("{build}, for {} on {}", std::env::consts::OS, std::env::consts::ARCH),
        revision: grouped(desired.revision.0),
        counts,
    })
}
