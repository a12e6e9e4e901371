//! `portward identity`.

use std::{convert::Infallible, path::PathBuf};

use clap::{Args as ClapArgs, Subcommand};
use portward_api::SecretText;

use super::{OutputArgs, PasswordArgs, ServerArgs};

/// Lists the commands about the identity by which agents know the server.
#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Show the identity, and how far a rotation is
    #[command(after_help = SHOW_EXAMPLES)]
    Show(IdentityShowArgs),
    /// Say where agents dial, and where they are let in and nobody else is
    #[command(after_help = EDIT_EXAMPLES)]
    Edit(IdentityEditArgs),
    /// Make a new identity: in a file, or to follow the one in use
    #[command(after_help = NEW_EXAMPLES)]
    New(IdentityNewArgs),
    /// Take an identity of your own in place of the one in use; agents follow by themselves
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(IdentityImportArgs),
    /// Write the identity in use with its private key to a file
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(IdentityExportArgs),
    /// Have a new identity follow the one in use; agents follow by themselves
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(IdentityRotateArgs),
}

/// Holds the words of `portward identity show`.
#[derive(Debug, ClapArgs)]
pub(crate) struct IdentityShowArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward identity edit`.
#[derive(Debug, ClapArgs)]
pub(crate) struct IdentityEditArgs {
    /// Where agents dial, in place of all that was there; repeat it for each, 443 is the port if none is given
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Vec<String>,
    /// Have agents dial where the https bindings are
    #[arg(long, conflicts_with = "address")]
    pub(crate) no_address: bool,
    /// Address of this machine for agents alone, in place of all that were there; repeat it for each
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) binding: Vec<String>,
    /// Let agents in at the https bindings alone
    #[arg(long, conflicts_with = "binding")]
    pub(crate) no_binding: bool,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward identity new`.
#[derive(Debug, ClapArgs)]
pub(crate) struct IdentityNewArgs {
    /// New file to write it to, and change nothing [default: it follows the one in use]
    #[arg(long, value_name = "FILE")]
    pub(crate) export_pfx: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) password: PfxPasswordArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward identity import`.
#[derive(Debug, ClapArgs)]
pub(crate) struct IdentityImportArgs {
    /// PFX, or PEM with certificate and key
    #[arg(value_name = "FILE", required_unless_present = "from_file", conflicts_with = "from_file")]
    pub(crate) file: Option<PathBuf>,
    /// The same, as import-certificate has it
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) from_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) password: PfxPasswordArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward identity export`.
#[derive(Debug, ClapArgs)]
pub(crate) struct IdentityExportArgs {
    /// New file to write, readable by its owner alone
    #[arg(long, value_name = "FILE")]
    pub(crate) export_pfx: PathBuf,
    #[command(flatten)]
    pub(crate) password: PfxPasswordArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward identity rotate`.
#[derive(Debug, ClapArgs)]
pub(crate) struct IdentityRotateArgs {
    /// The key is in other hands: the identity counts no more, at once; agents that are away have to join anew
    #[arg(long)]
    pub(crate) compromised: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Says where the password of a PFX is read from.
#[derive(Debug, Default, PartialEq, Eq, ClapArgs)]
pub(crate) struct PfxPasswordArgs {
    /// Read the password of the PFX from a file, one line
    #[arg(long, alias = "password-file", value_name = "F", conflicts_with_all = ["pfx_password_stdin", "pfx_password"])]
    pub(crate) pfx_password_file: Option<PathBuf>,
    /// Read the password of the PFX from stdin, one line
    #[arg(long, alias = "password-stdin", conflicts_with = "pfx_password")]
    pub(crate) pfx_password_stdin: bool,
    /// Password of the PFX, as Octopus has it; every user of this machine sees it while the command runs
    #[arg(long, alias = "pw", value_name = "PASSWORD", value_parser = secret)]
    pub(crate) pfx_password: Option<SecretText>,
}

impl PfxPasswordArgs {
    /// The same, in the form that the password itself is read by; it may be on the command line instead.
    pub(crate) fn split(self) -> (PasswordArgs, Option<SecretText>) {
        let args = PasswordArgs { password_stdin: self.pfx_password_stdin, password_file: self.pfx_password_file };
        (args, self.pfx_password)
    }
}

fn secret(text: &str) -> Result<SecretText, Infallible> {
    Ok(SecretText::new(text.to_owned()))
}

const SHOW_EXAMPLES: &str = "\
Examples:
  portward identity show
  portward identity show -o json";

const EDIT_EXAMPLES: &str = "\
Every https binding lets agents in too. Agents that are linked are told of new
addresses at once, and keep them.

Examples:
  portward identity edit --binding 0.0.0.0:10943
  portward identity edit --address portward.example:10943
  portward identity edit --no-binding --no-address";

const NEW_EXAMPLES: &str = "\
Without a file it is the same as portward identity rotate.

Examples:
  portward identity new
  portward identity new --export-pfx new.pfx --pfx-password-file secret";

const IMPORT_EXAMPLES: &str = "\
This program reads the file, so the server needs no access to it.
On a terminal, a protected file asks for its password.

Examples:
  portward identity import own.pfx --pfx-password-file secret
  portward identity import own.pfx --pfx-password-stdin < secret
  portward identity import certificate-and-key.pem";

const EXPORT_EXAMPLES: &str = "\
Whoever has the file and its password is Portward to every agent.
Without a password flag the password is asked for on a terminal.

Example:
  portward identity export --export-pfx identity.pfx --pfx-password-file secret";

const ROTATE_EXAMPLES: &str = "\
Agents are told of the next identity, it is used when all know it, and the old
one is forgotten last. An agent that was away is caught up when it comes back.

Examples:
  portward identity rotate
  portward identity rotate --compromised";
