//! What the files held, before it is known what belongs together.

use super::MAX_CERTIFICATES;
use crate::{
    LeftOver, PrivateKey, PrivateKeyError, ReadError, private_key::MIN_RSA_BITS, read_error::ReadFailure, x509::X509,
};

/// Collects certificates and keys of all files.
#[derive(Default)]
pub(super) struct Pile {
    file: String,
    pub(super) certificates: Vec<Given<X509>>,
    pub(super) keys: Vec<Given<PrivateKey>>,
    pub(super) left_over: Vec<LeftOver>,
    /// What stands where a usable part was meant to be.
    pub(super) rejected: Vec<(Rejected, ReadError)>,
    /// Whether a Java trust store was among the files.
    pub(super) has_trust_store: bool,
}

/// Says what a thing that cannot be used is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejected {
    PrivateKey,
    PublicKey,
    Request,
}

/// Is a thing with the file that it came from.
pub(super) struct Given<T> {
    pub(super) file: String,
    pub(super) thing: T,
}

impl Pile {
    /// Notes the name of the file that is read from now on.
    pub(super) fn open(&mut self, file: &str) {
        file.clone_into(&mut self.file);
    }

    /// Adds a certificate in DER; one that is there already is passed over.
    pub(super) fn add_certificate(&mut self, der: &[u8]) -> Result<(), ReadFailure> {
        if self.certificates.iter().any(|given| *given.thing.der == *der) {
            return Ok(());
        }
        if self.certificates.len() == MAX_CERTIFICATES {
            return Err(ReadFailure::TooLarge {
                what: "the number of certificates".to_owned(),
                limit: MAX_CERTIFICATES.to_string(),
            });
        }
        let thing =
            X509::read(der).map_err(|error| ReadFailure::Broken { what: "certificate", reason: error.0.to_owned() })?;
        self.certificates.push(Given { file: self.file.clone(), thing });
        Ok(())
    }

    /// Adds a key; one of an unusable kind is remembered in case that there is no other.
    pub(super) fn add_key(&mut self, key: Result<PrivateKey, PrivateKeyError>) -> Result<(), ReadFailure> {
        match key {
            Ok(key) if self.keys.iter().any(|given| given.thing.is_same(&key)) => {}
            Ok(_) if self.keys.len() == MAX_KEYS => {
                return Err(ReadFailure::TooLarge {
                    what: "the number of private keys".to_owned(),
                    limit: MAX_KEYS.to_string(),
                });
            }
            Ok(key) => self.keys.push(Given { file: self.file.clone(), thing: key }),
            Err(PrivateKeyError::Broken(reason)) => {
                return Err(ReadFailure::Broken { what: "private key", reason: reason.to_owned() });
            }
            Err(PrivateKeyError::Weak(bits)) => self.reject(
                Rejected::PrivateKey,
                ReadFailure::WeakKey { bits },
                format!("a private key that is too short (RSA {bits}, at least {MIN_RSA_BITS} are needed)"),
            ),
            Err(PrivateKeyError::Unsupported(algorithm)) => {
                let what = format!("a private key of an algorithm that is not served ({algorithm})");
                self.reject(
                    Rejected::PrivateKey,
                    ReadFailure::UnsupportedKey { what: "private key".to_owned(), algorithm },
                    what,
                );
            }
        }
        Ok(())
    }

    /// Adds what another pile has and this one has not.
    pub(super) fn absorb(&mut self, other: Self) {
        for given in other.certificates {
            let is_there = self.certificates.iter().any(|own| own.thing.der == given.thing.der);
            if !is_there && self.certificates.len() < MAX_CERTIFICATES {
                self.certificates.push(given);
            }
        }
        for given in other.keys {
            let is_there = self.keys.iter().any(|own| own.thing.is_same(&given.thing));
            if !is_there && self.keys.len() < MAX_KEYS {
                self.keys.push(given);
            }
        }
        let room = |has: usize| MAX_LEFT_OVER.saturating_sub(has);
        let (left_over, rejected) = (room(self.left_over.len()), room(self.rejected.len()));
        self.left_over.extend(other.left_over.into_iter().take(left_over));
        self.rejected.extend(other.rejected.into_iter().take(rejected));
        self.has_trust_store |= other.has_trust_store;
    }

    /// Notes a thing of a known kind that cannot be used.
    pub(super) fn reject(&mut self, kind: Rejected, failure: ReadFailure, what: String) {
        if self.rejected.len() < MAX_LEFT_OVER {
            self.rejected.push((kind, failure.in_file(&self.file)));
        }
        self.leave(what);
    }

    /// Notes a thing that is of no use here.
    ///
    /// Only the first hundred are listed: a hostile file could have any number.
    pub(super) fn leave(&mut self, what: String) {
        if self.left_over.len() < MAX_LEFT_OVER {
            self.left_over.push(LeftOver { file: self.file.clone(), what });
        }
    }
}

/// Far more than a file of one certificate has; each is checked by the TLS library, which takes its time.
const MAX_KEYS: usize = 50;
const MAX_LEFT_OVER: usize = 100;
