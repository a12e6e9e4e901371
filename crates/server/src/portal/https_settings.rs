//! HTTPS settings: certificate, port and redirect of the portal on one page, and what would break without the certificate.

mod form;

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use portward_api::HttpsSettingsView;
use portward_core::{CertificateId, LeafFacts, Thumbprint, Timestamp};
use serde_json::{Value, json};

use self::form::Given;
use super::{
    answer,
    bindings::ImpactRow,
    certificates::issued_by,
    equivalents::{
        DifferenceLine, Equivalents,
        certificates::{Command, yaml_of},
        curl, curl_of_file, difference, word,
    },
    frame::{Frame, Nav},
    going_back::GoingBack,
    view::{Mark, counted, day, in_fours, span},
    visit::Visit,
};
use crate::{
    app::{AppError, Apply, Precondition, Right, apply::declared_site, https_settings::HttpsSettingsInput, right},
    web::Listener,
};

#[derive(Template)]
#[template(path = "https-settings.html")]
struct HttpsSettingsPage {
    frame: Frame,
    url: Option<String>,
    mark: Mark,
    certificate: Option<Shown>,
    port: String,
    port_help: String,
    /// What the radio buttons say; none while no site leads to the portal.
    force_https: Option<String>,
    impacts: Vec<ImpactRow>,
    breaks: bool,
    may_change: bool,
    may_remove: bool,
    going_back: GoingBack,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Is the certificate as it is shown.
struct Shown {
    id: String,
    version: u32,
    management: &'static str,
    names: String,
    issuer: String,
    valid: String,
    left: String,
    left_mark: Mark,
    key_type: String,
    sha256: String,
    sha1: String,
}

/// Tells where the portal is from now on: a form can lead nobody there, as it only goes to where it came from.
#[derive(Template)]
#[template(path = "https-settings-moved.html")]
struct MovedPage {
    frame: Frame,
    url: String,
}

/// Whether the binding is gone by which a form came.
fn has_moved(visit: &Visit<right::HttpsSettingsChange>) -> bool {
    let Some(bound) = visit.way.as_ref().filter(|way| way.listener == Listener::Binding).and_then(|way| way.bound)
    else {
        return false;
    };
    !visit.app.served().bindings.iter().any(|report| report.result.as_ref().is_ok_and(|at| at.port() == bound))
}

/// Shows how the portal is reached.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&page(&visit, &Given::default(), None)?)
}

/// Changes all that was given at once.
pub(super) async fn save(mut visit: Visit<right::HttpsSettingsChange>) -> Result<Response, AppError> {
    let given = form::read(visit.multipart().await?).await?;
    let changed = async {
        let input: HttpsSettingsInput = given.input(&visit.app.show_https_settings(&visit.may()?))?;
        visit.app.change_https_settings(&visit.by, input, given.going_back.apply(false)?).await
    };
    match changed.await {
        Ok(changed) => {
            let place = changed.url.clone().unwrap_or_else(|| "HTTPS".to_owned());
            if let Some(url) = changed.url.as_deref().filter(|_| has_moved(&visit)) {
                let frame = visit.frame(Nav::HttpsSettings, "The portal has moved");
                return answer::html(&MovedPage {
                    frame,
                    url: format!("{}/https-settings", url.trim_end_matches('/')),
                });
            }
            Ok(visit.done("/https-settings", format!("The portal is at {place}.")))
        }
        Err(error) if error.status().is_client_error() && error.status() != StatusCode::FORBIDDEN => {
            let page = page(&visit, &given, Some(answer::sentence(&error)))?;
            answer::with_status(error.status(), &page)
        }
        Err(error) => Err(error),
    }
}

/// Has plain HTTP of the portal answered as it is, so that nobody is sent to where nothing answers.
pub(super) async fn switch_redirect_off(visit: Visit<right::HttpsSettingsChange>) -> Result<Response, AppError> {
    let input =
        HttpsSettingsInput { force_https: Some(portward_core::ForceHttps::Off), ..HttpsSettingsInput::default() };
    visit.app.change_https_settings(&visit.by, input, Apply::Now).await?;
    Ok(visit.done("/https-settings", "The portal redirects nobody to HTTPS."))
}

/// Removes the certificate that is presented.
pub(super) async fn remove(visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let settings = visit.app.show_https_settings(&visit.may()?);
    let Some(certificate) = settings.certificate else {
        return Err(AppError::conflict(
            "no-certificate",
            "the portal presents no certificate, so there is none to remove",
        ));
    };
    let id = certificate.id;
    match visit.app.remove_certificate(&visit.by, &id, Precondition::None, GoingBack::usual(true).apply(false)?).await {
        Ok(_) => Ok(visit.done("/https-settings", format!("The certificate {id} is removed."))),
        Err(error) if error.status() == StatusCode::CONFLICT => {
            let page = page(&visit, &Given::default(), Some(answer::sentence(&error)))?;
            answer::with_status(StatusCode::CONFLICT, &page)
        }
        Err(error) => Err(error),
    }
}

