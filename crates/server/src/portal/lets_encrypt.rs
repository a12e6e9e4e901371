//! Let's Encrypt as Octopus has it: one name, one page.

use askama::Template;
use axum::response::Response;
use portward_api::acme::{CertificateRenew, LetsEncryptConfigure, ManagedView};
use portward_core::{Timestamp, acme::Issuer};

use super::{
    answer,
    attempts::{Order, order},
    certificates::{begun_after, newest_attempt},
    equivalents::{self, DifferenceLine, Equivalents},
    form::Form,
    frame::{Frame, Nav},
    slip::Slip,
    view::{When, absolute, in_fours, sentence_case, upcoming},
    visit::Visit,
};
use crate::app::{AppError, Apply, Right, right};

#[derive(Template)]
#[template(path = "lets-encrypt.html")]
struct LetsEncryptPage {
    frame: Frame,
    configured: Option<Configured>,
    typed: Typed,
    slip: Option<Slip>,
    may_change: bool,
    /// Whether the rarer fields are open.
    is_advanced: bool,
    equivalents: Equivalents,
}

/// Is what is configured.
struct Configured {
    certificate: String,
    name: String,
    issuer: String,
    last: Option<When>,
    expires: Option<When>,
    next: Option<(String, String)>,
    why: String,
    thumbprint: String,
    /// The newest attempt, if it is under way or failed.
    order: Option<Order>,
}

/// Is what was typed, to be shown again.
#[derive(Default)]
struct Typed {
    dns_name: String,
    email: String,
    https_port: String,
    ip_address: String,
    accept_terms: bool,
    staging: bool,
    directory: String,
    directory_ca: String,
    renew_days_before: String,
}

/// Shows it.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None, None).await?)
}

/// Has a name kept by a CA.
pub(super) async fn configure(mut visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let typed = Typed::of(&form);
    let input = match typed.read() {
        Ok(input) => input,
        Err(error) => return refuse(&visit, typed, error).await,
    };
    let view = visit.may::<right::View>()?;
    let kept = visit.app.show_letsencrypt(&view).await?.renewal.map(|renewal| renewal.certificate).unwrap_or_default();
    let before = newest_attempt(&visit.app, &view, &kept).await;
    let configured = match visit.app.configure_letsencrypt(&visit.by, &input, Apply::Now).await {
        Ok(configured) => configured.view,
        Err(error) => return refuse(&visit, typed, error).await,
    };
    let name = configured.dns_name.unwrap_or_default();
    let certificate = configured.renewal.map(|renewal| renewal.certificate).unwrap_or_default();
    let place = match begun_after(&visit.app, &view, &certificate, before.as_deref()).await {
        Some(attempt) => format!("/attempts/{attempt}"),
        None => "/lets-encrypt".to_owned(),
    };
    Ok(visit.done(&place, format!("Portward keeps a certificate for {name}.")))
}

/// Has it renewed now.
pub(super) async fn renew(visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    let view = visit.may::<right::View>()?;
    let status = visit.app.show_letsencrypt(&view).await?;
    let certificate = status.renewal.map(|renewal| renewal.certificate).unwrap_or_default();
    let before = newest_attempt(&visit.app, &view, &certificate).await;
    let input = CertificateRenew { force: true, placed: false };
    if let Err(error) = visit.app.renew_letsencrypt(&visit.by, &input).await {
        return refuse(&visit, Typed::default(), error).await;
    }
    let place = match begun_after(&visit.app, &view, &certificate, before.as_deref()).await {
        Some(attempt) => format!("/attempts/{attempt}"),
        None => "/lets-encrypt".to_owned(),
    };
    Ok(visit.done(&place, format!("{certificate} is being renewed.")))
}

/// Renews it no more.
pub(super) async fn disable(visit: Visit<right::CertificateChange>) -> Result<Response, AppError> {
    match visit.app.disable_letsencrypt(&visit.by).await {
        Ok(_) => Ok(visit.done("/lets-encrypt", "Let’s Encrypt is disabled. What is served stays until it expires.")),
        Err(error) => refuse(&visit, Typed::default(), error).await,
    }
}

async fn refuse<R: Right>(visit: &Visit<R>, typed: Typed, error: AppError) -> Result<Response, AppError> {
    if error.status().is_server_error() {
        return Err(error);
    }
    let status = error.status();
    let slip = Slip::of(&error, FIELDS, CODES);
    answer::with_status(status, &page(visit, Some(typed), Some(slip)).await?)
}

