//! A secret as it lies in the store, and in memory: there is one for each private key, so it is kept small.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ALGORITHM;

/// Holds a secret as it lies in the store: useless without the master key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Parts", into = "Parts")]
pub struct Sealed {
    v: u32,
    g: u32,
    /// Data key, nonce and ciphertext, one after the other; then the name of the cipher, if it is not the one that we know.
    bytes: Box<[u8]>,
    dek_bytes: u32,
    nonce_bytes: u32,
    alg_bytes: u32,
    is_alg_known: bool,
}

/// Is a [`Sealed`] as it is written, part for part.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parts {
    pub(super) v: u32,
    pub(super) alg: Box<str>,
    pub(super) g: u32,
    #[serde(with = "crate::records::base64")]
    pub(super) dek: Vec<u8>,
    #[serde(with = "crate::records::base64")]
    pub(super) nonce: Vec<u8>,
    #[serde(with = "crate::records::base64")]
    pub(super) ct: Vec<u8>,
}

impl Sealed {
    /// The version of the record.
    pub(super) fn v(&self) -> u32 {
        self.v
    }

    /// The generation of the master key.
    pub(super) fn g(&self) -> u32 {
        self.g
    }

    /// The name of the cipher.
    pub(super) fn alg(&self) -> &str {
        if self.is_alg_known {
            return ALGORITHM;
        }
        let name = self.bytes.get(self.before_alg()..).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// The wrapped data key.
    pub(super) fn dek(&self) -> &[u8] {
        self.part(0, self.dek_bytes as usize)
    }

    /// The nonce of the ciphertext.
    pub(super) fn nonce(&self) -> &[u8] {
        self.part(self.dek_bytes as usize, self.nonce_bytes as usize)
    }

    /// The ciphertext.
    pub(super) fn ct(&self) -> &[u8] {
        let begin = self.dek_bytes as usize + self.nonce_bytes as usize;
        self.bytes.get(begin..self.before_alg()).unwrap_or_default()
    }

    fn before_alg(&self) -> usize {
        self.bytes.len().saturating_sub(self.alg_bytes as usize)
    }

    fn part(&self, from: usize, bytes: usize) -> &[u8] {
        self.bytes.get(from..from + bytes).unwrap_or_default()
    }
}

impl From<Parts> for Sealed {
    fn from(parts: Parts) -> Self {
        let Parts { v, alg, g, dek, nonce, ct } = parts;
        let is_alg_known = *alg == *ALGORITHM;
        let alg = if is_alg_known { "" } else { &*alg };
        // A record is far smaller.
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let (dek_bytes, nonce_bytes, alg_bytes) = (length(&dek), length(&nonce), length(alg.as_bytes()));
        let bytes = [dek.as_slice(), &nonce, &ct, alg.as_bytes()].concat().into();
        Self { v, g, bytes, dek_bytes, nonce_bytes, alg_bytes, is_alg_known }
    }
}

impl From<Sealed> for Parts {
    fn from(sealed: Sealed) -> Self {
        Self {
            v: sealed.v,
            alg: sealed.alg().into(),
            g: sealed.g,
            dek: sealed.dek().to_vec(),
            nonce: sealed.nonce().to_vec(),
            ct: sealed.ct().to_vec(),
        }
    }
}

/// Shows the length only: what is sealed today may be opened by somebody one day.
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.ct().len())
    }
}
