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
        let StoredTrust { seq, addresses, bindings } = trust.clone();
        Self { v: Self::VERSION, seq, addresses, bindings }
    }
}

impl From<AgentTrustRecord> for StoredTrust {
    fn from(record: AgentTrustRecord) -> Self {
        Self { seq: record.seq, addresses: record.addresses, bindings: record.bindings }
    }
}
