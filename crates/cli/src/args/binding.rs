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
    /// Present another certificate at a binding to clients that ask for a name that none has
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
    #[arg(value_name = "URL", help = "http://ADDR:PORT or https://ADDR:PORT; [::] is every address of this machine")]
    pub(crate) binding_url: String,
    /// Certificate for names that no site has, and for clients that name none (https alone)
    #[arg(long, value_name = "ID")]
    pub(crate) default_certificate: Option<String>,
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
    #[arg(long, value_name = "ID", required = true)]
    pub(crate) default_certificate: String,
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
  portward binding add https://203.0.113.7:443 --default-certificate ID";

const EDIT_EXAMPLES: &str = "\
Example:
  portward binding edit ID --default-certificate ID --confirm-within 60s";

const REMOVE_EXAMPLES: &str = "\
Examples:
  portward binding remove ID
  portward binding remove ID --dry-run
  portward binding remove ID --confirm-within 60s";
