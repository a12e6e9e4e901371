//! Asking for a managed certificate: names, issuer, challenge, and advice before anybody is asked.

use askama::Template;
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portward_api::acme::{AcmeCheck, AdviceView, CertificateRequestCreate, CheckView};

use super::{
    answer,
    certificates::{begun_after, newest_attempt},
    equivalents::{self, DifferenceLine, Equivalents},
    form::Form,
    frame::{Frame, Nav},
    lets_encrypt::number,
    slip::Slip,
    view::{Mark, Spoken, sentence_case, spoken},
    visit::Visit,
};
use crate::app::{AppError, Apply, Precondition, Right, right};

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage {
    frame: Frame,
    typed: Typed,
    issuers: Vec<String>,
    providers: Vec<String>,
    /// On whose machines a key may be.
    agents: Vec<String>,
    advice: Vec<Advice>,
    slip: Option<Slip>,
    is_advanced: bool,
    /// This page with what was typed, for somebody who comes back with an issuer.
    again: String,
    challenges: &'static [(&'static str, &'static str, &'static str)],
    keys: &'static [(&'static str, &'static str)],
    equivalents: Equivalents,
}

/// Is what was typed, to be shown again.
#[derive(Clone, Debug, Default)]
struct Typed {
    names: Vec<String>,
    issuer: String,
    second: String,
    challenge: String,
    dns: String,
    name: String,
    key: String,
    profile: String,
    reuse_key: bool,
    key_on: String,
    renew_days_before: String,
    replace: String,
}

/// Is what is seen of one name before a CA is asked.
struct Advice {
    name: String,
    challenge: String,
    findings: Vec<Finding>,
}

struct Finding {
    mark: Mark,
    label: &'static str,
    text: String,
    remedy: Vec<Spoken>,
}

/// Shows the form.
pub(super) async fn show(visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let mut typed = Typed::of(&visit.query);
    if !typed.replace.is_empty() && typed.names.is_empty() {
        typed = as_managed(&visit, &typed.replace).await?;
    }
    answer::html(&page(&visit, typed, Vec::new(), None).await?)
}

/// Has the certificate ordered, or looks first: that opens connections, so no address alone makes it happen.
pub(super) async fn submit(mut visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let typed = Typed::of(&form);
    if form.text("step") == "check" {
        return match advice(&visit, &typed).await {
            Ok(advice) => answer::html(&page(&visit, typed, advice, None).await?),
            Err(error) => refuse(&visit, typed, error).await,
        };
    }
    let before = match typed.replace.as_str() {
        "" => None,
        id => newest_attempt(&visit.app, &visit.may()?, id).await,
    };
    let input = match typed.read() {
        Ok(input) => input,
        Err(error) => return refuse(&visit, typed, error).await,
    };
    let asked = visit.app.request_certificate(&visit.by, &input, Precondition::None, Apply::Now).await;
    let certificate = match asked {
        Ok(asked) => asked.view.certificate.id,
        Err(error) => return refuse(&visit, typed, error).await,
    };
    let place = match begun_after(&visit.app, &visit.may()?, &certificate, before.as_deref()).await {
        Some(attempt) => format!("/attempts/{attempt}"),
        None => format!("/certificates/{certificate}"),
    };
    Ok(visit.done(&place, format!("Portward keeps {certificate} from now on.")))
}

async fn refuse<R: Right>(visit: &Visit<R>, typed: Typed, error: AppError) -> Result<Response, AppError> {
    if error.status().is_server_error() {
        return Err(error);
    }
    let slip = Slip::of(&error, FIELDS, CODES);
    answer::with_status(error.status(), &page(visit, typed, Vec::new(), Some(slip)).await?)
}

async fn page<R: Right>(
    visit: &Visit<R>,
    typed: Typed,
    advice: Vec<Advice>,
    slip: Option<Slip>,
) -> Result<RequestPage, AppError> {
    let view = visit.may::<right::View>()?;
    let issuers = visit.app.list_issuers(&view).await?.into_iter().map(|issuer| issuer.id).collect();
    let providers = visit.app.list_dns_providers(&view).into_iter().map(|provider| provider.id).collect();
    let agents = visit.app.agents().roster().all().iter().map(|agent| agent.value.name.to_string()).collect();
    let is_advanced = !typed.second.is_empty()
        || !typed.key.is_empty()
        || !typed.profile.is_empty()
        || !typed.name.is_empty()
        || typed.reuse_key
        || !typed.key_on.is_empty()
        || !typed.renew_days_before.is_empty();
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let names = (!typed.names.is_empty()).then(|| format!("/request?names={}", encoded(&typed.names.join(" "))));
    let again = names.map(|path| match typed.replace.as_str() {
        "" => path,
        id => format!("{path}&replace={}", encoded(id)),
    });
    let equivalents = typed.read().map(|input| equivalents::certificates::request(&input)).unwrap_or_default();
    Ok(RequestPage {
        equivalents,
        frame: visit.frame(Nav::LetsEncrypt, "Request a certificate"),
        typed,
        issuers,
        providers,
        agents,
        advice,
        slip,
        is_advanced,
        again: again.unwrap_or_else(|| "/request".to_owned()),
        challenges: CHALLENGES,
        keys: KEYS,
    })
}

