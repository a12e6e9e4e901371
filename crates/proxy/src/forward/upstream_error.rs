//! How an upstream fails when there is a connection to it.

use std::{io, time::Duration};

use crate::{
    answer::Fault,
    h1::{chunked::ChunkError, refusal::BadResponse},
};

/// Says how an upstream broke an exchange off; its text is for operators.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// It closed the connection and had said nothing.
    #[error("the upstream closed the connection before it answered")]
    Silent,
    /// It closed the connection and had begun to answer.
    #[error("the upstream closed the connection in the middle of its response")]
    CutShort,
    /// The connection failed.
    #[error("the connection to the upstream failed")]
    Io(#[source] io::Error),
    /// The head of its response cannot be read in exactly one way.
    #[error("{code}: {0}", code = .0.code())]
    BadHead(BadResponse),
    /// The body of its response cannot be read in exactly one way.
    #[error("{code}: {0}", code = .0.code())]
    BadBody(ChunkError),
    /// It does not come to the end of its interim responses.
    #[error("the upstream sent more than {most} interim responses")]
    Interims {
        /// The limit.
        most: u8,
    },
    /// It switched protocols in the middle of a request.
    #[error("the upstream switched protocols before it had the whole request")]
    EarlySwitch,
    /// It reset its stream, or the HTTP/2 connection failed, or it broke the protocol.
    #[error("the upstream broke the HTTP/2 stream off")]
    Stream(#[source] h2::Error),
    /// The body is not as long as was announced.
    #[error("the body of the upstream's response is not as long as its Content-Length")]
    BodyMismatch,
    /// Nothing comes from it any more.
    #[error(
        "the upstream says nothing and does not answer an HTTP/2 PING; look whether it hangs or its network is down"
    )]
    Unresponsive,
    /// HTTP/2 has no way to say the request.
    #[error("the request cannot be said in HTTP/2; speak HTTP/1.1 to the upstream with --upstream-http 1")]
    Untranslatable,
    /// It took too long.
    #[error("the upstream did not go on within {} s", .limit.as_secs_f32())]
    TimedOut {
        /// The time-out.
        limit: Duration,
    },
}

impl UpstreamError {
    /// The reason that the upstream gave for a reset, if it gave one: a client of HTTP/2 is given the same.
    pub(crate) fn reason(&self) -> Option<h2::Reason> {
        match self {
            Self::Stream(error) if error.is_reset() && error.is_remote() => error.reason(),
            _ => None,
        }
    }

    /// What the client is told.
    pub(super) fn fault(&self) -> Fault {
        match self {
            // The crate ends a stream by itself when the upstream breaks a rule of HTTP/2.
            Self::Stream(error) if error.is_library() => Fault::UpstreamBadResponse,
            Self::Silent | Self::CutShort | Self::Io(_) | Self::Stream(_) => Fault::UpstreamClosed,
            Self::BadHead(_)
            | Self::BadBody(_)
            | Self::BodyMismatch
            | Self::Interims { .. }
            | Self::EarlySwitch
            | Self::Untranslatable => Fault::UpstreamBadResponse,
            Self::Unresponsive => Fault::UpstreamTimeout,
            Self::TimedOut { .. } => Fault::UpstreamTimeout,
        }
    }
}
