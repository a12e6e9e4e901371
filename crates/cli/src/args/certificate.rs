//! `portward certificate`.

use std::{num::NonZeroU32, path::PathBuf};

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::{OutputArgs, SafetyArgs, ServerArgs};

mod managed;

pub(crate) use managed::{
    CertificateRenewArgs, CertificateRequestArgs, CertificateRevokeArgs, CertificateUnmanageArgs,
};

/// Lists the commands about certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum CertificateCommand {
    /// List the certificates
    #[command(after_help = LIST_EXAMPLES)]
    List(CertificateListArgs),
    /// Show one certificate
    #[command(after_help = SHOW_EXAMPLES)]
    Show(CertificateShowArgs),
    /// Take a certificate with its private key from PFX, PEM, DER or PKCS #7 files
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(CertificateImportArgs),
    /// Say what is in certificate files, and what is missing
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect(CertificateInspectArgs),
    /// Make a self-signed certificate
    #[command(after_help = SELF_SIGNED_EXAMPLES)]
    NewSelfSigned(CertificateSelfSignedArgs),
    /// Get a certificate from a CA, and keep it renewed
    #[command(after_help = managed::REQUEST_EXAMPLES)]
    Request(CertificateRequestArgs),
    /// Renew a managed certificate if it is due
    #[command(after_help = managed::RENEW_EXAMPLES)]
    Renew(CertificateRenewArgs),
    /// Have the version that is served revoked by its CA
    #[command(after_help = managed::REVOKE_EXAMPLES)]
    Revoke(CertificateRevokeArgs),
    /// Renew a certificate no more
    #[command(after_help = managed::UNMANAGE_EXAMPLES)]
    Unmanage(CertificateUnmanageArgs),
    /// Write a certificate with its private key to a file
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(CertificateExportArgs),
    /// Go back to the version before
    #[command(after_help = ROLLBACK_EXAMPLES)]
    Rollback(CertificateRollbackArgs),
    /// Forget a certificate with all its versions
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(CertificateRemoveArgs),
}

/// Holds the words of `portward certificate list`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CertificateListArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward certificate show`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CertificateShowArgs {
    /// Id of the certificate, from `portward certificate list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward certificate import`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CertificateImportArgs {
    /// Files with the certificate, its issuers and its private key, in any order and any format
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// What people call it [default: the first name in the certificate]
    #[arg(long, value_name = "N")]
    pub(crate) name: Option<String>,
    /// Make it the new version of that certificate; sites and bindings follow at once
    #[arg(long, value_name = "ID")]
    pub(crate) replace: Option<String>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// Take it although it has expired or is not valid yet
    #[arg(long)]
    pub(crate) allow_expired: bool,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) safety: SafetyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward certificate inspect`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CertificateInspectArgs {
    /// Files with the certificate, its issuers and its private key, in any order and any format
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Say how it would be as the new version of that certificate
    #[arg(long, value_name = "ID")]
    pub(crate) replace: Option<String>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward certificate new-self-signed`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CertificateSelfSignedArgs {
    /// Host name, *.NAME or IP address that it is for
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    /// How long it is valid
    #[arg(long, value_name = "N")]
    pub(crate) days: Option<NonZeroU32>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward certificate export`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CertificateExportArgs {
    /// Id of the certificate, from `portward certificate list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// PEM, with the private key in the clear, or PFX, protected by a password
    #[arg(long, value_enum, value_name = "pem|pfx", hide_possible_values = true)]
    pub(crate) format: ExportFormat,
    /// New file to write, readable by its owner alone; - is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward certificate rollback`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CertificateRollbackArgs {
    /// Id of the certificate, from `portward certificate list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Go back although that version has expired or is not valid yet
    #[arg(long)]
    pub(crate) allow_expired: bool,
    #[command(flatten)]
    pub(crate) safety: SafetyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward certificate remove`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CertificateRemoveArgs {
    /// Id of the certificate, from `portward certificate list`
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

/// Says where a password is read from; never argv, which every user of the machine can see.
#[derive(Debug, Default, PartialEq, Eq, ClapArgs)]
pub(crate) struct PasswordArgs {
    /// Read the password from stdin, one line
    #[arg(long, conflicts_with = "password_file")]
    pub(crate) password_stdin: bool,
    /// Read the password from a file, one line
    #[arg(long, value_name = "F")]
    pub(crate) password_file: Option<PathBuf>,
}

/// Lists the formats of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Certificates and key, one after the other.
    Pem,
    /// PKCS #12.
    Pfx,
}

const LIST_EXAMPLES: &str = "\
Examples:
  portward certificate list
  portward certificate list -o json";

const SHOW_EXAMPLES: &str = "\
Example:
  portward certificate show ID";

const IMPORT_EXAMPLES: &str = "\
This program reads the files, so the server needs no access to them.
On a terminal, a protected file asks for its password.

Examples:
  portward certificate import shop.pfx
  portward certificate import shop.pfx --password-stdin < password
  portward certificate import fullchain.pem privkey.pem --name shop
  portward certificate import renewed.pfx --replace ID --password-file secret
  portward certificate import shop.pfx --dry-run";

const INSPECT_EXAMPLES: &str = "\
Nothing is imported. What is missing, and why it would be refused, is no error.

Examples:
  portward certificate inspect shop.pfx --password-file secret
  portward certificate inspect fullchain.pem privkey.pem bundle.p7b";

const SELF_SIGNED_EXAMPLES: &str = "\
Examples:
  portward certificate new-self-signed intranet.example
  portward certificate new-self-signed nas.local 192.0.2.10 --days 90";

const EXPORT_EXAMPLES: &str = "\
A PFX needs a password; without one of the flags it is asked for on a terminal.

Examples:
  portward certificate export ID --format pfx --out shop.pfx
  portward certificate export ID --format pem --out shop.pem";

const ROLLBACK_EXAMPLES: &str = "\
Example:
  portward certificate rollback ID";

const REMOVE_EXAMPLES: &str = "\
Refused while a site or a binding names it, or the portal has no other.

Examples:
  portward certificate remove ID
  portward certificate remove ID --dry-run
  portward certificate remove ID --force --confirm-within 60s";
