//! The record of how a certificate is managed.

use std::time::Duration;

use portward_core::{
    AgentName, DnsProviderId, HostPattern, IssuerId,
    acme::{ChallengeKind, KeyAlgorithm, KeyReuse, Managed},
};
use serde::{Deserialize, Serialize};

use super::{Record, RecordError, text};

/// Is `certs/<id>/acme`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManagedRecord {
    v: u32,
    #[serde(with = "text::list")]
    names: Vec<HostPattern>,
    #[serde(with = "text::list")]
    issuers: Vec<IssuerId>,
    #[serde(with = "text::option")]
    challenge: Option<ChallengeKind>,
    profile: Option<String>,
    dns: Option<String>,
    key: String,
    reuse_key: bool,
    /// Since version 2, which is written only where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_on: Option<String>,
    renew_before_seconds: Option<u64>,
}

impl Record for ManagedRecord {
    const VERSION: u32 = 2;
}

impl From<&Managed> for ManagedRecord {
    fn from(managed: &Managed) -> Self {
        Self {
            v: if managed.key_on.is_some() { Self::VERSION } else { 1 },
            names: managed.names.clone(),
            issuers: managed.issuers.clone(),
            challenge: managed.challenge,
            profile: managed.profile.clone(),
            dns: managed.dns.as_ref().map(ToString::to_string),
            key: managed.key.as_str().to_owned(),
            reuse_key: managed.reuse == KeyReuse::Keep,
            key_on: managed.key_on.as_ref().map(ToString::to_string),
            renew_before_seconds: managed.renew_before.map(|span| span.as_secs()),
        }
    }
}

impl TryFrom<ManagedRecord> for Managed {
    type Error = RecordError;

    fn try_from(record: ManagedRecord) -> Result<Self, RecordError> {
        if record.names.is_empty() || record.names.contains(&HostPattern::Any) {
            return Err(RecordError::invalid("names", "there is at least one, and none is for every host"));
        }
        if record.issuers.is_empty() {
            return Err(RecordError::invalid("issuers", "there is at least one"));
        }
        let key_on = record.key_on.map(|name| AgentName::parse(&name)).transpose();
        let dns = record.dns.map(|id| DnsProviderId::parse(&id)).transpose();
        Ok(Self {
            names: record.names,
            issuers: record.issuers,
            challenge: record.challenge,
            profile: record.profile,
            dns: dns.map_err(|error| RecordError::invalid("dns", error))?,
            key: KeyAlgorithm::parse(&record.key).ok_or_else(|| RecordError::invalid("key", record.key))?,
            reuse: if record.reuse_key { KeyReuse::Keep } else { KeyReuse::New },
            key_on: key_on.map_err(|error| RecordError::invalid("key_on", error))?,
            renew_before: record.renew_before_seconds.map(Duration::from_secs),
        })
    }
}
