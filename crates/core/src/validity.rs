//! When a certificate is good, and when somebody should look at it.

use std::{fmt, time::Duration};

use crate::Timestamp;

/// Spans the time in which a certificate is valid; both ends are inside (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
}

/// Says what time makes of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateStatus {
    /// Its time has come and has not nearly gone.
    Valid,
    /// Its end is near enough to warn of it.
    ExpiresSoon,
    /// Its time has not come.
    NotYetValid,
    /// Its time has gone.
    Expired,
}

/// Sets how long before the end of a certificate it is warned of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarningPolicy {
    /// Time before the end at which warnings begin.
    pub before_end: Duration,
}

impl Validity {
    /// The whole life of the certificate.
    pub fn lifetime(&self) -> Duration {
        self.not_after.since(self.not_before)
    }

    /// Compares the dates with `now`.
    pub fn status(&self, now: Timestamp, warn: WarningPolicy) -> CertificateStatus {
        if now > self.not_after {
            CertificateStatus::Expired
        } else if now < self.not_before {
            CertificateStatus::NotYetValid
        } else if self.not_after.since(now) < warn.lead(self.lifetime()) {
            CertificateStatus::ExpiresSoon
        } else {
            CertificateStatus::Valid
        }
    }
}

impl WarningPolicy {
    /// Thirty days, as TeamCity warns; Octopus warns at 20 and 10.
    pub const DEFAULT: Self = Self { before_end: Duration::from_secs(30 * 24 * 3600) };

    /// The lead for a certificate of that lifetime: at most a third of it, so that a short-lived one is not always warned of.
    pub fn lead(&self, lifetime: Duration) -> Duration {
        self.before_end.min(lifetime / 3)
    }
}

impl CertificateStatus {
    /// Whether a server may present the certificate without a client's complaint about its dates.
    pub fn is_in_force(self) -> bool {
        matches!(self, Self::Valid | Self::ExpiresSoon)
    }

    /// The word of the API: `valid`, `expires-soon`, `not-yet-valid` or `expired`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::ExpiresSoon => "expires-soon",
            Self::NotYetValid => "not-yet-valid",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for CertificateStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const DAY: i64 = 24 * 3600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds).unwrap()
    }

    #[test]
    fn status_follows_the_dates() {
        use CertificateStatus::{Expired, ExpiresSoon, NotYetValid, Valid};
        let year = Validity { not_before: at(0), not_after: at(365 * DAY) };
        let week = Validity { not_before: at(0), not_after: at(6 * DAY) };
        for (validity, now, expected) in [
            (year, -1, NotYetValid),
            (year, 0, Valid),
            (year, 335 * DAY, Valid),
            (year, 335 * DAY + 1, ExpiresSoon),
            (year, 365 * DAY, ExpiresSoon),
            (year, 365 * DAY + 1, Expired),
            (week, 4 * DAY, Valid),
            (week, 4 * DAY + 1, ExpiresSoon),
        ] {
            assert_eq!(validity.status(at(now), WarningPolicy::DEFAULT), expected, "at {now}");
        }
    }
}
