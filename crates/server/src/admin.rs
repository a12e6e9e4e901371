//! The ways in for operators on the same machine: the socket in the data directory, and the loopback listener.
//!
//! On the socket the operating system says who asks.
//! The loopback listener, which every user and every browser of the machine reaches, is like a binding of the portal
//! that works whatever the bindings do: who asks must have signed in, or show a token.

pub(crate) mod loopback;
mod metrics;
pub(crate) mod socket;
mod user;

pub(crate) use user::local_actor;

use std::time::Duration;

/// Connections at a time, of each listener: a handful of tools, not more.
const CONNECTIONS: usize = 64;
/// After an accept that failed, as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
