//! A certificate with the certificates that lead to its root.

use std::{fmt, sync::Arc};

use crate::Thumbprint;

/// Holds a leaf and its issuers, in DER, in the order of RFC 8446 section 4.4.2: each certifies the one before it.
///
/// Issuers are shared, as thousands of leaves have the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Chain {
    /// The certificate whose key we hold.
    pub leaf: Arc<[u8]>,
    /// Issuers that are sent along with the leaf, without the root.
    pub intermediates: Arc<[Arc<[u8]>]>,
    /// The self-signed end of the chain, if it was given. Clients have it; it is not sent.
    pub root: Option<Arc<[u8]>>,
}

impl Chain {
    /// A leaf without issuers, as a self-signed one is.
    pub fn of_leaf(leaf: Arc<[u8]>) -> Self {
        Self { leaf, intermediates: Arc::new([]), root: None }
    }

    /// The thumbprint of the leaf.
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of(&self.leaf)
    }

    /// What a TLS server sends: the leaf, then the intermediates.
    pub fn sent(&self) -> impl Iterator<Item = &Arc<[u8]>> {
        std::iter::once(&self.leaf).chain(self.intermediates.iter())
    }

    /// How many certificates are held, root included.
    pub fn length(&self) -> usize {
        1 + self.intermediates.len() + usize::from(self.root.is_some())
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain({}, {} certificates)", self.thumbprint(), self.length())
    }
}
