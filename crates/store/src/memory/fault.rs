//! Ways to make the model fail.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::{Revision, StoreError};

/// Makes the model fail in the ways that real engines do.
pub struct Faults {
    next: Mutex<VecDeque<TxnFault>>,
    meanwhile: Mutex<Option<Meanwhile>>,
    switches: watch::Sender<Switches>,
    wake: watch::Sender<Revision>,
}

type Meanwhile = Box<dyn FnOnce() + Send>;

/// Says how a transaction fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxnFault {
    /// It is done, but the answer is lost.
    IndeterminateDone,
    /// It is lost before it is done, and nobody knows.
    IndeterminateNotDone,
}

#[derive(Clone, Copy, Debug, Default)]
struct Switches {
    away: bool,
    watches_held: bool,
}

impl Faults {
    pub(super) fn new(wake: watch::Sender<Revision>) -> Self {
        Self { next: Mutex::default(), meanwhile: Mutex::default(), switches: watch::Sender::default(), wake }
    }

    /// Lets the next transaction fail; called twice, the next two.
    pub fn fail_next_txn(&self, fault: TxnFault) {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).push_back(fault);
    }

    /// Does something right before the next transaction, as if it came between a decision and its commit.
    pub fn before_next_txn(&self, act: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(act));
    }

    /// Lets everything fail as unavailable, and breaks watches.
    pub fn go_away(&self) {
        self.switches.send_modify(|switches| switches.away = true);
        // Nothing new happened, but those who wait shall look again.
        self.wake.send_modify(|_| ());
    }

    /// Answers again.
    pub fn come_back(&self) {
        self.switches.send_modify(|switches| switches.away = false);
    }

    /// Holds back what happens from all watches.
    pub fn hold_watches(&self) {
        self.switches.send_modify(|switches| switches.watches_held = true);
    }

    /// Gives all watches what was held back.
    pub fn release_watches(&self) {
        self.switches.send_modify(|switches| switches.watches_held = false);
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.switches.borrow().away {
            return Err(StoreError::Unavailable("the store does not answer, as a test wanted".into()));
        }
        Ok(())
    }

    pub(super) fn take_next(&self) -> Option<TxnFault> {
        let meanwhile = self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(act) = meanwhile {
            act();
        }
        self.next.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) async fn watches_may_pass(&self) {
        let mut switches = self.switches.subscribe();
        // The sender lives as long as we do.
        let _ = switches.wait_for(|switches| !switches.watches_held || switches.away).await;
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("next", &self.next).field("switches", &self.switches).finish_non_exhaustive()
    }
}
