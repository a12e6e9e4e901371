//! `portward acme issuer` and `portward acme account`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, value_parser};

use super::{CHALLENGE, CHALLENGES, OutputArgs, ServerArgs};

/// Lists the commands about issuers.
#[derive(Debug, Subcommand)]
pub(crate) enum IssuerCommand {
    /// Add a CA that certificates can be asked of
    #[command(after_help = ADD_EXAMPLES)]
    Add(Box<IssuerAddArgs>),
    /// List the issuers
    #[command(after_help = LIST_EXAMPLES)]
    List(IssuerListArgs),
    /// Show one issuer
    #[command(after_help = SHOW_EXAMPLES)]
    Show(IssuerIdArgs),
    /// Forget an issuer with its account key
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(IssuerIdArgs),
}

/// Lists the commands about accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Give the account with an issuer a new key
    #[command(after_help = ROLLOVER_EXAMPLES)]
    Rollover(RolloverArgs),
}

/// Holds the words of `portward acme issuer add`.
#[derive(Debug, ClapArgs)]
pub(crate) struct IssuerAddArgs {
    /// letsencrypt, letsencrypt-staging, or the https URL of a CA's directory
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directory: String,
    /// Name for it [default: made of the directory's host]
    #[arg(long, value_name = "I")]
    pub(crate) id: Option<String>,
    /// Authorities that vouch for the directory's own certificate (PEM) [default: this machine's]
    #[arg(long, value_name = "FILE")]
    pub(crate) directory_ca: Option<PathBuf>,
    /// E-mail address for the account; repeat it for each
    #[arg(long, value_name = "ADDR")]
    pub(crate) contact: Vec<String>,
    /// Agree to the CA's terms of service
    #[arg(long)]
    pub(crate) accept_terms: bool,
    /// What the CA calls the key of the external account binding
    #[arg(long, value_name = "K", requires = "eab_mac_key_file")]
    pub(crate) eab_key_id: Option<String>,
    /// File with that key in base64url, as the CA gave it; - is stdin
    #[arg(long, value_name = "FILE", requires = "eab_key_id")]
    pub(crate) eab_mac_key_file: Option<PathBuf>,
    /// Profile to ask for where a certificate does not say
    #[arg(long, value_name = "P")]
    pub(crate) profile: Option<String>,
    /// Challenge to answer where a certificate does not say
    #[arg(long, value_name = CHALLENGES, value_parser = CHALLENGE, hide_possible_values = true)]
    pub(crate) challenge: Option<String>,
    /// Common name of a root or issuer that picks one of several chains
    #[arg(long, value_name = "CN")]
    pub(crate) preferred_chain: Option<String>,
    /// Port at which the CA looks for http-01 answers [default: 80]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    pub(crate) http_port: Option<u16>,
    /// Port at which the CA looks for tls-alpn-01 answers [default: 443]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    pub(crate) tls_port: Option<u16>,
    /// Resolver that sees DNS as the CA does; repeat it for each [default: this machine's]
    #[arg(long, value_name = "ADDR[:PORT]")]
    pub(crate) resolver: Vec<String>,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward acme issuer list`.
#[derive(Debug, ClapArgs)]
pub(crate) struct IssuerListArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward acme issuer show` and `remove`.
#[derive(Debug, ClapArgs)]
pub(crate) struct IssuerIdArgs {
    /// Id of the issuer, from `portward acme issuer list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward acme account rollover`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RolloverArgs {
    /// Id of the issuer, from `portward acme issuer list`
    #[arg(value_name = "ISSUER")]
    pub(crate) issuer: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const ADD_EXAMPLES: &str = "\
Without --accept-terms the CA's terms of service are named, and nothing is
saved. The account is made with the first order; its key is made once and kept.

Examples:
  portward acme issuer add letsencrypt --accept-terms --contact ops@a.example
  portward acme issuer add https://ca.internal/acme/directory --id internal \\
      --directory-ca root.pem --accept-terms
  portward acme issuer add https://acme.example/directory --accept-terms \\
      --eab-key-id K --eab-mac-key-file mac-key";

const LIST_EXAMPLES: &str = "\
Examples:
  portward acme issuer list
  portward acme issuer list -o json";

const SHOW_EXAMPLES: &str = "\
Example:
  portward acme issuer show ID";

const REMOVE_EXAMPLES: &str = "\
Refused while a certificate is asked of it.

Example:
  portward acme issuer remove ID";

const ROLLOVER_EXAMPLES: &str = "\
The account and its orders stay; the old key is of no use any more.

Example:
  portward acme account rollover ISSUER";
