//! Ids of attempts, and how many are kept.

use portward_core::{AttemptId, Timestamp};

/// Makes an id that sorts after that of the attempt before it, even within the same second, or after a clock was set back.
pub(super) fn new_attempt_id(now: Timestamp, before: Option<&AttemptId>) -> Result<AttemptId, String> {
    let random = crate::app::random_hex::<5>().map_err(|error| error.to_string())?;
    let second = before.and_then(|id| i64::from_str_radix(id.as_str().split('-').next()?, 16).ok());
    let second = second.map_or_else(|| now.unix(), |before| now.unix().max(before.saturating_add(1)));
    AttemptId::parse(&format!("{:09x}-{random}", second.max(0))).map_err(|error| error.to_string())
}

/// How many attempts are kept for one certificate. A CA that is down for weeks must not fill the store.
pub(super) const KEPT_ATTEMPTS: usize = 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn later_attempts_sort_after_earlier_ones() {
        let id = |second| new_attempt_id(Timestamp::from_unix(second).unwrap(), None).unwrap();
        assert!(id(1_795_185_127) < id(1_795_185_128));
        assert!(id(999) < id(1_795_185_128));
        assert_ne!(id(5), id(5));
    }

    #[test]
    fn an_attempt_in_the_same_second_sorts_after_the_one_before_it() {
        let mut before = None;
        for second in [1_795_185_127, 1_795_185_127, 1_795_185_127, 1_795_185_120, 1_795_185_140] {
            let id = new_attempt_id(Timestamp::from_unix(second).unwrap(), before.as_ref()).unwrap();
            assert!(before.is_none_or(|before| before < id), "{id}");
            before = Some(id);
        }
    }
}
