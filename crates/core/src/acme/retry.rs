//! When what failed is tried again. Failures are counted in the store, so that a restart does not begin anew.

use std::time::Duration;

use super::{
    Jitter, Limits,
    renewal::{HOUR, MINUTE},
};
use crate::Timestamp;

/// Says when a certificate is asked for again after that many failures in a row.
///
/// The steps are 1, 10 and 100 minutes, then 6 and 12 hours, then a day, as Let's Encrypt advises.
/// Near the end of the certificate in force, and for a week after it, a step from the third on is at most a tenth of the
/// time that is left, but never under an hour: 24 failures a day stay below every limit on failed validations.
/// It is never before what the CA's `Retry-After` says. Up to a tenth of the step is added, so that many names that
/// failed together do not come back together.
pub fn retry_at(
    failures: u32,
    now: Timestamp,
    retry_after: Option<Duration>,
    expires: Option<Timestamp>,
    jitter: Jitter,
) -> Timestamp {
    let step = step(&AFTER_FAILURES, failures);
    let hurried = match expires {
        Some(expires) if failures >= 3 && now <= expires.plus(7 * 24 * HOUR) => {
            step.min((expires.since(now) / 10).max(HOUR))
        }
        _ => step,
    };
    wait(now, hurried, retry_after, jitter)
}

/// Says when a CA that is down is asked again, after that many outages in a row: 1, 2, 5, 10, 20 and 30 minutes, then an
/// hour, and up to a tenth more; never before what its `Retry-After` says.
///
/// Nothing counts against a name then, so that it is asked more often than after a failure.
pub fn outage_retry_at(outages: u32, now: Timestamp, retry_after: Option<Duration>, jitter: Jitter) -> Timestamp {
    wait(now, step(&AFTER_OUTAGES, outages), retry_after, jitter)
}

/// Whether a time is waited for: it is to come, and not further ahead than [`LONGEST_WAIT`]. One that is further ahead was
/// put down by a clock that was wrong, and nobody waits for it once the clock is set.
pub fn is_waited_for(until: Timestamp, now: Timestamp) -> bool {
    until > now && until <= now.plus(LONGEST_WAIT)
}

fn step(steps: &[Duration], count: u32) -> Duration {
    let index = usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX).min(steps.len() - 1);
    steps[index]
}

fn wait(now: Timestamp, step: Duration, retry_after: Option<Duration>, jitter: Jitter) -> Timestamp {
    // A second more, as the header counts from an answer that took time to come.
    let told = retry_after.map_or(Duration::ZERO, |told| told.min(LONGEST_TOLD).saturating_add(Duration::from_secs(1)));
    now.plus(step.max(told)).plus(jitter.within(step / 10))
}

/// What counts of a `Retry-After`: CAs have no limit that lasts longer.
pub const LONGEST_TOLD: Duration = Limits::LONGEST;

/// How far ahead anything lies that is waited for: [`LONGEST_TOLD`], and a day for what is added to it.
pub const LONGEST_WAIT: Duration = Duration::from_secs(LONGEST_TOLD.as_secs() + DAY.as_secs());

const AFTER_FAILURES: [Duration; 6] =
    [MINUTE, Duration::from_secs(600), Duration::from_secs(6000), SIX_HOURS, TWELVE_HOURS, DAY];
const AFTER_OUTAGES: [Duration; 7] = [
    MINUTE,
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(600),
    Duration::from_secs(1200),
    Duration::from_secs(1800),
    HOUR,
];
const SIX_HOURS: Duration = Duration::from_secs(6 * 3600);
const TWELVE_HOURS: Duration = Duration::from_secs(12 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const NONE: Jitter = Jitter::NONE;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + 60 * minutes).unwrap()
    }

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    #[test]
    fn failures_are_followed_by_longer_and_longer_waits() {
        for (failures, expected) in
            [(0, 1), (1, 1), (2, 10), (3, 100), (4, 360), (5, 720), (6, 1440), (7, 1440), (u32::MAX, 1440)]
        {
            assert_eq!(retry_at(failures, at(0), None, None, NONE), at(expected), "{failures}");
            let far = Some(at(90 * 1440));
            assert_eq!(retry_at(failures, at(0), None, far, NONE), at(expected), "{failures}, 90 days left");
        }
    }

    #[test]
    fn outages_are_followed_by_shorter_waits_than_failures() {
        for (outages, expected) in
            [(0, 1), (1, 1), (2, 2), (3, 5), (4, 10), (5, 20), (6, 30), (7, 60), (8, 60), (u32::MAX, 60)]
        {
            assert_eq!(outage_retry_at(outages, at(0), None, NONE), at(expected), "{outages}");
        }
    }

    #[test]
    fn near_the_end_it_is_tried_more_often_but_at_most_once_an_hour() {
        for (failures, days_left, expected) in [
            (1, 1, 1),
            (2, 1, 10),
            (3, 30, 100),
            (4, 30, 360),
            (6, 30, 1440),
            (6, 5, 720),
            (6, 1, 144),
            (3, 0, 60),
            (9, 0, 60),
            (9, -6, 60),
            (9, -8, 1440),
        ] {
            let expires = Some(at(days_left * 1440));
            assert_eq!(retry_at(failures, at(0), None, expires, NONE), at(expected), "{failures}, {days_left} days");
        }
    }

    #[test]
    fn nothing_is_tried_before_the_ca_wants_it() {
        let told = minutes(2000);
        for jitter in [NONE, Jitter::of("c", "a", "1"), Jitter::of("c", "b", "2")] {
            for failures in 1..9 {
                assert!(retry_at(failures, at(0), Some(told), Some(at(1)), jitter) > at(2000), "{failures}");
                assert!(outage_retry_at(failures, at(0), Some(told), jitter) > at(2000), "{failures}");
            }
        }
        assert_eq!(retry_at(6, at(0), Some(minutes(5)), None, NONE), at(1440));
    }

    #[test]
    fn what_is_further_ahead_than_any_wait_is_of_a_clock_that_was_wrong() {
        let ends = at(0).plus(LONGEST_WAIT);
        for (until, expected) in [
            (at(-1), false),
            (at(0), false),
            (at(1), true),
            (ends, true),
            (ends.plus(MINUTE), false),
            (at(366 * 1440), false),
        ] {
            assert_eq!(is_waited_for(until, at(0)), expected, "{until}");
        }
        let told = Some(LONGEST_WAIT * 50);
        for count in 1..9 {
            for until in [retry_at(count, at(0), told, None, NONE), outage_retry_at(count, at(0), told, NONE)] {
                assert!(until > at(7 * 1440) && is_waited_for(until, at(0)), "{count}: {until}");
            }
        }
    }

    #[test]
    fn a_tenth_is_added_at_most_and_differs_between_names() {
        let waits: Vec<Timestamp> =
            (0..50).map(|n| retry_at(4, at(0), None, None, Jitter::of("c", &n.to_string(), "4"))).collect();
        assert!(waits.iter().all(|wait| (at(360)..at(396)).contains(wait)), "{waits:?}");
        assert!(waits.iter().max().unwrap().since(*waits.iter().min().unwrap()) > minutes(20), "{waits:?}");
    }
}
