//! The application: use cases, the REST API, tasks, and the wiring of all parts.
//!
//! Read [`Server::start`] first: it opens the store, gives an empty one its first content, spawns the data plane,
//! publishes, and opens the ways in for operators.
//! Every change takes the same way: REST → use case (`app/<noun>.rs`) → commit → `tasks/publish.rs` → snapshot.

mod admin;
mod agents;
mod app;
mod audit;
mod channel;
mod doctor;
mod doors;
mod events;
mod explain;
mod first_start;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod fixture;
mod handshake;
mod init;
mod kind_settings;
mod master_key;
mod notice;
mod outgoing;
mod portal;
mod problem;
mod process;
mod reach;
mod recover;
pub mod renewals;
mod rest;
mod restore;
mod served;
mod server;
mod start_error;
mod tasks;
mod upgrade;
mod web;

pub use audit::{VerifyAuditError, verify_audit_offline};
pub use doctor::examine_store;
pub use init::{InitOfflineError, init_offline};
pub use portward_certs::acme::HttpTimeouts;
pub use portward_proxy::{
    AccessLog, AccessLogFormat, AccessLogOptions, AccessLogTarget, Drained, Limits, OpenAccessLogError,
};
pub use recover::{RecoverOfflineError, recover_offline};
pub use restore::{RestoreOfflineError, RestoredOffline, restore_offline};
pub use server::{BoundBinding, NotReachedError, Server, ServerOptions, SetupLinkError, UpgradeFailedError};
pub use start_error::StartError;
pub use upgrade::{Handover, HandoverError, Inherited};
