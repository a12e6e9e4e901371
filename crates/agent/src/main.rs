//! The program `portward-agent`: it reads the clock, and the library does the rest.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use portward_core::Timestamp;

fn main() -> ExitCode {
    portward_agent::program::run(Arc::new(now))
}

/// The time now, in whole seconds.
#[allow(clippy::disallowed_methods, reason = "time is an argument everywhere else, and this is where it comes from")]
fn now() -> Timestamp {
    let seconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        // A machine without a battery may start before 1970.
        Err(_) => 0,
    };
    Timestamp::from_unix(seconds).unwrap_or(Timestamp::EPOCH)
}
