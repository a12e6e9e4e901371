#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use super::*;

/// Is an upstream, and a clock that stands still.
struct Bench {
    health: UpstreamHealth,
    start: Instant,
    seconds: f64,
}

impl Bench {
    fn new() -> Self {
        Self { health: UpstreamHealth::new(), start: Instant::now(), seconds: 0.0 }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.seconds)
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + self.seconds as i64).unwrap()
    }

    fn fail(&self, trouble: Trouble) -> bool {
        self.health.failed(trouble, &"it is away", self.now(), self.now(), self.at())
    }

    fn answer(&self) {
        self.health.edit(|record| record.answered(self.now(), self.now(), self.at()));
    }

    fn connect(&self) {
        self.health.edit(|record| record.connected(self.now(), self.at()));
    }

    fn check(&self, is_good: bool) -> Option<UpstreamState> {
        let reason = "it says 500";
        self.health.checked(if is_good { None } else { Some(&reason) }, self.now(), self.at())
    }

    fn readiness(&self) -> Readiness {
        self.health.readiness(self.now())
    }

    /// How long it is passed over from now on.
    fn rests_for(&mut self) -> f64 {
        let begun = self.seconds;
        while self.readiness() != Readiness::OnTrial {
            self.seconds += 0.5;
            assert!(self.seconds - begun < 1000.0, "it is passed over for ever");
        }
        self.seconds - begun
    }
}

#[test]
fn one_failed_connection_or_five_failed_answers_in_a_row_are_enough() {
    let bench = Bench::new();
    assert_eq!(bench.readiness(), Readiness::WELL);
    assert!(bench.fail(Trouble::Unreachable), "that is news");
    assert!(matches!(bench.readiness(), Readiness::Away { .. }));

    let bench = Bench::new();
    for _ in 0..4 {
        assert!(!bench.fail(Trouble::Answers));
        assert_eq!(bench.readiness(), Readiness::WELL);
    }
    bench.answer();
    for _ in 0..4 {
        assert!(!bench.fail(Trouble::Answers), "the answer between them counts");
    }
    assert!(bench.fail(Trouble::Answers));
    assert_eq!(bench.readiness(), Readiness::Doubtful);
}

#[test]
fn it_is_passed_over_for_longer_each_time_and_tried_by_one_request_then() {
    let mut bench = Bench::new();
    bench.fail(Trouble::Unreachable);
    for expected in [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0] {
        assert_eq!(bench.rests_for(), expected);
        assert!(bench.health.claim(bench.now()));
        assert!(matches!(bench.readiness(), Readiness::Away { .. }), "the others wait");
        assert!(!bench.fail(Trouble::Unreachable), "that is known");
    }
    bench.rests_for();
    assert!(bench.health.claim(bench.now()));
    bench.connect();
    assert!(matches!(bench.readiness(), Readiness::Well(_)));
    bench.seconds += 299.0;
    bench.fail(Trouble::Unreachable);
    assert_eq!(bench.rests_for(), 300.0, "it was well for a short time only");
    bench.health.claim(bench.now());
    bench.connect();
    bench.seconds += 300.0;
    bench.fail(Trouble::Unreachable);
    assert_eq!(bench.rests_for(), 10.0);
}

#[test]
fn a_try_of_which_nothing_is_heard_is_followed_by_another_one() {
    let mut bench = Bench::new();
    bench.fail(Trouble::Unreachable);
    bench.rests_for();
    assert!(bench.health.claim(bench.now()));
    assert_eq!(bench.rests_for(), 10.0);
}

#[test]
fn while_there_is_nobody_else_it_is_tried_once_a_second_and_that_makes_its_rest_no_longer() {
    let mut bench = Bench::new();
    bench.fail(Trouble::Unreachable);
    let mut tries = 0;
    while bench.readiness() != Readiness::OnTrial {
        if bench.health.claim(bench.now()) {
            tries += 1;
            bench.fail(Trouble::Unreachable);
        }
        bench.seconds += 0.25;
    }
    assert_eq!((tries, bench.seconds), (9, 10.0));
}

