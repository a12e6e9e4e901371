//! The records of what the server shows to agents, with its private keys sealed inside.

use std::{net::SocketAddr, sync::Arc};

use portward_core::{DialAddress, IdentityState, Thumbprint, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Record, base64::Blob, text};
use crate::{
    desired::{StoredIdentity, StoredTrust},
    sealing::Sealed,
};

/// Is `identity/<seq>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerIdentityRecord {
    v: u32,
    /// DER.
    certificate: Blob,
    /// PKCS #8 in DER, sealed.
    key: Sealed,
    #[serde(with = "text")]
    state: IdentityState,
    #[serde(with = "text")]
    created: Timestamp,
}

/// Is `identity/trust`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentTrustRecord {
    v: u32,
    seq: u64,
    #[serde(with = "text::list")]
    addresses: Vec<DialAddress>,
    #[serde(default, skip_serializing_if = "is_none")]
    told_from: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told_until: Option<u64>,
    #[serde(default)]
    bindings: Vec<SocketAddr>,
}

impl Record for ServerIdentityRecord {
    const VERSION: u32 = 1;
}

impl Record for AgentTrustRecord {
    const VERSION: u32 = 1;
}

impl ServerIdentityRecord {
    /// Makes the record.
    pub(crate) fn new(certificate: Arc<[u8]>, key: Sealed, state: IdentityState, created: Timestamp) -> Self {
        Self { v: Self::VERSION, certificate: Blob(certificate), key, state, created }
    }

    /// Makes the identity of that number.
    pub(crate) fn into_identity(self, seq: u64) -> StoredIdentity {
        let Self { certificate: Blob(certificate), key, state, created, .. } = self;
        let thumbprint = Thumbprint::of(&certificate);
        StoredIdentity { seq, certificate, key: Arc::new(key), state, created, thumbprint }
    }
}

impl From<&StoredTrust> for AgentTrustRecord {
    fn from(trust: &StoredTrust) -> Self {
        let StoredTrust { seq, addresses, told_from, told_until, bindings } = trust.clone();
        Self { v: Self::VERSION, seq, addresses, told_from, told_until, bindings }
    }
}

impl From<AgentTrustRecord> for StoredTrust {
    fn from(record: AgentTrustRecord) -> Self {
        let AgentTrustRecord { v: _, seq, addresses, told_from, told_until, bindings } = record;
        Self { seq, addresses, told_from, told_until, bindings }
    }
}

/// Serde gives a reference.
fn is_none(number: &u64) -> bool {
    *number == 0
}
