//! Issuers and DNS providers: who may be asked for certificates, and who writes TXT records.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use portward_api::{
    SecretText,
    acme::{DnsProviderView, EabInput, IssuerCreate, IssuerView},
};

use super::{
    answer,
    confirming::local,
    equivalents::{self, DifferenceLine, Equivalents},
    form::Form,
    frame::{Frame, Nav},
    lets_encrypt::number,
    slip::Slip,
    view::counted,
    visit::Visit,
};
use crate::app::{AppError, Apply, Precondition, Right, right};

#[derive(Template)]
#[template(path = "issuers.html")]
struct IssuersPage {
    frame: Frame,
    lead: String,
    issuers: Vec<Row>,
    providers: Vec<Provider>,
    refused: Option<String>,
    may_change: bool,
}

struct Row {
    id: String,
    directory: String,
    host: String,
    account: Option<String>,
    contacts: String,
    trust: Option<String>,
    eab: Option<String>,
    certificates: usize,
    used: String,
}

struct Provider {
    id: String,
    kind: String,
    settings: String,
    certificates: usize,
    used: String,
}

#[derive(Template)]
#[template(path = "issuer-new.html")]
struct NewIssuerPage {
    frame: Frame,
    preset: &'static Preset,
    presets: &'static [Preset],
    typed: Typed,
    slip: Option<Slip>,
    is_advanced: bool,
    equivalents: Equivalents,
}

/// Is a CA that people know by name.
struct Preset {
    word: &'static str,
    name: &'static str,
    says: &'static str,
    /// What the API takes; empty if it is to be typed.
    directory: &'static str,
    terms: &'static str,
    needs_eab: bool,
}

/// Is what was typed, to be shown again; never the key of an account.
#[derive(Default)]
struct Typed {
    id: String,
    directory: String,
    directory_ca: String,
    email: String,
    accept_terms: bool,
    eab_key_id: String,
    profile: String,
    challenge: String,
    preferred_chain: String,
    http_port: String,
    tls_port: String,
    resolvers: String,
    next: String,
}

/// Lists them.
pub(super) async fn list(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None).await?)
}

/// Shows the form for a new issuer.
pub(super) async fn show_new(visit: Visit<right::IssuerChange>) -> Result<Response, AppError> {
    let preset = preset(visit.query.text("preset"));
    let next = visit.query.text("next").to_owned();
    let typed = Typed { directory: preset.directory.to_owned(), next, ..Typed::default() };
    answer::html(&new_page(&visit, preset, typed, None))
}

/// Adds an issuer.
pub(super) async fn add(mut visit: Visit<right::IssuerChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let typed = Typed::of(&form);
    if let Some(chosen) = form.filled("choose") {
        let (before, chosen) = (preset(form.text("preset")), preset(chosen));
        return answer::html(&new_page(&visit, chosen, typed.with(before, chosen), None));
    }
    let preset = preset(form.text("preset"));
    let refuse = |visit: &Visit<right::IssuerChange>, typed: Typed, error: AppError| {
        if error.status().is_server_error() {
            return Err(error);
        }
        let slip = Slip::of(&error, FIELDS, CODES);
        answer::with_status(error.status(), &new_page(visit, preset, typed, Some(slip)))
    };
    let input = match typed.read(form.text("eab_mac_key").trim()) {
        Ok(input) => input,
        Err(error) => return refuse(&visit, typed, error),
    };
    match visit.app.add_issuer(&visit.by, &input, Apply::Now).await {
        Ok(added) => {
            let place = if typed.next.is_empty() { "/issuers".to_owned() } else { local(&typed.next) };
            Ok(visit.done(&place, format!("{} may be asked for certificates.", added.view.id)))
        }
        Err(error) => refuse(&visit, typed, error),
    }
}

/// Removes an issuer.
pub(super) async fn remove(visit: Visit<right::IssuerChange>) -> Result<Response, AppError> {
    let id = visit.param("id").to_owned();
    match visit.app.remove_issuer(&visit.by, &id, Precondition::None, Apply::Now).await {
        Ok(_) => Ok(visit.done("/issuers", format!("Issuer {id} is removed, and its account is forgotten."))),
        Err(error) => refuse(&visit, error).await,
    }
}

/// Gives the account with an issuer a new key.
pub(super) async fn roll_over(visit: Visit<right::IssuerChange>) -> Result<Response, AppError> {
    let id = visit.param("id").to_owned();
    match visit.app.roll_over_account(&visit.by, &id).await {
        Ok(_) => Ok(visit.done("/issuers", format!("The account with {id} has a new key."))),
        Err(error) => refuse(&visit, error).await,
    }
}

