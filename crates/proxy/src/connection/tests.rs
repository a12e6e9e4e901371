//! Over real sockets, between a client and an application that write and see raw bytes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access_log;
mod agents;
mod answers;
mod bodies;
mod challenges;
mod checks;
mod drain;
mod forwarding;
mod harness;
mod http2_upstream;
mod late;
mod logging;
mod passages;
mod pooling;
mod portal;
mod proxied;
mod refusals;
mod secure;
mod socket;
mod sticky;
mod tunnels;
mod upstreams;

/// The size of the task that an idle connection is.
fn future_size<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn an_idle_connection_is_small() {
    let size = future_size(super::serve_h1);
    assert!(size <= 384, "the future of a connection has {size} bytes");
}
