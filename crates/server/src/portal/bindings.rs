//! Bindings: where Portward accepts, what is presented there, and adding one.

mod certificate;
mod edit;
#[cfg(test)]
mod tests;

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use portward_api::{BindingCreate, Impact, ImpactSeverity};
use portward_core::{Binding, BindingProtocol};
use serde_json::json;

pub(super) use certificate::{ask as ask_certificate, change as change_certificate};
pub(super) use edit::{ask as ask_edit, edit};

use super::{
    answer,
    choice::CertificateChoice,
    equivalents::{DifferenceLine, Equivalents, curl, word},
    form::Form,
    frame::{Frame, Nav},
    going_back::GoingBack,
    view::{Mark, counted},
    visit::Visit,
};
use crate::{
    app::{App, AppError, Apply, Precondition, right},
    served::ServedState,
};

#[derive(Template)]
#[template(path = "bindings.html")]
struct BindingsPage {
    frame: Frame,
    lead: String,
    bindings: Vec<Row>,
    certificates: CertificateChoice,
    form: Add,
    may_change: bool,
    refused: Option<String>,
    equivalents: Equivalents,
}

#[derive(Template)]
#[template(path = "binding-remove.html")]
struct RemovePage {
    frame: Frame,
    id: String,
    url: String,
    impacts: Vec<ImpactRow>,
    /// Whether something breaks, so that it is removed only if it can come back by itself.
    breaks: bool,
    going_back: GoingBack,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Is one binding as it is shown.
struct Row {
    id: String,
    url: String,
    mark: Mark,
    state: &'static str,
    problem: Option<String>,
    at: Option<String>,
    certificate: Option<String>,
    is_https: bool,
    /// Proxies that say who the client is.
    proxies: String,
    /// What is passed through, and where to.
    to: Vec<String>,
    serves: String,
}

/// Is one thing that would break, or would not.
pub(super) struct ImpactRow {
    pub(super) mark: Mark,
    pub(super) label: &'static str,
    pub(super) what: String,
    pub(super) why: String,
}

/// Is what the form that adds a binding has in it.
struct Add {
    protocol: BindingProtocol,
    address: String,
    port: String,
    certificate: String,
    /// One in a line, as the next one.
    proxies: String,
    to: String,
    going_back: GoingBack,
}

/// Shows all of them, and the form that adds one.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let add = Add {
        protocol: BindingProtocol::Https,
        address: "[::]".to_owned(),
        port: String::new(),
        certificate: String::new(),
        proxies: String::new(),
        to: String::new(),
        going_back: GoingBack::default(),
    };
    let may_change = visit.may::<right::BindingChange>().is_ok();
    answer::html(&page(visit.frame(Nav::Bindings, "Bindings"), &visit.app, add, may_change, None))
}