/// What is asked for now, for a certificate that is changed; its names, for one that is not managed yet.
async fn as_managed(visit: &Visit<right::CertificateChange>, id: &str) -> Result<Typed, AppError> {
    let view = visit.may::<right::View>()?;
    let shown = visit.app.show_certificate(&view, id)?.view;
    if !shown.managed {
        return Ok(Typed { names: shown.names, replace: shown.id, ..Typed::default() });
    }
    let managed = visit.app.show_renewal(&view, id).await?.managed;
    let mut issuers = managed.issuers.into_iter();
    Ok(Typed {
        names: managed.names,
        issuer: issuers.next().unwrap_or_default(),
        second: issuers.next().unwrap_or_default(),
        challenge: managed.challenge.unwrap_or_default(),
        dns: managed.dns.unwrap_or_default(),
        name: String::new(),
        key: if managed.key == USUAL_KEY { String::new() } else { managed.key },
        profile: managed.profile.unwrap_or_default(),
        reuse_key: managed.reuse_key,
        key_on: managed.key_on.unwrap_or_default(),
        renew_days_before: managed.renew_days_before.map(|days| days.to_string()).unwrap_or_default(),
        replace: shown.id,
    })
}

/// Looks at each name as a CA would.
async fn advice(visit: &Visit<right::CertificateChange>, typed: &Typed) -> Result<Vec<Advice>, AppError> {
    let view = visit.may::<right::View>()?;
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut advice = Vec::new();
    for name in typed.names.iter().take(MOST_CHECKED) {
        let challenge = given(&typed.challenge);
        let input = AcmeCheck { name: name.clone(), issuer: given(&typed.issuer), challenge };
        advice.push(advice_shown(visit.app.check_name(&view, &input).await?));
    }
    Ok(advice)
}

fn advice_shown(check: CheckView) -> Advice {
    let finding = |advice: AdviceView| {
        let (mark, label) = match advice.verdict.as_str() {
            "good" => (Mark::Ok, "good"),
            "warning" => (Mark::Warn, "warning"),
            _ => (Mark::Unknown, "not known"),
        };
        Finding {
            mark,
            label,
            text: sentence_case(&advice.message),
            remedy: spoken(advice.remedy.as_deref().unwrap_or_default()),
        }
    };
    Advice {
        name: check.name,
        challenge: check.challenge.unwrap_or_else(|| "none that can be answered".to_owned()),
        findings: check.advice.into_iter().map(finding).collect(),
    }
}

impl RequestPage {
    fn slip_at(&self, field: &str) -> Option<&str> {
        self.slip.as_ref().and_then(|slip| slip.at(field))
    }

    fn slip_of_all(&self) -> Option<&str> {
        self.slip.as_ref().and_then(Slip::whole)
    }
}

impl Typed {
    fn of(form: &Form) -> Self {
        let text = |name: &str| form.text(name).trim().to_owned();
        Self {
            names: form.words("names"),
            issuer: text("issuer"),
            second: text("second"),
            challenge: text("challenge"),
            dns: text("dns"),
            name: text("name"),
            key: text("key"),
            profile: text("profile"),
            reuse_key: form.is_ticked("reuse_key"),
            key_on: text("key_on"),
            renew_days_before: text("renew_days_before"),
            replace: text("replace"),
        }
    }

    fn read(&self) -> Result<CertificateRequestCreate, AppError> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(CertificateRequestCreate {
            names: self.names.clone(),
            issuers: [&self.issuer, &self.second].into_iter().filter_map(|issuer| given(issuer)).collect(),
            name: given(&self.name),
            challenge: given(&self.challenge),
            profile: given(&self.profile),
            dns: given(&self.dns),
            key: given(&self.key),
            reuse_key: self.reuse_key,
            key_on: given(&self.key_on),
            renew_days_before: number("renew_days_before", &self.renew_days_before)?,
            replace: given(&self.replace),
        })
    }
}

/// Word, what it is called, what it needs.
const CHALLENGES: &[(&str, &str, &str)] = &[
    ("", "The first one that can be answered", "By a DNS provider if one is chosen, else over HTTP, else by TLS."),
    ("http-01", "Over HTTP", "The CA asks at port 80 of each name. No wildcards."),
    ("tls-alpn-01", "By TLS", "The CA asks at port 443 of each name. No wildcards."),
    ("dns-01", "By DNS", "A TXT record shows control. No port is needed, and wildcards are possible."),
];
const KEYS: &[(&str, &str)] =
    &[("", "ECDSA P-256"), ("ecdsa-p384", "ECDSA P-384"), ("rsa-2048", "RSA 2048"), ("rsa-4096", "RSA 4096")];
const USUAL_KEY: &str = "ecdsa-p256";
/// Each takes a second or two.
const MOST_CHECKED: usize = 5;
/// The fields that messages name.
const FIELDS: &[&str] =
    &["names", "name", "issuers", "challenge", "dns", "key", "key_on", "profile", "renew_days_before"];
/// The fields that codes are about.
const CODES: &[(&str, &str)] = &[
    ("wildcard-needs-dns", "challenge"),
    ("address-needs-port", "challenge"),
    ("no-issuer", "issuers"),
    ("issuer-needed", "issuers"),
    ("key-is-here", "key_on"),
];

#[cfg(test)]
mod tests;
