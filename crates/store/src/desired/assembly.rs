//! Putting things together from their records.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    thread,
};

use foldhash::quality::RandomState;
use portward_core::{
    Certificate, CertificateId, CertificateVersion, CertificateVersions, Finder, Host, HostPattern, Management,
    Settings, Site, Sorted, VersionNumber, acme::Managed,
};
use smallvec::SmallVec;

use super::{BadRecord, Desired, Stored, StoredCertificate, StoredDnsProvider, StoredIssuer, StoredKey};
use crate::{
    Key, Kv, Revision,
    challenge::{HttpChallenge, TlsChallenge},
    cluster::Cluster,
    hex::unhex,
    place::{Place, SettingName, is_sha256},
    records::{
        AgentSettingsRecord, AgentTrustRecord, BindingRecord, ChallengeRecord, ChannelRecord, ClusterRecord,
        CurrentRecord, DnsProviderRecord, ForceHttpsRecord, IssuerRecord, Issuers, IssuersRecord, LetsEncryptRecord,
        ManagedRecord, RecordError, SchemaRecord, ServerIdentityRecord, Shared, SiteRecord, SpecRecord,
        TlsChallengeRecord, TrustedProxiesRecord, VersionRecord, WarningRecord, decode,
    },
    sealing::Sealed,
};

/// Puts together what was listed at a revision; what cannot be read becomes a [`BadRecord`].
pub(super) fn assemble(revision: Revision, kvs: Vec<Kv>) -> Desired {
    let mut assembly = Assembly::of(kvs);
    assembly.desired.revision = revision;
    assembly.finish().0
}

/// Is what was read of records so far; parts of it can be read side by side.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    desired: Desired,
    sites: Vec<Arc<Stored<Site>>>,
    keys: Vec<Arc<StoredKey>>,
    issuers: HashMap<String, Issuers>,
    shared: Shared,
    /// In the order in which they were read, in which the records of one come together.
    certificates: Vec<(CertificateId, Parts)>,
    /// Whether they share what they have in common with others, or will when they are added.
    is_shared: bool,
}

/// Is what certificates have in common with what comes before them in a list of everything: ids of keys, names of sites.
#[derive(Debug)]
pub(super) struct Known {
    keys: Sorted<StoredKey>,
    names: HashSet<HostPattern, RandomState>,
}

/// Is what was found of one certificate.
#[derive(Debug, Default)]
struct Parts {
    spec: Option<Stored<Spec>>,
    managed: Option<Box<Stored<Managed>>>,
    current: Option<Stored<VersionNumber>>,
    versions: SmallVec<[Version; 1]>,
}

/// Is what a certificate's own record says.
#[derive(Debug)]
struct Spec {
    name: Arc<str>,
    is_managed: bool,
}

/// Is a version that lacks its issuers; nobody else holds it yet.
#[derive(Debug)]
struct Version {
    /// Their SHA-256.
    issuers: Option<Arc<str>>,
    version: Arc<CertificateVersion>,
}

impl Parts {
    /// Has a certificate share what it has in common with others, and its name with the host that it is called by.
    fn share(&mut self, known: &Known, keys: &mut Finder<'_, StoredKey>) {
        for Version { version, .. } in &mut self.versions {
            let own = Arc::make_mut(version);
            if let Some(key) = keys.find(&own.key) {
                own.key = key.id.clone();
            }
            let names = &mut Arc::make_mut(&mut own.facts).names;
            for name in names.iter_mut() {
                if let Some(known) = known.names.get(name) {
                    *name = known.clone();
                }
            }
            let Some(Stored { value: spec, .. }) = &mut self.spec else { continue };
            let called = names.iter().find_map(|name| match name {
                HostPattern::Exact(Host::Name(host)) if *host.as_str() == *spec.name => Some(host.text()),
                _ => None,
            });
            if let Some(text) = called {
                spec.name = text;
            }
        }
    }
}

impl Assembly {
    /// Reads records.
    pub(super) fn of(kvs: Vec<Kv>) -> Self {
        let mut assembly = Self::default();
        for kv in kvs {
            if let Err(reason) = assembly.take(kv.key.as_str(), &kv.value, kv.mod_revision) {
                assembly.bad(kv.key, reason);
            }
        }
        assembly
    }

    /// Reads a record that nobody else holds; false if nothing can have such a key.
    pub(super) fn read(&mut self, key: &str, value: &[u8], revision: Revision) -> bool {
        let Err(reason) = self.take(key, value, revision) else { return true };
        let key = Key::parse(key);
        let is_key = key.is_ok();
        if let Ok(key) = key {
            self.bad(key, reason);
        }
        is_key
    }

