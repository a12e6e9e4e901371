//! The link between Portward and its agents: mutual TLS in which each side knows the other by thumbprint, and the
//! protocol that is spoken on it.
//!
//! The one thing to know: **the peer is its thumbprint.** Nothing that it says of itself counts, no name, no authority,
//! no date; and that it holds the key of its certificate is verified in every handshake ([`verify`]).
//!
//! Whoever dials, the agent is the HTTP/2 server, and Portward its client ([`Caller`]); so polling and listening agents
//! are one and the same once they are connected.
//!
//! 1. TCP, or a tunnel through an HTTP proxy ([`dial()`]).
//! 2. TLS 1.3 with ALPN `portward-agent/1`, both certificates, no resumption, no early data ([`tls`]).
//! 3. An opening from either side ([`opening`]): protocol, version, instance. Who does not trust the other says so here,
//!    with both thumbprints and the command that would change it, and closes.
//! 4. HTTP/2 with calls ([`message`]), and pings from both sides.
//!
//! This crate has no store and no REST; it does not know what is done with a call.

pub mod message;
pub mod opening;
pub mod tls;
pub mod verify;

mod backoff;
mod boot;
mod call;
mod dial;
mod enrol;
mod error;
mod frame;
mod identity;
mod join_string;
mod liveness;
mod secret;
mod serve;
mod session;

pub use backoff::Backoff;
pub use boot::{Instance, boot_id};
pub use call::{CallError, Caller};
pub use dial::{HttpProxy, ProxyError, dial};
pub use enrol::{Enrol, EnrolAnswer, EnrolProof, Enrolled};
pub use error::{LinkError, Stage};
pub use identity::{Identity, IdentityError, Offer, OfferError};
pub use join_string::{JoinSecret, JoinString, JoinStringError};
pub use liveness::{PING_EVERY, PING_PATIENCE};
pub use secret::{SecretBytes, SecretText};
pub use serve::{Handler, Progress, serve};
pub use session::{Guest, Peer, Session, Wire, enrol};
