//! Certificates as an operator knows them: an id that stays, and numbered versions.

use std::{fmt, sync::Arc};

use smallvec::SmallVec;

use crate::{
    AgentName, CertificateId, Chain, HostPatterns, KeyId, KeyType, Sha1Thumbprint, Thumbprint, Timestamp, Validity,
    VersionNumber, acme::Managed,
};

/// Is one certificate of the library: what sites and bindings refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Stays the same through all versions.
    pub id: CertificateId,
    /// What people call it; need not be unique. Mostly it is one of its names, and shared with it.
    pub name: Arc<str>,
    /// Who renews it.
    pub management: Management,
    /// The version that is served.
    pub current: VersionNumber,
    /// Every version that can be gone back to, oldest first; `current` is one of them.
    pub versions: CertificateVersions,
}

/// Is a list of versions. Mostly there is one, which then takes no place of its own.
pub type CertificateVersions = SmallVec<[Arc<CertificateVersion>; 1]>;

/// Is one version of a certificate: its chain, and where its key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateVersion {
    /// Counts from 1.
    pub number: VersionNumber,
    /// How it came here.
    pub source: Source,
    /// When it came here.
    pub added: Timestamp,
    /// Leaf and issuers.
    pub chain: Chain,
    /// The sealed private key, unless it is elsewhere.
    pub key: KeyId,
    /// On which agent's machine the private key was made; it never leaves that, and nothing is sealed here.
    pub key_on: Option<AgentName>,
    /// What the leaf says.
    pub facts: Arc<LeafFacts>,
}

/// Is what a leaf certificate says, as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafFacts {
    /// The DNS names and IP addresses of the subjectAltName extension, in its order.
    ///
    /// Entries of other kinds, and names that no host can have, are left out.
    pub names: HostPatterns,
    /// SHA-256 of the DER.
    pub thumbprint: Thumbprint,
    /// SHA-1 of the DER, to look it up in other tools.
    pub sha1: Sha1Thumbprint,
    /// Lower-case hexadecimal digits.
    pub serial: Box<str>,
    /// Distinguished name, as in `CN=R13, O=Let's Encrypt, C=US`; many have the same.
    pub issuer: Arc<str>,
    /// Distinguished name, as in `CN=shop.example`.
    pub subject: Box<str>,
    /// Whether it is signed by its own key.
    pub self_signed: bool,
    /// When it is valid.
    pub validity: Validity,
    /// Algorithm and size of its key.
    pub key_type: KeyType,
}

/// Says who renews a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Management {
    /// Portward does, by asking for this.
    Managed(Arc<Managed>),
    /// The operator does, by importing a new version.
    Unmanaged,
}

/// Says how a version came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An operator imported it.
    Imported,
    /// Portward made it, signed by its own key.
    SelfSigned,
    /// An ACME server issued it.
    Acme,
}

impl Management {
    /// How Portward renews it; none if the operator does.
    pub fn managed(&self) -> Option<&Arc<Managed>> {
        match self {
            Self::Managed(managed) => Some(managed),
            Self::Unmanaged => None,
        }
    }
}

impl Certificate {
    /// The version that is served; none if the record of the pointer is ahead of the versions.
    pub fn current_version(&self) -> Option<&Arc<CertificateVersion>> {
        self.version(self.current)
    }

    /// The agent on whose machine the private key of the version in use is, or is to be once a CA has issued; none if it is
    /// here, so that Portward can present it.
    pub fn key_on(&self) -> Option<&AgentName> {
        match self.current_version() {
            // It only bridges the time until then.
            Some(version) if version.source != Source::SelfSigned => version.key_on.as_ref(),
            _ => self.management.managed().and_then(|managed| managed.key_on.as_ref()),
        }
    }

    /// The version of that number.
    pub fn version(&self, number: VersionNumber) -> Option<&Arc<CertificateVersion>> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// The number for the next version.
    pub fn next_number(&self) -> VersionNumber {
        VersionNumber(self.versions.iter().map(|version| version.number.0).max().unwrap_or(0) + 1)
    }
}

impl Source {
    /// The word of the API: `imported`, `self-signed` or `acme`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::SelfSigned => "self-signed",
            Self::Acme => "acme",
        }
    }

    /// Reads what [`Source::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Imported, Self::SelfSigned, Self::Acme].into_iter().find(|source| source.as_str() == text)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
