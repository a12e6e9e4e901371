//! Ids of attempts, and how many are kept.

use portward_core::{AttemptId, Timestamp};

/// Makes an id that sorts after those of earlier attempts, of which `newest` is the last one.
///
/// It begins with the second; one in the same second, or after the clock was set back, has a later one.
pub(super) fn new_attempt_id(now: Timestamp, newest: Option<&AttemptId>) -> Result<AttemptId, String> {
    let random = crate::app::random_hex::<5>().map_err(|error| error.to_string())?;
    let after = newest.and_then(second_of).map_or(0, |second| second.saturating_add(1));
    AttemptId::parse(&format!("{:09x}-{random}", now.unix().max(after))).map_err(|error| error.to_string())
}

fn second_of(id: &AttemptId) -> Option<i64> {
    let (second, _) = id.as_str().split_once('-')?;
    i64::from_str_radix(second, 16).ok()
}

/// How many attempts are kept for one certificate. A CA that is down for weeks must not fill the store.
pub(super) const KEPT_ATTEMPTS: usize = 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn id(second: i64, newest: Option<&AttemptId>) -> AttemptId {
        new_attempt_id(Timestamp::from_unix(second).unwrap(), newest).unwrap()
    }

    #[test]
    fn later_attempts_sort_after_earlier_ones() {
        assert!(id(1_795_185_127, None) < id(1_795_185_128, None));
        assert!(id(999, None) < id(1_795_185_128, None));
        let mut newest = id(1_795_185_128, None);
        // In the same second, and after the clock was set back.
        for second in [1_795_185_128; 40].into_iter().chain([1_795_000_000; 40]) {
            let next = id(second, Some(&newest));
            assert!(newest < next, "{newest} {next}");
            newest = next;
        }
    }
}
