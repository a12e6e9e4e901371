//! When each certificate is due.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use portward_core::{CertificateId, Timestamp};

/// Orders certificates by when they are due. What is not due is never looked at.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    due: BTreeSet<(Timestamp, CertificateId)>,
    at: HashMap<CertificateId, Timestamp>,
    /// In a turn now.
    running: HashSet<CertificateId>,
    /// To be looked at again once their turn is over.
    again: HashSet<CertificateId>,
}

impl Queue {
    /// Has a certificate looked at as soon as possible.
    pub(crate) fn wake(&self, id: &CertificateId, now: Timestamp) {
        let mut state = self.lock();
        if state.running.contains(id) {
            state.again.insert(id.clone());
        } else {
            state.put(id, now);
        }
    }

    /// Takes the certificate that has been due longest; none if none is due.
    pub(crate) fn take(&self, now: Timestamp) -> Option<CertificateId> {
        let mut state = self.lock();
        let first = state.due.first().filter(|(at, _)| *at <= now).cloned();
        let (at, id) = first?;
        state.due.remove(&(at, id.clone()));
        state.at.remove(&id);
        state.running.insert(id.clone());
        Some(id)
    }

    /// Ends the turn of a certificate; `next` is when it is due again, none if it is managed no more.
    pub(crate) fn put_back(&self, id: &CertificateId, next: Option<Timestamp>, now: Timestamp) {
        let mut state = self.lock();
        state.running.remove(id);
        let next = if state.again.remove(id) { Some(now) } else { next };
        if let Some(next) = next {
            state.put(id, next);
        }
    }

    /// When the next certificate is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.lock().due.first().map(|(at, _)| *at)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, id: &CertificateId, at: Timestamp) {
        if let Some(before) = self.at.insert(id.clone(), at) {
            self.due.remove(&(before, id.clone()));
        }
        self.due.insert((at, id.clone()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix(second).unwrap()
    }

    fn id(text: &str) -> CertificateId {
        CertificateId::parse(text).unwrap()
    }

    #[test]
    fn what_is_due_longest_comes_first_and_what_is_not_stays() {
        let queue = Queue::default();
        for (name, second) in [("a", 30), ("b", 10), ("c", 20)] {
            queue.put_back(&id(name), Some(at(second)), at(0));
        }
        assert_eq!(queue.take(at(5)), None);
        assert_eq!(queue.take(at(20)), Some(id("b")));
        assert_eq!(queue.take(at(20)), Some(id("c")));
        assert_eq!(queue.take(at(20)), None);
        assert_eq!(queue.next(), Some(at(30)));
    }

    #[test]
    fn what_is_woken_in_its_turn_has_another_one() {
        let queue = Queue::default();
        queue.wake(&id("a"), at(1));
        assert_eq!(queue.take(at(1)), Some(id("a")));
        queue.wake(&id("a"), at(2));
        assert_eq!(queue.take(at(9)), None, "it is in its turn");
        queue.put_back(&id("a"), Some(at(1000)), at(3));
        assert_eq!(queue.take(at(3)), Some(id("a")));
        queue.put_back(&id("a"), None, at(4));
        assert_eq!(queue.next(), None);
    }
}
