//! Having an agent install a certificate: which one, where, in which form, and how the program there is told.

use askama::Template;
use axum::response::Response;
use http::Method;
use portward_api::{AgentReport, DeliveryCreate, SecretText};
use portward_core::{AgentName, CertificateId, DeliveryFormat};
use serde_json::json;

use super::{
    super::{
        answer,
        choice::CertificateChoice,
        equivalents::{DifferenceLine, Equivalents, curl, curl_of_file, word},
        form::Form,
        frame::{Frame, Nav},
        slip::Slip,
        view::Mark,
        visit::Visit,
    },
    FORMATS,
};
use crate::app::{AppError, Apply, right};

#[derive(Template)]
#[template(path = "deliveries/new.html")]
struct NewPage {
    frame: Frame,
    agent: String,
    agents: Vec<String>,
    /// Whether there are other agents than those that are offered.
    is_long: bool,
    has_agents: bool,
    certificate: CertificateChoice,
    formats: Vec<Format>,
    about: &'static str,
    /// Places, one for each file of the format.
    places: Vec<Place>,
    has_password: bool,
    owner: String,
    mode: String,
    reload: String,
    /// The profiles that the agent reported; none if it was never asked.
    profiles: Option<Vec<String>>,
    directories: Vec<String>,
    policy_problem: Option<String>,
    verify: String,
    id: String,
    slip: Option<Slip>,
    equivalents: Equivalents,
}

struct Format {
    word: &'static str,
    name: &'static str,
    is_chosen: bool,
}

struct Place {
    name: &'static str,
    label: String,
    value: String,
    hint: &'static str,
}

/// Shows the form; the address may say for which agent and certificate.
pub(in crate::portal) async fn show(visit: Visit<right::DeliveryChange>) -> Result<Response, AppError> {
    let form = visit.query.clone();
    answer::html(&page(&visit, &form, None).await?)
}

/// Adds it; or shows the fields of what was chosen.
pub(in crate::portal) async fn add(mut visit: Visit<right::DeliveryChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let format = chosen(&form);
    // The fields that were shown are those of another format or agent.
    let is_other = |field: &str, now: &str| form.given(field).is_some_and(|shown| shown != now);
    let is_choosing = form.text("step") == "choose"
        || is_other("shown", format.as_str())
        || is_other("shown_agent", form.text("agent").trim());
    if is_choosing {
        return answer::html(&page(&visit, &form, None).await?);
    }
    let input = create(&form, format);
    match visit.app.add_delivery(&visit.by, &input, Apply::Now).await {
        Ok(added) => {
            let view = added.view;
            let said = format!("{} is delivered to {} from now on.", view.certificate, view.agent);
            Ok(visit.done(&format!("/deliveries/{}", view.id), said))
        }
        Err(error) if error.status().is_client_error() => {
            let fields = ["agent", "certificate", "format", "to", "owner", "mode", "reload", "verify", "id"];
            let codes = [("path-in-use", "to"), ("already-there", "id"), ("password-missing", "password")];
            let slip = match error.status() {
                // It is a name in a field here, and not that of a page.
                http::StatusCode::NOT_FOUND if error.to_string().contains("agent") => {
                    Slip::of(&error, &fields, &[("not-found", "agent")])
                }
                http::StatusCode::NOT_FOUND => Slip::of(&error, &fields, &[("not-found", "certificate")]),
                _ => Slip::of(&error, &fields, &codes),
            };
            let status = http::StatusCode::UNPROCESSABLE_ENTITY;
            answer::with_status(status, &page(&visit, &form, Some(slip)).await?)
        }
        Err(error) => Err(error),
    }
}

impl NewPage {
    fn at(&self, field: &str) -> Option<&str> {
        self.slip.as_ref()?.at(field)
    }

    fn whole(&self) -> Option<&str> {
        self.slip.as_ref()?.whole()
    }
}

fn chosen(form: &Form) -> DeliveryFormat {
    DeliveryFormat::parse(form.text("format")).unwrap_or(DeliveryFormat::Pem)
}

fn create(form: &Form, format: DeliveryFormat) -> DeliveryCreate {
    let said = |name: &str| form.filled(name).map(str::to_owned);
    let places = PLACES.iter().take(format.files().len());
    DeliveryCreate {
        id: said("id"),
        agent: form.text("agent").trim().to_owned(),
        certificate: form.text("certificate").trim().to_owned(),
        format: format.as_str().to_owned(),
        to: places.filter_map(|name| said(name)).collect(),
        owner: said("owner"),
        mode: said("mode"),
        reload: said("reload"),
        verify: said("verify"),
        password: form
            .given("password")
            .filter(|password| !password.is_empty() && format.has_password())
            .map(|password| SecretText::new(password.to_owned())),
    }
}

