//! How far an order has come.

use std::fmt;

/// Says how far an order has come; each stage is stored before the step after it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It is decided that a certificate is to be ordered; the CA may know of it already.
    Planned,
    /// The CA has the order, and we have its URL.
    Ordered,
    /// The answers to all challenges are in place, and served or published.
    Challenged,
    /// The CA has been told to look at each of them.
    Ready,
    /// The private key is stored, and the CA is asked for the certificate.
    Finalizing,
    /// The certificate is stored as the version that is to be served.
    Issued,
    /// A handshake has shown that it is served.
    Published,
}

impl Stage {
    /// All stages in their order.
    pub const ALL: [Self; 7] =
        [Self::Planned, Self::Ordered, Self::Challenged, Self::Ready, Self::Finalizing, Self::Issued, Self::Published];

    /// The word of the API: `planned`, `ordered`, `challenged`, `ready`, `finalizing`, `issued` or `published`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Ordered => "ordered",
            Self::Challenged => "challenged",
            Self::Ready => "ready",
            Self::Finalizing => "finalizing",
            Self::Issued => "issued",
            Self::Published => "published",
        }
    }

    /// Reads what [`Stage::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