async fn page<R: Right>(
    visit: &Visit<R>,
    typed: Option<Typed>,
    slip: Option<Slip>,
) -> Result<LetsEncryptPage, AppError> {
    let status = visit.app.show_letsencrypt(&visit.may()?).await?;
    let now = visit.app.now();
    let time = |text: &Option<String>| text.as_ref().and_then(|text| Timestamp::parse(text).ok());
    let (name, issuer) = (status.dns_name.unwrap_or_default(), status.issuer.unwrap_or_default());
    let mut configured = None;
    let managed = status.renewal.as_ref().map(|renewal| renewal.managed.clone());
    if let Some(renewal) = status.renewal {
        let next = time(&renewal.next_renewal);
        let is_open = |attempt: &portward_api::acme::AttemptView| {
            !matches!(attempt.outcome, Some(portward_api::acme::OutcomeView::Served { .. }))
        };
        let open = match renewal.attempt.clone().filter(is_open) {
            Some(attempt) => Some(order(visit, attempt, true).await?),
            None => None,
        };
        configured = Some(Configured {
            certificate: renewal.certificate,
            name,
            issuer,
            last: time(&renewal.last_renewed).map(|last| When::new(last, now)),
            expires: time(&renewal.expires).map(|end| When::new(end, now)),
            next: next.map(|next| (upcoming(next, now), absolute(next))),
            why: sentence_case(&renewal.why),
            thumbprint: status.thumbprint.map(|text| in_fours(&text)).unwrap_or_default(),
            order: open,
        });
    }
    let typed = match typed.filter(|typed| !typed.is_empty()) {
        Some(typed) => typed,
        None => Typed::configured(visit, managed.as_ref()).await?,
    };
    let equivalents = typed.read().map(|input| equivalents::certificates::configure(&input)).unwrap_or_default();
    Ok(LetsEncryptPage {
        equivalents,
        frame: visit.frame(Nav::LetsEncrypt, "Let’s Encrypt"),
        is_advanced: typed.staging || !typed.directory.is_empty() || !typed.renew_days_before.is_empty(),
        configured,
        typed,
        slip,
        may_change: visit.may::<right::CertificateChange>().is_ok(),
    })
}

impl LetsEncryptPage {
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
            dns_name: text("dns_name"),
            email: text("email"),
            https_port: text("https_port"),
            ip_address: text("ip_address"),
            accept_terms: form.is_ticked("accept_terms"),
            staging: form.is_ticked("staging"),
            directory: text("directory"),
            directory_ca: text("directory_ca"),
            renew_days_before: text("renew_days_before"),
        }
    }

    /// What is configured, so that a change changes no more than what is typed.
    ///
    /// Authorities of its own stay with the directory, and are not shown.
    async fn configured<R: Right>(visit: &Visit<R>, managed: Option<&ManagedView>) -> Result<Self, AppError> {
        let Some(managed) = managed else { return Ok(Self::default()) };
        let view = visit.may::<right::View>()?;
        let facts = visit.app.letsencrypt_facts(&view);
        let issuer = match managed.issuers.first() {
            Some(id) => Some(visit.app.show_issuer(&view, id).await?.view),
            None => None,
        };
        let directory = issuer.as_ref().map(|issuer| issuer.directory.as_str()).unwrap_or_default();
        let is_named = ![Issuer::LETS_ENCRYPT, Issuer::LETS_ENCRYPT_STAGING].contains(&directory);
        let contact = issuer.as_ref().and_then(|issuer| issuer.contacts.first());
        let at = facts.presented_at;
        Ok(Self {
            dns_name: facts.dns_name.unwrap_or_default(),
            email: contact.map(|url| url.trim_start_matches("mailto:").to_owned()).unwrap_or_default(),
            https_port: at.map(|at| at.port().to_string()).unwrap_or_default(),
            ip_address: at.filter(|at| !at.ip().is_unspecified()).map(|at| at.ip().to_string()).unwrap_or_default(),
            accept_terms: issuer.as_ref().is_some_and(|issuer| issuer.terms_agreed),
            staging: directory == Issuer::LETS_ENCRYPT_STAGING,
            directory: if is_named { directory.to_owned() } else { String::new() },
            directory_ca: String::new(),
            renew_days_before: managed.renew_days_before.map(|days| days.to_string()).unwrap_or_default(),
        })
    }

    fn is_empty(&self) -> bool {
        self.dns_name.is_empty() && self.email.is_empty()
    }

    fn read(&self) -> Result<LetsEncryptConfigure, AppError> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(LetsEncryptConfigure {
            dns_name: self.dns_name.clone(),
            email: given(&self.email),
            accept_terms: self.accept_terms,
            https_port: number("https_port", &self.https_port)?,
            ip_address: given(&self.ip_address),
            staging: self.staging,
            directory: given(&self.directory),
            directory_ca: given(&self.directory_ca),
            renew_days_before: number("renew_days_before", &self.renew_days_before)?,
        })
    }
}

/// A number that was typed; none if nothing was.
pub(super) fn number<N: std::str::FromStr>(field: &str, text: &str) -> Result<Option<N>, AppError> {
    if text.is_empty() {
        return Ok(None);
    }
    let number = text
        .parse()
        .map_err(|_| AppError::refused("invalid-value", format!("{field}: \"{text}\" is no number that fits here")))?;
    Ok(Some(number))
}

/// The fields that messages name.
const FIELDS: &[&str] =
    &["dns_name", "contacts", "https_port", "ip_address", "directory_ca", "directory", "renew_days_before"];
/// The fields that codes are about.
const CODES: &[(&str, &str)] = &[
    ("terms-not-agreed", "accept_terms"),
    ("port-taken", "https_port"),
    ("port-needs-privilege", "https_port"),
    ("port-forbidden", "https_port"),
    ("address-not-here", "ip_address"),
    ("no-ipv6", "ip_address"),
];

#[cfg(test)]
mod tests;
