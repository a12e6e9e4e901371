//! What is done to an agent: each is one form of its page.

use axum::response::Response;
use portward_api::AgentTrust;

use super::{super::visit::Visit, detail::refuse};
use crate::app::{AppError, Apply, right};

/// Has it make a new identity.
pub(in crate::portal) async fn rotate(visit: Visit<right::AgentChange>) -> Result<Response, AppError> {
    let name = visit.param("name").to_owned();
    match visit.app.rotate_agent(&visit.by, &name).await {
        Ok(_) => Ok(visit.told(
            &format!("/agents/{name}"),
            format!("{name} makes a new identity, and shows it from its next connection on."),
        )),
        Err(error) => refuse(&visit, "rotate", error, None).await,
    }
}

/// Gives it another thumbprint, or another way to be reached.
pub(in crate::portal) async fn change(mut visit: Visit<right::AgentChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    // An agent that is not there is not made by changing it.
    let name = visit.app.show_agent(&visit.may()?, visit.param("name")).await?.view.name;
    let is_listening = form.text("dialling") == "listening";
    let listening = form.filled("listening").map(str::to_owned).filter(|_| is_listening);
    if is_listening && listening.is_none() {
        let error = AppError::refused("invalid-value", "listening: say where it listens, HOST:PORT");
        return refuse(&visit, "change", error, Some(&form)).await;
    }
    let input = AgentTrust { name: name.clone(), thumbprint: form.text("thumbprint").trim().to_owned(), listening };
    match visit.app.trust_agent(&visit.by, &input, Apply::Now).await {
        Ok(_) => {
            Ok(visit.done(&format!("/agents/{name}"), format!("{name} is trusted by what you gave, from now on.")))
        }
        Err(error) => refuse(&visit, "change", error, Some(&form)).await,
    }
}
