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
    /// It took too long.
    #[error("the upstream did not go on within {} s", .limit.as_secs_f32())]
    TimedOut {
        /// The time-out.
        limit: Duration,
    },
}

impl UpstreamError {
    /// What the client is told.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Silent | Self::CutShort | Self::Io(_) => Fault::UpstreamClosed,
            Self::BadHead(_) | Self::BadBody(_) | Self::Interims { .. } | Self::EarlySwitch => {
                Fault::UpstreamBadResponse
            }
            Self::TimedOut { .. } => Fault::UpstreamTimeout,
        }
    }
}
