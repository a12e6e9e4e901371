//! Removing an agent: what stays on its machine, and the question whether.

use askama::Template;
use axum::response::Response;
use http::Method;

use super::super::{
    answer,
    equivalents::{DifferenceLine, Equivalents, curl, word},
    frame::{Frame, Nav},
    visit::Visit,
};
use crate::app::{AppError, Apply, Precondition, right};

#[derive(Template)]
#[template(path = "agents/remove.html")]
struct RemovePage {
    frame: Frame,
    name: String,
    thumbprint: String,
    is_connected: bool,
    /// What stays there, a certificate each.
    stays: Vec<Stays>,
    equivalents: Equivalents,
}

struct Stays {
    certificate: String,
    places: String,
}

/// Asks whether it is to go.
pub(in crate::portal) async fn ask(visit: Visit<right::AgentChange>) -> Result<Response, AppError> {
    let by = visit.may()?;
    let view = visit.app.show_agent(&by, visit.param("name")).await?.view;
    let name = view.name;
    let deliveries = visit.app.list_deliveries(&by).await?;
    let of_it = deliveries.into_iter().filter(|delivery| delivery.agent == name);
    let stays: Vec<Stays> =
        of_it.map(|delivery| Stays { certificate: delivery.certificate, places: delivery.to.join(", ") }).collect();
    let mut difference = vec![DifferenceLine::Removed(format!("agent: {name}"))];
    difference.extend(stays.iter().map(|stays| DifferenceLine::Removed(format!("delivery of {}", stays.certificate))));
    answer::html(&RemovePage {
        frame: visit.frame(Nav::Agents, format!("Remove {name}")),
        thumbprint: super::super::view::in_fours(&view.thumbprint),
        is_connected: view.connected,
        stays,
        equivalents: Equivalents {
            cli: format!("portward agent remove {}", word(&name)),
            curl: curl(&Method::DELETE, &format!("/api/v1/agents/{name}"), None),
            yaml: String::new(),
            difference,
        },
        name,
    })
}

/// Removes it.
pub(in crate::portal) async fn remove(visit: Visit<right::AgentChange>) -> Result<Response, AppError> {
    let name = visit.param("name").to_owned();
    let removed = visit.app.remove_agent(&visit.by, &name, Precondition::None, Apply::Now).await?;
    let mut said = format!("{} is not trusted any more.", removed.id);
    for warning in &removed.warnings {
        said.push(' ');
        said.push_str(&answer::as_sentence(warning));
    }
    Ok(visit.done("/agents", said))
}
