//! `portward acme dns`.

use clap::{Args as ClapArgs, Subcommand};

use super::{OutputArgs, ServerArgs};

/// Lists the commands about DNS providers.
#[derive(Debug, Subcommand)]
pub(crate) enum DnsCommand {
    /// List the kinds of DNS providers, with their settings
    #[command(after_help = KINDS_EXAMPLES)]
    Kinds(DnsListArgs),
    /// Add a DNS provider
    #[command(after_help = ADD_EXAMPLES)]
    Add(DnsAddArgs),
    /// List the DNS providers
    #[command(after_help = LIST_EXAMPLES)]
    List(DnsListArgs),
    /// Show one DNS provider
    #[command(after_help = SHOW_EXAMPLES)]
    Show(DnsIdArgs),
    /// Forget a DNS provider with its secrets
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(DnsIdArgs),
}

/// Holds the words of `portward acme dns add`.
#[derive(Debug, ClapArgs)]
pub(crate) struct DnsAddArgs {
    /// Kind of provider, from `portward acme dns kinds`
    #[arg(value_name = "KIND")]
    pub(crate) kind: String,
    /// Name for it [default: its kind]
    #[arg(long, value_name = "I")]
    pub(crate) id: Option<String>,
    /// A setting that is no secret; repeat it for each
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// A setting that is secret, from a file, or from stdin with NAME=-; repeat it for each
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) secret: Vec<String>,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward acme dns kinds` and `list`.
#[derive(Debug, ClapArgs)]
pub(crate) struct DnsListArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward acme dns show` and `remove`.
#[derive(Debug, ClapArgs)]
pub(crate) struct DnsIdArgs {
    /// Id of the DNS provider, from `portward acme dns list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const KINDS_EXAMPLES: &str = "\
Examples:
  portward acme dns kinds
  portward acme dns kinds -o json";

const ADD_EXAMPLES: &str = "\
Secrets come from files or stdin, as every user of the machine can see the
command line. They are sealed in the store and never shown again.

Examples:
  portward acme dns add cloudflare --secret api_token=token-file
  portward acme dns add cloudflare --id shop --secret api_token=- < token-file
  portward acme dns add exec --set program=/usr/local/bin/txt-record";

const LIST_EXAMPLES: &str = "\
Examples:
  portward acme dns list
  portward acme dns list -o json";

const SHOW_EXAMPLES: &str = "\
Example:
  portward acme dns show ID";

const REMOVE_EXAMPLES: &str = "\
Refused while a certificate needs it.

Example:
  portward acme dns remove ID";
