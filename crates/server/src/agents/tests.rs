//! Agents that are made of the link alone: what Portward says to them, and what becomes of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod ages;
mod deliveries;
mod fake;
mod forged;
mod joining;
mod key_elsewhere;
mod nodes;
mod rotation;
mod store_writer;
