//! How an upstream does, as requests and checks have found out: one value for all workers, kept from snapshot to snapshot.
//!
//! The one thing to know: who is well has no record that anybody would have to look at, so that a request which goes
//! well costs a look at one flag.

mod record;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    ops::Deref,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use portward_core::Timestamp;
use tokio::time::Instant;

pub(super) use record::Readiness;
use record::Record;

use crate::clock::Clock;

/// Is what is known of how one upstream of one site does, shared by the workers, the checks and who shows it.
///
/// Who builds snapshots keeps it for as long as the site has the upstream, so that an edit of anything else forgets
/// nothing.
#[derive(Default)]
pub struct UpstreamHealth {
    in_flight: AtomicU32,
    failures: AtomicU64,
    /// Whether the record says anything but that the upstream is well.
    is_noted: AtomicBool,
    /// There once something went wrong, or a check was made.
    record: Mutex<Option<Box<Record>>>,
}

/// Shows how an upstream does; the default is one that never was anything but well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthView {
    /// What becomes of requests.
    pub state: UpstreamState,
    /// Since when it is well (the time in which it recovered included) or unwell; none if it was never anything but well.
    pub since: Option<Timestamp>,
    /// Why it was unwell the last time, or why the last request or check failed, as operators read it.
    pub reason: Option<String>,
    /// When that was.
    pub reason_at: Option<Timestamp>,
    /// Requests and upgraded connections that it has now.
    pub in_flight: u32,
    /// Requests that failed at it, each time that one was tried, since the site has it.
    pub failures: u64,
}

/// Says whether an upstream gets requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamState {
    /// It gets its share.
    #[default]
    Well,
    /// It was unwell, and gets a share that grows.
    Recovering,
    /// Requests or checks failed: it is passed over while another one is there.
    Unwell,
}

/// Says how a request failed at an upstream, as far as that tells something of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// There is no connection, so nothing was sent.
    Unreachable,
    /// It broke off, answered too late, could not be understood, or said itself that it is not well (502, 503, 504).
    Answers,
}

/// Counts a request, or an upgraded connection, at its upstream for as long as it lives.
#[derive(Debug)]
pub(crate) struct InFlight<H: Deref<Target = UpstreamHealth>>(H);

impl UpstreamHealth {
    /// Begins with an upstream of which nothing bad is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets what was bad: something was changed that may well have been the reason.
    pub fn forgive(&self) {
        self.edit(Record::forgive);
    }

    /// How it does.
    pub fn view(&self) -> HealthView {
        let view = self.lock().as_ref().map(|record| record.view(Instant::now())).unwrap_or_default();
        HealthView { in_flight: self.in_flight(), failures: self.failures.load(Ordering::Relaxed), ..view }
    }

    /// Requests and upgraded connections that it has now.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it may be given a request.
    pub(super) fn readiness(&self, now: Instant) -> Readiness {
        if !self.is_noted.load(Ordering::Relaxed) {
            return Readiness::WELL;
        }
        self.edit(|record| record.readiness(now))
    }

    /// Takes the one request that tries an upstream which is to be passed over; `false` if another one was sooner.
    pub(super) fn claim(&self, now: Instant) -> bool {
        self.edit(|record| record.claim(now))
    }

    /// Learns that a connection was made.
    pub(crate) fn connected(&self, clock: &Clock) {
        if self.is_noted.load(Ordering::Relaxed) {
            self.edit(|record| record.connected(Instant::now(), clock.now()));
        }
    }

    /// Learns that a request which began then was answered.
    pub(crate) fn answered(&self, begun: Instant, clock: &Clock) {
        if self.is_noted.load(Ordering::Relaxed) {
            self.edit(|record| record.answered(begun, Instant::now(), clock.now()));
        }
    }

    /// Learns that a request which began then failed; whether the upstream is unwell by that and was not before.
    pub(crate) fn failed(
        &self,
        trouble: Trouble,
        reason: &dyn fmt::Display,
        begun: Instant,
        now: Instant,
        at: Timestamp,
    ) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.edit(|record| record.failed(trouble, reason, begun, now, at))
    }

    /// Learns of a check: none if the answer was good, else why not. Gives what the upstream is by that, if it was
    /// something else before.
    pub(crate) fn checked(&self, bad: Option<&dyn fmt::Display>, now: Instant, at: Timestamp) -> Option<UpstreamState> {
        self.edit(|record| record.checked(bad, now, at))
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut Record) -> T) -> T {
        let mut record = self.lock();
        let record = record.get_or_insert_default();
        let edited = edit(record);
        self.is_noted.store(record.is_noteworthy(), Ordering::Relaxed);
        edited
    }

    /// It is held for some steps of arithmetic, and for nothing that waits.
    fn lock(&self) -> MutexGuard<'_, Option<Box<Record>>> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for UpstreamHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl UpstreamState {
    /// The stable word: `well`, `recovering` or `unwell`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Recovering => "recovering",
            Self::Unwell => "unwell",
        }
    }
}

impl<H: Deref<Target = UpstreamHealth>> InFlight<H> {
    /// Counts one more.
    pub(crate) fn at(health: H) -> Self {
        health.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(health)
    }
}

impl<H: Deref<Target = UpstreamHealth>> Drop for InFlight<H> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
