//! `portward letsencrypt`.

use std::{num::NonZeroU32, path::PathBuf};

use clap::{Args as ClapArgs, Subcommand, value_parser};

use super::{OutputArgs, ServerArgs};

/// Lists the commands about a certificate of Let's Encrypt for the server's own name.
#[derive(Debug, Subcommand)]
pub(crate) enum LetsEncryptCommand {
    /// Get a certificate for this server's name, and keep it renewed
    #[command(after_help = CONFIGURE_EXAMPLES)]
    Configure(LetsEncryptConfigureArgs),
    /// Show the name, when its certificate is renewed, and what went wrong
    #[command(after_help = STATUS_EXAMPLES)]
    Status(LetsEncryptArgs),
    /// Renew the certificate if it is due
    #[command(after_help = RENEW_EXAMPLES)]
    Renew(LetsEncryptRenewArgs),
    /// Renew it no more; what is served stays
    #[command(after_help = DISABLE_EXAMPLES)]
    Disable(LetsEncryptArgs),
}

/// Holds the words of `portward letsencrypt configure`.
#[derive(Debug, ClapArgs)]
pub(crate) struct LetsEncryptConfigureArgs {
    /// Host name that the server is reached by, without http:// or https://
    #[arg(long, value_name = "HOST")]
    pub(crate) dns_name: String,
    /// Address to which Let's Encrypt may write
    #[arg(long, value_name = "ADDR")]
    pub(crate) email: Option<String>,
    /// Agree to the terms of service of Let's Encrypt
    #[arg(long)]
    pub(crate) accept_terms: bool,
    /// Port of the https binding [default: those that exist, else 443]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    pub(crate) https_port: Option<u16>,
    /// Address of the https binding [default: all addresses]
    #[arg(long, value_name = "ADDR")]
    pub(crate) ip_address: Option<String>,
    /// Use the staging environment, whose certificates nobody trusts
    #[arg(long, conflicts_with = "directory")]
    pub(crate) staging: bool,
    /// Ask another CA: the https URL of its directory
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) directory: Option<String>,
    /// Authorities that vouch for that directory's own certificate (PEM) [default: this machine's]
    #[arg(long, value_name = "FILE", requires = "directory")]
    pub(crate) directory_ca: Option<PathBuf>,
    /// Renew it that many days before its end [default: when the CA suggests]
    #[arg(long, value_name = "N")]
    pub(crate) renew_days_before: Option<NonZeroU32>,
    /// Wait until the certificate is served, and show how far it is
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) wait: bool,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward letsencrypt renew`.
#[derive(Debug, ClapArgs)]
pub(crate) struct LetsEncryptRenewArgs {
    /// Renew it now, although it is not due or a retry is waited for
    #[arg(long)]
    pub(crate) force: bool,
    /// Wait until the certificate is served, and show how far it is
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward letsencrypt status` and `disable`.
#[derive(Debug, ClapArgs)]
pub(crate) struct LetsEncryptArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const CONFIGURE_EXAMPLES: &str = "\
The name must lead to this machine, and Let's Encrypt must reach port 80 or 443
of it. Without --accept-terms the terms of service are named, and nothing is
saved.

Examples:
  portward letsencrypt configure --dns-name portward.example \\
      --email ops@portward.example --accept-terms --wait
  portward letsencrypt configure --dns-name portward.example --staging \\
      --accept-terms";

const STATUS_EXAMPLES: &str = "\
Examples:
  portward letsencrypt status
  portward letsencrypt status -o json";

const RENEW_EXAMPLES: &str = "\
Examples:
  portward letsencrypt renew
  portward letsencrypt renew --force --wait";

const DISABLE_EXAMPLES: &str = "\
Example:
  portward letsencrypt disable";
