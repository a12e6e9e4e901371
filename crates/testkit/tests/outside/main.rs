//! Tests of the program beside the programs that it will meet: openssl, keytool, NSS, nginx, git, curl, Chromium,
//! Pebble, Caddy, HAProxy, aiosmtpd, promtool, grpc; and of both programs, portward and portward-agent.
//!
//! `make test` installs them; a missing one fails the test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod abuse;
mod acme;
mod acme_caddy;
mod acme_client;
mod acme_kills;
mod agents;
mod agents_kills;
mod application;
mod bindings;
mod bodies;
mod description;
mod dns;
mod doors;
mod git;
mod grpc;
mod imports;
mod neighbours;
mod notifications;
mod pains;
mod portal;
mod python;
mod recover;
mod secrets;
mod slow;
mod soak;
mod store_disk;
mod store_kills;
mod tls;
mod upgrade;
mod upstreams;
mod websocket;
