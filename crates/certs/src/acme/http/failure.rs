//! Why a request has no answer, in words for people.

use std::{error::Error as _, io, net::SocketAddr, time::Duration};

use http_body_util::LengthLimitError;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::{MAX_BODY_BYTES, Place, trust::Refused};

/// Says why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection.
    #[error("{0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("there was no answer in time")]
    TimedOut,
    /// An answer that cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// Another scheme than https.
    #[error("the URL is not one of https")]
    NotHttps,
    /// No URL at all.
    #[error("it is not a URL")]
    BadUrl,
}

impl Failure {
    pub(super) fn unresolved(place: &Place, error: &io::Error) -> Self {
        Self::Unreachable(format!("the name {} does not resolve: {error}", place.host))
    }

    pub(super) fn silent(place: &Place, patience: Duration) -> Self {
        Self::Unreachable(format!("nobody answers at {place} within {patience:?}"))
    }

    /// Tells what came of each address; none for one that did not answer.
    pub(super) fn unconnected(place: &Place, refused: &[(SocketAddr, Option<io::Error>)]) -> Self {
        let told: Vec<String> = refused
            .iter()
            .map(|(address, error)| match error {
                None => format!("nobody answers at {address}"),
                Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    format!("{address} refuses the connection")
                }
                Some(error) => format!("no connection to {address}: {error}"),
            })
            .collect();
        match told.is_empty() {
            true => Self::Unreachable(format!("the name {} has no address", place.host)),
            false => Self::Unreachable(told.join(", ")),
        }
    }

    pub(super) fn tls(place: &Place, error: &io::Error) -> Self {
        use rustls::Error as E;
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<E>()) else {
            return Self::Unreachable(format!("{place} closed the connection during the TLS handshake: {error}"));
        };
        Self::Unreachable(match tls {
            E::InvalidCertificate(CertificateError::Other(other)) => match other.0.downcast_ref::<Refused>() {
                Some(refused) => refused.told(place),
                None => format!("the certificate of {place} is not accepted: {tls}"),
            },
            E::InvalidMessage(InvalidMessage::InvalidContentType) => {
                format!("{place} does not speak TLS; is it a port of plain HTTP?")
            }
            E::AlertReceived(AlertDescription::UnrecognisedName) => {
                format!("{place} has no certificate for {}", place.host)
            }
            tls => format!("the TLS handshake with {place} failed: {tls}"),
        })
    }

    /// Tells how a request or the head of its answer failed on a connection that was there.
    pub(super) fn exchange(error: &hyper::Error) -> Self {
        if error.is_parse() {
            return Self::Unreadable(format!("what came is not HTTP/1.1: {error}"));
        }
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() || is_cut_off(error) {
            return Self::Unreachable("the connection was closed before an answer came".to_owned());
        }
        Self::Unreachable(match error.source() {
            Some(cause) => format!("the connection broke: {cause}"),
            None => format!("the connection broke: {error}"),
        })
    }

    pub(super) fn body(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Self {
        if error.is::<LengthLimitError>() {
            return Self::Unreadable(format!("the body is larger than {MAX_BODY_BYTES} bytes"));
        }
        Self::Unreadable("the body breaks off".to_owned())
    }
}

/// Whether the peer just went, for which TLS has many more words.
fn is_cut_off(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof)
}
