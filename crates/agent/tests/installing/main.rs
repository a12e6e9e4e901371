//! Certificates installed beside real programs, with processes that are killed anywhere, and by servers that attack.
//!
//! Each program runs on loopback as the user of the test, with files in a directory of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot be set up must fail; this is where the clock is read, and what a failure is about is printed"
)]

mod attacks;
mod faults;
mod kills;
mod machine;
mod policy;
mod programs;
mod running;
