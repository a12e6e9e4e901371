//! The commands about the server's identity as Octopus Server spells them.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::{PfxPasswordArgs, ServerArgs};

/// Holds the words of `portward new-certificate`.
#[derive(Debug, ClapArgs)]
pub(crate) struct NewCertificateArgs {
    /// New file to write the new identity to
    #[arg(long, value_name = "FILE")]
    pub(crate) export_pfx: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) password: PfxPasswordArgs,
    /// Have it take the place of the one in use; agents follow by themselves
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) unused: UnusedArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward import-certificate`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ImportCertificateArgs {
    /// PFX, or PEM with certificate and key
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) from_file: PathBuf,
    #[command(flatten)]
    pub(crate) password: PfxPasswordArgs,
    #[command(flatten)]
    pub(crate) unused: UnusedArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward export-certificate`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ExportCertificateArgs {
    /// New file to write, readable by its owner alone
    #[arg(long, value_name = "FILE")]
    pub(crate) export_pfx: PathBuf,
    #[command(flatten)]
    pub(crate) password: PfxPasswordArgs,
    #[command(flatten)]
    pub(crate) unused: UnusedArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward show-thumbprint`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ShowThumbprintArgs {
    /// The bare SHA-256 (text), or JSON that has the SHA-1 too (json)
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text", ignore_case = true)]
    pub(crate) format: ThumbprintFormat,
    /// New file to write it to, and not to stdout
    #[arg(short = 'e', long, value_name = "FILE")]
    pub(crate) export_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) unused: UnusedArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds what Octopus's scripts say and Portward has no use for.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Accepted, and without effect")]
pub(crate) struct UnusedArgs {
    /// Every command runs in the console
    #[arg(long)]
    pub(crate) console: bool,
    /// There is one server for each data directory
    #[arg(long, value_name = "NAME")]
    pub(crate) instance: Option<String>,
}

/// Lists the ways a thumbprint is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ThumbprintFormat {
    /// Bare.
    #[value(help = None)]
    Text,
    /// JSON.
    #[value(help = None)]
    Json,
}

pub(super) const NEW_EXAMPLES: &str = "\
As Octopus Server spells portward identity new and portward identity rotate.

Examples:
  portward new-certificate --export-pfx=new.pfx --pfx-password=PASSWORD
  portward new-certificate --replace";

pub(super) const IMPORT_EXAMPLES: &str = "\
As Octopus Server spells portward identity import. Nothing is restarted.

Examples:
  portward import-certificate --from-file=own.pfx --pfx-password=PASSWORD
  portward import-certificate -f own.pfx --pfx-password-file secret --console";

pub(super) const EXPORT_EXAMPLES: &str = "\
As Octopus Server spells portward identity export.

Example:
  portward export-certificate --export-pfx=old.pfx --pfx-password=PASSWORD";

pub(super) const SHOW_EXAMPLES: &str = "\
As Octopus Server spells portward identity show.

Examples:
  portward show-thumbprint
  portward show-thumbprint --format json
  portward show-thumbprint --export-file thumbprint.txt";
