//! What one request may take of a site.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use crate::span::{parse_duration, parse_size, write_size, write_span};

/// Bounds what one request may take; none of a limit is the server's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SiteLimits {
    /// How large the body of a request may be.
    pub body: Option<BodyLimit>,
    /// How long the upstream may take to begin its answer.
    pub response: Option<WaitLimit>,
    /// How long nothing may come, in a body and in an upgraded connection such as a WebSocket.
    pub idle: Option<WaitLimit>,
}

/// Is the most bytes that the body of a request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BodyLimit(NonZeroU64);

/// Is a time that somebody waits at most, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WaitLimit(NonZeroU32);

/// Says why a text is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SiteLimitError {
    /// It is no size.
    #[error("\"{0}\" is neither none nor a size like 50MiB or 10GiB")]
    Size(String),
    /// A size of nothing.
    #[error("a body limit of 0 would refuse every form and upload; give a size, or none")]
    NoBody,
    /// It is no length of time.
    #[error("\"{0}\" is neither default nor a length of time like 90s or 20m")]
    Wait(String),
    /// It is too short or too long to be meant.
    #[error("\"{0}\" is not between 1 second and 1 day")]
    Range(String),
}

impl BodyLimit {
    /// Reads `none` or a size.
    pub fn parse(text: &str) -> Result<Option<Self>, SiteLimitError> {
        if text == NONE {
            return Ok(None);
        }
        let bytes = parse_size(text).ok_or_else(|| SiteLimitError::Size(text.to_owned()))?;
        NonZeroU64::new(bytes).map(|bytes| Some(Self(bytes))).ok_or(SiteLimitError::NoBody)
    }

    /// So many bytes.
    pub fn bytes(self) -> u64 {
        self.0.get()
    }

    /// A limit as [`Self::parse`] reads it.
    pub fn write(limit: Option<Self>) -> String {
        limit.map_or_else(|| NONE.to_owned(), |limit| limit.to_string())
    }
}

impl WaitLimit {
    /// Reads `default` or a length of time.
    pub fn parse(text: &str) -> Result<Option<Self>, SiteLimitError> {
        if text == DEFAULT {
            return Ok(None);
        }
        let span = parse_duration(text).ok_or_else(|| SiteLimitError::Wait(text.to_owned()))?;
        let seconds = u32::try_from(span.as_secs()).ok().filter(|_| (SHORTEST..=LONGEST).contains(&span));
        let seconds = seconds.and_then(NonZeroU32::new);
        seconds.map(|seconds| Some(Self(seconds))).ok_or_else(|| SiteLimitError::Range(text.to_owned()))
    }

    /// The length of time.
    pub fn span(self) -> Duration {
        Duration::from_secs(self.0.get().into())
    }

    /// A limit as [`Self::parse`] reads it.
    pub fn write(limit: Option<Self>) -> String {
        limit.map_or_else(|| DEFAULT.to_owned(), |limit| limit.to_string())
    }
}

impl fmt::Display for BodyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write_size(self.0.get()))
    }
}

impl fmt::Display for WaitLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write_span(self.span()))
    }
}

const NONE: &str = "none";
const DEFAULT: &str = "default";
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn limits_are_read_and_written_alike() {
        for (text, written) in [("none", "none"), ("10GiB", "10GiB"), ("50M", "50MiB"), ("1", "1B")] {
            assert_eq!(BodyLimit::write(BodyLimit::parse(text).unwrap()), written);
        }
        for (text, written) in [("default", "default"), ("20m", "20m"), ("1200", "20m"), ("24h", "1d")] {
            assert_eq!(WaitLimit::write(WaitLimit::parse(text).unwrap()), written);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(BodyLimit::parse("0"), Err(SiteLimitError::NoBody));
        assert_eq!(BodyLimit::parse("much"), Err(SiteLimitError::Size("much".to_owned())));
        assert_eq!(WaitLimit::parse("none"), Err(SiteLimitError::Wait("none".to_owned())));
        for text in ["0", "25h"] {
            assert_eq!(WaitLimit::parse(text), Err(SiteLimitError::Range(text.to_owned())));
        }
    }
}