/// Shows the list again, as something was not done.
pub(super) async fn refuse<R: Right>(visit: &Visit<R>, error: AppError) -> Result<Response, AppError> {
    if error.status().is_server_error() || error.status() == StatusCode::NOT_FOUND {
        return Err(error);
    }
    let text = answer::sentence(&error);
    answer::with_status(error.status(), &page(visit, Some(text)).await?)
}

async fn page<R: Right>(visit: &Visit<R>, refused: Option<String>) -> Result<IssuersPage, AppError> {
    let view = visit.may::<right::View>()?;
    let issuers: Vec<Row> = visit.app.list_issuers(&view).await?.into_iter().map(row).collect();
    let providers: Vec<Provider> = visit.app.list_dns_providers(&view).into_iter().map(provider).collect();
    let lead = match issuers.len() {
        0 => "Who may be asked for certificates, and who shows by DNS that the names are yours.".to_owned(),
        count => format!(
            "{} may be asked for certificates, {} for DNS.",
            counted(count, "CA"),
            counted(providers.len(), "provider")
        ),
    };
    Ok(IssuersPage {
        frame: visit.frame(Nav::Issuers, "Issuers and DNS"),
        lead,
        issuers,
        providers,
        refused,
        may_change: visit.may::<right::IssuerChange>().is_ok(),
    })
}

fn row(issuer: IssuerView) -> Row {
    let host = issuer.directory.strip_prefix("https://").unwrap_or(&issuer.directory);
    let host = host.split('/').next().unwrap_or_default().to_owned();
    let contacts: Vec<&str> =
        issuer.contacts.iter().map(|contact| contact.strip_prefix("mailto:").unwrap_or(contact)).collect();
    Row {
        host,
        contacts: contacts.join(", "),
        trust: (issuer.trust != "system").then_some(issuer.trust),
        eab: issuer.eab_key_id,
        certificates: issuer.certificates.len(),
        used: used(&issuer.certificates),
        id: issuer.id,
        directory: issuer.directory,
        account: issuer.account,
    }
}

fn provider(provider: DnsProviderView) -> Provider {
    let setting = |(name, value): (&String, &Option<String>)| match value {
        Some(value) => format!("{name} {value}"),
        None => format!("{name} sealed"),
    };
    Provider {
        settings: provider.settings.iter().map(setting).collect::<Vec<_>>().join(", "),
        certificates: provider.certificates.len(),
        used: used(&provider.certificates),
        id: provider.id,
        kind: provider.kind,
    }
}

fn used(certificates: &[String]) -> String {
    match certificates {
        [] => "none".to_owned(),
        [only] => only.clone(),
        several => counted(several.len(), "certificate"),
    }
}

fn new_page<R: Right>(visit: &Visit<R>, preset: &'static Preset, typed: Typed, slip: Option<Slip>) -> NewIssuerPage {
    let rare = [&typed.profile, &typed.preferred_chain, &typed.http_port, &typed.tls_port, &typed.resolvers, &typed.id];
    let is_advanced = rare.into_iter().any(|text| !text.is_empty());
    let frame = visit.frame(Nav::Issuers, "Add an issuer");
    let is_bound = preset.needs_eab || !typed.eab_key_id.is_empty();
    let key_id = if typed.eab_key_id.is_empty() { "KEY-ID" } else { &typed.eab_key_id };
    // The key itself is in a file there.
    let eab = is_bound.then(|| EabInput { key_id: key_id.to_owned(), mac_key: SecretText::new(String::new()) });
    let equivalents =
        typed.without_key().map(|input| equivalents::certificates::issuer(&IssuerCreate { eab, ..input }));
    let equivalents = equivalents.unwrap_or_default();
    NewIssuerPage { frame, preset, presets: PRESETS, typed, slip, is_advanced, equivalents }
}

fn preset(word: &str) -> &'static Preset {
    PRESETS.iter().find(|preset| preset.word == word).unwrap_or(&PRESETS[0])
}

impl NewIssuerPage {
    fn slip_at(&self, field: &str) -> Option<&str> {
        self.slip.as_ref().and_then(|slip| slip.at(field))
    }

    fn slip_of_all(&self) -> Option<&str> {
        self.slip.as_ref().and_then(Slip::whole)
    }

