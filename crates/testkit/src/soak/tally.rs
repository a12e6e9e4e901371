//! What clients saw.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Is what one kind of client saw.
#[derive(Clone, Debug)]
pub struct Counted {
    /// What the kind is called.
    pub kind: &'static str,
    /// Requests, or messages, that were answered as they should be.
    pub answered: u64,
    /// Those that were asked again because a connection that had been used before closed before it had begun to answer,
    /// as every client does (RFC 9112 section 9.3.1, RFC 9113 section 6.8).
    pub again: u64,
    /// Those that were not answered as they should be.
    pub failed: u64,
    /// The first few of these, in words.
    pub failures: Vec<String>,
}

/// Counts for all kinds.
#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Mutex<Vec<Kind>>>);

/// Counts for one kind.
#[derive(Clone)]
pub(super) struct Kind(Arc<Counters>);

struct Counters {
    name: &'static str,
    answered: AtomicU64,
    again: AtomicU64,
    failed: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Begins to count a kind.
    pub(super) fn kind(&self, name: &'static str) -> Kind {
        let [answered, again, failed] = [0; 3].map(AtomicU64::new);
        let kind = Kind(Arc::new(Counters { name, answered, again, failed, failures: Mutex::default() }));
        self.0.lock().unwrap().push(kind.clone());
        kind
    }

    pub(super) fn counted(&self) -> Vec<Counted> {
        self.0.lock().unwrap().iter().map(Kind::counted).collect()
    }

    pub(super) fn answered(&self) -> u64 {
        self.0.lock().unwrap().iter().map(|kind| kind.0.answered.load(Relaxed)).sum()
    }

    pub(super) fn line(&self) -> String {
        let all = self.counted();
        let sum = |of: fn(&Counted) -> u64| all.iter().map(of).sum::<u64>();
        format!("answered {}  asked again {}  failed {}", sum(|c| c.answered), sum(|c| c.again), sum(|c| c.failed))
    }
}

impl Kind {
    pub(super) fn answered(&self) {
        self.0.answered.fetch_add(1, Relaxed);
    }

    pub(super) fn again(&self) {
        self.0.again.fetch_add(1, Relaxed);
    }

    pub(super) fn failed(&self, why: String) {
        self.0.failed.fetch_add(1, Relaxed);
        let mut failures = self.0.failures.lock().unwrap();
        if failures.len() < FAILURES_KEPT {
            failures.push(why);
        }
    }

    fn counted(&self) -> Counted {
        Counted {
            kind: self.0.name,
            answered: self.0.answered.load(Relaxed),
            again: self.0.again.load(Relaxed),
            failed: self.0.failed.load(Relaxed),
            failures: self.0.failures.lock().unwrap().clone(),
        }
    }
}

const FAILURES_KEPT: usize = 20;