fn page<R: Right>(visit: &Visit<R>, given: &Given, refused: Option<String>) -> Result<HttpsSettingsPage, AppError> {
    let view = visit.app.show_https_settings(&visit.may()?);
    let impacts: Vec<ImpactRow> = view.removal.iter().map(ImpactRow::of).collect();
    let served = visit.app.served();
    let certificate = view.certificate.as_ref().map(|shown| {
        let id = CertificateId::parse(&shown.id).ok();
        let stored = id.and_then(|id| served.desired.certificate(&id));
        let facts = stored.and_then(|stored| Some(&*stored.value.current_version()?.facts));
        shown_certificate(shown, facts, visit.app.now())
    });
    let mark = match &certificate {
        Some(shown) if view.url.is_some() => shown.left_mark,
        _ => Mark::Bad,
    };
    let port_help = match (&view.binding, view.port) {
        (Some(binding), Some(port)) => {
            format!(
                "The binding {binding} is bound to {port}. Another port is tried when you save; {port} goes on answering until you confirm."
            )
        }
        _ => "There is no https binding yet; the port is tried when you save.".to_owned(),
    };
    let equivalents = equivalents(visit, &view, given);
    let port =
        given.port.clone().or_else(|| view.port.map(|port| port.to_string())).unwrap_or_else(|| "443".to_owned());
    Ok(HttpsSettingsPage {
        frame: visit.frame(Nav::HttpsSettings, "HTTPS settings"),
        breaks: impacts.iter().any(|row| row.mark == Mark::Bad),
        impacts,
        mark,
        certificate,
        port,
        port_help,
        force_https: view.force_https.map(|mode| given.force_https.clone().unwrap_or(mode)),
        url: view.url,
        may_change: visit.may::<right::HttpsSettingsChange>().is_ok(),
        may_remove: visit.may::<right::CertificateChange>().is_ok(),
        going_back: given.going_back.clone(),
        refused,
        equivalents,
    })
}

fn shown_certificate(view: &portward_api::CertificateView, facts: Option<&LeafFacts>, now: Timestamp) -> Shown {
    let time = |text: &str| Timestamp::parse(text).unwrap_or(Timestamp::EPOCH);
    let (from, until) = (time(&view.not_before), time(&view.not_after));
    let left = until.since(now).as_secs();
    let days = left / 86_400;
    let warns = facts.is_some_and(|facts| facts.self_signed);
    let left_mark = match view.status.as_str() {
        "valid" if warns => Mark::Warn,
        "valid" => Mark::Ok,
        "expires-soon" => Mark::Warn,
        _ => Mark::Bad,
    };
    let left = match view.status.as_str() {
        "expired" => format!("expired {} ago", span(now.since(until).as_secs())),
        "not-yet-valid" => "not valid yet".to_owned(),
        _ if days >= 2 => format!("{} left", counted(usize::try_from(days).unwrap_or(usize::MAX), "day")),
        _ => format!("{} left", span(left)),
    };
    Shown {
        id: view.id.clone(),
        version: view.version,
        management: if view.managed { "managed" } else { "unmanaged" },
        names: view.names.join(", "),
        issuer: match facts {
            Some(_) if warns => "self-signed: browsers warn".to_owned(),
            Some(facts) => issued_by(facts),
            None => view.issuer.clone(),
        },
        valid: format!("{} to {}", day(from), day(until)),
        left,
        left_mark,
        key_type: view.key_type.clone(),
        sha256: Thumbprint::parse(&view.thumbprint)
            .map_or_else(|_| view.thumbprint.clone(), |print| in_fours(&print.to_string())),
        sha1: in_fours(&view.sha1),
    }
}

/// What does the same: the files that were given, the port, and the redirect of every site that leads to the portal.
fn equivalents<R: Right>(visit: &Visit<R>, view: &HttpsSettingsView, given: &Given) -> Equivalents {
    let port =
        given.port.clone().or_else(|| view.port.map(|port| port.to_string())).unwrap_or_else(|| "443".to_owned());
    let before = view.port.map(|port| port.to_string()).unwrap_or_default();
    let force = given.force_https.clone().or_else(|| view.force_https.clone());
    let files: String = given.files.iter().map(|file| format!(" {}", word(&file.name))).collect();
    let mut command = Command::new(format!("portward https-settings set{files}"));
    command.option("--password-file", given.password.is_some().then_some(&"pw.txt"));
    command.option("--port", Some(&port));
    command.option("--force-https", force.as_ref());
    let mut body = json!({ "port": port.parse::<u16>().unwrap_or(443) });
    if let Some(force) = &force {
        body["force_https"] = json!(force);
    }
    let path = format!("/api/v1/https-settings{}", given.going_back.query(false));
    let served = visit.app.served();
    let sites = served.desired.sites.iter().map(|stored| &stored.value).filter(|site| site.is_portal());
    let sites = sites.map(|site| {
        let mut declared = serde_json::to_value(declared_site(site)).unwrap_or_default();
        declared["force_https"] = json!(force.as_deref().unwrap_or("off"));
        declared
    });
    let sites: Vec<Value> = sites.collect();
    Equivalents {
        cli: command.text() + &given.going_back.option(false),
        curl: match given.files.is_empty() {
            true => curl(&Method::PUT, &path, Some(&body)),
            false => curl_of_file(&Method::PUT, &path, "https-settings.json"),
        },
        yaml: if sites.is_empty() { String::new() } else { yaml_of("sites", sites) },
        difference: difference(
            "https-settings",
            &[
                ("port", &before, &port),
                ("force_https", view.force_https.as_deref().unwrap_or_default(), force.as_deref().unwrap_or_default()),
            ],
        ),
    }
}

#[cfg(test)]
mod tests;
