//! Use cases of DNS providers.

use portward_api::{
    Removed, SecretText,
    acme::{DnsProviderCreate, DnsProviderKindView, DnsProviderView, DnsSettingView},
};
use portward_certs::dns;
use portward_core::{DnsProviderId, Permission};
use portward_store::{
    change::Expected,
    desired::{Desired, Stored, StoredDnsProvider},
};
use zeroize::Zeroizing;

use super::{Actor, Allowed, App, AppError, Apply, Precondition, Revised, right, slug};
use crate::kind_settings::{KindSettings, KnownSetting, Values, shown};

impl App {
    /// Lists the kinds of DNS providers there are.
    pub(crate) fn list_dns_kinds(&self, _by: &Allowed<right::View>) -> Vec<DnsProviderKindView> {
        let setting = |setting: &dns::ProviderSetting| {
            let known = KnownSetting::from(setting);
            DnsSettingView {
                name: known.name.to_owned(),
                about: known.about(),
                required: known.is_required,
                secret: known.is_secret,
            }
        };
        let kind = |kind: &dns::ProviderKind| DnsProviderKindView {
            kind: kind.word.to_owned(),
            about: format!("{}. {}", kind.name, kind.sentence),
            settings: kind.settings.iter().map(setting).collect(),
        };
        dns::kinds().iter().map(kind).collect()
    }

    /// Lists the DNS providers.
    pub(crate) fn list_dns_providers(&self, _by: &Allowed<right::View>) -> Vec<DnsProviderView> {
        let desired = &self.served().desired;
        desired.dns_providers.iter().map(|stored| view(&stored.value, desired)).collect()
    }

    /// Shows one DNS provider.
    pub(crate) fn show_dns_provider(
        &self,
        _by: &Allowed<right::View>,
        id: &str,
    ) -> Result<Revised<DnsProviderView>, AppError> {
        let desired = &self.served().desired;
        let stored = find(desired, id)?;
        Ok(Revised { view: view(&stored.value, desired), revision: Some(stored.revision) })
    }

    /// Adds a DNS provider. Nothing is asked of it yet.
    ///
    /// A program needs a right of its own: it runs as the server's own user.
    pub(crate) async fn add_dns_provider(
        &self,
        by: &Allowed<right::IssuerChange>,
        input: &DnsProviderCreate,
        apply: Apply,
    ) -> Result<Revised<DnsProviderView>, AppError> {
        let given = |(name, value): (&String, &SecretText)| (name.clone(), Zeroizing::new(value.expose().to_owned()));
        let settings: Values = input.settings.iter().map(given).collect();
        dns::open(&input.kind, &settings).map_err(|error| AppError::invalid("settings", &error))?;
        let settings = KindSettings::of_dns_provider(&input.kind, settings);
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let is_taken = |id: &str| DnsProviderId::parse(id).is_ok_and(|id| desired.dns_provider(&id).is_some());
        let id = match &input.id {
            Some(id) if is_taken(id) => {
                let message = format!(
                    "there is a DNS provider \"{id}\" already; choose another id, or remove it first: portward acme dns remove {id}"
                );
                return Err(AppError::conflict("already-there", message));
            }
            Some(id) => id.clone(),
            None => slug(&input.kind, "dns", is_taken),
        };
        let id = DnsProviderId::parse(&id).map_err(|error| AppError::invalid("id", &error))?;
        let stored = StoredDnsProvider {
            id: id.clone(),
            kind: input.kind.clone(),
            settings: settings.plain.clone(),
            secret_names: settings.secret_names(),
            secrets: None,
        };
        demand_program(by.actor(), None, &stored)?;
        let shown = view(&stored, &desired);
        if apply == Apply::DryRun {
            return Ok(Revised { view: shown, revision: None });
        }
        let mut change = self.change(by, format!("add DNS provider {id} ({})", input.kind));
        let KindSettings { plain, secret, .. } = settings;
        change.put_dns_provider(&id, &input.kind, plain, &secret, &self.sealer(&desired)?, Expected::Absent);
        let revision = self.commit(change).await?;
        drop(deciding);
        self.in_effect(revision).await?;
        Ok(Revised { view: shown, revision: Some(revision) })
    }

