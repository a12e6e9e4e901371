//! The records of a certificate: what was said of it, its versions, and which one is served.

use std::sync::Arc;

use aws_lc_rs::digest;
use portward_core::{
    AgentName, CertificateVersion, Chain, KeyId, KeyType, LeafFacts, Management, Sha1Thumbprint, Source, Thumbprint,
    Timestamp, Validity, VersionNumber,
};
use serde::{Deserialize, Serialize};

use super::{Record, RecordError, Shared, base64::Blob, text::host_patterns};
use crate::hex::{hex, unhex};

/// Is `certs/<id>/spec`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpecRecord {
    v: u32,
    pub(crate) name: String,
    /// Whether `certs/<id>/acme` says how it is renewed.
    pub(crate) managed: bool,
}

/// Is `certs/<id>/current`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CurrentRecord {
    v: u32,
    version: u32,
}

/// Is `certs/<id>/v/<n>`. The facts are kept beside the leaf, so that a list of many certificates parses no DER.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionRecord {
    v: u32,
    source: String,
    added: String,
    leaf: Blob,
    /// The SHA-256 that is the last segment of `chains/<sha256>`; none if the leaf stands alone.
    pub(crate) issuers: Option<String>,
    pub(crate) key: String,
    /// Since version 2, which is written only where there is one: the agent on whose machine the key is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_on: Option<String>,
    names: Vec<String>,
    thumbprint: String,
    sha1: String,
    serial: String,
    issuer: String,
    subject: String,
    self_signed: bool,
    not_before: String,
    not_after: String,
    key_type: String,
}

/// Is `chains/<sha256>`: what leads from leaves to a root, shared by all that have the same.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuersRecord {
    v: u32,
    intermediates: Vec<Blob>,
    root: Option<Blob>,
}

/// Holds issuers as they are shared between chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issuers {
    pub(crate) intermediates: Arc<[Arc<[u8]>]>,
    pub(crate) root: Option<Arc<[u8]>>,
}

impl Record for SpecRecord {
    const VERSION: u32 = 1;
}

impl Record for CurrentRecord {
    const VERSION: u32 = 1;
}

impl Record for VersionRecord {
    const VERSION: u32 = 2;
}

impl Record for IssuersRecord {
    const VERSION: u32 = 1;
}

impl SpecRecord {
    /// Makes the record.
    pub(crate) fn new(name: String, management: &Management) -> Self {
        Self { v: Self::VERSION, name, managed: management.managed().is_some() }
    }
}

impl From<VersionNumber> for CurrentRecord {
    fn from(number: VersionNumber) -> Self {
        Self { v: Self::VERSION, version: number.0 }
    }
}

impl From<CurrentRecord> for VersionNumber {
    fn from(record: CurrentRecord) -> Self {
        Self(record.version)
    }
}

impl IssuersRecord {
    /// The issuers of a chain and their SHA-256; none if the leaf stands alone.
    pub(crate) fn of(chain: &Chain) -> Option<(String, Self)> {
        if chain.intermediates.is_empty() && chain.root.is_none() {
            return None;
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&(chain.intermediates.len() as u64).to_be_bytes());
        for der in chain.intermediates.iter().chain(&chain.root) {
            hash.update(&(der.len() as u64).to_be_bytes());
            hash.update(der);
        }
        let record = Self {
            v: Self::VERSION,
            intermediates: chain.intermediates.iter().cloned().map(Blob).collect(),
            root: chain.root.clone().map(Blob),
        };
        Some((hex(hash.finish().as_ref()), record))
    }
}

impl From<IssuersRecord> for Issuers {
    fn from(record: IssuersRecord) -> Self {
        Self {
            intermediates: record.intermediates.into_iter().map(|blob| blob.0).collect(),
            root: record.root.map(|blob| blob.0),
        }
    }
}

impl From<&CertificateVersion> for VersionRecord {
    fn from(version: &CertificateVersion) -> Self {
        let facts = &version.facts;
        Self {
            v: if version.key_on.is_some() { Self::VERSION } else { 1 },
            source: version.source.as_str().to_owned(),
            added: version.added.to_string(),
            leaf: Blob(Arc::clone(&version.chain.leaf)),
            issuers: IssuersRecord::of(&version.chain).map(|(sha256, _)| sha256),
            key: version.key.to_string(),
            key_on: version.key_on.as_ref().map(ToString::to_string),
            names: facts.names.iter().map(ToString::to_string).collect(),
            thumbprint: facts.thumbprint.to_string(),
            sha1: hex(facts.sha1.as_bytes()),
            serial: facts.serial.as_ref().into(),
            issuer: facts.issuer.as_ref().into(),
            subject: facts.subject.as_ref().into(),
            self_signed: facts.self_signed,
            not_before: facts.validity.not_before.to_string(),
            not_after: facts.validity.not_after.to_string(),
            key_type: facts.key_type.to_string(),
        }
    }
}

impl Issuers {
    /// Adds the issuers to a leaf.
    pub(crate) fn complete(&self, chain: &mut Chain) {
        chain.intermediates = Arc::clone(&self.intermediates);
        chain.root = self.root.clone();
    }
}

impl VersionRecord {
    /// Makes the version, with the leaf alone: [`Issuers::complete`] adds the others.
    ///
    /// Texts that many have are shared by those that are read with the same `shared`.
    pub(crate) fn into_version(
        self,
        number: VersionNumber,
        shared: &mut Shared,
    ) -> Result<CertificateVersion, RecordError> {
        let time = |field, text: &str| Timestamp::parse(text).map_err(|error| RecordError::invalid(field, error));
        let leaf = self.leaf.0;
        let thumbprint =
            Thumbprint::parse(&self.thumbprint).map_err(|error| RecordError::invalid("thumbprint", error))?;
        // The facts are believed, so they must be those of this leaf. A hash costs microseconds, parsing DER much more.
        if thumbprint != Thumbprint::of(&leaf) {
            return Err(RecordError::invalid("thumbprint", "it is not that of the leaf"));
        }
        let names = host_patterns(&self.names)?;
        let facts = LeafFacts {
            names,
            thumbprint,
            sha1: unhex(&self.sha1)
                .map(Sha1Thumbprint::from_bytes)
                .ok_or_else(|| RecordError::invalid("sha1", self.sha1))?,
            serial: self.serial.into(),
            issuer: shared.text(self.issuer),
            subject: self.subject.into(),
            self_signed: self.self_signed,
            validity: Validity {
                not_before: time("not_before", &self.not_before)?,
                not_after: time("not_after", &self.not_after)?,
            },
            key_type: KeyType::parse(&self.key_type).ok_or_else(|| RecordError::invalid("key_type", self.key_type))?,
        };
        let chain = Chain::of_leaf(leaf);
        let key_on = self.key_on.map(|name| AgentName::parse(&name)).transpose();
        Ok(CertificateVersion {
            number,
            source: Source::parse(&self.source).ok_or_else(|| RecordError::invalid("source", self.source))?,
            added: time("added", &self.added)?,
            chain,
            key: KeyId::parse(&self.key).map_err(|error| RecordError::invalid("key", error))?,
            key_on: key_on.map_err(|error| RecordError::invalid("key_on", error))?,
            facts: Arc::new(facts),
        })
    }
}
