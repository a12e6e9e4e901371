//! The engine that gets certificates from CAs and keeps them: one persisted state machine for each.
//!
//! [`Engine`] remembers of each managed certificate only when it is due; whatever else it needs is read when the time
//! comes, so that a certificate that is not due costs nothing. A turn (`turn.rs`) takes one certificate as far as it
//! goes without waiting; each step (`step/`) is stored before the next one is taken, so that a process that is killed
//! goes on with the same order. What the engine needs of the outside is [`Surroundings`].

mod account;
mod attempts;
mod ending;
mod engine;
mod outlook;
mod outside;
mod park;
mod plan;
mod probe;
mod queue;
mod step;
mod surroundings;
mod turn;
mod writers;

pub use engine::{Engine, EngineParts};
pub(crate) use outlook::{Outlook, outlook};
pub(crate) use outside::{Outside, reachable};
pub(crate) use probe::{Probe, Question};
pub use surroundings::{NoRequest, RequestWanted, Shown, Surroundings, TxtPlace};
pub(crate) use turn::Asked;
