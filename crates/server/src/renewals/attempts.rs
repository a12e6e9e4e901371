//! Ids of attempts, and how many are kept.

use portward_core::{AttemptId, Timestamp};

/// Makes an id that sorts after those of earlier attempts.
pub(super) fn new_attempt_id(now: Timestamp) -> Result<AttemptId, String> {
    let random = crate::app::random_hex::<5>().map_err(|error| error.to_string())?;
    AttemptId::parse(&format!("{:09x}-{random}", now.unix().max(0))).map_err(|error| error.to_string())
}

/// How many attempts are kept for one certificate. A CA that is down for weeks must not fill the store.
pub(super) const KEPT_ATTEMPTS: usize = 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn later_attempts_sort_after_earlier_ones() {
        let id = |second| new_attempt_id(Timestamp::from_unix(second).unwrap()).unwrap();
        assert!(id(1_795_185_127) < id(1_795_185_128));
        assert!(id(999) < id(1_795_185_128));
        assert_ne!(id(5), id(5));
    }
}
