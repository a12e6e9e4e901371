//! What is to be changed so that the desired state is as declared.

mod certificates;
mod fit;
mod read;
mod write;

use std::{collections::BTreeSet, fmt::Display};

use portward_api::{AppliedAction, AppliedStep, BindingDeclared, DesiredState};
use portward_certs::dns;
use portward_core::{Binding, BindingId, CertificateId, DnsProviderId, Permission, Revision, Timestamp};
use portward_store::{
    change::Expected,
    desired::{self, Desired, Stored, StoredDnsProvider, StoredIssuer},
    sealing::{Sealer, Secret},
};

use super::{declare, difference::fields};
use crate::{
    app::{AppError, bindings, dns_providers, settings},
    kind_settings::{KindSettings, Values},
};
pub(super) use read::issuer;
use read::{secret_missing, secrets_of, site, source};
pub(super) use write::Write;

/// Collects what differs, and knows what would be there after it.
pub(super) struct Plan<'a> {
    before: &'a Desired,
    /// What would be there.
    after: Desired,
    sealer: Sealer,
    now: Timestamp,
    prune: bool,
    /// What is told of it.
    pub(super) steps: Vec<AppliedStep>,
    /// What else is told.
    pub(super) notes: Vec<String>,
    writes: Vec<Write>,
}

impl<'a> Plan<'a> {
    /// Begins with what is there.
    pub(super) fn new(before: &'a Desired, sealer: Sealer, now: Timestamp, prune: bool) -> Self {
        Self {
            before,
            after: before.clone(),
            sealer,
            now,
            prune,
            steps: Vec::new(),
            notes: Vec::new(),
            writes: Vec::new(),
        }
    }

    /// Compares the settings.
    pub(super) fn settings(&mut self, state: &DesiredState) -> Result<(), AppError> {
        let Some(declared) = &state.settings else { return Ok(()) };
        let wanted = settings::edited(&self.before.settings, declared).map_err(|error| error.within("settings"))?;
        if wanted != self.before.settings {
            let changes = fields(&declare::settings(&self.before.settings), &declare::settings(&wanted));
            self.step(AppliedAction::Edit, "settings", "", changes);
            self.after.settings = wanted.clone();
            self.writes.push(Write::Settings(wanted));
        }
        Ok(())
    }

    /// Compares the issuers.
    pub(super) fn issuers(&mut self, state: &DesiredState) -> Result<(), AppError> {
        let Some(all) = &state.issuers else { return Ok(()) };
        let ids = distinct("issuer", all.iter().map(|declared| declared.id.as_str()))?;
        for declared in all {
            let (wanted, secret) = issuer(declared)?;
            let found = self.before.issuer(&wanted.id);
            let known = found
                .and_then(|stored| stored.value.eab_mac_key.as_ref())
                .map(|sealed| desired::open_eab_key(&self.sealer, &wanted.id, sealed));
            let known = known.transpose().map_err(|error| AppError::internal("a secret does not open", error))?;
            if wanted.eab_key_id.is_some() && secret.is_none() && known.is_none() {
                return Err(secret_missing(
                    &format!("issuer {}", wanted.id),
                    "mac_key",
                    declared.eab.as_ref().map(|eab| &eab.mac_key),
                ));
            }
            let mut changes = match found {
                Some(stored) => fields(&declare::issuer(&stored.value.issuer), &declare::issuer(&wanted)),
                None => Vec::new(),
            };
            if let Some(stored) = found
                && stored.value.issuer.directory != wanted.directory
            {
                let message = format!(
                    "issuer {}: its account is with {}; declare another issuer for {}",
                    wanted.id, stored.value.issuer.directory, wanted.directory
                );
                return Err(AppError::conflict("issuer-directory", message));
            }
            let is_other = |new: &Secret| known.as_ref().is_none_or(|known| known.expose() != new.expose());
            if found.is_some() && secret.as_ref().is_some_and(is_other) {
                changes.push("eab.mac_key: another secret".to_owned());
            }
            let expected = self.note("issuer", wanted.id.as_str(), found.map(|stored| stored.revision), changes);
            if let Some(expected) = expected {
                let secret = secret.or(known).filter(|_| wanted.eab_key_id.is_some());
                let value = StoredIssuer { issuer: wanted.clone(), eab_mac_key: None };
                put(&mut self.after.issuers, value, |stored| &stored.issuer.id);
                self.writes.push(Write::Issuer(Box::new(wanted), secret, expected));
            }
        }
        for stored in self.surplus(&self.before.issuers, &ids, |stored| stored.issuer.id.as_str()) {
            let (id, revision) = (stored.value.issuer.id.clone(), stored.revision);
            self.after.issuers.retain(|stored| stored.value.issuer.id != id);
            self.step(AppliedAction::Remove, "issuer", id.as_str(), Vec::new());
            self.writes.push(Write::RemoveIssuer(id, revision));
        }
        Ok(())
    }

