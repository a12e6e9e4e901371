//! When somebody was seen last, so that it is written at most once a minute.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use portward_core::Timestamp;

/// Remembers what was written lately.
#[derive(Default)]
pub(super) struct Noted {
    at: Mutex<HashMap<String, Timestamp>>,
}

impl Noted {
    /// Whether that was not written for a minute; who asks is the one who writes it.
    pub(super) fn is_news(&self, name: &str, now: Timestamp) -> bool {
        let mut noted = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(name).is_some_and(|at| now >= *at && now.since(*at) < PERIOD) {
            return false;
        }
        if noted.len() >= KEPT {
            noted.retain(|_, at| now >= *at && now.since(*at) < PERIOD);
        }
        noted.insert(name.to_owned(), now);
        true
    }
}

/// To a minute is enough for people.
pub(super) const PERIOD: Duration = Duration::from_secs(60);
/// More people than that are not active at once; those of the last minute stay in any case.
const KEPT: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_news_once_a_minute() {
        let (noted, start) = (Noted::default(), Timestamp::EPOCH);
        let after = |seconds| start.plus(Duration::from_secs(seconds));
        assert!(noted.is_news("a", start) && noted.is_news("b", start));
        assert!(!noted.is_news("a", after(59)));
        assert!(noted.is_news("a", after(60)));
        assert!(!noted.is_news("a", after(61)));
        // A clock that was set back does not silence it.
        assert!(noted.is_news("a", start));
    }
}
