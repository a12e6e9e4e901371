//! The record of an answer to an http-01 challenge.

use serde::{Deserialize, Serialize};

use super::Record;

/// Is `acme/chal/http/<host>/<token>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChallengeRecord {
    v: u32,
    pub(crate) key_authorization: String,
}

impl Record for ChallengeRecord {
    const VERSION: u32 = 1;
}

impl ChallengeRecord {
    /// Makes the record for a key authorization (RFC 8555 section 8.1).
    pub(crate) fn new(key_authorization: String) -> Self {
        Self { v: Self::VERSION, key_authorization }
    }
}
