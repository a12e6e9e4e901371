//! `portward apply` and `portward export`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{OutputArgs, SafetyArgs, ServerArgs};

/// Holds the words of `portward apply`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ApplyArgs {
    /// Directory with .yaml, .yml and .json files, or one such file
    #[arg(short = 'f', long = "file", value_name = "DIR")]
    pub(crate) file: PathBuf,
    /// Remove what is there and not declared, of the kinds that are declared
    #[arg(long)]
    pub(crate) prune: bool,
    /// Change nothing, and exit with 7 if something would be changed
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) safety: SafetyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward export`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ExportArgs {
    /// Directory for one file of each kind; files of an earlier export are replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

pub(super) const APPLY_EXAMPLES: &str = "\
Everything is checked before anything is changed, and what would leave no way
in to the portal is refused. A kind of thing that no file declares is left
alone. Secrets are not in the files: each is looked for where the file says,
in an environment variable or in another file; where it is not there, the
server goes on with the secret that it has.

Exits with 0 if it is done or nothing differs, and with 7 if --dry-run finds a
difference.

Examples:
  portward apply -f desired --dry-run
  portward apply -f desired --prune
  CF_TOKEN=$(cat token) portward apply -f desired/dns-providers.yaml";

pub(super) const EXPORT_EXAMPLES: &str = "\
No file has a secret in it. Private keys stay where they are; they are in a
backup: portward store backup.

Example:
  portward export --out desired && git -C desired diff";
