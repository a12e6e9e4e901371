//! The link as an adversary meets it: each side against a false other one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod certificates;
mod frames;
mod peers;

mod abuse_of_agents;
mod abuse_of_servers;
mod bindings;
mod bombs;
mod handshakes;
mod impostors;
mod liveness;
mod memory;
mod oddities;
mod slow;
mod thumbprints;
