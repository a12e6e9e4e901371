//! What is noted of an upstream once something went wrong: rules without a clock.

use std::{fmt, time::Duration};

use portward_core::Timestamp;
use tokio::time::Instant;

use super::{HealthView, Trouble, UpstreamState};

/// Says whether an upstream may be given a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Readiness {
    /// It gets so many hundredths of its share: 1 to 100.
    Well(u8),
    /// It was passed over for long enough: one request may try it, and the others wait for how that ends.
    OnTrial,
    /// It answers, but not well: it is asked if nobody is well.
    Doubtful,
    /// No connection can be made: it is tried now and then if there is nobody else.
    Away {
        /// When it would be on trial.
        until: Instant,
    },
}

/// Is what is noted of one upstream.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Requests in a row that went wrong.
    failures: u32,
    /// While it is passed over for what requests met.
    rest: Option<Rest>,
    /// How long the last rest was, and when it ended.
    last_rest: Option<(Duration, Instant)>,
    /// Since when it recovers.
    back: Option<Instant>,
    checks: Checks,
    since: Option<Timestamp>,
    reason: Option<(Box<str>, Timestamp)>,
}

/// Is a time in which an upstream is passed over.
#[derive(Debug)]
struct Rest {
    trouble: Trouble,
    begun: Instant,
    span: Duration,
    until: Instant,
    /// Whether a request tries it, after the rest was over.
    is_tried: bool,
    /// When it was tried although it rests, because there was nobody else.
    tried: Instant,
}

#[derive(Debug, Default)]
struct Checks {
    good_in_a_row: u32,
    bad_in_a_row: u32,
    is_bad: bool,
}

impl Readiness {
    pub(in crate::upstream) const WELL: Self = Self::Well(100);
}

impl Record {
    /// Whether it says anything that matters to the next request.
    pub(super) fn is_noteworthy(&self) -> bool {
        self.failures > 0 || self.rest.is_some() || self.back.is_some() || self.checks.is_bad
    }

    pub(super) fn readiness(&mut self, now: Instant) -> Readiness {
        match &self.rest {
            Some(rest) if rest.trouble == Trouble::Unreachable && (now < rest.until || self.checks.is_bad) => {
                Readiness::Away { until: rest.until }
            }
            Some(rest) if now < rest.until || self.checks.is_bad => Readiness::Doubtful,
            Some(_) => Readiness::OnTrial,
            None if self.checks.is_bad => Readiness::Doubtful,
            None => Readiness::Well(self.weight(now)),
        }
    }

    fn weight(&mut self, now: Instant) -> u8 {
        let Some(back) = self.back else { return 100 };
        let part = now.saturating_duration_since(back).as_millis() * 100 / RAMP.as_millis();
        if part >= 100 {
            self.back = None;
        }
        u8::try_from(part.clamp(LEAST, 100)).unwrap_or(100)
    }

    pub(super) fn claim(&mut self, now: Instant) -> bool {
        let Some(rest) = &mut self.rest else { return true };
        if now >= rest.until && !self.checks.is_bad {
            rest.is_tried = true;
            // If nothing is heard of this try, there is another one.
            rest.until = now + TRIAL;
            return true;
        }
        let is_due = now.saturating_duration_since(rest.tried) >= BETWEEN_TRIES;
        if is_due {
            rest.tried = now;
        }
        is_due
    }

    pub(super) fn connected(&mut self, now: Instant, at: Timestamp) {
        if self.rest.as_ref().is_some_and(|rest| rest.trouble == Trouble::Unreachable) {
            self.rise(now, at);
        }
    }

    pub(super) fn answered(&mut self, begun: Instant, now: Instant, at: Timestamp) {
        self.failures = 0;
        // The only upstream of a site is chosen without a look at this.
        self.weight(now);
        // What began before it was found unwell says nothing of now: a server that ends finishes what it has.
        if self.rest.as_ref().is_some_and(|rest| begun >= rest.begun) {
            self.rise(now, at);
        }
    }

