//! The data plane: listens on bindings, chooses certificates, routes and forwards.
//!
//! It reads [`Snapshot`]s and nothing else: no store, no REST, no ACME.
//! Each worker is a thread with a single-threaded runtime, listeners and upstream connections of its own;
//! what a worker needs to know of the outside reaches it as a new snapshot.

mod access_log;
mod agents;
mod answer;
mod bind;
pub mod client_hello;
mod clients;
mod clock;
mod connection;
mod count;
mod forward;
pub mod h1;
pub mod h2;
pub mod limits;
mod pass_through;
mod proxy;
pub mod proxy_header;
mod request_id;
mod route;
mod served;
pub mod snapshot;
mod stream;
mod tls;
mod traffic;
mod upgrade;
mod upstream;
mod worker;

pub use access_log::{
    AccessLog, AccessLogCounts, AccessLogFormat, AccessLogOptions, AccessLogTarget, OpenAccessLogError,
};
pub use agents::HandedOver;
pub use bind::{BindError, Holder, addresses, has_ipv6};
pub use clock::Clock;
pub use count::{CountsView, HandshakeFailure, HandshakesFailed};
pub use limits::Limits;
pub use proxy::{BindingReport, Drained, GivenSocket, Proxy, ProxyOptions, SpawnError};
pub use snapshot::{ServedBinding, ServedCertificate, ServedSite, Serves, Snapshot};
pub use tls::{KeyError, OpenKey, OpenKeys, ServedKey, certified_key, challenge_key};
pub use traffic::{HourView, LATENCY_BOUNDS, Latency, PlainClient, Traffic, TrafficView};
pub use upstream::{Groups, HealthView, StickyKey, UpstreamHealth, UpstreamState, UpstreamView};
