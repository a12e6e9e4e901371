//! Points in time, to the second.

use std::{fmt, time::Duration};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Marks a point in time: whole seconds since 1970-01-01T00:00:00 UTC, as X.509 and HTTP need no more.
///
/// It is always inside the years 1 to 9999, so that it can be written as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Says why a text or a number is no [`Timestamp`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// The text is not a date and time of RFC 3339.
    #[error("\"{0}\" is not a time like 2026-11-20T14:32:07Z")]
    Malformed(String),
    /// The number of seconds lies outside the years 1 to 9999.
    #[error("{0} seconds since 1970 lie outside the years 1 to 9999")]
    OutOfRange(i64),
}

impl Timestamp {
    /// The start of 1970 in UTC.
    pub const EPOCH: Self = Self(0);

    /// Takes seconds since 1970 in UTC.
    pub fn from_unix(seconds: i64) -> Result<Self, TimestampError> {
        let time = OffsetDateTime::from_unix_timestamp(seconds);
        match time {
            Ok(time) if time.year() >= 1 => Ok(Self(seconds)),
            _ => Err(TimestampError::OutOfRange(seconds)),
        }
    }

    /// Reads RFC 3339; fractions of a second are cut off.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimestampError::Malformed(text.to_owned()))?;
        Self::from_unix(time.unix_timestamp())
    }

    /// Seconds since 1970 in UTC.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// The time that much later, held at the end of the year 9999.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(seconds).min(LAST))
    }

    /// The time that much earlier, held at the start of the year 1.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(seconds).max(FIRST))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// The date in UTC, as in `2026-11-20`.
    pub fn date(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

/// RFC 3339 in UTC, as in `2026-11-20T14:32:07Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp(self.0).map_err(|_| fmt::Error)?;
        f.write_str(&time.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

/// 0001-01-01T00:00:00Z.
const FIRST: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const LAST: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn text_and_seconds_agree() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-20T14:32:07Z", 1_795_185_127),
            ("0001-01-01T00:00:00Z", FIRST),
            ("9999-12-31T23:59:59Z", LAST),
        ] {
            let time = Timestamp::parse(text).unwrap();
            assert_eq!(time.unix(), seconds, "{text}");
            assert_eq!(time.to_string(), text);
        }
        assert_eq!(Timestamp::parse("2026-11-20T15:32:07.9+01:00").unwrap().to_string(), "2026-11-20T14:32:07Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        assert!(Timestamp::parse("yesterday").is_err());
        assert!(Timestamp::from_unix(FIRST - 1).is_err());
        assert!(Timestamp::from_unix(LAST + 1).is_err());
    }

    #[test]
    fn arithmetic_stays_inside_the_calendar() {
        let last = Timestamp::from_unix(LAST).unwrap();
        assert_eq!(last.plus(Duration::MAX), last);
        assert_eq!(last.minus(Duration::MAX).unix(), FIRST);
        assert_eq!(Timestamp::EPOCH.since(last), Duration::ZERO);
        assert_eq!(Timestamp::EPOCH.date(), "1970-01-01");
    }
}