/// Adds one.
pub(super) async fn add(mut visit: Visit<right::BindingChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let add = Add::read(&form);
    let input = add.input();
    let added = async { visit.app.add_binding(&visit.by, &input, add.going_back.apply(false)?).await };
    match added.await {
        Ok(added) => Ok(visit.done("/bindings", format!("{} accepts connections.", added.view.url))),
        Err(error) if error.status().is_client_error() => {
            let frame = visit.frame(Nav::Bindings, "Bindings");
            let page = page(frame, &visit.app, add, true, Some(answer::sentence(&error)));
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

/// The binding of an id in a path.
fn named<'s>(id: &str, served: &'s ServedState) -> Result<&'s Binding, AppError> {
    let found = served.desired.bindings.iter().find(|stored| stored.value.id.as_str() == id);
    Ok(&found.ok_or_else(|| AppError::not_found("binding", id))?.value)
}

/// Shows what would break without one, and asks.
pub(super) async fn ask_remove(visit: Visit<right::BindingChange>) -> Result<Response, AppError> {
    let page = remove_page(&visit, GoingBack::usual(true), None).await?;
    answer::html(&page)
}

/// Removes one.
pub(super) async fn remove(mut visit: Visit<right::BindingChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let id = visit.param("id").to_owned();
    let going_back = GoingBack::read(&form);
    let removed = async {
        visit.app.remove_binding(&visit.by, &id, Precondition::None, going_back.apply(going_back.confirm)?).await
    };
    match removed.await {
        Ok(_) => Ok(visit.done("/bindings", format!("The binding {id} is removed."))),
        Err(error) if [StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY].contains(&error.status()) => {
            let page = remove_page(&visit, going_back, Some(answer::sentence(&error))).await?;
            answer::with_status(error.status(), &page)
        }
        Err(error) => Err(error),
    }
}

async fn remove_page(
    visit: &Visit<right::BindingChange>,
    going_back: GoingBack,
    refused: Option<String>,
) -> Result<RemovePage, AppError> {
    let id = visit.param("id").to_owned();
    let dry = visit.app.remove_binding(&visit.by, &id, Precondition::None, Apply::DryRun).await?;
    let url = visit.app.show_binding(&visit.may()?, &id)?.view.url;
    let impacts: Vec<ImpactRow> = dry.impacts.iter().map(ImpactRow::of).collect();
    let breaks = impacts.iter().any(|row| row.mark == Mark::Bad);
    let equivalents = Equivalents {
        cli: format!("portward binding remove {}{}", word(&id), going_back.option(breaks)),
        curl: curl(&Method::DELETE, &format!("/api/v1/bindings/{id}{}", going_back.query(breaks)), None),
        yaml: String::new(),
        difference: vec![DifferenceLine::Removed(format!("binding: {url}"))],
    };
    let frame = visit.frame(Nav::Bindings, format!("Remove {url}"));
    Ok(RemovePage { frame, id, url, impacts, breaks, going_back, refused, equivalents })
}

impl ImpactRow {
    pub(super) fn of(impact: &Impact) -> Self {
        let (mark, label) = match impact.severity {
            ImpactSeverity::Breaks => (Mark::Bad, "breaks"),
            ImpactSeverity::Degrades => (Mark::Warn, "degrades"),
            ImpactSeverity::Stays => (Mark::Ok, "stays"),
        };
        Self { mark, label, what: impact.what.clone(), why: impact.why.clone() }
    }
}

fn page(frame: Frame, app: &App, form: Add, may_change: bool, refused: Option<String>) -> BindingsPage {
    let served = app.served();
    let bindings: Vec<Row> = served.desired.bindings.iter().map(|stored| row(&stored.value, &served)).collect();
    let working = bindings.iter().filter(|row| row.mark == Mark::Ok).count();
    let lead = match (bindings.len(), working) {
        (0, _) => "Portward accepts connections nowhere.".to_owned(),
        (1, 1) => "Portward accepts connections at 1 address.".to_owned(),
        (all, working) if all == working => format!("Portward accepts connections at {all} addresses."),
        (all, working) => format!("Portward accepts connections at {working} of {all} addresses."),
    };
    let certificates = CertificateChoice::of(&served.desired.presentable().collect::<Vec<_>>(), &form.certificate, &[]);
    let equivalents = form.equivalents();
    BindingsPage { frame, lead, bindings, certificates, form, may_change, refused, equivalents }
}

fn row(binding: &Binding, served: &ServedState) -> Row {
    let result = served.binding(&binding.id).map(|report| &report.result);
    let (mark, state) = match result {
        Some(Ok(_)) => (Mark::Ok, "Bound"),
        Some(Err(_)) => (Mark::Bad, "Not bound"),
        None => (Mark::Unknown, "Not served yet"),
    };
    let at = result.and_then(|result| result.as_ref().ok()).filter(|at| at.port() != binding.address.port());
    Row {
        id: binding.id.to_string(),
        url: binding.url(),
        mark,
        state,
        problem: result.and_then(|result| result.as_ref().err()).map(ToString::to_string),
        at: at.map(ToString::to_string),
        certificate: binding.default_certificate.as_ref().map(ToString::to_string),
        is_https: binding.is_https(),
        proxies: binding.accept_proxy_from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        to: binding.to.iter().map(|passage| format!("{} → {}", passage.name, passage.target)).collect(),
        serves: match binding.protocol {
            BindingProtocol::Http | BindingProtocol::Https => counted(served.desired.sites.len(), "site"),
            BindingProtocol::TlsPassthrough => "no site".to_owned(),
        },
    }
}

/// What stands in the lines of a field.
fn lines(text: &str) -> Vec<String> {
    text.split([',', ' ', '\r', '\n']).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

impl Add {
    fn read(form: &Form) -> Self {
        Self {
            protocol: BindingProtocol::ALL
                .into_iter()
                .find(|protocol| protocol.as_str() == form.text("scheme"))
                .unwrap_or(BindingProtocol::Https),
            address: form.text("address").trim().to_owned(),
            port: form.text("port").trim().to_owned(),
            certificate: form.text("certificate").trim().to_owned(),
            proxies: form.text("accept_proxy_from").trim().to_owned(),
            to: form.text("to").trim().to_owned(),
            going_back: GoingBack::read(form),
        }
    }

    fn is(&self, protocol: &str) -> bool {
        self.protocol.as_str() == protocol
    }

    fn input(&self) -> BindingCreate {
        let is_https = self.protocol == BindingProtocol::Https;
        let certificate = Some(self.certificate.clone()).filter(|id| is_https && !id.is_empty());
        BindingCreate {
            url: self.url(),
            default_certificate: certificate,
            accept_proxy_from: lines(&self.proxies),
            to: lines(&self.to),
        }
    }

    fn url(&self) -> String {
        // As people write it: an IPv6 address with or without its brackets.
        let bare = self.address.contains(':') && !self.address.starts_with('[');
        let address = if bare { format!("[{}]", self.address) } else { self.address.clone() };
        let port = if self.port.is_empty() { String::new() } else { format!(":{}", self.port) };
        format!("{}://{address}{port}", self.protocol)
    }

    fn equivalents(&self) -> Equivalents {
        let input = self.input();
        let mut cli = format!("portward binding add {}", word(&input.url));
        let mut body = json!({ "url": input.url });
        let port = match self.port.as_str() {
            "" => self.protocol.default_port().to_string(),
            port => port.to_owned(),
        };
        let mut yaml = format!("bindings:\n- id: {}-{port}\n  url: {}\n", self.protocol, input.url);
        if let Some(id) = &input.default_certificate {
            cli.push_str(&format!(" \\\n  --default-certificate {}", word(id)));
            body["default_certificate"] = json!(id);
            yaml.push_str(&format!("  default_certificate: {id}\n"));
        }
        for network in &input.accept_proxy_from {
            cli.push_str(&format!(" \\\n  --accept-proxy-from {}", word(network)));
        }
        if !input.to.is_empty() {
            let to: Vec<String> = input.to.iter().map(|passage| word(passage)).collect();
            cli.push_str(&format!(" \\\n  --to {}", to.join(" ")));
        }
        for (name, values) in [("accept_proxy_from", &input.accept_proxy_from), ("to", &input.to)] {
            if !values.is_empty() {
                body[name] = json!(values);
                yaml.push_str(&format!("  {name}: {}\n", json!(values)));
            }
        }
        cli.push_str(&self.going_back.option(false));
        Equivalents {
            cli,
            curl: curl(&Method::POST, &format!("/api/v1/bindings{}", self.going_back.query(false)), Some(&body)),
            yaml,
            difference: vec![DifferenceLine::Added(format!("binding: {}", input.url))],
        }
    }
}
