//! Parts for tests of whole Portward: a server in-process, the program, authorities, upstreams, clients, a browser.
//!
//! Everything listens on loopback, on a port that the system chooses, and ends with the value that holds it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot be set up must fail"
)]

mod authority;
mod browser;
mod child;
mod client;
mod eventually;
mod named;
mod program;
mod server;
mod upstream;

pub use authority::{Authority, Issued};
pub use browser::Browser;
pub use child::{Child, free_port, run};
pub use client::{Connection, Response, get, handshake, handshake_without_name, request};
pub use eventually::eventually;
pub use named::Named;
pub use program::{Program, StartedProgram};
pub use server::TestServer;
pub use upstream::Upstream;
