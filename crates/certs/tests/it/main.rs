//! Files made by the tools that people have, read by Portward; and files made by Portward, read by those tools.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod java;
mod messages;
mod nss;
mod openssl_keys;
mod openssl_pfx;
mod refusals;
mod self_signed;
mod tls;
mod workbench;
