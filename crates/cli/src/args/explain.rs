//! `portward explain`.

use clap::Args as ClapArgs;

use super::{OutputArgs, ServerArgs};

/// Holds the words of `portward explain`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ExplainArgs {
    /// A host name, with a port and a path as you like, and with or without a scheme
    #[arg(value_name = "HOST")]
    pub(crate) host: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

pub(super) const EXAMPLES: &str = "\
What is found on the way of a request (DNS, connection, TLS, certificate, site,
application, answer) is compared with what is configured, straight from inside
and where DNS leads. Nothing is changed; one HEAD request is sent each way.

Exits with 0 if nothing is bad, and with 1 if something is.

Examples:
  portward explain shop.example
  portward explain https://shop.example:8443/cart -o json";
