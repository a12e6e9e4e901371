//! `portward store`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::{OutputArgs, ServerArgs};

/// Lists the commands about the store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Write all of the desired state to one file
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(StoreBackupArgs),
    /// Put the content of a backup in the place of all that is stored
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore(StoreRestoreArgs),
    /// Look whether the store is sound and complete, and what to do where it is not
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(StoreDoctorArgs),
}

/// Holds the words of `portward store backup`.
#[derive(Debug, ClapArgs)]
pub(crate) struct StoreBackupArgs {
    /// New file to write, readable by its owner alone
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward store restore`.
#[derive(Debug, ClapArgs)]
pub(crate) struct StoreRestoreArgs {
    /// File that `portward store backup` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward store doctor`.
#[derive(Debug, ClapArgs)]
pub(crate) struct StoreDoctorArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const BACKUP_EXAMPLES: &str = "\
Secrets in the file are sealed: going back to it needs the master key of the
data directory too.

Example:
  portward store backup --out portward-backup";

const RESTORE_EXAMPLES: &str = "\
A server that runs takes it at once: bindings, sites and certificates change
without a restart. Where none runs, on a new machine or because the store is
damaged, the store in the data directory is replaced, and the old one is kept
beside it as store.db.before-restore.

The private keys in a backup open only with the master key of the data
directory that it was made in. On another machine, put that file in place
first: master.key, owned by the user of the server, mode 0400.

Examples:
  portward store restore portward-backup
  portward store restore portward-backup --data-dir /var/lib/portward";

const DOCTOR_EXAMPLES: &str = "\
It reads the files of the data directory itself, whether a server runs with it
or not, and changes nothing: every page, every record, every secret, what
refers to what, the audit records, the disk snapshots, room and permissions.
Run it on the machine of the server, as its user or as root.

It exits with 1 if anything is bad; warnings alone end with 0.

Examples:
  portward store doctor
  portward store doctor --data-dir /var/lib/portward -o json";
