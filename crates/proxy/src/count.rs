//! Counts of what the workers do.
//!
//! Each worker writes counts of its own, on cache lines of its own; only a reader adds them up.

mod handshakes;

use std::sync::atomic::{AtomicU64, Ordering};

use handshakes::HandshakesFailing;
pub use handshakes::{HandshakeFailure, HandshakesFailed};

/// Shows what all workers together have done since they were spawned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountsView {
    /// Connections of clients that are open now.
    pub open: u64,
    /// Connections accepted, the refused ones included.
    pub accepted: u64,
    /// Connections refused because too many were open.
    pub refused: u64,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: HandshakesFailed,
    /// Requests whose head was read.
    pub requests: u64,
    /// Connections that were passed through to their target.
    pub passed: u64,
    /// Connections that were to be passed through, and whose target could not be reached.
    pub passages_failed: u64,
    /// Connections that ended by a fault of ours.
    pub panics: u64,
}

/// Holds the counts of all workers.
#[derive(Debug)]
pub(crate) struct Counts(Box<[WorkerCounts]>);

/// Holds the counts of one worker; the alignment keeps two workers off one cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WorkerCounts {
    pub(crate) open: Count,
    pub(crate) accepted: Count,
    pub(crate) refused: Count,
    /// Refused connections that are still being told so.
    pub(crate) refusing: Count,
    pub(crate) handshakes_failed: HandshakesFailing,
    pub(crate) requests: Count,
    pub(crate) passed: Count,
    pub(crate) passages_failed: Count,
    pub(crate) panics: Count,
}

/// Is a number that one worker changes and anybody reads.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Counts {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| WorkerCounts::default()).collect())
    }

    /// The counts of one worker, by its index.
    pub(crate) fn of(&self, worker: usize) -> &WorkerCounts {
        &self.0[worker]
    }

    /// Connections that are open on all workers.
    pub(crate) fn open(&self) -> u64 {
        self.sum(|counts| &counts.open)
    }

    pub(crate) fn view(&self) -> CountsView {
        let mut handshakes_failed = HandshakesFailed::default();
        self.0.iter().for_each(|counts| counts.handshakes_failed.add_to(&mut handshakes_failed));
        CountsView {
            open: self.open(),
            accepted: self.sum(|counts| &counts.accepted),
            refused: self.sum(|counts| &counts.refused),
            handshakes_failed,
            requests: self.sum(|counts| &counts.requests),
            passed: self.sum(|counts| &counts.passed),
            passages_failed: self.sum(|counts| &counts.passages_failed),
            panics: self.sum(|counts| &counts.panics),
        }
    }

    fn sum(&self, which: impl Fn(&WorkerCounts) -> &Count) -> u64 {
        self.0.iter().map(|counts| which(counts).read()).sum()
    }
}

impl Count {
    /// Adds one.
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds several.
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes one away.
    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_adds_up_what_each_worker_counted() {
        let counts = Counts::new(3);
        for worker in 0..3 {
            counts.of(worker).accepted.up();
            counts.of(worker).open.up();
        }
        counts.of(1).open.down();
        counts.of(2).requests.up();
        assert_eq!(counts.view(), CountsView { open: 2, accepted: 3, requests: 1, ..CountsView::default() });
    }

    #[test]
    fn two_workers_share_no_cache_line() {
        assert_eq!(size_of::<WorkerCounts>() % 128, 0);
        assert_eq!(align_of::<WorkerCounts>(), 128);
    }
}