#[test]
fn what_began_before_it_was_found_unwell_changes_nothing() {
    let mut bench = Bench::new();
    let begun = bench.now();
    bench.seconds += 1.0;
    bench.fail(Trouble::Unreachable);
    bench.health.edit(|record| record.answered(begun, bench.now(), bench.at()));
    assert!(matches!(bench.readiness(), Readiness::Away { .. }));
    bench.health.failed(Trouble::Answers, &"late", begun, bench.now(), bench.at());
    assert_eq!(bench.health.view().reason.unwrap(), "it is away");
}

#[test]
fn its_share_grows_after_it_was_unwell() {
    let mut bench = Bench::new();
    bench.fail(Trouble::Unreachable);
    bench.connect();
    let mut shares = Vec::new();
    for _ in 0..6 {
        let Readiness::Well(share) = bench.readiness() else { panic!("it is well") };
        shares.push(share);
        bench.seconds += 2.0;
    }
    assert_eq!(shares, [10, 20, 40, 60, 80, 100]);
    assert!(!bench.health.is_noted.load(Ordering::Relaxed), "nothing is left to look at");
}

#[test]
fn nothing_is_left_to_look_at_either_where_nobody_chooses() {
    let mut bench = Bench::new();
    bench.fail(Trouble::Unreachable);
    bench.connect();
    bench.seconds += 10.0;
    bench.answer();
    assert!(!bench.health.is_noted.load(Ordering::Relaxed));
}

#[test]
fn three_bad_checks_make_it_unwell_and_two_good_ones_well() {
    let bench = Bench::new();
    assert_eq!([bench.check(false), bench.check(false), bench.check(true)], [None; 3]);
    assert_eq!([bench.check(false), bench.check(false)], [None; 2]);
    assert_eq!(bench.readiness(), Readiness::WELL);
    assert_eq!(bench.check(false), Some(UpstreamState::Unwell));
    assert_eq!(bench.readiness(), Readiness::Doubtful);
    assert_eq!([bench.check(false), bench.check(true), bench.check(false), bench.check(true)], [None; 4]);
    assert_eq!(bench.check(true), Some(UpstreamState::Recovering));
    assert_eq!(bench.readiness(), Readiness::Well(10));
}

#[test]
fn good_checks_bring_back_who_could_not_be_reached_and_not_who_answers_badly() {
    let bench = Bench::new();
    bench.fail(Trouble::Unreachable);
    assert_eq!([bench.check(true), bench.check(true)], [None, Some(UpstreamState::Recovering)]);
    assert_eq!(bench.readiness(), Readiness::Well(10));

    let bench = Bench::new();
    for _ in 0..5 {
        bench.fail(Trouble::Answers);
    }
    assert_eq!([bench.check(true), bench.check(true)], [None; 2]);
    assert_eq!(bench.readiness(), Readiness::Doubtful);
}

#[test]
fn what_checks_find_is_not_undone_by_a_request() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.check(false);
    }
    bench.answer();
    assert_eq!(bench.readiness(), Readiness::Doubtful);
    assert!(!bench.fail(Trouble::Unreachable), "that it is unwell is known");
    bench.connect();
    assert_eq!(bench.readiness(), Readiness::Doubtful);
    bench.health.forgive();
    assert_eq!(bench.readiness(), Readiness::WELL);
}

#[test]
fn a_view_says_since_when_and_why() {
    let mut bench = Bench::new();
    let well = HealthView::default();
    assert_eq!(bench.health.view(), well);
    let (one, other) = (InFlight::at(&bench.health), InFlight::at(&bench.health));
    drop(one);
    bench.fail(Trouble::Unreachable);
    let view = bench.health.view();
    assert_eq!((view.state, view.in_flight, view.since), (UpstreamState::Unwell, 1, Some(bench.at())));
    assert_eq!((view.reason.as_deref(), view.reason_at), (Some("it is away"), Some(bench.at())));
    drop(other);
    let fell = bench.at();
    bench.seconds += 3.0;
    bench.connect();
    let view = bench.health.view();
    assert_eq!((view.state, view.in_flight, view.since), (UpstreamState::Recovering, 0, Some(bench.at())));
    assert_eq!(view.reason_at, Some(fell), "why it was away is still told");
}