    /// What certificates have in common with what was read so far; those that are read from here on are to share it part
    /// by part.
    pub(super) fn known(&mut self) -> Known {
        self.desired.keys = std::mem::take(&mut self.keys).into_iter().collect();
        let mut names = HashSet::with_capacity_and_hasher(self.sites.len(), RandomState::default());
        names.extend(self.sites.iter().flat_map(|stored| &stored.value.names).cloned());
        let known = Known { keys: self.desired.keys.clone(), names };
        self.share(&known);
        self.is_shared = true;
        known
    }

    /// Has certificates share what they have in common with others.
    ///
    /// What that frees is used again for the next part, if this is done part by part; afterwards it would lie as holes
    /// between what stays, a sixth of a kibibyte for each certificate.
    pub(super) fn share(&mut self, known: &Known) {
        let mut keys = known.keys.finder();
        for (_, parts) in &mut self.certificates {
            parts.share(known, &mut keys);
        }
    }

    /// Adds what was read of other records, which come behind these.
    pub(super) fn absorb(&mut self, other: Self) {
        let Self { desired, sites, keys, issuers, shared: _, certificates, is_shared: _ } = other;
        let own = &mut self.desired;
        own.cluster = desired.cluster.or_else(|| own.cluster.take());
        // All settings are in one small part of the store, so they came together.
        if desired.settings_revision > own.settings_revision {
            own.settings = desired.settings;
            own.settings_revision = desired.settings_revision;
        }
        own.bindings.extend(desired.bindings);
        own.issuers.extend(desired.issuers);
        own.dns_providers.extend(desired.dns_providers);
        own.channels.extend(desired.channels);
        own.identities.extend(desired.identities);
        own.trust = desired.trust.or_else(|| own.trust.take());
        own.challenges.extend(desired.challenges);
        own.tls_challenges.extend(desired.tls_challenges);
        own.bad.extend(desired.bad);
        self.sites.extend(sites);
        self.keys.extend(keys);
        self.issuers.extend(issuers);
        let mut certificates = certificates.into_iter();
        // The records of one may be on both sides.
        if let Some((id, parts)) = certificates.next() {
            let whole = self.parts(id);
            whole.spec = parts.spec.or_else(|| whole.spec.take());
            whole.managed = parts.managed.or_else(|| whole.managed.take());
            whole.current = parts.current.or_else(|| whole.current.take());
            whole.versions.extend(parts.versions);
        }
        self.certificates.extend(certificates);
    }

    /// What was found of a certificate, of which records come one after the other.
    fn parts(&mut self, id: CertificateId) -> &mut Parts {
        if self.certificates.last().is_none_or(|(last, _)| *last != id) {
            self.certificates.push((id, Parts::default()));
        }
        let last = self.certificates.len() - 1;
        &mut self.certificates[last].1
    }