    /// Compares the DNS providers.
    pub(super) fn dns_providers(&mut self, state: &DesiredState) -> Result<(), AppError> {
        let Some(all) = &state.dns_providers else { return Ok(()) };
        let ids = distinct("DNS provider", all.iter().map(|declared| declared.id.as_str()))?;
        for declared in all {
            let what = format!("DNS provider {}", declared.id);
            let id = DnsProviderId::parse(&declared.id).map_err(|error| AppError::invalid("id", &error))?;
            let found = self.before.dns_provider(&id);
            let known = found.map(|stored| KindSettings::open_dns_provider(&self.sealer, &stored.value)).transpose();
            let known = known.map_err(|error| AppError::internal("a secret does not open", error))?;
            let (secret, other) = secrets_of(declared, known.as_ref(), &what)?;
            let mut settings = KindSettings::of_dns_provider(&declared.kind, Values::new());
            (settings.plain, settings.secret) = (declared.settings.clone(), secret);
            dns::open(&declared.kind, &settings.all())
                .map_err(|error| AppError::invalid("settings", &error).within(&what))?;
            dns_providers::check_secret(&settings).map_err(|error| error.within(&what))?;
            let given = declared.secrets.iter().filter(|(_, declared)| declared.value.is_some());
            let given = given.map(|(name, _)| name.as_str()).collect();
            if let Some(elsewhere) = known.and_then(|known| settings.elsewhere(&known, &given)) {
                let source = source(declared.secrets.get(&elsewhere.secret));
                let message = format!("{what}: {elsewhere}: {source}, then apply again");
                return Err(AppError::refused("secret-elsewhere", message));
            }
            let wanted = StoredDnsProvider {
                id: id.clone(),
                kind: declared.kind.clone(),
                secret_names: settings.secret_names(),
                settings: settings.plain,
                secrets: None,
            };
            let mut changes = match found {
                Some(stored) => fields(&declare::dns_provider(&stored.value), &declare::dns_provider(&wanted)),
                None => Vec::new(),
            };
            if found.is_some() {
                changes.extend(other.iter().map(|name| format!("{name}: another secret")));
            }
            if let Some(expected) = self.note("DNS provider", id.as_str(), found.map(|stored| stored.revision), changes)
            {
                put(&mut self.after.dns_providers, wanted.clone(), |stored| &stored.id);
                self.writes.push(Write::DnsProvider(wanted, settings.secret, expected));
            }
        }
        for stored in self.surplus(&self.before.dns_providers, &ids, |stored| stored.id.as_str()) {
            let (id, revision) = (stored.value.id.clone(), stored.revision);
            self.after.dns_providers.retain(|stored| stored.value.id != id);
            self.step(AppliedAction::Remove, "DNS provider", id.as_str(), Vec::new());
            self.writes.push(Write::RemoveDnsProvider(id, revision));
        }
        Ok(())
    }

    /// Compares the bindings.
    pub(super) fn bindings(&mut self, state: &DesiredState) -> Result<(), AppError> {
        let Some(all) = &state.bindings else { return Ok(()) };
        let ids = distinct("binding", all.iter().map(|declared| declared.id.as_str()))?;
        for declared in all {
            let wanted = self.binding(declared).map_err(|error| error.within(&format!("binding {}", declared.id)))?;
            let found = self.before.bindings.iter().find(|stored| stored.value.id == wanted.id);
            let changes = match found {
                Some(stored) => fields(&declare::binding(&stored.value), &declare::binding(&wanted)),
                None => Vec::new(),
            };
            if let Some(expected) =
                self.note("binding", wanted.id.as_str(), found.map(|stored| stored.revision), changes)
            {
                put(&mut self.after.bindings, wanted.clone(), |binding| &binding.id);
                self.writes.push(Write::Binding(wanted, expected));
            }
        }
        for stored in self.surplus(&self.before.bindings, &ids, |binding| binding.id.as_str()) {
            let (id, revision) = (stored.value.id.clone(), stored.revision);
            self.after.bindings.retain(|stored| stored.value.id != id);
            self.step(AppliedAction::Remove, "binding", id.as_str(), Vec::new());
            self.writes.push(Write::RemoveBinding(id, revision));
        }
        Ok(())
    }

