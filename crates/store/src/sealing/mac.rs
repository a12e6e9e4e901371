//! HMAC-SHA256 over records that are no secrets, but that nobody else may write.

use aws_lc_rs::{hkdf, hmac};
use serde::{Deserialize, Serialize};

use super::MasterKey;
use crate::Key;

/// Is a message authentication code (RFC 2104) of a record at its key of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mac {
    /// The generation of the master key.
    g: u32,
    #[serde(with = "crate::records::base64")]
    tag: Vec<u8>,
}

/// Says why a record is not taken for one that Portward wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MacError {
    /// The record was written under another generation of the master key.
    #[error("\"{key}\" was written under generation {needed} of the master key; this is generation {have}")]
    Generation {
        /// Where it is.
        key: Key,
        /// The generation that it needs.
        needed: u32,
        /// The generation of our key.
        have: u32,
    },
    /// It has none, or that of something else.
    #[error(
        "\"{key}\" does not count: somebody without this master key wrote it or changed it, or it belongs to another place of the store"
    )]
    Refused {
        /// Where it is.
        key: Key,
    },
}

/// Makes and checks MACs for one cluster.
pub(super) struct Authenticator {
    key: hmac::Key,
    generation: u32,
}

impl Authenticator {
    /// Derives the key from the master key, for this purpose and cluster alone (HKDF, RFC 5869).
    pub(super) fn new(cluster: &str, master: &MasterKey) -> Self {
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(master.expose());
        let info = [cluster.as_bytes()];
        #[expect(clippy::expect_used, reason = "cannot fail for a key as long as the hash")]
        let key = derived.expand(&info, hmac::HMAC_SHA256).expect("HKDF gives 32 bytes").into();
        Self { key, generation: master.generation() }
    }

    /// The MAC of a record at its place.
    pub(super) fn of(&self, key: &Key, content: &[u8]) -> Mac {
        let tag = hmac::sign(&self.key, &message(key, content)).as_ref().to_vec();
        Mac { g: self.generation, tag }
    }

    /// Checks it, in constant time.
    pub(super) fn check(&self, key: &Key, content: &[u8], mac: Option<&Mac>) -> Result<(), MacError> {
        let refused = || MacError::Refused { key: key.clone() };
        let mac = mac.ok_or_else(refused)?;
        if mac.g != self.generation {
            return Err(MacError::Generation { key: key.clone(), needed: mac.g, have: self.generation });
        }
        hmac::verify(&self.key, &message(key, content), &mac.tag).map_err(|_| refused())
    }
}

/// The key has its length before it, so that no two of key and content give the same bytes.
fn message(key: &Key, content: &[u8]) -> Vec<u8> {
    let key = key.as_str().as_bytes();
    [(key.len() as u64).to_be_bytes().as_slice(), key, content].concat()
}

const SALT: &[u8] = b"portward-mac-1";
