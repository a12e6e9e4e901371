//! When a certificate is renewed.
//!
//! The time follows from the certificate and the CA's answer alone, so that every node of a cluster computes the same
//! one and none has to be stored. Certificates that were issued together are renewed apart: see [`renewal_time`].

use std::{fmt, time::Duration};

use aws_lc_rs::digest;

use crate::{Timestamp, Validity};

/// Is the window in which the CA suggests to renew a certificate (RFC 9773 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuggestedWindow {
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// A page that explains it.
    pub explanation_url: Option<String>,
}

/// Is all that decides when a certificate is renewed.
#[derive(Clone, Copy, Debug)]
pub struct RenewalFacts<'a> {
    /// The dates of the certificate.
    pub validity: Validity,
    /// What the CA suggests; none if it does not, or could not be asked.
    pub window: Option<&'a SuggestedWindow>,
    /// How long before the end the operator wants it renewed; none if they did not say.
    pub renew_before: Option<Duration>,
    /// Where in a window or a spread this certificate stands.
    pub jitter: Jitter,
}

/// Is the time at which a certificate is renewed; one that has gone means at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalTime {
    /// When.
    pub at: Timestamp,
    /// Why then.
    pub reason: RenewalReason,
}

/// Says why a certificate is renewed when it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenewalReason {
    /// The CA suggests it.
    Suggested {
        /// A page of the CA that explains it.
        explanation_url: Option<String>,
    },
    /// That long before the end, as the operator asked for.
    Asked(Duration),
    /// The operator asked for that long before the end, which is more than half of the lifetime: half of it is taken.
    AskedTooEarly(Duration),
    /// A third of its lifetime is left.
    Third,
    /// Half of its lifetime is left, which is less than [`SHORT_LIFETIME`].
    Half,
    /// A tenth of its lifetime is left, and what was suggested or asked for would be later.
    Backstop,
}

/// Is a number that looks random and is always the same for the same certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter(u64);

/// Lifetime under which half of it, and not a third, is left for renewal, as Let's Encrypt advises.
pub const SHORT_LIFETIME: Duration = Duration::from_secs(10 * 24 * 3600);

/// Says when a certificate is renewed, by the first of these that there is:
///
/// 1. `renew_before`: that long before the end, but not more than half of the lifetime before it, so that a number that
///    was chosen for 90 days does not renew a certificate of six days without end; spread earlier over a tenth of itself;
/// 2. the window of the CA: an instant that is uniformly chosen in it. A window in the past means at once;
/// 3. the time when a third of the lifetime is left (half, under [`SHORT_LIFETIME`]), spread earlier over a tenth of the
///    lifetime: 9 days for a certificate of 90, 14 hours for one of six. 200 certificates of the same minute are then
///    renewed at 1 an hour, or 14 an hour.
///
/// However late that is, when a tenth of the lifetime is left it is renewed. A window that reaches beyond is cut there.
///
/// No attention is paid to a window that ends no later than it begins (RFC 9773 section 4.2), begins more than a year
/// before the certificate, or begins after its end. One that begins before the certificate is cut there, unless it ends
/// before too.
pub fn renewal_time(facts: &RenewalFacts<'_>) -> RenewalTime {
    let Validity { not_before, not_after } = facts.validity;
    let lifetime = facts.validity.lifetime();
    let backstop = backstop(facts.validity);
    let spread_before = |left: Duration, spread: Duration| not_after.minus(left).minus(facts.jitter.within(spread));
    let window = facts.window.filter(|window| is_sensible(window, facts.validity));
    let (at, reason) = match (facts.renew_before, window) {
        (Some(asked), _) if asked > lifetime / 2 => {
            (spread_before(lifetime / 2, lifetime / 20), RenewalReason::AskedTooEarly(asked))
        }
        (Some(asked), _) => (spread_before(asked, asked / 10), RenewalReason::Asked(asked)),
        (None, Some(window)) => {
            let start = if window.end > not_before { window.start.max(not_before) } else { window.start };
            let end = window.end.min(backstop).max(start);
            let reason = RenewalReason::Suggested { explanation_url: window.explanation_url.clone() };
            (start.plus(facts.jitter.within(end.since(start))), reason)
        }
        (None, None) if lifetime < SHORT_LIFETIME => (spread_before(lifetime / 2, lifetime / 10), RenewalReason::Half),
        (None, None) => (spread_before(lifetime / 3, lifetime / 10), RenewalReason::Third),
    };
    if at > backstop {
        return RenewalTime { at: backstop, reason: RenewalReason::Backstop };
    }
    RenewalTime { at, reason }
}

/// Says when a certificate is renewed in any case: when a tenth of its lifetime is left.
pub fn backstop(validity: Validity) -> Timestamp {
    validity.not_after.minus(validity.lifetime() / 10)
}

/// Says when the CA is asked again for its window.
///
/// That is after its `Retry-After`, but not before a minute nor after a day (RFC 9773 section 4.3.2); without one twice
/// a day, as Let's Encrypt asks for. A lifetime under [`SHORT_LIFETIME`] lowers the day to a 24th of the lifetime.
pub fn next_suggestion_check(now: Timestamp, retry_after: Option<Duration>, validity: Validity) -> Timestamp {
    let lifetime = validity.lifetime();
    let longest = if lifetime < SHORT_LIFETIME { (lifetime / 24).max(MINUTE) } else { 24 * HOUR };
    now.plus(retry_after.unwrap_or(12 * HOUR).clamp(MINUTE, longest))
}

fn is_sensible(window: &SuggestedWindow, validity: Validity) -> bool {
    window.start < window.end
        && window.start >= validity.not_before.minus(365 * 24 * HOUR)
        && window.start <= validity.not_after
}

impl Jitter {
    /// Adds nothing: the earliest instant of a window, the latest of a spread.
    pub const NONE: Self = Self(0);

    /// Makes the one of a certificate: by the cluster, the certificate's id, and the version or window that it is for.
    pub fn of(cluster: &str, certificate: &str, what: &str) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in [cluster, certificate, what] {
            hash.update(part.as_bytes());
            hash.update(&[0]);
        }
        let first = hash.finish().as_ref().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte));
        Self(first)
    }

    /// Maps it uniformly to whole seconds from zero to less than `span`.
    pub fn within(self, span: Duration) -> Duration {
        let scaled = (u128::from(self.0) * u128::from(span.as_secs())) >> 64;
        Duration::from_secs(u64::try_from(scaled).unwrap_or(u64::MAX))
    }
}

/// For people, after `renewed because` or in front of a date.
impl fmt::Display for RenewalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suggested { explanation_url: None } => f.write_str("the CA suggests it"),
            Self::Suggested { explanation_url: Some(url) } => write!(f, "the CA suggests it, see {url}"),
            Self::Asked(before) => write!(f, "{} before it expires, as asked for", spell(*before)),
            Self::AskedTooEarly(before) => {
                write!(f, "half of its lifetime is left; {} was asked for, which is more than that", spell(*before))
            }
            Self::Third => f.write_str("a third of its lifetime is left"),
            Self::Half => f.write_str("half of its short lifetime is left"),
            Self::Backstop => f.write_str("a tenth of its lifetime is left, and no later time is waited for"),
        }
    }
}

/// Writes a span in the largest unit that divides it, as in `21 days` or `90 minutes`.
pub(super) fn spell(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(24 * 3600, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let (unit, word) =
        units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit)).unwrap_or((1, "second"));
    match seconds / unit {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    }
}

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
