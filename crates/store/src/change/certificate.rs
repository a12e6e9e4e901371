//! Changes of certificates, which are made of several records each.

use std::{collections::HashSet, sync::Arc};

use portward_core::{
    AgentName, CertificateId, CertificateVersion, Chain, KeyId, LeafFacts, Management, Source, Timestamp, VersionNumber,
};

use super::{Change, Expected};
use crate::{
    desired::{PRIVATE_KEY_VERSION, StoredCertificate},
    place::Place,
    records::{CurrentRecord, IssuersRecord, ManagedRecord, SpecRecord, VersionRecord},
    sealing::{Sealer, Secret},
};

/// Is a version of a certificate that is about to be stored.
#[derive(Debug)]
pub struct NewVersion<'a> {
    /// How it came here.
    pub source: Source,
    /// When it came here.
    pub added: Timestamp,
    /// Leaf and issuers.
    pub chain: Chain,
    /// What the leaf says.
    pub facts: Arc<LeafFacts>,
    /// A new name for the private key; none that the store has already.
    pub key: KeyId,
    /// Where the private key is.
    pub private_key: NewKey<'a>,
}

/// Says where the private key of a new version is.
#[derive(Clone, Debug)]
pub enum NewKey<'a> {
    /// Here: PKCS #8 in DER, to be sealed.
    Here(&'a Secret),
    /// On the machine of an agent, which made it.
    On(AgentName),
}

/// How many versions of a certificate are kept, the one that is served included.
pub const KEPT_VERSIONS: usize = 10;

impl Change {
    /// Adds a certificate with its first version, which is served at once.
    pub fn add_certificate(
        &mut self,
        id: &CertificateId,
        name: &str,
        management: Management,
        version: NewVersion<'_>,
        sealer: &Sealer,
    ) -> VersionNumber {
        let number = VersionNumber(1);
        let spec = SpecRecord::new(name.to_owned(), &management);
        self.put(&Place::CertificateSpec(id.clone()), &spec, Expected::Absent);
        if let Some(managed) = management.managed() {
            self.put(&Place::CertificateManaged(id.clone()), &ManagedRecord::from(&**managed), Expected::Absent);
        }
        self.put_version(id, number, version, sealer);
        self.put(&Place::CertificateCurrent(id.clone()), &CurrentRecord::from(number), Expected::Absent);
        number
    }

    /// Adds a version to a certificate and has it served; refused if another one came in between.
    ///
    /// With it [`KEPT_VERSIONS`] stay: the one that was served until now, and the newest of the others.
    pub fn add_version(
        &mut self,
        certificate: &StoredCertificate,
        version: NewVersion<'_>,
        sealer: &Sealer,
    ) -> VersionNumber {
        let id = &certificate.value.id;
        let number = certificate.value.next_number();
        self.require_certificate(id);
        self.put_version(id, number, version, sealer);
        self.put_current(certificate, number);
        let versions = &certificate.value.versions;
        let surplus = (versions.len() + 1).saturating_sub(KEPT_VERSIONS);
        let gone: Vec<_> =
            versions.iter().filter(|version| version.number != certificate.value.current).take(surplus).collect();
        let staying: Vec<_> = versions.iter().filter(|version| !gone.contains(version)).collect();
        self.remove_versions(id, &gone, &staying);
        number
    }

    /// Has another version of a certificate served, as when one goes back; refused if somebody else was faster.
    pub fn set_current(&mut self, certificate: &StoredCertificate, number: VersionNumber) {
        let version = Place::CertificateVersion(certificate.value.id.clone(), number).key();
        self.when.insert(version.clone(), crate::Cond::Present(version));
        self.put_current(certificate, number);
    }

    /// Writes name and management of a certificate; refused if somebody else was faster.
    pub fn edit_certificate(&mut self, certificate: &StoredCertificate, name: &str, management: &Management) {
        let id = &certificate.value.id;
        let spec = SpecRecord::new(name.to_owned(), management);
        self.put(&Place::CertificateSpec(id.clone()), &spec, Expected::At(certificate.spec_revision));
        let place = Place::CertificateManaged(id.clone());
        let expected = certificate.managed_revision.map_or(Expected::Absent, Expected::At);
        match management.managed() {
            Some(managed) => self.put(&place, &ManagedRecord::from(&**managed), expected),
            None if certificate.managed_revision.is_some() => self.delete(&place, expected),
            None => {}
        }
    }

    /// Takes a certificate away with all its versions and their keys; refused if somebody else changed it.
    ///
    /// Issuers stay, as other certificates may have the same.
    pub fn remove_certificate(&mut self, certificate: &StoredCertificate) {
        let id = &certificate.value.id;
        self.delete(&Place::CertificateSpec(id.clone()), Expected::At(certificate.spec_revision));
        let current = certificate.current_revision.map_or(Expected::Absent, Expected::At);
        self.delete(&Place::CertificateCurrent(id.clone()), current);
        if let Some(revision) = certificate.managed_revision {
            self.delete(&Place::CertificateManaged(id.clone()), Expected::At(revision));
        }
        self.remove_versions(id, &certificate.value.versions.iter().collect::<Vec<_>>(), &[]);
    }

    fn put_version(&mut self, id: &CertificateId, number: VersionNumber, new: NewVersion<'_>, sealer: &Sealer) {
        let key_on = match new.private_key {
            NewKey::Here(private_key) => {
                let place = Place::PrivateKey(new.key.clone());
                let sealed = sealer.seal(&place.key(), PRIVATE_KEY_VERSION, private_key);
                self.put(&place, &sealed, Expected::Absent);
                None
            }
            NewKey::On(agent) => Some(agent),
        };
        // Written even if it is there, so that nobody who clears away unused issuers can take it from under us.
        if let Some((sha256, issuers)) = IssuersRecord::of(&new.chain) {
            self.put(&Place::Issuers(sha256), &issuers, Expected::Any);
        }
        let version = CertificateVersion {
            number,
            source: new.source,
            added: new.added,
            chain: new.chain,
            key: new.key,
            key_on,
            facts: new.facts,
        };
        self.put(&Place::CertificateVersion(id.clone(), number), &VersionRecord::from(&version), Expected::Absent);
    }

    fn put_current(&mut self, certificate: &StoredCertificate, number: VersionNumber) {
        let expected = certificate.current_revision.map_or(Expected::Absent, Expected::At);
        let place = Place::CertificateCurrent(certificate.value.id.clone());
        self.put(&place, &CurrentRecord::from(number), expected);
    }

    fn remove_versions(
        &mut self,
        id: &CertificateId,
        gone: &[&Arc<CertificateVersion>],
        staying: &[&Arc<CertificateVersion>],
    ) {
        let used: HashSet<&KeyId> = staying.iter().map(|version| &version.key).collect();
        for version in gone {
            self.delete(&Place::CertificateVersion(id.clone(), version.number), Expected::Any);
            if !used.contains(&version.key) {
                self.delete(&Place::PrivateKey(version.key.clone()), Expected::Any);
            }
        }
    }
}