    /// Compares the sites.
    pub(super) fn sites(&mut self, state: &DesiredState) -> Result<(), AppError> {
        let Some(all) = &state.sites else { return Ok(()) };
        let ids = distinct("site", all.iter().map(|declared| declared.id.as_str()))?;
        for declared in all {
            let wanted = site(declared, &self.after).map_err(|error| error.within(&format!("site {}", declared.id)))?;
            let found = self.before.site(&wanted.id);
            let changes = match found {
                Some(stored) => fields(&declare::site(&stored.value), &declare::site(&wanted)),
                None => Vec::new(),
            };
            if let Some(expected) = self.note("site", wanted.id.as_str(), found.map(|stored| stored.revision), changes)
            {
                let revision = self.after.site(&wanted.id).map_or(Revision(0), |stored| stored.revision);
                self.after.sites.insert(Stored { value: wanted.clone(), revision });
                self.writes.push(Write::Site(Box::new(wanted), expected));
            }
        }
        for stored in self.surplus(&self.before.sites, &ids, |site| site.id.as_str()) {
            let (id, revision) = (stored.value.id.clone(), stored.revision);
            self.after.sites.remove(&id);
            self.step(AppliedAction::Remove, "site", id.as_str(), Vec::new());
            self.writes.push(Write::RemoveSite(id, revision));
        }
        Ok(())
    }

    /// What one needs beside the right to apply.
    pub(super) fn permissions(&self) -> impl Iterator<Item = Permission> {
        self.writes.iter().filter_map(Write::permission)
    }

    /// The bindings that are new or elsewhere, and that none of ours is in the way of.
    pub(super) fn bindings_to_try(&self) -> Vec<Binding> {
        let new = self.writes.iter().filter_map(|write| match write {
            Write::Binding(binding, _) => Some(binding),
            _ => None,
        });
        let ours = &self.before.bindings;
        new.filter(|binding| !ours.iter().any(|stored| stored.value.overlaps(binding))).cloned().collect()
    }

    /// Certificates that go.
    pub(super) fn removed_certificates(&self) -> impl Iterator<Item = &CertificateId> {
        self.writes.iter().filter_map(Write::removed_certificate)
    }

    /// What is done, in a line for the audit.
    pub(super) fn summary(&self) -> String {
        let count = |action| self.steps.iter().filter(|step| step.action == action).count();
        let (added, edited, removed) =
            (count(AppliedAction::Add), count(AppliedAction::Edit), count(AppliedAction::Remove));
        format!("apply a declared state: {added} added, {edited} edited, {removed} removed")
    }

    /// Tells of a thing, if it is new or differs; gives what the change then expects to find.
    fn note(&mut self, kind: &str, id: &str, found: Option<Revision>, changes: Vec<String>) -> Option<Expected> {
        match found {
            Some(_) if changes.is_empty() => None,
            Some(revision) => {
                self.step(AppliedAction::Edit, kind, id, changes);
                Some(Expected::At(revision))
            }
            None => {
                self.step(AppliedAction::Add, kind, id, changes);
                Some(Expected::Absent)
            }
        }
    }

    fn step(&mut self, action: AppliedAction, kind: &str, id: &str, changes: Vec<String>) {
        self.steps.push(AppliedStep { action, kind: kind.to_owned(), id: id.to_owned(), changes });
    }

    /// What is there and not declared, if it is to go.
    fn surplus<'s, T: Clone + 's>(
        &self,
        before: impl IntoIterator<Item = &'s Stored<T>>,
        declared: &BTreeSet<&str>,
        id: impl Fn(&T) -> &str,
    ) -> Vec<Stored<T>> {
        let is_surplus = |stored: &&Stored<T>| self.prune && !declared.contains(id(&stored.value));
        before.into_iter().filter(is_surplus).cloned().collect()
    }

    fn binding(&self, declared: &BindingDeclared) -> Result<Binding, AppError> {
        let id = BindingId::parse(&declared.id).map_err(|error| AppError::invalid("id", &error))?;
        let (protocol, address) =
            Binding::parse_url(&declared.url).map_err(|error| AppError::invalid("url", &error))?;
        let default_certificate = match declared.default_certificate.as_deref() {
            None => None,
            some => bindings::default_certificate(&self.after, protocol, some, self.now)?,
        };
        let accept_proxy_from = bindings::input::networks(&declared.accept_proxy_from)?;
        let to = bindings::input::passages(&declared.to)?;
        Ok(Binding { default_certificate, accept_proxy_from, to, ..Binding::new(id, protocol, address) })
    }
}

/// The ids that are declared; each once.
fn distinct<'a>(kind: &str, ids: impl Iterator<Item = &'a str>) -> Result<BTreeSet<&'a str>, AppError> {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(AppError::refused("declared-twice", format!("the {kind} \"{id}\" is declared twice")));
        }
    }
    Ok(seen)
}

/// Puts a thing among the others, which are in the order of their ids.
fn put<T, I: Ord + Display>(all: &mut Vec<Stored<T>>, value: T, id: impl Fn(&T) -> &I) {
    match all.binary_search_by(|stored| id(&stored.value).cmp(id(&value))) {
        Ok(at) => {
            if let Some(stored) = all.get_mut(at) {
                stored.value = value;
            }
        }
        Err(at) => all.insert(at, Stored { value, revision: Revision(0) }),
    }
}
