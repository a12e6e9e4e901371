//! Removing a delivery: what stays on the machine, and the question whether.

use askama::Template;
use axum::response::Response;
use http::Method;
use portward_api::DeliveryView;

use super::super::{
    answer,
    equivalents::{DifferenceLine, Equivalents, curl, word},
    frame::{Frame, Nav},
    visit::Visit,
};
use crate::app::{AppError, Apply, Precondition, right};

#[derive(Template)]
#[template(path = "deliveries/remove.html")]
struct RemovePage {
    frame: Frame,
    delivery: DeliveryView,
    equivalents: Equivalents,
}

/// Asks whether it is to go.
pub(in crate::portal) async fn ask(visit: Visit<right::DeliveryChange>) -> Result<Response, AppError> {
    let delivery = visit.app.show_delivery(&visit.may()?, visit.param("id")).await?.view;
    let id = &delivery.id;
    answer::html(&RemovePage {
        frame: visit.frame(Nav::Agents, format!("Remove {id}")),
        equivalents: Equivalents {
            cli: format!("portward delivery remove {}", word(id)),
            curl: curl(&Method::DELETE, &format!("/api/v1/deliveries/{id}"), None),
            yaml: String::new(),
            difference: vec![DifferenceLine::Removed(format!("delivery: {id}"))],
        },
        delivery,
    })
}

/// Removes it.
pub(in crate::portal) async fn remove(visit: Visit<right::DeliveryChange>) -> Result<Response, AppError> {
    let id = visit.param("id").to_owned();
    let agent = visit.app.show_delivery(&visit.may()?, &id).await?.view.agent;
    let removed = visit.app.remove_delivery(&visit.by, &id, Precondition::None, Apply::Now).await?;
    let said: Vec<String> = removed.warnings.iter().map(|warning| answer::as_sentence(warning)).collect();
    Ok(visit.done(&format!("/agents/{agent}"), format!("The delivery is removed. {}", said.join(" "))))
}