    /// Whether something is wrong in what is seldom needed.
    fn slips_in_rare(&self) -> bool {
        ["id", "profile", "http_port", "tls_port", "resolvers", "challenge"]
            .iter()
            .any(|field| self.slip_at(field).is_some())
    }
}

impl Typed {
    fn of(form: &Form) -> Self {
        let text = |name: &str| form.text(name).trim().to_owned();
        Self {
            id: text("id"),
            directory: text("directory"),
            directory_ca: text("directory_ca"),
            email: text("email"),
            accept_terms: form.is_ticked("accept_terms"),
            eab_key_id: text("eab_key_id"),
            profile: text("profile"),
            challenge: text("challenge"),
            preferred_chain: text("preferred_chain"),
            http_port: text("http_port"),
            tls_port: text("tls_port"),
            resolvers: text("resolvers"),
            next: text("next"),
        }
    }

    /// The same for another CA: the directory is its own, and so are the terms that are agreed to.
    fn with(self, before: &Preset, chosen: &Preset) -> Self {
        let accept_terms = self.accept_terms && before.word == chosen.word;
        let directory = match (before.directory, chosen.directory) {
            ("", "") => self.directory.clone(),
            (_, directory) => directory.to_owned(),
        };
        Self { directory, accept_terms, ..self }
    }

    fn read(&self, mac_key: &str) -> Result<IssuerCreate, AppError> {
        let eab = match (self.eab_key_id.as_str(), mac_key) {
            ("", "") => None,
            (_, "") => {
                let message =
                    "eab.mac_key: the CA gives a key beside the key id; it is needed here once, and never shown again";
                return Err(AppError::refused("invalid-value", message));
            }
            ("", _) => return Err(AppError::refused("invalid-value", "eab.key_id: the CA gives an id beside the key")),
            (key_id, mac_key) => {
                Some(EabInput { key_id: key_id.to_owned(), mac_key: SecretText::new(mac_key.to_owned()) })
            }
        };
        Ok(IssuerCreate { eab, ..self.without_key()? })
    }

    /// All but the external account.
    fn without_key(&self) -> Result<IssuerCreate, AppError> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(IssuerCreate {
            id: given(&self.id),
            directory: self.directory.clone(),
            directory_ca: given(&self.directory_ca),
            contacts: given(&self.email).into_iter().collect(),
            accept_terms: self.accept_terms,
            eab: None,
            profile: given(&self.profile),
            challenge: given(&self.challenge),
            preferred_chain: given(&self.preferred_chain),
            http_port: number("http_port", &self.http_port)?,
            tls_port: number("tls_port", &self.tls_port)?,
            resolvers: self
                .resolvers
                .split([' ', ',', '\n', '\r'])
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// The CAs that people know by name; the last one is any other.
const PRESETS: &[Preset] = &[
    Preset {
        word: "letsencrypt",
        name: "Let’s Encrypt",
        says: "Free, for every name on the Internet.",
        directory: "letsencrypt",
        terms: "https://letsencrypt.org/repository/",
        needs_eab: false,
    },
    Preset {
        word: "letsencrypt-staging",
        name: "Let’s Encrypt, staging",
        says: "To try things out: wide limits, certificates that nobody trusts.",
        directory: "letsencrypt-staging",
        terms: "https://letsencrypt.org/repository/",
        needs_eab: false,
    },
    Preset {
        word: "zerossl",
        name: "ZeroSSL",
        says: "Free, with an account there: it gives you a key id and a key.",
        directory: "https://acme.zerossl.com/v2/DV90",
        terms: "https://zerossl.com/terms/",
        needs_eab: true,
    },
    Preset {
        word: "gts",
        name: "Google Trust Services",
        says: "Free, with a project at Google Cloud: it gives you a key id and a key.",
        directory: "https://dv.acme-v02.api.pki.goog/directory",
        terms: "https://pki.goog/repository/",
        needs_eab: true,
    },
    Preset {
        word: "other",
        name: "Another CA",
        says: "That of your house, as step-ca, or any other that speaks ACME.",
        directory: "",
        terms: "",
        needs_eab: false,
    },
];
/// The fields that messages name.
const FIELDS: &[&str] = &[
    "id",
    "directory_ca",
    "directory",
    "contacts",
    "eab.mac_key",
    "eab.key_id",
    "profile",
    "challenge",
    "http_port",
    "tls_port",
    "resolvers",
];
/// The fields that codes are about.
const CODES: &[(&str, &str)] =
    &[("terms-not-agreed", "accept_terms"), ("directory-unusable", "directory"), ("already-there", "id")];

#[cfg(test)]
pub(super) mod tests;
