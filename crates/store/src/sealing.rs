//! Sealing: how private keys and other secrets lie in the store.
//!
//! Each secret has a random data key of its own, which is wrapped under the [`MasterKey`].
//! The master key is never in the store, nor in a backup of it.
//! What is sealed for one cluster, path and version opens for no other, so that records cannot be swapped or replayed.
//! What is no secret, and says who is trusted, carries a MAC under a key that is derived from the master key.

mod aead;
mod mac;
mod master_key;
mod sealed;
mod secret;

use std::{fmt, sync::OnceLock};

use zeroize::Zeroizing;

pub(crate) use mac::Mac;
pub use mac::MacError;
pub use master_key::{MasterKey, MasterKeyError};
pub use sealed::Sealed;
pub use secret::Secret;

use self::{mac::Authenticator, sealed::Parts};
use crate::{Key, random};

/// Seals and opens the secrets of one cluster, and tells its own records from those that others wrote.
pub struct Sealer {
    cluster: String,
    master: MasterKey,
    /// Derived when it is asked for: most of those who seal and open have nothing to do with it.
    authenticator: OnceLock<Authenticator>,
}

/// Says why a secret does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// The record has a version that we do not know.
    #[error("the secret at \"{key}\" has record version {v}; a newer Portward wrote this")]
    Newer {
        /// Where it is.
        key: Key,
        /// Its version.
        v: u32,
    },
    /// The record names a cipher that we do not know.
    #[error("the secret at \"{key}\" is sealed with \"{alg}\", which is not known; a newer Portward wrote this")]
    Algorithm {
        /// Where it is.
        key: Key,
        /// What it names.
        alg: String,
    },
    /// The record was sealed under another generation of the master key.
    #[error("the secret at \"{key}\" is sealed under generation {needed} of the master key; this is generation {have}")]
    Generation {
        /// Where it is.
        key: Key,
        /// The generation that it needs.
        needed: u32,
        /// The generation of our key.
        have: u32,
    },
    /// Something does not fit: the master key, the place of the record, its version, or a bit of it.
    #[error(
        "the secret at \"{key}\" does not open: it was sealed with another master key, for another place or version, or it was changed"
    )]
    Refused {
        /// Where it is.
        key: Key,
    },
}

impl Sealer {
    /// Makes what seals for the cluster of that id.
    pub fn new(cluster: impl Into<String>, master: MasterKey) -> Self {
        Self { cluster: cluster.into(), master, authenticator: OnceLock::new() }
    }

    /// Makes the MAC of a record that is no secret, for one key of the store.
    pub(crate) fn authenticate(&self, key: &Key, content: &[u8]) -> Mac {
        self.authenticator().of(key, content)
    }

    /// Refuses a record that has no MAC, or that of another content, key of the store, cluster or master key.
    ///
    /// A record that counted once counts again if somebody puts it back: the MAC does not tell when it was written.
    pub(crate) fn verify(&self, key: &Key, content: &[u8], mac: Option<&Mac>) -> Result<(), MacError> {
        self.authenticator().check(key, content, mac)
    }

    fn authenticator(&self) -> &Authenticator {
        self.authenticator.get_or_init(|| Authenticator::new(&self.cluster, &self.master))
    }

    /// Seals a secret for one key of the store and one version of what lies there.
    pub fn seal(&self, key: &Key, version: u64, secret: &Secret) -> Sealed {
        let dek = Zeroizing::new(random::bytes::<{ aead::KEY_BYTES }>());
        let nonce = random::bytes::<{ aead::NONCE_BYTES }>();
        let g = self.master.generation();
        let ct = aead::seal(&dek, nonce, &self.content_aad(key, version), secret.expose());
        let wrap_nonce = random::bytes::<{ aead::NONCE_BYTES }>();
        let wrapped = aead::seal(self.master.expose(), wrap_nonce, &self.wrap_aad(key, version, g), dek.as_slice());
        let dek = [wrap_nonce.as_slice(), &wrapped].concat();
        Parts { v: VERSION, alg: ALGORITHM.into(), g, dek, nonce: nonce.to_vec(), ct }.into()
    }

    /// Opens what was sealed for the same key of the store and the same version.
    pub fn open(&self, key: &Key, version: u64, sealed: &Sealed) -> Result<Secret, UnsealError> {
        if sealed.v() != VERSION {
            return Err(UnsealError::Newer { key: key.clone(), v: sealed.v() });
        }
        if sealed.alg() != ALGORITHM {
            return Err(UnsealError::Algorithm { key: key.clone(), alg: sealed.alg().to_owned() });
        }
        if sealed.g() != self.master.generation() {
            let have = self.master.generation();
            return Err(UnsealError::Generation { key: key.clone(), needed: sealed.g(), have });
        }
        let refused = || UnsealError::Refused { key: key.clone() };
        let (wrap_nonce, wrapped) = sealed.dek().split_first_chunk().ok_or_else(refused)?;
        let dek = aead::open(self.master.expose(), *wrap_nonce, &self.wrap_aad(key, version, sealed.g()), wrapped)
            .ok_or_else(refused)?;
        let dek: Zeroizing<[u8; aead::KEY_BYTES]> = Zeroizing::new(dek.expose().try_into().map_err(|_| refused())?);
        let nonce = sealed.nonce().try_into().map_err(|_| refused())?;
        aead::open(&dek, nonce, &self.content_aad(key, version), sealed.ct()).ok_or_else(refused)
    }

    /// Binds the secret to its place. The generation is bound by the wrap, so that a new master key needs new wraps only.
    fn content_aad(&self, key: &Key, version: u64) -> Vec<u8> {
        self.aad("content", key, version, &[])
    }

    fn wrap_aad(&self, key: &Key, version: u64, generation: u32) -> Vec<u8> {
        self.aad("wrap", key, version, &generation.to_be_bytes())
    }

    /// Each part has its length before it, so that no two lists of parts give the same bytes.
    fn aad(&self, purpose: &str, key: &Key, version: u64, generation: &[u8]) -> Vec<u8> {
        let version = version.to_be_bytes();
        let parts: [&[u8]; 7] = [
            b"portward-sealed-1",
            purpose.as_bytes(),
            self.cluster.as_bytes(),
            key.as_str().as_bytes(),
            &version,
            ALGORITHM.as_bytes(),
            generation,
        ];
        let mut aad = Vec::new();
        for part in parts {
            aad.extend_from_slice(&(part.len() as u64).to_be_bytes());
            aad.extend_from_slice(part);
        }
        aad
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

/// The version of [`Sealed`] that is written.
const VERSION: u32 = 1;
/// The one cipher: AES with 256 bits in Galois/Counter Mode (NIST SP 800-38D). Each data key seals once.
const ALGORITHM: &str = "AES-256-GCM";

#[cfg(test)]
mod tests;
