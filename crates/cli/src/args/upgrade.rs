//! `portward upgrade`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{OutputArgs, ServerArgs};

/// Holds the words of `portward upgrade`.
#[derive(Debug, ClapArgs)]
pub(crate) struct UpgradeArgs {
    /// The program that is to take over, on the machine of the server
    #[arg(long, value_name = "PATH")]
    pub(crate) binary: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

pub(super) const EXAMPLES: &str = "\
The server starts that program with its own arguments, and hands over its
sockets and its store. No connection is lost: new ones come to the new process,
those that are open finish in the old one. Meanwhile nothing can be changed. If
the new one does not serve within 45 seconds, the old one goes on.

It is for root and the user of the server, on its machine. SIGUSR2 has the
program take over that is where the one that runs was started from.

Examples:
  portward upgrade --binary /usr/local/bin/portward
  portward upgrade --binary ./portward-next -o json";
