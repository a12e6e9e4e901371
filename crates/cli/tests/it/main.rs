//! The program as it is run: its exit codes, what it prints, and what it asks a server for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access;
mod acme;
mod agent;
mod asking;
mod fake;
mod files;
mod notification;
mod program;
mod remote;
mod serving;
mod terminal;
mod waiting;
