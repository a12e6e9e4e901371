//! CAs that are not asked for a while: they are down, or told us to wait.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use portward_core::{
    IssuerId, Timestamp,
    acme::{Jitter, is_waited_for, outage_retry_at},
};

/// Remembers which CAs are in trouble, and until when nobody asks them.
///
/// A time that nobody waits for ([`is_waited_for`]) is as good as none.
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
        parked.get(issuer).map(|parked| parked.until).filter(|until| is_waited_for(*until, now))
    }

    /// Until when a CA in trouble is not asked; none if it has none, though it may have told us not to order so much.
    pub(crate) fn down(&self, issuer: &IssuerId, now: Timestamp) -> Option<Timestamp> {
        let parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let down = parked.get(issuer).filter(|parked| parked.outages > 0);
        down.map(|parked| parked.until).filter(|until| is_waited_for(*until, now))
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
        let waits = before.filter(|before| is_waited_for(before.until, now));
        let outages = match (before, waits) {
            (Some(before), Some(_)) => before.outages,
            (Some(before), None) => before.outages.saturating_add(1),
            (None, _) => 1,
        };
        let until = outage_retry_at(outages, now, retry_after, jitter);
        let until = waits.map_or(until, |before| until.max(before.until));
        parked.insert(issuer.clone(), Parked { outages, until });
        until
    }

    /// Has nobody ask a CA before a time, as it told so.
    pub(crate) fn hold(&self, issuer: &IssuerId, until: Timestamp, now: Timestamp) {
        self.put(issuer, Parked { outages: 0, until }, now);
    }

    /// Takes over what was remembered from before a restart.
    pub(crate) fn park_until(&self, issuer: &IssuerId, until: Timestamp, now: Timestamp) {
        self.put(issuer, Parked { outages: 1, until }, now);
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Notes that a CA works.
    pub(crate) fn works(&self, issuer: &IssuerId, now: Timestamp) {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        if parked.get(issuer).is_some_and(|parked| !is_waited_for(parked.until, now)) {
            parked.remove(issuer);
        }
    }

    /// Of two times the later one counts.
    fn put(&self, issuer: &IssuerId, new: Parked, now: Timestamp) {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = parked.entry(issuer.clone()).or_insert(new);
        if new.until > entry.until || !is_waited_for(entry.until, now) {
            entry.until = new.until;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// A CA was left alone for a year, as the clock had been ahead by that when it said to wait.
    #[test]
    fn a_time_of_a_clock_that_was_ahead_parks_nobody() {
        let (parks, issuer) = (Parks::default(), IssuerId::parse("ca").unwrap());
        let now = Timestamp::from_unix(1_800_000_000).unwrap();
        let ahead = now.plus(365 * DAY);
        parks.park(&issuer, ahead, Some(DAY), Jitter::NONE);
        assert_eq!(parks.parked(&issuer, ahead), Some(ahead.plus(DAY).plus(Duration::from_secs(1))));
        assert_eq!((parks.parked(&issuer, now), parks.down(&issuer, now)), (None, None));
        parks.hold(&issuer, now.plus(DAY), now);
        assert_eq!(parks.parked(&issuer, now), Some(now.plus(DAY)));
        parks.hold(&issuer, now.plus(DAY / 2), now);
        assert_eq!(parks.parked(&issuer, now), Some(now.plus(DAY)));
        parks.works(&issuer, now);
        assert!(parks.parked(&issuer, now).is_some());
        parks.clear();
        assert_eq!(parks.parked(&issuer, now), None);
    }
}
