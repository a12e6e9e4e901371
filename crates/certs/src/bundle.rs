//! A certificate ready to be served: chain, key, and what the leaf says.

use std::fmt;

use portward_core::{Chain, LeafFacts};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::PrivateKey;

/// Holds a chain together with the private key of its leaf.
///
/// The key fits the leaf: both [`crate::read()`] and [`crate::self_signed()`] make sure of it.
#[derive(Debug)]
pub struct Bundle {
    /// Leaf, intermediates in order, and the root if it was given.
    pub chain: Chain,
    /// The key of the leaf.
    pub key: PrivateKey,
    /// What the leaf says.
    pub facts: LeafFacts,
    /// What was given and is of no use, for the operator to see.
    pub left_over: Vec<LeftOver>,
}

/// Describes a thing that was given and not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOver {
    /// Name of the file it was in.
    pub file: String,
    /// What it is and why it was not used.
    pub what: String,
}

impl Bundle {
    /// What a TLS server sends: the leaf, then the intermediates, in DER.
    pub fn tls_chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.sent().map(|der| CertificateDer::from(der.to_vec())).collect()
    }

    /// The key in the form that rustls takes: PKCS #8 DER.
    pub fn tls_key(&self) -> PrivateKeyDer<'static> {
        self.key.to_pki_types()
    }
}

impl fmt::Display for LeftOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}
