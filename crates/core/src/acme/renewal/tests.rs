#![allow(clippy::unwrap_used, reason = "tests")]
use std::collections::HashMap;

use super::*;

const DAY: i64 = 24 * 3600;
const BORN: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(BORN + seconds).unwrap()
}

fn days(count: u64) -> Duration {
    24 * HOUR * u32::try_from(count).unwrap()
}

fn validity(days: i64) -> Validity {
    Validity { not_before: at(0), not_after: at(days * DAY) }
}

fn window(start: i64, end: i64) -> SuggestedWindow {
    SuggestedWindow { start: at(start), end: at(end), explanation_url: None }
}

fn of(lifetime: i64, window: Option<&SuggestedWindow>, renew_before: Option<Duration>, jitter: u64) -> RenewalTime {
    renewal_time(&RenewalFacts { validity: validity(lifetime), window, renew_before, jitter: Jitter(jitter) })
}

#[test]
fn a_third_of_the_lifetime_is_left_or_half_of_a_short_one() {
    for (lifetime, jitter, expected, reason) in [
        (90, 0, 60 * DAY, RenewalReason::Third),
        (90, u64::MAX, 51 * DAY + 1, RenewalReason::Third),
        (45, 0, 30 * DAY, RenewalReason::Third),
        (10, 0, 10 * DAY - 10 * DAY / 3, RenewalReason::Third),
        (6, 0, 3 * DAY, RenewalReason::Half),
        (6, u64::MAX, 3 * DAY - 6 * DAY / 10 + 1, RenewalReason::Half),
    ] {
        assert_eq!(of(lifetime, None, None, jitter), RenewalTime { at: at(expected), reason }, "{lifetime} days");
    }
}

#[test]
fn the_window_of_the_ca_comes_before_the_lifetime() {
    let suggested = || RenewalReason::Suggested { explanation_url: None };
    for (what, given, jitter, expected, reason) in [
        ("its start", window(70 * DAY, 72 * DAY), 0, 70 * DAY, suggested()),
        ("its middle", window(70 * DAY, 72 * DAY), 1 << 63, 71 * DAY, suggested()),
        ("its end", window(70 * DAY, 72 * DAY), u64::MAX, 72 * DAY - 1, suggested()),
        ("one that has gone", window(2 * DAY, 3 * DAY), 0, 2 * DAY, suggested()),
        ("one around the beginning", window(-30 * DAY, 10 * DAY), 0, 0, suggested()),
        ("one that ends before the beginning", window(-2 * DAY, -DAY), 0, -2 * DAY, suggested()),
        ("one that is cut at the back-stop", window(71 * DAY, 90 * DAY), 1 << 63, 76 * DAY, suggested()),
        ("one beyond the back-stop", window(85 * DAY, 88 * DAY), 0, 81 * DAY, RenewalReason::Backstop),
        ("one that ends before it begins", window(72 * DAY, 70 * DAY), 0, 60 * DAY, RenewalReason::Third),
        ("an empty one", window(70 * DAY, 70 * DAY), 0, 60 * DAY, RenewalReason::Third),
        ("one from years before", window(-800 * DAY, -700 * DAY), 0, 60 * DAY, RenewalReason::Third),
        ("one from years before until later", window(-800 * DAY, 70 * DAY), 0, 60 * DAY, RenewalReason::Third),
        ("one after the end", window(91 * DAY, 99 * DAY), 0, 60 * DAY, RenewalReason::Third),
    ] {
        assert_eq!(of(90, Some(&given), None, jitter), RenewalTime { at: at(expected), reason }, "{what}");
    }
}

#[test]
fn what_was_asked_for_comes_before_the_window_but_not_before_half_of_the_lifetime() {
    let given = window(70 * DAY, 72 * DAY);
    for (lifetime, before, jitter, expected, reason) in [
        (90, days(21), 0, 69 * DAY, RenewalReason::Asked(days(21))),
        (90, days(20), u64::MAX, 68 * DAY + 1, RenewalReason::Asked(days(20))),
        (90, days(45), 0, 45 * DAY, RenewalReason::Asked(days(45))),
        (90, days(60), 0, 45 * DAY, RenewalReason::AskedTooEarly(days(60))),
        (6, days(30), 0, 3 * DAY, RenewalReason::AskedTooEarly(days(30))),
        (90, days(1), 0, 81 * DAY, RenewalReason::Backstop),
        (90, Duration::ZERO, 0, 81 * DAY, RenewalReason::Backstop),
    ] {
        let told = of(lifetime, Some(&given), Some(before), jitter);
        assert_eq!(told, RenewalTime { at: at(expected), reason }, "{before:?} of {lifetime} days");
    }
}

