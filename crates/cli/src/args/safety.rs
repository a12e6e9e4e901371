//! Changes that could shut somebody out: how they are made, answered for and taken back.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{OutputArgs, ServerArgs};

/// Says how a change is made that could shut somebody out.
#[derive(Debug, Default, Clone, ClapArgs)]
#[command(next_help_heading = "Safe change")]
pub(crate) struct SafetyArgs {
    /// Have it go back by itself unless it is confirmed within this time, 5s to 60m; see portward confirm
    #[arg(long, value_name = "TIME")]
    pub(crate) confirm_within: Option<String>,
    /// Make it although it breaks something; with --confirm-within alone
    #[arg(long, requires = "confirm_within")]
    pub(crate) force: bool,
}

/// Holds the words of `portward confirm`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ConfirmArgs {
    /// Id of the change that waits, or the word list to see all of them
    #[arg(value_name = "ID|list")]
    pub(crate) id: String,
    /// Go back now instead of keeping it
    #[arg(long)]
    pub(crate) back: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward undo`.
#[derive(Debug, ClapArgs)]
pub(crate) struct UndoArgs {
    /// Revision of the change, from portward audit list
    #[arg(value_name = "REVISION")]
    pub(crate) revision: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward recover`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RecoverArgs {
    /// Data directory of the server on this machine [env: PORTWARD_DATA_DIR] [default: ./portward-data if it
    /// exists, else /var/lib/portward]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Give this owner a new password; they are made if there is nobody of that name
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// Read the owner's new password from stdin, one line
    #[arg(long, requires = "owner")]
    pub(crate) password_stdin: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

pub(super) const RECOVER_EXAMPLES: &str = "\
For somebody on the machine itself, with a server that runs or without one.
What waits to be confirmed goes back, redirect and HSTS of the portal are
switched off, and a site and an https binding lead to the portal. Done twice,
it finds nothing to do.

Examples:
  portward recover --dry-run
  portward recover
  portward recover --owner mara --password-stdin < password";

pub(super) const CONFIRM_EXAMPLES: &str = "\
A change that was made with --confirm-within is in effect at once, and goes
back by itself unless it is confirmed in time. In a browser it is confirmed in
the portal, by the new way in.

Examples:
  portward confirm list
  portward confirm ID
  portward confirm ID --back";

pub(super) const UNDO_EXAMPLES: &str = "\
Puts back what a change replaced, private keys too, as long as nothing of it
was changed since. The server that made the change remembers it for ten
minutes.

Example:
  portward undo 1284";
