//! `portward audit`.

use clap::{Args as ClapArgs, Subcommand};

use super::{OutputArgs, ServerArgs};

/// Lists the commands about the audit.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List who changed what, the newest first
    #[command(after_help = LIST_EXAMPLES)]
    List(AuditListArgs),
    /// Check that no record of the audit was changed, put between, or taken away
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(AuditVerifyArgs),
}

/// Holds the words of `portward audit list`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AuditListArgs {
    /// Text in the name of who changed something
    #[arg(long, value_name = "TEXT")]
    pub(crate) who: Option<String>,
    /// Text in what was done, or in a key of the store
    #[arg(long, value_name = "TEXT")]
    pub(crate) what: Option<String>,
    /// Day in UTC, as in 2026-11-20
    #[arg(long, value_name = "DAY")]
    pub(crate) day: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Those before this one
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward audit verify`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AuditVerifyArgs {
    /// Hash of a record that was kept somewhere else, which must be among the records
    #[arg(long, value_name = "HASH")]
    pub(crate) known: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const LIST_EXAMPLES: &str = "\
Examples:
  portward audit list
  portward audit list --who ada --day 2026-11-20
  portward audit list --what sites/shop-example -o json";

const VERIFY_EXAMPLES: &str = "\
Each record has the hash of the one before it, and the store has the hash of
the last one. Whoever can write the whole store can write all of them anew: to
notice that too, keep the hash that is printed somewhere else, and ask for it
later. Where no server runs, the store in the data directory is read.

Exits with 0 if the audit is whole, and with 1 if it is not.

Examples:
  portward audit verify
  portward audit verify --known HASH";
