//! CAs that are not asked for a while: they are down, or told us to wait.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use portward_core::{
    IssuerId, Timestamp,
    acme::{Jitter, outage_retry_at},
};

/// Remembers which CAs are in trouble, and until when nobody asks them.
#[derive(Debug, Default)]
pub(crate) struct Parks {
    parked: Mutex<HashMap<IssuerId, Parked>>,
}

#[derive(Clone, Copy, Debug)]
struct Parked {
    outages: u32,
    until: Timestamp,
}

impl Parks {
    /// Until when a CA is not asked; none if it may be.
    pub(crate) fn parked(&self, issuer: &IssuerId, now: Timestamp) -> Option<Timestamp> {
        let parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.get(issuer).map(|parked| parked.until).filter(|until| *until > now)
    }

    /// Until when a CA in trouble is not asked; none if it has none, though it may have told us not to order so much.
    pub(crate) fn down(&self, issuer: &IssuerId, now: Timestamp) -> Option<Timestamp> {
        let parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let down = parked.get(issuer).filter(|parked| parked.outages > 0);
        down.map(|parked| parked.until).filter(|until| *until > now)
    }

    /// Notes an outage, and gives until when the CA is not asked. Outages of calls that ran side by side count once.
    pub(crate) fn park(
        &self,
        issuer: &IssuerId,
        now: Timestamp,
        retry_after: Option<Duration>,
        jitter: Jitter,
    ) -> Timestamp {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = parked.get(issuer).copied();
        let outages = match before {
            Some(before) if before.until > now => before.outages,
            Some(before) => before.outages.saturating_add(1),
            None => 1,
        };
        let until = outage_retry_at(outages, now, retry_after, jitter);
        let until = before.map_or(until, |before| until.max(before.until));
        parked.insert(issuer.clone(), Parked { outages, until });
        until
    }

    /// Has nobody ask a CA before a time, as it told so.
    pub(crate) fn hold(&self, issuer: &IssuerId, until: Timestamp) {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = parked.entry(issuer.clone()).or_insert(Parked { outages: 0, until });
        entry.until = entry.until.max(until);
    }

    /// Notes that a CA works.
    pub(crate) fn works(&self, issuer: &IssuerId, now: Timestamp) {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        if parked.get(issuer).is_some_and(|parked| parked.until <= now) {
            parked.remove(issuer);
        }
    }
}
