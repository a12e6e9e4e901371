//! DNS providers: the form for a new one, with the fields of its kind.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use portward_api::{
    SecretText,
    acme::{DnsProviderCreate, DnsProviderKindView, DnsSettingView},
};

use super::{
    answer,
    equivalents::{self, DifferenceLine, Equivalents},
    frame::{Frame, Nav},
    issuers::refuse,
    slip::Slip,
    visit::Visit,
};
use crate::app::{AppError, Apply, Precondition, Right, right};

#[derive(Template)]
#[template(path = "dns-provider-new.html")]
struct NewProviderPage {
    frame: Frame,
    kinds: Vec<Kind>,
    kind: DnsProviderKindView,
    settings: Vec<Setting>,
    id: String,
    slip: Option<Slip>,
    equivalents: Equivalents,
}

/// Is a kind that can be chosen.
struct Kind {
    word: String,
    is_current: bool,
}

/// Is one field, with what was typed; secrets are never shown again.
struct Setting {
    view: DnsSettingView,
    value: String,
}

/// Shows the form for a new DNS provider of a kind.
pub(super) async fn show_new(visit: Visit<right::IssuerChange>) -> Result<Response, AppError> {
    let kind = visit.query.text("kind").to_owned();
    answer::html(&page(&visit, &kind, String::new(), &BTreeMap::new(), None)?)
}

/// Adds a DNS provider.
pub(super) async fn add(mut visit: Visit<right::IssuerChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let kind = form.text("kind").to_owned();
    let id = form.text("id").trim().to_owned();
    let mut typed = BTreeMap::new();
    // The fields that were shown are those of another kind; what is secret there is not sent back here.
    let shown = form.filled("shown").unwrap_or(&kind).to_owned();
    let chooses = form.text("step") == "choose" || shown != kind;
    let was = kind_of(&visit, &shown)?.settings;
    let is_secret = |name: &str| was.iter().any(|setting| setting.secret && setting.name == name);
    for setting in kind_of(&visit, &kind)?.settings {
        if let Some(value) = form.filled(&format!("setting.{}", setting.name)) {
            typed.insert(setting.name, value.to_owned());
        }
    }
    if chooses {
        typed.retain(|name, _| !is_secret(name));
        return answer::html(&page(&visit, &kind, id, &typed, None)?);
    }
    let input = DnsProviderCreate {
        id: (!id.is_empty()).then(|| id.clone()),
        kind: kind.clone(),
        settings: typed.iter().map(|(name, value)| (name.clone(), SecretText::new(value.clone()))).collect(),
    };
    match visit.app.add_dns_provider(&visit.by, &input, Apply::Now).await {
        Ok(added) => Ok(visit.done("/issuers", format!("{} writes TXT records from now on.", added.view.id))),
        Err(error) if error.status().is_server_error() => Err(error),
        Err(error) => {
            let slip = Slip::of(&error, &["id", "settings"], &[("already-there", "id")]);
            answer::with_status(error.status(), &page(&visit, &kind, id, &typed, Some(slip))?)
        }
    }
}

/// Removes a DNS provider.
pub(super) async fn remove(visit: Visit<right::IssuerChange>) -> Result<Response, AppError> {
    let id = visit.param("id").to_owned();
    match visit.app.remove_dns_provider(&visit.by, &id, Precondition::None, Apply::Now).await {
        Ok(_) => Ok(visit.done("/issuers", format!("DNS provider {id} is removed."))),
        Err(error) => refuse(&visit, error).await,
    }
}

fn kind_of<R: Right>(visit: &Visit<R>, word: &str) -> Result<DnsProviderKindView, AppError> {
    let mut kinds = visit.app.list_dns_kinds(&visit.may()?);
    let at = kinds.iter().position(|kind| kind.kind == word).unwrap_or_default();
    if kinds.is_empty() {
        return Err(AppError::not_found("DNS provider", word));
    }
    Ok(kinds.swap_remove(at))
}

fn page<R: Right>(
    visit: &Visit<R>,
    word: &str,
    id: String,
    typed: &BTreeMap<String, String>,
    slip: Option<Slip>,
) -> Result<NewProviderPage, AppError> {
    let kind = kind_of(visit, word)?;
    let kinds = visit.app.list_dns_kinds(&visit.may()?);
    let choice = |each: DnsProviderKindView| Kind { is_current: each.kind == kind.kind, word: each.kind };
    let kinds = kinds.into_iter().map(choice).collect();
    let setting = |view: &DnsSettingView| {
        let value = if view.secret { None } else { typed.get(&view.name) };
        Setting { view: view.clone(), value: value.cloned().unwrap_or_default() }
    };
    let settings = kind.settings.iter().map(setting).collect();
    let plain: Vec<(String, String)> = typed
        .iter()
        .filter(|(name, _)| kind.settings.iter().any(|setting| setting.name == **name && !setting.secret))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let is_named =
        |setting: &&DnsSettingView| setting.secret && (setting.required || typed.contains_key(&setting.name));
    let secret: Vec<String> = kind.settings.iter().filter(is_named).map(|setting| setting.name.clone()).collect();
    let named = Some(id.as_str()).filter(|id| !id.is_empty());
    let equivalents = equivalents::certificates::dns_provider(&kind.kind, named, &plain, &secret);
    Ok(NewProviderPage {
        equivalents,
        frame: visit.frame(Nav::Issuers, "Add a DNS provider"),
        kinds,
        kind,
        settings,
        id,
        slip,
    })
}

impl NewProviderPage {
    fn slip_at(&self, field: &str) -> Option<&str> {
        self.slip.as_ref().and_then(|slip| slip.at(field))
    }

    /// What is wrong with the settings, or with all of it.
    fn slip_of_settings(&self) -> Option<&str> {
        self.slip_at("settings").or_else(|| self.slip.as_ref().and_then(Slip::whole))
    }
}
