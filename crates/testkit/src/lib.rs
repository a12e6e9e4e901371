//! Parts for tests of whole Portward: a server in-process, the programs, machines, authorities, a CA with faults,
//! upstreams, clients, a browser, and agents by the thousand.
//!
//! Everything listens on loopback, on a port that the system chooses, and ends with the value that holds it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot be set up must fail"
)]

mod abuse;
mod agent_program;
mod authority;
mod browser;
mod child;
mod client;
mod eventually;
mod fake_agent;
mod fault_ca;
mod fleet;
pub mod fuzzing;
mod machine;
mod mail_sink;
mod named;
mod network;
mod pebble;
mod program;
mod raw;
mod server;
mod simulation;
pub mod soak;
mod steady;
mod upstream;

pub use abuse::{Abuse, AbuseOutcome, Healthy};
pub use agent_program::{AgentProgram, StartedAgent};
pub use authority::{Authority, Issued};
pub use browser::Browser;
pub use child::{Child, ChildGroup, free_port, run};
pub use client::{Connection, Response, get, handshake, handshake_without_name, request};
pub use eventually::eventually;
pub use fake_agent::{FakeAgent, FakeLink};
pub use fault_ca::{
    Ari, Asked, Config, Endpoint, Fault, FaultCa, FaultCaServer, Limits, Look, Outcome, Validation, Verdict,
};
pub use fleet::{FILES_OF_AN_AGENT, Fleet, FleetOptions, Seen, Settled, Watch, raise_open_files};
pub use machine::Machine;
pub use mail_sink::{Mail, MailSecurity, MailSink};
pub use named::Named;
pub use network::in_network_of_its_own;
pub use pebble::{Pebble, PebbleOptions};
pub use program::{Cost, Program, StartedProgram};
pub use raw::Raw;
pub use server::TestServer;
pub use simulation::{Kept, Simulation};
pub use steady::steady;
pub use upstream::Upstream;
