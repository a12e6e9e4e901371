//! What is to be changed so that the desired state is as declared.

mod certificates;

use std::{collections::BTreeSet, fmt::Display};

use portward_api::{
    AppliedAction, AppliedStep, BindingDeclared, DesiredState, DnsProviderDeclared, IssuerDeclared, SecretDeclared,
    SettingsUpdate, SiteDeclared, UpstreamTrustInput,
    acme::{EabInput, IssuerCreate},
};
use portward_certs::dns;
use portward_core::{
    Binding, BindingId, CertificateId, DnsProviderId, HeaderRules, IssuerId, Permission, Revision, Scheme, Settings,
    Site, SiteCertificate, SiteId, SiteLimits, Timestamp, acme::Issuer,
};
use portward_store::{
    change::{Change, Expected},
    desired::{self, Desired, Stored, StoredDnsProvider, StoredIssuer},
    sealing::{Sealer, Secret},
};
use zeroize::Zeroizing;

use super::{declare, difference::fields};
use crate::{
    app::{
        Actor, AppError, Apply, bindings, certificates as uses, dns_providers, issuers, safely::would_lock_out,
        settings, sites, trial::Demand, ways_in,
    },
    kind_settings::{KindSettings, Values},
};
use certificates::CertificateWrite;

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
    /// Certificates that go.
    pub(super) removed_certificates: Vec<CertificateId>,
    writes: Vec<Write>,
}

/// Is one thing that is written or taken away.
pub(super) enum Write {
    Settings(Settings),
    Issuer(Box<Issuer>, Option<Secret>, Expected),
    RemoveIssuer(IssuerId, Revision),
    DnsProvider(StoredDnsProvider, Values, Expected),
    RemoveDnsProvider(DnsProviderId, Revision),
    Certificate(CertificateWrite),
    Binding(Binding, Expected),
    RemoveBinding(BindingId, Revision),
    Site(Box<Site>, Expected),
    RemoveSite(SiteId, Revision),
}

impl Write {
    /// The certificate that it takes away.
    pub(super) fn removed_certificate(&self) -> Option<&CertificateId> {
        match self {
            Self::Certificate(CertificateWrite::Remove(stored)) => Some(&stored.value.id),
            _ => None,
        }
    }

    /// What one needs for it alone; none where the right to apply is enough.
    fn permission(&self) -> Option<Permission> {
        match self {
            Self::Settings(_) => None,
            Self::Issuer(..) | Self::RemoveIssuer(..) | Self::DnsProvider(..) | Self::RemoveDnsProvider(..) => {
                Some(Permission::IssuerChange)
            }
            Self::Certificate(_) => Some(Permission::CertificateChange),
            Self::Binding(..) | Self::RemoveBinding(..) => Some(Permission::BindingChange),
            Self::Site(..) | Self::RemoveSite(..) => Some(Permission::SiteChange),
        }
    }