    pub(super) fn failed(
        &mut self,
        trouble: Trouble,
        reason: &dyn fmt::Display,
        begun: Instant,
        now: Instant,
        at: Timestamp,
    ) -> bool {
        match &mut self.rest {
            // Found out by others meanwhile.
            Some(rest) if begun < rest.begun => return false,
            Some(rest) => {
                self.reason = Some((reason.to_string().into(), at));
                if rest.is_tried {
                    let span = longer(rest.span);
                    *rest = Rest::new(trouble, span, now);
                } else {
                    rest.trouble = trouble;
                }
                return false;
            }
            None => {}
        }
        self.reason = Some((reason.to_string().into(), at));
        self.failures += 1;
        if trouble == Trouble::Answers && self.failures < FAILURES {
            return false;
        }
        let span = match self.last_rest {
            Some((span, ended)) if now.saturating_duration_since(ended) < LONGEST_REST => longer(span),
            _ => FIRST_REST,
        };
        self.rest = Some(Rest::new(trouble, span, now));
        self.back = None;
        let is_news = !self.checks.is_bad;
        if is_news {
            self.since = Some(at);
        }
        is_news
    }

    pub(super) fn checked(
        &mut self,
        bad: Option<&dyn fmt::Display>,
        now: Instant,
        at: Timestamp,
    ) -> Option<UpstreamState> {
        let checks = &mut self.checks;
        if let Some(reason) = bad {
            checks.good_in_a_row = 0;
            checks.bad_in_a_row = checks.bad_in_a_row.saturating_add(1);
            self.reason = Some((reason.to_string().into(), at));
            if checks.is_bad || checks.bad_in_a_row < BAD_CHECKS {
                return None;
            }
            checks.is_bad = true;
            self.back = None;
            if self.rest.is_some() {
                return None;
            }
            self.since = Some(at);
            return Some(UpstreamState::Unwell);
        }
        checks.bad_in_a_row = 0;
        checks.good_in_a_row = checks.good_in_a_row.saturating_add(1);
        let is_unreachable = self.rest.as_ref().is_some_and(|rest| rest.trouble == Trouble::Unreachable);
        if checks.good_in_a_row < GOOD_CHECKS || !(checks.is_bad || is_unreachable) {
            return None;
        }
        checks.is_bad = false;
        // That it answers a check does not say that it answers requests.
        if self.rest.is_some() && !is_unreachable {
            return None;
        }
        self.rise(now, at);
        Some(UpstreamState::Recovering)
    }

    pub(super) fn forgive(&mut self) {
        *self = Self { since: self.since, reason: self.reason.take(), ..Self::default() };
    }

    pub(super) fn view(&self, now: Instant) -> HealthView {
        let is_back = |back: Instant| now.saturating_duration_since(back) < RAMP;
        let state = match self.back {
            _ if self.rest.is_some() || self.checks.is_bad => UpstreamState::Unwell,
            Some(back) if is_back(back) => UpstreamState::Recovering,
            _ => UpstreamState::Well,
        };
        let (reason, reason_at) = match &self.reason {
            Some((reason, at)) => (Some(reason.to_string()), Some(*at)),
            None => (None, None),
        };
        HealthView { state, since: self.since, reason, reason_at, ..HealthView::default() }
    }

    /// Ends the rest; what checks say stays.
    fn rise(&mut self, now: Instant, at: Timestamp) {
        self.failures = 0;
        if let Some(rest) = self.rest.take() {
            self.last_rest = Some((rest.span, now));
        }
        if !self.checks.is_bad {
            self.back = Some(now);
            self.since = Some(at);
        }
    }
}

impl Rest {
    fn new(trouble: Trouble, span: Duration, now: Instant) -> Self {
        Self { trouble, begun: now, span, until: now + span, is_tried: false, tried: now }
    }
}

fn longer(span: Duration) -> Duration {
    (span * 2).min(LONGEST_REST)
}

/// Failures in a row, other than that no connection could be made, for which an upstream is passed over: Envoy's
/// `consecutive_gateway_failure`. Without a connection it takes one, as at nginx: everybody else would meet the same.
const FAILURES: u32 = 5;

/// How long it is passed over at first: nginx's `fail_timeout`.
const FIRST_REST: Duration = Duration::from_secs(10);

/// How long at most, and how long it must have been well to begin with [`FIRST_REST`] again: Envoy's
/// `max_ejection_time`.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// How long one request that tries it keeps the others away: as long as a connection may take to be made.
const TRIAL: Duration = Duration::from_secs(10);

/// How often it is tried while it cannot be reached and there is nobody else.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// How long its share grows after it was unwell.
const RAMP: Duration = Duration::from_secs(10);

/// The hundredths of its share with which it begins: Envoy's `min_weight_percent`.
const LEAST: u128 = 10;

/// HAProxy's `rise` and `fall`.
const GOOD_CHECKS: u32 = 2;
const BAD_CHECKS: u32 = 3;
