//! The default certificate of a binding: which one, and another one.

use askama::Template;
use axum::response::Response;
use http::Method;
use portward_api::BindingUpdate;
use serde_json::json;

use super::{
    super::{
        answer,
        equivalents::{
            DifferenceLine, Equivalents,
            certificates::{Command, yaml},
            curl, difference, word,
        },
        form::Form,
        frame::{Frame, Nav},
        going_back::GoingBack,
        view::in_fours,
        visit::Visit,
    },
    named,
};
use crate::app::{AppError, Precondition, right};

#[derive(Template)]
#[template(path = "binding-certificate.html")]
struct CertificatePage {
    frame: Frame,
    id: String,
    url: String,
    certificates: Vec<Choice>,
    going_back: GoingBack,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Is one certificate that it may present.
struct Choice {
    id: String,
    names: String,
    thumbprint: String,
    is_chosen: bool,
}

/// Shows which one it presents, and those there are.
pub(in crate::portal) async fn ask(visit: Visit<right::BindingChange>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None, None)?)
}

/// Has it present another one.
pub(in crate::portal) async fn change(mut visit: Visit<right::BindingChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let id = visit.param("id").to_owned();
    let certificate = form.filled("certificate").map(str::to_owned);
    let input = BindingUpdate { default_certificate: certificate, ..BindingUpdate::default() };
    let changed = async {
        let apply = GoingBack::read(&form).apply(false)?;
        visit.app.edit_binding(&visit.by, &id, &input, Precondition::None, apply).await
    };
    match changed.await {
        Ok(changed) => {
            let certificate = input.default_certificate.unwrap_or_default();
            Ok(visit.done("/bindings", format!("{} presents {certificate} by default.", changed.view.url)))
        }
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
) -> Result<CertificatePage, AppError> {
    let served = visit.app.served();
    let binding = named(visit.param("id"), &served)?;
    let before = binding.default_certificate.as_ref().map(ToString::to_string).unwrap_or_default();
    let chosen = typed.and_then(|form| form.filled("certificate")).unwrap_or(&before).to_owned();
    let going_back = typed.map_or_else(|| GoingBack::usual(true), GoingBack::read);
    let choices = served.desired.presentable().filter_map(|stored| {
        let facts = &stored.value.current_version()?.facts;
        let names: Vec<String> = facts.names.iter().map(ToString::to_string).collect();
        let id = stored.value.id.to_string();
        Some(Choice {
            is_chosen: id == chosen,
            id,
            names: names.join(", "),
            thumbprint: in_fours(&facts.thumbprint.to_string()),
        })
    });
    let shown = if chosen.is_empty() { "CERTIFICATE" } else { &chosen };
    let mut command = Command::new(format!("portward binding edit {}", word(binding.id.as_str())));
    command.option("--default-certificate", Some(&shown));
    let path = format!("/api/v1/bindings/{}{}", binding.id, going_back.query(false));
    let mut declared = json!({ "id": binding.id.to_string(), "url": binding.url(), "default_certificate": shown });
    let networks: Vec<String> = binding.accept_proxy_from.iter().map(ToString::to_string).collect();
    let to: Vec<String> = binding.to.iter().map(ToString::to_string).collect();
    // What is left out is taken away by an apply.
    for (name, values) in [("accept_proxy_from", networks), ("to", to)] {
        if !values.is_empty() {
            declared[name] = json!(values);
        }
    }
    let cli = command.text() + &going_back.option(false);
    Ok(CertificatePage {
        frame: visit.frame(Nav::Bindings, format!("Default certificate of {}", binding.url())),
        id: binding.id.to_string(),
        url: binding.url(),
        certificates: choices.collect(),
        going_back,
        refused,
        equivalents: Equivalents {
            cli,
            curl: curl(&Method::PATCH, &path, Some(&json!({ "default_certificate": shown }))),
            yaml: yaml("bindings", declared),
            difference: difference(&format!("binding: {}", binding.id), &[("default_certificate", &before, &chosen)]),
        },
    })
}
