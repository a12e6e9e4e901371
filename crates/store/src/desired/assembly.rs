//! Putting things together from their records.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use portward_core::{
    Certificate, CertificateId, CertificateVersion, Management, Settings, VersionNumber, acme::Managed,
};

use super::{BadRecord, Desired, Stored, StoredCertificate, StoredDnsProvider, StoredIssuer};
use crate::{
    Key, Kv, Revision,
    challenge::{HttpChallenge, TlsChallenge},
    cluster::Cluster,
    hex::unhex,
    place::{Place, SettingName, is_sha256},
    records::{
        AgentSettingsRecord, AgentTrustRecord, BindingRecord, ChallengeRecord, ChannelRecord, ClusterRecord,
        CurrentRecord, DnsProviderRecord, ForceHttpsRecord, IssuerRecord, Issuers, IssuersRecord, LetsEncryptRecord,
        ManagedRecord, RecordError, SchemaRecord, ServerIdentityRecord, SiteRecord, SpecRecord, TlsChallengeRecord,
        VersionRecord, WarningRecord, decode,
    },
    sealing::Sealed,
};

/// Puts together what was listed at a revision; what cannot be read becomes a [`BadRecord`].
pub(super) fn assemble(revision: Revision, kvs: Vec<Kv>) -> Desired {
    let mut assembly = Assembly { desired: Desired { revision, ..Desired::default() }, ..Assembly::default() };
    for kv in kvs {
        if let Err(reason) = assembly.take(&kv) {
            assembly.bad(kv, reason);
        }
    }
    assembly.finish()
}

#[derive(Default)]
struct Assembly {
    desired: Desired,
    issuers: HashMap<String, Issuers>,
    certificates: BTreeMap<CertificateId, Parts>,
}

/// Is what was found of one certificate.
#[derive(Default)]
struct Parts {
    spec: Option<Stored<SpecRecord>>,
    managed: Option<Stored<Managed>>,
    current: Option<Stored<VersionNumber>>,
    versions: Vec<(VersionNumber, VersionRecord, Kv)>,
}