async fn page(visit: &Visit<right::DeliveryChange>, form: &Form, slip: Option<Slip>) -> Result<NewPage, AppError> {
    let by = visit.may::<right::View>()?;
    let served = visit.app.served();
    let format = chosen(form);
    let said = |name: &str| form.text(name).trim().to_owned();
    let roster = visit.app.agents().roster().all();
    let is_long = roster.len() > MOST_OFFERED;
    let agents: Vec<String> = roster.iter().take(MOST_OFFERED).map(|stored| stored.value.name.to_string()).collect();
    // Where there is one, nobody has to choose.
    let agent = match (said("agent"), agents.as_slice()) {
        (agent, [only]) if agent.is_empty() => only.clone(),
        (agent, _) => agent,
    };
    let report: Option<AgentReport> = match AgentName::parse(&agent) {
        Ok(name) => visit.app.show_agent(&by, name.as_str()).await.ok().and_then(|shown| shown.view.report),
        Err(_) => None,
    };
    let certificate = said("certificate");
    let names = CertificateId::parse(&certificate).ok();
    let names = names.and_then(|id| served.desired.certificate(&id)).and_then(|stored| stored.value.current_version());
    let names = names.map(|version| version.facts.names.clone()).unwrap_or_default();
    let stem = if certificate.is_empty() { "site".to_owned() } else { certificate.clone() };
    let place = |(name, file): (&&'static str, &&'static str)| Place {
        name,
        label: super::super::view::sentence_case(file),
        value: said(name),
        hint: hint(format, file),
    };
    let about = FORMATS.iter().find(|(word, ..)| *word == format.as_str()).map_or("", |(_, _, about)| about);
    Ok(NewPage {
        frame: visit.frame(Nav::Agents, "Deliver a certificate"),
        has_agents: !agents.is_empty(),
        is_long,
        agents,
        certificate: CertificateChoice::of(
            &served.desired.certificates.iter().collect::<Vec<_>>(),
            &certificate,
            &names,
        ),
        formats: FORMATS
            .iter()
            .map(|(word, name, _)| Format { word, name, is_chosen: *word == format.as_str() })
            .collect(),
        about,
        places: PLACES.iter().zip(format.files()).map(place).collect(),
        has_password: format.has_password(),
        owner: said("owner"),
        mode: form.given("mode").unwrap_or("600").to_owned(),
        reload: said("reload"),
        profiles: report.as_ref().map(|report| report.profiles.clone()),
        directories: report.as_ref().map(|report| report.directories.clone()).unwrap_or_default(),
        policy_problem: report.and_then(|report| report.policy_problem),
        verify: said("verify"),
        id: said("id"),
        slip,
        equivalents: equivalents(form, format, &agent, &stem),
        agent,
    })
}

fn equivalents(form: &Form, format: DeliveryFormat, agent: &str, certificate: &str) -> Equivalents {
    let input = create(form, format);
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let (agent, certificate) = (or(agent, "NAME"), or(certificate, "ID"));
    let places = PLACES
        .iter()
        .zip(format.files())
        .map(|(name, file)| or(form.text(name).trim(), &format!("/{}", file.to_uppercase().replace(' ', "-"))));
    let places: Vec<String> = places.collect();
    let words: Vec<String> = places.iter().map(|place| word(place)).collect();
    let mut cli = format!(
        "portward delivery add --agent {} --certificate {} \\\n  --format {format} --to {}",
        word(&agent),
        word(&certificate),
        words.join(" ")
    );
    let mut body = json!({ "agent": agent, "certificate": certificate, "format": format.as_str(), "to": places });
    for (name, value) in
        [("owner", &input.owner), ("mode", &input.mode), ("reload", &input.reload), ("verify", &input.verify)]
    {
        if let Some(value) = value {
            cli.push_str(&format!(" \\\n  --{name} {}", word(value)));
            body[name] = json!(value);
        }
    }
    // A password is in no command.
    let curl = if format.has_password() {
        cli.push_str(" \\\n  --password-file FILE");
        curl_of_file(&Method::POST, "/api/v1/deliveries", "delivery.json")
    } else {
        curl(&Method::POST, "/api/v1/deliveries", Some(&body))
    };
    Equivalents { cli, curl, ..Equivalents::default() }
}

fn hint(format: DeliveryFormat, file: &str) -> &'static str {
    match (format, file) {
        (DeliveryFormat::Pem, "certificates") => "/etc/nginx/tls/site.pem",
        (DeliveryFormat::Pem, _) => "/etc/nginx/tls/site.key",
        (DeliveryFormat::PemCombined, _) => "/etc/haproxy/tls/site.pem",
        (DeliveryFormat::Pfx, _) => "/srv/app/site.pfx",
        (DeliveryFormat::Pkcs12Java, _) => "/srv/app/keystore.p12",
        (DeliveryFormat::Der, "certificate") => "/srv/app/site.der",
        (DeliveryFormat::Der, _) => "/srv/app/site.key",
    }
}

/// The fields of places, as many as a format can have.
const PLACES: [&str; 2] = ["to_1", "to_2"];
/// A longer list is scrolled through by nobody.
const MOST_OFFERED: usize = 100;