#[test]
fn no_certificate_is_renewed_after_the_back_stop_nor_twice_in_a_third_of_its_life() {
    for lifetime in [1, 6, 45, 90, 398] {
        for before in [None, Some(Duration::ZERO), Some(days(1)), Some(days(30)), Some(Duration::MAX)] {
            for jitter in [0, 1 << 63, u64::MAX] {
                let told = of(lifetime, None, before, jitter).at;
                assert!(told <= at(lifetime * DAY * 9 / 10), "{lifetime} days, {before:?}: {told}");
                assert!(told >= at(lifetime * DAY / 3), "{lifetime} days, {before:?}: {told}");
            }
        }
    }
}

#[test]
fn two_hundred_certificates_of_one_minute_are_renewed_in_many_hours() {
    let six_days = window(4 * DAY, 5 * DAY);
    for (lifetime, window, before) in [
        (90, None, None),
        (6, None, None),
        (6, Some(&six_days), None),
        (90, None, Some(days(21))),
        (90, Some(&window(80 * DAY, 90 * DAY)), None),
    ] {
        let mut hours: HashMap<i64, usize> = HashMap::new();
        for number in 0..200 {
            let born = number % 60;
            let renewal = renewal_time(&RenewalFacts {
                validity: Validity { not_before: at(born), not_after: at(born + lifetime * DAY) },
                window,
                renew_before: before,
                jitter: Jitter::of("cluster", &format!("certificate-{number}"), "thumbprint"),
            });
            *hours.entry(renewal.at.unix() / 3600).or_default() += 1;
        }
        let busiest = hours.values().max().copied().unwrap();
        assert!(busiest <= 40, "{busiest} of 200 certificates of {lifetime} days in one hour");
    }
}

#[test]
fn jitter_is_the_same_for_the_same_and_uniform_over_many() {
    assert_eq!(Jitter::of("c", "id", "print"), Jitter::of("c", "id", "print"));
    for other in [Jitter::of("d", "id", "print"), Jitter::of("ci", "d", "print"), Jitter::of("c", "id", "prins")] {
        assert_ne!(Jitter::of("c", "id", "print"), other);
    }
    assert_eq!(Jitter(u64::MAX).within(Duration::ZERO), Duration::ZERO);
    assert_eq!(Jitter(u64::MAX).within(days(1)), days(1) - Duration::from_secs(1));
    let mut tenths = [0; 10];
    for number in 0..10_000 {
        let tenth = Jitter::of("c", &number.to_string(), "print").within(Duration::from_secs(10)).as_secs();
        tenths[usize::try_from(tenth).unwrap()] += 1;
    }
    assert!(tenths.iter().all(|count| (850..1150).contains(count)), "{tenths:?}");
}

#[test]
fn the_ca_is_asked_for_its_window_as_often_as_it_wants_within_limits() {
    for (lifetime, retry_after, expected) in [
        (90, None, 12 * HOUR),
        (90, Some(6 * HOUR), 6 * HOUR),
        (90, Some(Duration::ZERO), MINUTE),
        (90, Some(days(30)), 24 * HOUR),
        (6, None, 6 * HOUR),
        (6, Some(days(1)), 6 * HOUR),
        (6, Some(HOUR), HOUR),
        (0, Some(HOUR), MINUTE),
    ] {
        let told = next_suggestion_check(at(0), retry_after, validity(lifetime));
        assert_eq!(told.since(at(0)), expected, "{lifetime} days, {retry_after:?}");
    }
}

#[test]
fn reasons_read_as_people_write_them() {
    let url = Some("https://ca.test/incident".to_owned());
    for (reason, expected) in [
        (RenewalReason::Suggested { explanation_url: None }, "the CA suggests it"),
        (RenewalReason::Suggested { explanation_url: url }, "the CA suggests it, see https://ca.test/incident"),
        (RenewalReason::Asked(days(21)), "21 days before it expires, as asked for"),
        (RenewalReason::Asked(days(1)), "1 day before it expires, as asked for"),
        (RenewalReason::Asked(36 * HOUR), "36 hours before it expires, as asked for"),
        (
            RenewalReason::AskedTooEarly(days(30)),
            "half of its lifetime is left; 30 days was asked for, which is more than that",
        ),
        (RenewalReason::Third, "a third of its lifetime is left"),
        (RenewalReason::Half, "half of its short lifetime is left"),
        (RenewalReason::Backstop, "a tenth of its lifetime is left, and no later time is waited for"),
    ] {
        assert_eq!(reason.to_string(), expected);
    }
}
