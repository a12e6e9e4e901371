//! Tests of the whole: the house itself, and a server in-process with real sockets and real TLS.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod challenge_endpoint;
mod changes;
mod fault_ca;
mod force_https;
mod framing;
mod fuzzing;
mod house;
mod pains;
mod redaction;
mod rotations;
mod safe_changes;
mod site_settings;
mod sni;
mod turns;
mod upstreams;
mod ways_in;
mod years;