impl Assembly {
    fn take(&mut self, kv: &Kv) -> Result<(), RecordError> {
        let revision = kv.mod_revision;
        let desired = &mut self.desired;
        match Place::of(&kv.key).ok_or(RecordError::UnknownKey)? {
            Place::Schema => {
                decode::<SchemaRecord>(&kv.value)?;
            }
            Place::SealCheck => {
                decode::<Sealed>(&kv.value)?;
            }
            Place::Cluster => {
                let record: ClusterRecord = decode(&kv.value)?;
                desired.cluster = Some(Cluster { id: record.cluster_id, generation: record.generation });
            }
            Place::Setting(name) => {
                desired.settings_revision = desired.settings_revision.max(revision);
                take_setting(&mut desired.settings, name, &kv.value)?;
            }
            Place::Binding(id) => {
                let value = decode::<BindingRecord>(&kv.value)?.into_binding(id)?;
                desired.bindings.push(Stored { value, revision });
            }
            Place::Site(id) => {
                let value = decode::<SiteRecord>(&kv.value)?.into_site(id)?;
                desired.sites.push(Stored { value, revision });
            }
            Place::Issuers(sha256) => {
                self.issuers.insert(sha256, Issuers::from(decode::<IssuersRecord>(&kv.value)?));
            }
            Place::PrivateKey(id) => {
                desired.keys.insert(id, Arc::new(decode::<Sealed>(&kv.value)?));
            }
            Place::HttpChallenge(host, token) => {
                let record: ChallengeRecord = decode(&kv.value)?;
                let challenge = HttpChallenge::parse(host, &token, &record.key_authorization, record.port)
                    .map_err(|error| RecordError::invalid("key_authorization", error))?;
                desired.challenges.push(challenge);
            }
            Place::TlsChallenge(host) => {
                let record: TlsChallengeRecord = decode(&kv.value)?;
                let digest = unhex(&record.digest).ok_or_else(|| RecordError::invalid("digest", record.digest))?;
                desired.tls_challenges.push(TlsChallenge { host, digest });
            }
            Place::Issuer(id) => {
                let (issuer, eab_mac_key) = decode::<IssuerRecord>(&kv.value)?.into_issuer(id)?;
                desired.issuers.push(Stored { value: StoredIssuer { issuer, eab_mac_key }, revision });
            }
            Place::DnsProvider(id) => {
                let DnsProviderRecord { kind, settings, secret_names, secrets, .. } = decode(&kv.value)?;
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
                let value = decode::<ServerIdentityRecord>(&kv.value)?.into_identity(seq);
                desired.identities.push(Stored { value, revision });
            }
            Place::Trust => {
                let value = decode::<AgentTrustRecord>(&kv.value)?.into();
                desired.trust = Some(Stored { value, revision });
            }
            Place::Channel(id) => {
                let value = decode::<ChannelRecord>(&kv.value)?.into_channel(id)?;
                desired.channels.push(Stored { value, revision });
            }
            Place::CertificateManaged(id) => {
                let value = decode::<ManagedRecord>(&kv.value)?.try_into()?;
                self.certificates.entry(id).or_default().managed = Some(Stored { value, revision });
            }
            Place::CertificateSpec(id) => {
                let parts = self.certificates.entry(id).or_default();
                parts.spec = Some(Stored { value: decode(&kv.value)?, revision });
            }
            Place::CertificateCurrent(id) => {
                let parts = self.certificates.entry(id).or_default();
                parts.current = Some(Stored { value: decode::<CurrentRecord>(&kv.value)?.into(), revision });
            }
            Place::CertificateVersion(id, number) => {
                let parts = self.certificates.entry(id).or_default();
                parts.versions.push((number, decode(&kv.value)?, kv.clone()));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Desired {
        // The order of keys would put 10 before 2.
        self.desired.identities.sort_by_key(|stored| stored.value.seq);
        for (id, parts) in std::mem::take(&mut self.certificates) {
            let Some(spec) = parts.spec else {
                // Either its own record is bad and told of already, or it is missing where others refer to it.
                let spec = Place::CertificateSpec(id).key();
                if !self.desired.bad.iter().any(|bad| bad.key == spec) {
                    for key in parts.versions.into_iter().map(|(_, _, kv)| kv) {
                        self.bad(key, RecordError::Dangling(spec.clone()));
                    }
                }
                continue;
            };
            let versions = self.versions(parts.versions);
            let (current, current_revision) = match parts.current {
                Some(stored) => (stored.value, Some(stored.revision)),
                None => (VersionNumber(0), None),
            };
            if current_revision.is_some() && !versions.iter().any(|version| version.number == current) {
                let missing = Place::CertificateVersion(id.clone(), current).key();
                let key = Place::CertificateCurrent(id.clone()).key();
                self.desired.bad.push(BadRecord { key, reason: Arc::new(RecordError::Dangling(missing)) });
            }
            let managed_revision = parts.managed.as_ref().map(|stored| stored.revision);
            let management = match parts.managed {
                Some(managed) if spec.value.managed => Management::Managed(Arc::new(managed.value)),
                None if spec.value.managed => {
                    // Its own record may be bad, and told of already.
                    let missing = Place::CertificateManaged(id.clone()).key();
                    if !self.desired.bad.iter().any(|bad| bad.key == missing) {
                        let key = Place::CertificateSpec(id.clone()).key();
                        self.desired.bad.push(BadRecord { key, reason: Arc::new(RecordError::Dangling(missing)) });
                    }
                    Management::Unmanaged
                }
                _ => Management::Unmanaged,
            };
            let name = spec.value.name;
            let value = Certificate { id, name, management, current, versions };
            let spec_revision = spec.revision;
            self.desired.certificates.push(StoredCertificate {
                value,
                spec_revision,
                managed_revision,
                current_revision,
            });
        }
        self.desired
    }

    /// Versions in the order of their numbers; the order of keys would put 10 before 2.
    fn versions(&mut self, parts: Vec<(VersionNumber, VersionRecord, Kv)>) -> Vec<Arc<CertificateVersion>> {
        let mut versions = Vec::with_capacity(parts.len());
        for (number, record, kv) in parts {
            let version = match &record.issuers {
                None => record.into_version(number, None),
                Some(sha256) => match self.issuers.get(sha256) {
                    Some(issuers) => record.into_version(number, Some(issuers)),
                    None if is_sha256(sha256) => Err(RecordError::Dangling(Place::Issuers(sha256.clone()).key())),
                    None => Err(RecordError::invalid("issuers", "it is not a SHA-256")),
                },
            };
            match version {
                Ok(version) => versions.push(Arc::new(version)),
                Err(reason) => self.bad(kv, reason),
            }
        }
        versions.sort_by_key(|version| version.number);
        versions
    }

    fn bad(&mut self, kv: Kv, reason: RecordError) {
        self.desired.bad.push(BadRecord { key: kv.key, reason: Arc::new(reason) });
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
        SettingName::LetsEncrypt => settings.letsencrypt = Some(decode::<LetsEncryptRecord>(value)?.certificate),
    }
    Ok(())
}