    /// When it is its turn, among the others.
    fn stage(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Issuer(..) | Self::DnsProvider(..) => 0,
            Self::Certificate(CertificateWrite::Add { .. } | CertificateWrite::Edit { .. }) => 1,
            // One that goes may make room for one that comes.
            Self::RemoveBinding(..) => 2,
            Self::Binding(..) => 3,
            // The same with names; and one that is edited may give a name to one that comes.
            Self::RemoveSite(..) => 4,
            Self::Site(_, Expected::At(_) | Expected::Any) => 5,
            Self::Site(_, Expected::Absent) => 6,
            Self::Certificate(CertificateWrite::Remove(_)) => 7,
            Self::RemoveIssuer(..) | Self::RemoveDnsProvider(..) => 8,
        }
    }
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
            removed_certificates: Vec::new(),
            writes: Vec::new(),
        }
    }

    /// Compares the settings.
    pub(super) fn settings(&mut self, state: &DesiredState) -> Result<(), AppError> {
        let Some(declared) = &state.settings else { return Ok(()) };
        let update = SettingsUpdate { force_https: declared.force_https.clone(), warning_days: declared.warning_days };
        let wanted = settings::edited(&self.before.settings, &update).map_err(|error| error.within("settings"))?;
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
            let found = self.before.sites.iter().find(|stored| stored.value.id == wanted.id);
            let changes = match found {
                Some(stored) => fields(&declare::site(&stored.value), &declare::site(&wanted)),
                None => Vec::new(),
            };
            if let Some(expected) = self.note("site", wanted.id.as_str(), found.map(|stored| stored.revision), changes)
            {
                put(&mut self.after.sites, wanted.clone(), |site| &site.id);
                self.writes.push(Write::Site(Box::new(wanted), expected));
            }
        }
        for stored in self.surplus(&self.before.sites, &ids, |site| site.id.as_str()) {
            let (id, revision) = (stored.value.id.clone(), stored.revision);
            self.after.sites.retain(|stored| stored.value.id != id);
            self.step(AppliedAction::Remove, "site", id.as_str(), Vec::new());
            self.writes.push(Write::RemoveSite(id, revision));
        }
        Ok(())
    }

    /// Refuses what would not fit together afterwards.
    pub(super) fn check(&self) -> Result<(), AppError> {
        for (at, Stored { value: binding, .. }) in self.after.bindings.iter().enumerate() {
            let earlier = self.after.bindings.iter().take(at).map(|stored| &stored.value);
            if let Some(other) = earlier.into_iter().find(|other| other.overlaps(binding)) {
                let message = format!("the bindings {} and {} want the same address and port", other.id, binding.id);
                return Err(AppError::conflict("bindings-overlap", message));
            }
        }
        for id in &self.removed_certificates {
            let users = uses::users(&self.after, id);
            if !users.is_empty() {
                let message = format!("the certificate \"{id}\" is not declared, but used by {}", users.join(", "));
                return Err(AppError::conflict("certificate-in-use", message));
            }
        }
        for Stored { value, .. } in &self.before.issuers {
            let id = &value.issuer.id;
            let users = issuers::users(&self.after, id);
            if self.after.issuer(id).is_none() && !users.is_empty() {
                let message = format!("the issuer \"{id}\" is not declared, but asked for {}", users.join(", "));
                return Err(AppError::conflict("issuer-in-use", message));
            }
        }
        for Stored { value, .. } in &self.before.dns_providers {
            let users = dns_providers::users(&self.after, &value.id);
            if self.after.dns_provider(&value.id).is_none() && !users.is_empty() {
                let message =
                    format!("the DNS provider \"{}\" is not declared, but writes for {}", value.id, users.join(", "));
                return Err(AppError::conflict("dns-provider-in-use", message));
            }
        }
        for Stored { value: site, .. } in &self.after.sites {
            sites::check(site, &self.after).map_err(|error| error.within(&format!("site {}", site.id)))?;
        }
        Ok(())
    }

    /// Refuses whoever may not change one of the kinds that differ.
    pub(super) fn demand_rights(&self, actor: &Actor) -> Result<(), AppError> {
        self.permissions().try_for_each(|permission| actor.demand(permission))?;
        for write in &self.writes {
            if let Write::DnsProvider(provider, ..) = write {
                let before = self.before.dns_provider(&provider.id).map(|stored| &stored.value);
                dns_providers::demand_program(actor, before, provider)
                    .map_err(|error| error.within(&format!("DNS provider {}", provider.id)))?;
            }
        }
        Ok(())
    }

    /// What it has to show of the portal's https bindings; none if it shuts nobody out of the portal.
    ///
    /// What would leave no way in is refused.
    pub(super) fn lock_out(&self, apply: Apply) -> Result<Option<Demand>, AppError> {
        let is_bound = |desired: &Desired| desired.bindings.iter().any(|stored| stored.value.scheme == Scheme::Https);
        let has_site = |desired: &Desired| ways_in::portal_sites(desired).next().is_some();
        for (noun, is_there) in
            [("a site that leads to the portal", has_site as fn(&Desired) -> bool), ("an https binding", is_bound)]
        {
            if is_there(self.before) && !is_there(&self.after) && has_site(self.before) && !apply.is_forced() {
                return Err(would_lock_out(format!(
                    "what is declared has no longer {noun}, so nobody could sign in to the portal from another machine. Declare one, or try it: --force --confirm-within 60s goes back by itself unless you confirm. Nothing was changed"
                )));
            }
        }
        let is_binding = |write: &Write| matches!(write, Write::Binding(..) | Write::RemoveBinding(..));
        let changes_ways = has_site(&self.after) && is_bound(&self.after) && self.writes.iter().any(is_binding);
        let mut demand = changes_ways.then_some(Demand::Ours);
        demand = demand.max(sites::lock_out_by_settings(&self.after.settings, self.before)?);
        for stored in &self.after.sites {
            let before = self.before.sites.iter().find(|before| before.value.id == stored.value.id);
            if let Some(before) = before.filter(|before| before.value != stored.value) {
                demand = demand.max(sites::lock_out(&before.value, &stored.value, &self.after, apply)?);
            }
        }
        Ok(demand)
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

    /// What is done, in a line for the audit.
    pub(super) fn summary(&self) -> String {
        let count = |action| self.steps.iter().filter(|step| step.action == action).count();
        let (added, edited, removed) =
            (count(AppliedAction::Add), count(AppliedAction::Edit), count(AppliedAction::Remove));
        format!("apply a declared state: {added} added, {edited} edited, {removed} removed")
    }

    /// What is written, in an order in which each thing comes after what it needs, and goes after what needs it.
    pub(super) fn writes(&self) -> Vec<&Write> {
        let mut writes: Vec<&Write> = self.writes.iter().collect();
        writes.sort_by_key(|write| write.stage());
        writes
    }

    /// Puts one thing into a change.
    pub(super) fn write(&self, write: &Write, change: &mut Change) {
        match write {
            Write::Settings(settings) => change.put_settings(settings),
            Write::Issuer(issuer, secret, expected) => {
                change.put_issuer(issuer, secret.as_ref(), &self.sealer, *expected);
            }
            Write::RemoveIssuer(id, revision) => {
                change.remove_issuer(id, Expected::At(*revision));
                change.remove_account(id);
            }
            Write::DnsProvider(provider, secrets, expected) => {
                let (kind, settings) = (&provider.kind, provider.settings.clone());
                change.put_dns_provider(&provider.id, kind, settings, secrets, &self.sealer, *expected);
            }
            Write::RemoveDnsProvider(id, revision) => change.remove_dns_provider(id, Expected::At(*revision)),
            Write::Certificate(write) => self.write_certificate(write, change),
            Write::Binding(binding, expected) => {
                change.put_binding(binding, *expected);
                self.require(change, binding.default_certificate.as_ref());
            }
            Write::RemoveBinding(id, revision) => change.remove_binding(id, Expected::At(*revision)),
            Write::Site(site, expected) => {
                change.put_site(site, *expected);
                if let SiteCertificate::Fixed(id) = &site.certificate {
                    self.require(change, Some(id));
                }
            }
            Write::RemoveSite(id, revision) => change.remove_site(id, Expected::At(*revision)),
        }
    }

    /// Makes the change depend on a certificate that was there before; one that it makes itself needs no such thing.
    fn require(&self, change: &mut Change, certificate: Option<&CertificateId>) {
        if let Some(id) = certificate
            && self.before.certificate(id).is_some()
        {
            change.require_certificate(id);
        }
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
    fn surplus<T: Clone>(
        &self,
        before: &[Stored<T>],
        declared: &BTreeSet<&str>,
        id: impl Fn(&T) -> &str,
    ) -> Vec<Stored<T>> {
        let is_surplus = |stored: &&Stored<T>| self.prune && !declared.contains(id(&stored.value));
        before.iter().filter(is_surplus).cloned().collect()
    }

    fn binding(&self, declared: &BindingDeclared) -> Result<Binding, AppError> {
        let id = BindingId::parse(&declared.id).map_err(|error| AppError::invalid("id", &error))?;
        let (scheme, address) = Binding::parse_url(&declared.url).map_err(|error| AppError::invalid("url", &error))?;
        let default_certificate = match declared.default_certificate.as_deref() {
            None => None,
            some => bindings::default_certificate(&self.after, scheme, some, self.now)?,
        };
        Ok(Binding { id, scheme, address, default_certificate })
    }
}

/// Reads what is declared of an issuer, with the MAC key of its account binding if that is given.
pub(super) fn issuer(declared: &IssuerDeclared) -> Result<(Issuer, Option<Secret>), AppError> {
    let read = || {
        let given = declared.eab.as_ref().and_then(|eab| eab.mac_key.value.clone().map(|key| (eab, key)));
        let input = IssuerCreate {
            id: Some(declared.id.clone()),
            directory: declared.directory.clone(),
            directory_ca: declared.directory_ca.clone(),
            contacts: declared.contacts.clone(),
            accept_terms: declared.accept_terms,
            eab: given.map(|(eab, mac_key)| EabInput { key_id: eab.key_id.clone(), mac_key }),
            profile: declared.profile.clone(),
            challenge: declared.challenge.clone(),
            preferred_chain: declared.preferred_chain.clone(),
            http_port: declared.http_port,
            tls_port: declared.tls_port,
            resolvers: declared.resolvers.clone(),
        };
        let (mut issuer, secret) = issuers::parse(&input)?;
        issuer.id = IssuerId::parse(&declared.id).map_err(|error| AppError::invalid("id", &error))?;
        issuer.eab_key_id = declared.eab.as_ref().map(|eab| eab.key_id.clone());
        Ok((issuer, secret))
    };
    read().map_err(|error: AppError| error.within(&format!("issuer {}", declared.id)))
}

fn site(declared: &SiteDeclared, after: &Desired) -> Result<Site, AppError> {
    let SiteDeclared { id, names, upstreams, upstream_trust, force_https, hsts, certificate, .. } = declared;
    let SiteDeclared { max_body, response_timeout, idle_timeout, set_headers, remove_headers, preset, .. } = declared;
    let trust = match upstream_trust {
        None => UpstreamTrustInput::System,
        Some(trust) => match (&trust.authorities, &trust.pin, trust.danger_insecure) {
            (Some(pem), None, false) => UpstreamTrustInput::Authorities(pem.clone()),
            (None, Some(pin), false) => UpstreamTrustInput::Pin(pin.clone()),
            (None, None, true) => UpstreamTrustInput::DangerInsecure,
            _ => {
                let message = "upstream_trust: it has one of authorities, pin, and danger_insecure: true";
                return Err(AppError::refused("invalid-value", message));
            }
        },
    };
    let mut limits = SiteLimits::default();
    sites::input::limits(&mut limits, [max_body, response_timeout, idle_timeout].map(Option::as_deref))?;
    Ok(Site {
        id: SiteId::parse(id).map_err(|error| AppError::invalid("id", &error))?,
        names: sites::input::names(names)?,
        upstreams: sites::input::upstreams(upstreams)?,
        upstream_trust: sites::input::trust(&trust)?,
        force_https: force_https.as_deref().map(sites::input::force_https).transpose()?,
        hsts: hsts.as_deref().map(sites::input::hsts).transpose()?.unwrap_or_default(),
        certificate: match certificate {
            None => SiteCertificate::Auto,
            Some(text) => sites::input::certificate(text, after)?,
        },
        limits,
        headers: sites::input::headers(Some(set_headers), Some(remove_headers), &HeaderRules::default())?,
        preset: preset.as_deref().map(sites::input::preset_name).transpose()?,
    })
}

/// The secrets of a DNS provider, those that it has where none is given; and the names of those that differ.
fn secrets_of(
    declared: &DnsProviderDeclared,
    known: Option<&KindSettings>,
    what: &str,
) -> Result<(Values, Vec<String>), AppError> {
    let (mut secrets, mut other) = (Values::new(), Vec::new());
    for (name, declared) in &declared.secrets {
        let value = match (&declared.value, known.and_then(|known| known.secret.get(name))) {
            (Some(value), known) => {
                if known.is_some_and(|known| known.as_str() != value.expose()) {
                    other.push(name.clone());
                }
                Zeroizing::new(value.expose().to_owned())
            }
            (None, Some(known)) => known.clone(),
            (None, None) => return Err(secret_missing(what, name, Some(declared))),
        };
        secrets.insert(name.clone(), value);
    }
    Ok((secrets, other))
}

fn secret_missing(what: &str, name: &str, declared: Option<&SecretDeclared>) -> AppError {
    AppError::refused(
        "secret-missing",
        format!("{what}: the secret {name} is not known here; {}, then apply again", source(declared)),
    )
}

/// What is to be done so that a secret is given.
fn source(declared: Option<&SecretDeclared>) -> String {
    match declared {
        Some(SecretDeclared { env: Some(env), .. }) => format!("set the environment variable {env}"),
        Some(SecretDeclared { file: Some(file), .. }) => format!("write it to the file {file}"),
        _ => "say where it is, with env or file".to_owned(),
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
