//! The clock: the one place of the program that reads it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portward_core::Timestamp;

/// The time now, in whole seconds.
pub(crate) fn now() -> Timestamp {
    let seconds = i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_unix(seconds).unwrap_or(Timestamp::EPOCH)
}

/// The time since the start of 1970, in UTC.
#[allow(clippy::disallowed_methods, reason = "time is an argument everywhere else, and this is where it comes from")]
pub(crate) fn since_1970() -> Duration {
    // A machine without a battery may start before 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
