//! The agent as people, scripts and servers see it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod commands;
mod joining;
mod listening;
mod polling;
mod program;
mod proxy;
mod registering;
mod rotation;
mod server;
