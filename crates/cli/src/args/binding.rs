//! `portward binding`.

use clap::{Args as ClapArgs, Subcommand};

use super::{OutputArgs, SafetyArgs, ServerArgs};

/// Lists the commands about bindings.
#[derive(Debug, Subcommand)]
pub(crate) enum BindingCommand {
    /// List the bindings, and whether each is bound
    #[command(after_help = LIST_EXAMPLES)]
    List(BindingListArgs),
    /// Accept connections at one more address and port
    #[command(after_help = ADD_EXAMPLES)]
    Add(BindingAddArgs),
    /// Change what a binding presents, whom it believes, and what it passes through
    #[command(after_help = EDIT_EXAMPLES)]
    Edit(BindingEditArgs),
    /// Stop accepting at a binding; its connections finish first
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(BindingRemoveArgs),
}

/// Holds the words of `portward binding list`.
#[derive(Debug, ClapArgs)]
pub(crate) struct BindingListArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward binding add`.
#[derive(Debug, ClapArgs)]
pub(crate) struct BindingAddArgs {
    /// Scheme, address and port.
    #[arg(
        value_name = "URL",
        help = "http://ADDR:PORT, https://ADDR:PORT or tls-passthrough://ADDR:PORT; [::] is every address of this machine"
    )]
    pub(crate) binding_url: String,
    /// Certificate for names that no site has, and for clients that name none (https alone)
    #[arg(long, value_name = "ID")]
    pub(crate) default_certificate: Option<String>,
    /// Peers that begin with a PROXY protocol header (v1 or v2), which says who the client is; repeat for several
    #[arg(long, value_name = "CIDR")]
    pub(crate) accept_proxy_from: Vec<String>,
    /// Pass connections for a name through as they are; * is whatever has no other target
    #[arg(long, value_name = "HOST=ADDR:PORT", num_args = 1..)]
    pub(crate) to: Vec<String>,
    #[command(flatten)]
    pub(crate) safety: SafetyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward binding edit`.
#[derive(Debug, ClapArgs)]
pub(crate) struct BindingEditArgs {
    /// Id of the binding, from `portward binding list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Certificate for names that no site has, and for clients that name none
    #[arg(long, value_name = "ID")]
    pub(crate) default_certificate: Option<String>,
    /// Peers that begin with a PROXY protocol header, in the place of those before; none for nobody
    #[arg(long, value_name = "CIDR|none")]
    pub(crate) accept_proxy_from: Vec<String>,
    /// Names whose connections are passed through, in the place of those before; none for no name
    #[arg(long, value_name = "HOST=ADDR:PORT|none", num_args = 1..)]
    pub(crate) to: Vec<String>,
    #[command(flatten)]
    pub(crate) safety: SafetyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward binding remove`.
#[derive(Debug, ClapArgs)]
pub(crate) struct BindingRemoveArgs {
    /// Id of the binding, from `portward binding list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Say what would break, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) safety: SafetyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const LIST_EXAMPLES: &str = "\
Examples:
  portward binding list
  portward binding list -o json";

const ADD_EXAMPLES: &str = "\
The binding is tried before it is saved: if the port is taken or needs a
privilege, nothing changes.

Examples:
  portward binding add https://[::]:443
  portward binding add http://127.0.0.1:8080
  portward binding add https://203.0.113.7:443 --default-certificate ID
  portward binding add https://[::]:443 --accept-proxy-from 10.0.0.0/8
  portward binding add https://[::]:443 --to octopus.test=127.0.0.1:10943
  portward binding add tls-passthrough://[::]:8883 --to a.test=10.0.0.7:8883";

const EDIT_EXAMPLES: &str = "\
What is not named stays as it is.

Examples:
  portward binding edit ID --default-certificate ID --confirm-within 60s
  portward binding edit ID --accept-proxy-from 10.0.0.0/8
  portward binding edit ID --to poll.example.org=127.0.0.1:10943
  portward binding edit ID --to none";

const REMOVE_EXAMPLES: &str = "\
Examples:
  portward binding remove ID
  portward binding remove ID --dry-run
  portward binding remove ID --confirm-within 60s";
