//! What a binding passes through, and which proxies say there who the client is.

use askama::Template;
use axum::response::Response;
use http::Method;
use portward_api::BindingUpdate;
use serde_json::json;

use super::{
    super::{
        answer,
        equivalents::{DifferenceLine, Equivalents, certificates::yaml, curl, difference, word},
        form::Form,
        frame::{Frame, Nav},
        going_back::GoingBack,
        visit::Visit,
    },
    lines, named,
};
use crate::app::{AppError, Precondition, right};

#[derive(Template)]
#[template(path = "binding-edit.html")]
struct EditPage {
    frame: Frame,
    id: String,
    url: String,
    is_http: bool,
    is_https: bool,
    proxies: String,
    to: String,
    going_back: GoingBack,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Shows what is there.
pub(in crate::portal) async fn ask(visit: Visit<right::BindingChange>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None, None)?)
}

/// Has something else be there.
pub(in crate::portal) async fn edit(mut visit: Visit<right::BindingChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let id = visit.param("id").to_owned();
    let input = BindingUpdate {
        accept_proxy_from: Some(lines(form.text("accept_proxy_from"))),
        to: Some(lines(form.text("to"))),
        ..BindingUpdate::default()
    };
    let edited = async {
        let apply = GoingBack::read(&form).apply(false)?;
        visit.app.edit_binding(&visit.by, &id, &input, Precondition::None, apply).await
    };
    match edited.await {
        Ok(edited) => Ok(visit.done("/bindings", format!("{} is changed.", edited.view.url))),
        Err(error) if error.status().is_server_error() => Err(error),
        Err(error) => {
            let status = error.status();
            answer::with_status(status, &page(&visit, Some(&form), Some(answer::sentence(&error)))?)
        }
    }
}

fn page(
    visit: &Visit<right::BindingChange>,
    typed: Option<&Form>,
    refused: Option<String>,
) -> Result<EditPage, AppError> {
    let served = visit.app.served();
    let binding = named(visit.param("id"), &served)?;
    let proxies_before: Vec<String> = binding.accept_proxy_from.iter().map(ToString::to_string).collect();
    let to_before: Vec<String> = binding.to.iter().map(ToString::to_string).collect();
    let (proxies, to) = match typed {
        Some(form) => (lines(form.text("accept_proxy_from")), lines(form.text("to"))),
        None => (proxies_before.clone(), to_before.clone()),
    };
    let going_back = typed.map_or_else(|| GoingBack::usual(true), GoingBack::read);
    let all = |values: &[String]| match values {
        [] => vec!["none".to_owned()],
        values => values.iter().map(|value| word(value)).collect(),
    };
    let mut cli = format!("portward binding edit {}", word(binding.id.as_str()));
    for network in all(&proxies) {
        cli.push_str(&format!(" \\\n  --accept-proxy-from {network}"));
    }
    if !binding.is_http() {
        cli.push_str(&format!(" \\\n  --to {}", all(&to).join(" ")));
    }
    cli.push_str(&going_back.option(false));
    let path = format!("/api/v1/bindings/{}{}", binding.id, going_back.query(false));
    let body = json!({ "accept_proxy_from": proxies, "to": to });
    let mut declared = json!({ "id": binding.id.to_string(), "url": binding.url() });
    if let Some(certificate) = &binding.default_certificate {
        declared["default_certificate"] = json!(certificate.to_string());
    }
    declared["accept_proxy_from"] = json!(proxies);
    declared["to"] = json!(to);
    let changes = [
        ("accept_proxy_from", &*proxies_before.join(", "), &*proxies.join(", ")),
        ("to", &*to_before.join(", "), &*to.join(", ")),
    ];
    let difference: Vec<DifferenceLine> = difference(&format!("binding: {}", binding.id), &changes);
    Ok(EditPage {
        frame: visit.frame(Nav::Bindings, format!("Change {}", binding.url())),
        id: binding.id.to_string(),
        url: binding.url(),
        is_http: binding.is_http(),
        is_https: binding.is_https(),
        proxies: proxies.join("\n"),
        to: to.join("\n"),
        going_back,
        refused,
        equivalents: Equivalents {
            cli,
            curl: curl(&Method::PATCH, &path, Some(&body)),
            yaml: yaml("bindings", declared),
            difference,
        },
    })
}
