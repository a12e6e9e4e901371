//! How things look in the store: JSON, each record with its version in `v`.
//!
//! Any change of a record's form gets a new `v`; a `v` that is not known is refused, never guessed at.
//! Ids are in the key and not in the value, so that they cannot disagree.

mod access;
mod agent;
mod audit;
mod authentic;
pub(crate) mod base64;
mod binding;
mod certificate;
mod challenge;
mod channel;
mod forwarding;
mod identity;
mod issuer;
mod managed;
mod meta;
mod oidc;
mod setting;
mod shared;
mod site;
pub(crate) mod text;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub(crate) use access::{OwnedRecord, SetupRecord, TokenRecord, UserRecord};
pub(crate) use agent::{AgentRecord, DeliveryRecord, JoinRecord};
pub(crate) use audit::{AuditHeadRecord, AuditRecord, AuditedRecord, OlderRecords};
pub(crate) use authentic::{Authentic, decode_authentic, encode_authentic};
pub(crate) use binding::BindingRecord;
pub(crate) use certificate::{CurrentRecord, Issuers, IssuersRecord, SpecRecord, VersionRecord};
pub(crate) use challenge::{ChallengeRecord, TlsChallengeRecord};
pub(crate) use channel::ChannelRecord;
pub(crate) use identity::{AgentTrustRecord, ServerIdentityRecord};
pub(crate) use issuer::{DnsProviderRecord, IssuerRecord};
pub(crate) use managed::ManagedRecord;
pub(crate) use meta::{ClusterRecord, SchemaRecord};
pub(crate) use oidc::OidcRecord;
pub(crate) use setting::{
    AgentSettingsRecord, ForceHttpsRecord, LetsEncryptRecord, TrustedProxiesRecord, WarningRecord,
};
pub(crate) use shared::Shared;
pub(crate) use site::SiteRecord;

use crate::{
    Cause,
    sealing::{MacError, Sealed},
};

/// Says why a record of the store cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Its version is not known here.
    #[error("the record has version {v}, and this Portward knows versions up to {known}; a newer Portward wrote this")]
    Newer {
        /// The version of the record.
        v: u32,
        /// The newest one known here.
        known: u32,
    },
    /// It is not JSON, or fields are missing or too many.
    #[error("the record is malformed")]
    Malformed(#[source] Cause),
    /// A field has a value that cannot be.
    #[error("the record has an impossible value in \"{field}\"")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        cause: Cause,
    },
    /// It refers to another record that is not there or cannot be read.
    #[error("the record refers to \"{0}\", which is missing or cannot be read")]
    Dangling(crate::Key),
    /// Portward did not write it.
    #[error(transparent)]
    Forged(MacError),
    /// Nothing of ours has this key.
    #[error("nothing of this Portward has such a key; a newer one may have written it")]
    UnknownKey,
}

/// Is a form in which a thing lies in the store.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// The version that is written, and the newest that is read.
    const VERSION: u32;
}

impl Record for Sealed {
    const VERSION: u32 = 1;
}

impl RecordError {
    /// A field that cannot be, and why.
    pub(crate) fn invalid(field: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Invalid { field, cause: cause.into() }
    }
}

/// Writes a record.
pub(crate) fn encode<R: Record>(record: &R) -> Bytes {
    // Records have text keys and no maps with other keys, which is the only thing JSON cannot write.
    #[expect(clippy::expect_used, reason = "cannot fail for the types of this module")]
    serde_json::to_vec(record).expect("records can be written as JSON").into()
}

/// Reads a record; its version is looked at first, so that a newer one is not called malformed.
pub(crate) fn decode<R: Record>(bytes: &[u8]) -> Result<R, RecordError> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let malformed = |error: serde_json::Error| RecordError::Malformed(error.into());
    let v = match leading_version(bytes) {
        Some(v) => v,
        None => serde_json::from_slice::<Version>(bytes).map_err(malformed)?.v,
    };
    if v > R::VERSION {
        return Err(RecordError::Newer { v, known: R::VERSION });
    }
    if v == 0 {
        return Err(RecordError::invalid("v", "versions count from 1"));
    }
    serde_json::from_slice(bytes).map_err(malformed)
}

/// The version where it stands first, as in all records that we write: nothing after it has to be read.
fn leading_version(bytes: &[u8]) -> Option<u32> {
    let rest = bytes.strip_prefix(b"{\"v\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, after) = rest.split_at_checked(digits)?;
    matches!(after.first(), Some(b',' | b'}')).then_some(())?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
