//! Over real sockets and real TLS: frames by hand or by the crate's client, and an application byte by byte.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod downgrade;
mod exchanges;
mod floods;
mod frames;
mod harness;
mod http2_upstream;
mod records;
mod rfc9113;
mod websocket;
