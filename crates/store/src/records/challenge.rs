//! The records of answers to challenges.

use serde::{Deserialize, Serialize};

use super::Record;

/// Is `acme/chal/http/<host>/<token>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChallengeRecord {
    v: u32,
    pub(crate) key_authorization: String,
    #[serde(default = "eighty")]
    pub(crate) port: u16,
}

/// Is `acme/chal/tls/<host>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsChallengeRecord {
    v: u32,
    /// SHA-256 of the key authorization, hexadecimal.
    pub(crate) digest: String,
}

impl Record for ChallengeRecord {
    const VERSION: u32 = 1;
}

impl Record for TlsChallengeRecord {
    const VERSION: u32 = 1;
}

impl ChallengeRecord {
    /// Makes the record for a key authorization (RFC 8555 section 8.1).
    pub(crate) fn new(key_authorization: String, port: u16) -> Self {
        Self { v: Self::VERSION, key_authorization, port }
    }
}

impl TlsChallengeRecord {
    /// Makes the record for the SHA-256 of a key authorization (RFC 8737 section 3).
    pub(crate) fn new(digest: String) -> Self {
        Self { v: Self::VERSION, digest }
    }
}

fn eighty() -> u16 {
    80
}
