//! Why there is no link, and how far it came: the steps that a connectivity check tells one by one.

use std::{fmt, io, sync::Arc};

use portward_core::DialAddress;

use crate::{
    OfferError, ProxyError,
    opening::Refusal,
    verify::{Chain, Mismatch, Unreadable, Weak},
};

/// Says how far a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Looking up the host name.
    Dns,
    /// Connecting.
    Tcp,
    /// Asking the HTTP proxy for a tunnel.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// Comparing thumbprints.
    Thumbprint,
    /// What each side says first: version, and whether it trusts the other.
    Opening,
    /// The link is there.
    Link,
}

/// Says why there is no link.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LinkError {
    /// The name has no address, or could not be looked up.
    #[error("the host name of {address} cannot be looked up: {reason}")]
    Dns {
        /// What was dialled.
        address: DialAddress,
        /// What the system says.
        reason: String,
    },
    /// Nobody took the connection.
    #[error("{address} cannot be connected to: {reason}")]
    Tcp {
        /// What was dialled.
        address: DialAddress,
        /// What the system says, for each address that was tried.
        reason: String,
    },
    /// The HTTP proxy made no tunnel.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The other side is not who was expected.
    #[error(transparent)]
    Mismatch(Box<Mismatch>),
    /// The other side showed a chain.
    #[error(transparent)]
    Chain(Chain),
    /// The key of the other side is too small.
    #[error(transparent)]
    Weak(Weak),
    /// The certificate of the other side cannot be read.
    #[error(transparent)]
    Unreadable(Unreadable),
    /// The handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
    /// Who is there speaks TLS, and not this protocol.
    #[error("it speaks TLS, but not the protocol of agents ({0}); is another program there, or a proxy between?")]
    Alpn(&'static str),
    /// The other side showed no certificate.
    #[error("it showed no certificate; an agent is known by one")]
    NoCertificate,
    /// Something did not come in time.
    #[error("{0} took too long")]
    TimedOut(Stage),
    /// What came is not what this protocol begins with.
    #[error(
        "it does not speak the protocol of agents; it began with \"{0}\"; is another program there, or a proxy between?"
    )]
    NotALink(String),
    /// What came cannot be read.
    #[error("what it said first cannot be read: {0}")]
    Garbled(String),
    /// The other side does not want this link, and says why.
    #[error("{}", .0.message)]
    Refused(Box<Refusal>),
    /// There is no version of the protocol that both know.
    #[error(
        "it speaks versions {theirs_from} to {theirs_to} of the protocol, and this program {ours_from} to {ours_to}; update the older of the two"
    )]
    Version {
        /// First one that it knows.
        theirs_from: u16,
        /// Last one that it knows.
        theirs_to: u16,
        /// First one known here.
        ours_from: u16,
        /// Last one known here.
        ours_to: u16,
    },
    /// The identity that is to follow is not proved.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The connection ended or failed.
    #[error("the connection was closed or failed during {stage}: {source}")]
    Io {
        /// When.
        stage: Stage,
        /// What the system says.
        source: Arc<io::Error>,
    },
}

impl LinkError {
    pub(crate) fn io(stage: Stage, source: io::Error) -> Self {
        Self::Io { stage, source: Arc::new(source) }
    }

    /// Finds what is behind an error of the TLS library.
    pub(crate) fn of_handshake(error: io::Error) -> Self {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
            return Self::io(Stage::Tls, error);
        };
        if let rustls::Error::InvalidCertificate(rustls::CertificateError::Other(rustls::OtherError(reason))) = tls {
            if let Some(mismatch) = reason.downcast_ref::<Mismatch>() {
                return Self::Mismatch(Box::new(mismatch.clone()));
            }
            if let Some(chain) = reason.downcast_ref::<Chain>() {
                return Self::Chain(chain.clone());
            }
            if let Some(weak) = reason.downcast_ref::<Weak>() {
                return Self::Weak(weak.clone());
            }
            if let Some(unreadable) = reason.downcast_ref::<Unreadable>() {
                return Self::Unreadable(unreadable.clone());
            }
        }
        Self::of_tls(tls)
    }

    pub(crate) fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::NoCertificatesPresented => Self::NoCertificate,
            rustls::Error::NoApplicationProtocol
            | rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol) => Self::Alpn("ALPN"),
            other => Self::Tls(other.to_string()),
        }
    }

    /// How far the connection came: this step failed, those before it did not.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Dns { .. } => Stage::Dns,
            Self::Tcp { .. } => Stage::Tcp,
            Self::Proxy(_) => Stage::Proxy,
            Self::Tls(_) | Self::Weak(_) | Self::Unreadable(_) | Self::Alpn(_) | Self::NoCertificate => Stage::Tls,
            Self::Mismatch(_) | Self::Chain(_) => Stage::Thumbprint,
            Self::TimedOut(stage) | Self::Io { stage, .. } => *stage,
            Self::NotALink(_) | Self::Garbled(_) | Self::Refused(_) | Self::Version { .. } | Self::Offer(_) => {
                Stage::Opening
            }
        }
    }
}

/// The step as the beginning of a sentence.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "looking up the name",
            Self::Tcp => "connecting",
            Self::Proxy => "the HTTP proxy",
            Self::Tls => "the TLS handshake",
            Self::Thumbprint => "comparing thumbprints",
            Self::Opening => "the opening of the link",
            Self::Link => "the link",
        })
    }
}
