//! Changes that go back by themselves unless somebody confirms them.

use std::{fmt, time::Duration};

use crate::Scheme;

/// Is how long a change waits to be confirmed: 5 seconds to an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmWithin(Duration);

/// Says why a text is no [`ConfirmWithin`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no time to confirm in: give 5 to 3600 seconds, as in 60, 60s or 5m")]
pub struct ConfirmWithinError(String);

/// Says by which way a confirmation has to come, so that it shows that the change leaves a way in.
///
/// What comes by the admin socket or the loopback listener counts always, as no change shuts these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewWay {
    /// Any that is left.
    Any,
    /// Over TLS.
    Https,
    /// At a binding of that scheme and port.
    At(Scheme, u16),
}

impl ConfirmWithin {
    /// What is offered first.
    pub const USUAL: Self = Self(Duration::from_secs(60));

    /// Takes seconds.
    pub fn from_secs(seconds: u64) -> Result<Self, ConfirmWithinError> {
        let duration = Duration::from_secs(seconds);
        if (LEAST..=MOST).contains(&duration) {
            Ok(Self(duration))
        } else {
            Err(ConfirmWithinError(seconds.to_string()))
        }
    }

    /// Reads seconds, with or without `s`, or minutes with `m`.
    pub fn parse(text: &str) -> Result<Self, ConfirmWithinError> {
        let (digits, unit) = match text.strip_suffix('m') {
            Some(digits) => (digits, 60),
            None => (text.strip_suffix('s').unwrap_or(text), 1),
        };
        let seconds = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten();
        let seconds = seconds.and_then(|count| count.checked_mul(unit));
        seconds.and_then(|seconds| Self::from_secs(seconds).ok()).ok_or_else(|| ConfirmWithinError(text.to_owned()))
    }

    /// The time itself.
    pub fn duration(self) -> Duration {
        self.0
    }
}

/// As in `60s`.
impl fmt::Display for ConfirmWithin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs())
    }
}

impl NewWay {
    /// Reads `any`, `https`, or a scheme with a port, as in `https:9443`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "any" => return Some(Self::Any),
            "https" => return Some(Self::Https),
            _ => {}
        }
        let (scheme, port) = text.split_once(':')?;
        let scheme = [Scheme::Http, Scheme::Https].into_iter().find(|known| known.as_str() == scheme)?;
        Some(Self::At(scheme, port.parse().ok()?))
    }

    /// Whether it is a way that a request took; `port` is the one of the binding, if that is known.
    pub fn is_taken(self, scheme: Scheme, port: Option<u16>) -> bool {
        match self {
            Self::Any => true,
            Self::Https => scheme == Scheme::Https,
            Self::At(wanted, at) => scheme == wanted && port == Some(at),
        }
    }
}

/// As it is read.
impl fmt::Display for NewWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Https => f.write_str("https"),
            Self::At(scheme, port) => write!(f, "{scheme}:{port}"),
        }
    }
}

/// Less is over before a browser has shown the question.
const LEAST: Duration = Duration::from_secs(5);
/// Whoever has no way in waits as long as this at most.
const MOST: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_confirm_is_5_seconds_to_an_hour() {
        for (text, expected) in [
            ("60", Some(60)),
            ("60s", Some(60)),
            ("5", Some(5)),
            ("60m", Some(3600)),
            ("4", None),
            ("61m", None),
            ("", None),
            ("+60", None),
            ("1h", None),
            ("99999999999999999999", None),
        ] {
            let read = ConfirmWithin::parse(text).ok().map(|within| within.duration().as_secs());
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn a_confirmation_counts_by_the_new_way() {
        use Scheme::{Http, Https};
        for (way, scheme, port, expected) in [
            ("any", Http, None, true),
            ("https", Http, Some(80), false),
            ("https", Https, None, true),
            ("https:9443", Https, Some(9443), true),
            ("https:9443", Https, Some(443), false),
            ("https:9443", Http, Some(9443), false),
        ] {
            let way = NewWay::parse(way);
            assert_eq!(way.map(|way| way.is_taken(scheme, port)), Some(expected), "{way:?} {scheme} {port:?}");
        }
        for way in [NewWay::Any, NewWay::Https, NewWay::At(Http, 80)] {
            assert_eq!(NewWay::parse(&way.to_string()), Some(way));
        }
        assert_eq!((NewWay::parse("ftp:21"), NewWay::parse("https:x")), (None, None));
    }
}
