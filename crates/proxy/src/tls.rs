//! TLS on both sides: handshakes with clients by the snapshot's certificates, and with upstreams by the site's trust.
//!
//! Which certificate a client sees is decided in [`choice`], which upstream is believed in [`verifier`].

mod certificate;
mod challenge;
mod choice;
mod client;
mod provider;
mod served_key;
mod server;
mod verifier;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use certificate::{KeyError, certified_key, challenge_key};
pub(crate) use choice::is_outdated;
pub(crate) use client::{Offer, TlsClient, UpstreamTlsError};
pub use served_key::{OpenKey, OpenKeys, ServedKey};
pub(crate) use server::{Accepted, HandshakeError, Protocol, TlsFacts, TlsServer};