    /// Removes a DNS provider that no certificate needs.
    pub(crate) async fn remove_dns_provider(
        &self,
        by: &Allowed<right::IssuerChange>,
        id: &str,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Removed, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let stored = find(&desired, id)?;
        precondition.check("DNS provider", id, stored.revision)?;
        let users = users(&desired, &stored.value.id);
        if !users.is_empty() {
            let message = format!(
                "the DNS provider \"{id}\" writes TXT records for {}; give them another one first: portward certificate request NAME... --replace ID --dns PROVIDER",
                users.join(", ")
            );
            return Err(AppError::conflict("dns-provider-in-use", message));
        }
        if apply == Apply::Now {
            let mut change = self.change(by, format!("remove DNS provider {id}"));
            change.remove_dns_provider(&stored.value.id, Expected::At(stored.revision));
            let revision = self.commit(change).await?;
            drop(deciding);
            self.in_effect(revision).await?;
        }
        Ok(Removed { id: id.to_owned(), warnings: Vec::new() })
    }
}

/// Refuses whoever may not have the server run a program, unless it is the one that was there before.
pub(super) fn demand_program(
    actor: &Actor,
    before: Option<&StoredDnsProvider>,
    wanted: &StoredDnsProvider,
) -> Result<(), AppError> {
    let program = |provider: &StoredDnsProvider| dns::program(&provider.kind, &provider.settings).map(str::to_owned);
    let Some(wanted) = program(wanted) else { return Ok(()) };
    if before.and_then(program).as_ref() == Some(&wanted) || actor.may::<right::IssuerRunProgram>().is_ok() {
        return Ok(());
    }
    Err(AppError::not_permitted(format!(
        "the program {wanted} would run as the server's own user, which can read all that is stored, so that it needs the permission to {} ({}), and {actor} lacks it; ask an owner, or run this on the machine itself: portward acme dns add exec --set program={wanted}",
        Permission::IssuerRunProgram.purpose(),
        Permission::IssuerRunProgram,
    )))
}

/// Refuses a secret among what everybody may see, and the other way round.
pub(super) fn check_secret(settings: &KindSettings) -> Result<(), AppError> {
    if let Some(name) = settings.plain.keys().find(|name| settings.is_secret(name)) {
        let message = format!("settings.{name}: it is a secret; declare it below secrets, with env or file");
        return Err(AppError::refused("secret-in-settings", message));
    }
    if let Some(name) = settings.secret.keys().find(|name| !settings.is_secret(name)) {
        let message = format!("secrets.{name}: it is no secret; declare it below settings, with its value");
        return Err(AppError::refused("setting-in-secrets", message));
    }
    Ok(())
}

/// The DNS provider of that id.
pub(super) fn find<'a>(desired: &'a Desired, id: &str) -> Result<&'a Stored<StoredDnsProvider>, AppError> {
    let found = DnsProviderId::parse(id).ok().and_then(|id| desired.dns_provider(&id));
    found.ok_or_else(|| {
        let message = format!("there is no DNS provider \"{id}\"; portward acme dns list shows those there are");
        AppError::new(http::StatusCode::NOT_FOUND, "not-found", message)
    })
}

fn view(stored: &StoredDnsProvider, desired: &Desired) -> DnsProviderView {
    DnsProviderView {
        id: stored.id.to_string(),
        kind: stored.kind.clone(),
        settings: shown(&stored.settings, &stored.secret_names),
        certificates: users(desired, &stored.id),
    }
}

/// The certificates for which a DNS provider writes.
pub(super) fn users(desired: &Desired, id: &DnsProviderId) -> Vec<String> {
    let uses = |stored: &&portward_store::desired::StoredCertificate| {
        stored.value.management.managed().is_some_and(|managed| managed.dns.as_ref() == Some(id))
    };
    desired.certificates.iter().filter(uses).map(|stored| stored.value.id.to_string()).collect()
}

#[cfg(test)]
mod tests;
