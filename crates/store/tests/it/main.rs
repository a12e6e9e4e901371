//! The contract of a store, held against every engine, and what only the embedded one must do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod conformance;
mod fixture;
mod kill;
mod leases;
mod model;
mod watches;