    fn take(&mut self, key: &str, bytes: &[u8], revision: Revision) -> Result<(), RecordError> {
        let desired = &mut self.desired;
        match Place::of_text(key).ok_or(RecordError::UnknownKey)? {
            Place::Schema => {
                decode::<SchemaRecord>(bytes)?;
            }
            Place::SealCheck => {
                decode::<Sealed>(bytes)?;
            }
            Place::Cluster => {
                let record: ClusterRecord = decode(bytes)?;
                desired.cluster = Some(Cluster { id: record.cluster_id, generation: record.generation });
            }
            Place::Setting(name) => {
                desired.settings_revision = desired.settings_revision.max(revision);
                take_setting(&mut desired.settings, name, bytes)?;
            }
            Place::Binding(id) => {
                let value = decode::<BindingRecord>(bytes)?.into_binding(id)?;
                desired.bindings.push(Stored { value, revision });
            }
            Place::Site(id) => {
                let value = decode::<SiteRecord>(bytes)?.into_site(id, &self.shared)?;
                self.sites.push(Arc::new(Stored { value, revision }));
            }
            Place::Issuers(sha256) => {
                self.issuers.insert(sha256, Issuers::from(decode::<IssuersRecord>(bytes)?));
            }
            Place::PrivateKey(id) => {
                self.keys.push(Arc::new(StoredKey { id, sealed: decode(bytes)? }));
            }
            Place::HttpChallenge(host, token) => {
                let record: ChallengeRecord = decode(bytes)?;
                let challenge = HttpChallenge::parse(host, &token, &record.key_authorization, record.port)
                    .map_err(|error| RecordError::invalid("key_authorization", error))?;
                desired.challenges.push(challenge);
            }
            Place::TlsChallenge(host) => {
                let record: TlsChallengeRecord = decode(bytes)?;
                let digest = unhex(&record.digest).ok_or_else(|| RecordError::invalid("digest", record.digest))?;
                desired.tls_challenges.push(TlsChallenge { host, digest });
            }
            Place::Issuer(id) => {
                let (issuer, eab_mac_key) = decode::<IssuerRecord>(bytes)?.into_issuer(id)?;
                desired.issuers.push(Stored { value: StoredIssuer { issuer, eab_mac_key }, revision });
            }
            Place::DnsProvider(id) => {
                let DnsProviderRecord { kind, settings, secret_names, secrets, .. } = decode(bytes)?;
                let secrets = secrets.map(Arc::new);
                let value = StoredDnsProvider { id, kind, settings, secret_names, secrets };
                desired.dns_providers.push(Stored { value, revision });
            }
            // They are not below the prefixes that are read; see `access` and `agents`.
            Place::User(_) | Place::Token(_) | Place::Setup | Place::Owned | Place::Oidc => {
                return Err(RecordError::UnknownKey);
            }
            Place::Agent(_) | Place::Delivery(_) | Place::Join(_) => return Err(RecordError::UnknownKey),
            Place::Identity(seq) => {
                let value = decode::<ServerIdentityRecord>(bytes)?.into_identity(seq);
                desired.identities.push(Stored { value, revision });
            }
            Place::Trust => {
                let value = decode::<AgentTrustRecord>(bytes)?.into();
                desired.trust = Some(Stored { value, revision });
            }
            Place::Channel(id) => {
                let value = decode::<ChannelRecord>(bytes)?.into_channel(id)?;
                desired.channels.push(Stored { value, revision });
            }
            Place::CertificateManaged(id) => {
                let value = decode::<ManagedRecord>(bytes)?.try_into()?;
                self.parts(id).managed = Some(Box::new(Stored { value, revision }));
            }
            Place::CertificateSpec(id) => {
                let parts = self.parts(id);
                let SpecRecord { name, managed, .. } = decode(bytes)?;
                parts.spec = Some(Stored { value: Spec { name: name.into(), is_managed: managed }, revision });
            }
            Place::CertificateCurrent(id) => {
                let parts = self.parts(id);
                parts.current = Some(Stored { value: decode::<CurrentRecord>(bytes)?.into(), revision });
            }
            Place::CertificateVersion(id, number) => {
                let mut record: VersionRecord = decode(bytes)?;
                let issuers = record.issuers.take().map(|sha256| self.shared.text(sha256));
                let version = Arc::new(record.into_version(number, &mut self.shared)?);
                self.parts(id).versions.push(Version { issuers, version });
            }
        }
        Ok(())
    }

    /// Puts everything together; gives the issuers too, by their SHA-256.
    pub(super) fn finish(self) -> (Desired, HashMap<String, Issuers>) {
        self.finish_with(HashMap::new())
    }

    /// The same, where issuers are known already.
    pub(super) fn finish_with(mut self, mut known: HashMap<String, Issuers>) -> (Desired, HashMap<String, Issuers>) {
        known.extend(std::mem::take(&mut self.issuers));
        self.issuers = known;
        if !self.is_shared {
            self.known();
        }
        // None, where keys come before certificates.
        for key in std::mem::take(&mut self.keys) {
            self.desired.keys.insert(Arc::unwrap_or_clone(key));
        }
        self.desired.sites = std::mem::take(&mut self.sites).into_iter().collect();
        // The order of keys would put 10 before 2.
        self.desired.identities.sort_by_key(|stored| stored.value.seq);
        let (certificates, bad) = self.certificates();
        self.desired.certificates = certificates.into_iter().collect();
        self.desired.bad.extend(bad);
        (self.desired, self.issuers)
    }

    /// Puts the certificates together, on as many threads as there are cores.
    fn certificates(&mut self) -> (Vec<Arc<StoredCertificate>>, Vec<BadRecord>) {
        let mut rest = std::mem::take(&mut self.certificates);
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let part = rest.len().div_ceil(threads).max(WORTH_A_THREAD);
        let mut parts = Vec::new();
        while rest.len() > part {
            parts.push(rest.split_off(rest.len() - part));
        }
        let together = |parts: Vec<(CertificateId, Parts)>| {
            let mut whole = Whole { known: &self.desired.bad, issuers: &self.issuers, bad: Vec::new() };
            let certificates: Vec<_> =
                parts.into_iter().filter_map(|(id, parts)| whole.certificate(id, parts)).collect();
            (certificates, whole.bad)
        };
        thread::scope(|scope| {
            let others: Vec<_> = parts.into_iter().map(|part| scope.spawn(|| together(part))).collect();
            let (mut certificates, mut bad) = together(rest);
            for other in others.into_iter().rev() {
                match other.join() {
                    Ok(other) => {
                        certificates.extend(other.0);
                        bad.extend(other.1);
                    }
                    Err(panicked) => std::panic::resume_unwind(panicked),
                }
            }
            (certificates, bad)
        })
    }

