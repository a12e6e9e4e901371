//! Bytes that nobody should see.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Holds secret bytes; it wipes them when it goes, and prints nothing of them.
///
/// It cannot be serialised or displayed: the only way in is [`Secret::expose`], which can be searched for.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Copies bytes; the caller wipes its own.
    pub fn copy_of(bytes: &[u8]) -> Self {
        // The exact capacity: growing would leave a copy behind.
        Self(Zeroizing::new(Vec::from(bytes)))
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl Zeroize for Secret {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