    fn bad(&mut self, key: Key, reason: RecordError) {
        self.desired.bad.push(BadRecord { key, reason: Arc::new(reason) });
    }
}

/// Puts certificates together, when everything else was read.
struct Whole<'a> {
    /// What could not be read of records, and is told of already.
    known: &'a [BadRecord],
    issuers: &'a HashMap<String, Issuers>,
    /// What does not fit together.
    bad: Vec<BadRecord>,
}

impl Whole<'_> {
    fn certificate(&mut self, id: CertificateId, parts: Parts) -> Option<Arc<StoredCertificate>> {
        let Some(spec) = parts.spec else {
            // Either its own record is bad and told of already, or it is missing where others refer to it.
            let spec = Place::CertificateSpec(id.clone()).key();
            if !self.is_known(&spec) {
                for version in parts.versions {
                    let key = Place::CertificateVersion(id.clone(), version.version.number).key();
                    self.bad(key, RecordError::Dangling(spec.clone()));
                }
            }
            return None;
        };
        let versions = self.versions(&id, parts.versions);
        let (current, current_revision) = match parts.current {
            Some(stored) => (stored.value, Some(stored.revision)),
            None => (VersionNumber(0), None),
        };
        if current_revision.is_some() && !versions.iter().any(|version| version.number == current) {
            let missing = Place::CertificateVersion(id.clone(), current).key();
            self.bad(Place::CertificateCurrent(id.clone()).key(), RecordError::Dangling(missing));
        }
        let managed_revision = parts.managed.as_ref().map(|stored| stored.revision);
        let management = match parts.managed {
            Some(managed) if spec.value.is_managed => Management::Managed(Arc::new(managed.value)),
            None if spec.value.is_managed => {
                // Its own record may be bad, and told of already.
                let missing = Place::CertificateManaged(id.clone()).key();
                if !self.is_known(&missing) {
                    self.bad(Place::CertificateSpec(id.clone()).key(), RecordError::Dangling(missing));
                }
                Management::Unmanaged
            }
            _ => Management::Unmanaged,
        };
        let name = spec.value.name;
        let value = Certificate { id, name, management, current, versions };
        Some(Arc::new(StoredCertificate { value, spec_revision: spec.revision, managed_revision, current_revision }))
    }

    /// Versions in the order of their numbers; the order of keys would put 10 before 2.
    fn versions(&mut self, id: &CertificateId, parts: SmallVec<[Version; 1]>) -> CertificateVersions {
        let mut versions = CertificateVersions::with_capacity(parts.len());
        for Version { issuers, mut version } in parts {
            let own = Arc::make_mut(&mut version);
            if let Some(sha256) = issuers {
                let Some(issuers) = self.issuers.get(&*sha256) else {
                    let reason = match is_sha256(&sha256) {
                        true => RecordError::Dangling(Place::Issuers(sha256.as_ref().into()).key()),
                        false => RecordError::invalid("issuers", "it is not a SHA-256"),
                    };
                    self.bad(Place::CertificateVersion(id.clone(), own.number).key(), reason);
                    continue;
                };
                issuers.complete(&mut own.chain);
            }
            versions.push(version);
        }
        versions.sort_by_key(|version| version.number);
        versions
    }

    fn is_known(&self, key: &Key) -> bool {
        self.known.iter().any(|bad| bad.key == *key)
    }

    fn bad(&mut self, key: Key, reason: RecordError) {
        self.bad.push(BadRecord { key, reason: Arc::new(reason) });
    }
}

/// The keys of the issuers that versions name.
pub(super) fn issuers_named(kvs: &[Kv]) -> Vec<Key> {
    let mut keys = Vec::new();
    for kv in kvs.iter().filter(|kv| matches!(Place::of(&kv.key), Some(Place::CertificateVersion(..)))) {
        let Ok(VersionRecord { issuers: Some(sha256), .. }) = decode(&kv.value) else { continue };
        if is_sha256(&sha256) {
            keys.push(Place::Issuers(sha256).key());
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn take_setting(settings: &mut Settings, name: SettingName, value: &[u8]) -> Result<(), RecordError> {
    match name {
        SettingName::ForceHttps => settings.force_https = decode::<ForceHttpsRecord>(value)?.try_into()?,
        SettingName::Warning => settings.warning = decode::<WarningRecord>(value)?.into(),
        SettingName::Agents => settings.agents = decode::<AgentSettingsRecord>(value)?.into(),
        SettingName::TrustedProxies => {
            settings.trusted_proxies = decode::<TrustedProxiesRecord>(value)?.networks()?;
        }
        SettingName::LetsEncrypt => settings.letsencrypt = Some(decode::<LetsEncryptRecord>(value)?.certificate),
    }
    Ok(())
}

/// With fewer certificates, a thread takes longer to begin than to put them together.
const WORTH_A_THREAD: usize = 1000;
