//! `portward acme`.

use clap::{Args as ClapArgs, Subcommand};

use super::{OutputArgs, ServerArgs};

mod dns;
mod issuer;

pub(crate) use dns::{DnsAddArgs, DnsCommand};
pub(crate) use issuer::{AccountCommand, IssuerAddArgs, IssuerCommand};

/// Lists the commands about ACME.
#[derive(Debug, Subcommand)]
pub(crate) enum AcmeCommand {
    /// Choose which CAs certificates are asked of
    #[command(subcommand, arg_required_else_help = true)]
    Issuer(IssuerCommand),
    /// Look after the accounts with the CAs
    #[command(subcommand, arg_required_else_help = true)]
    Account(AccountCommand),
    /// Choose who writes TXT records for dns-01
    #[command(subcommand, arg_required_else_help = true)]
    Dns(DnsCommand),
    /// Show when managed certificates are renewed, and why then
    #[command(after_help = RENEWALS_EXAMPLES)]
    Renewals(RenewalsArgs),
    /// List the attempts to get certificates, newest first
    #[command(after_help = ATTEMPTS_EXAMPLES)]
    Attempts(AttemptsArgs),
    /// Show one attempt with all that happened
    #[command(after_help = ATTEMPT_EXAMPLES)]
    Attempt(AttemptArgs),
    /// Look for what would keep a CA from issuing for a name
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Show what will be renewed when, and how near that comes to the CAs' limits
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(SimulateArgs),
}

/// Holds the words of `portward acme renewals`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RenewalsArgs {
    /// Id of a certificate, to see all about its renewal
    #[arg(value_name = "CERT")]
    pub(crate) certificate: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward acme attempts`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AttemptsArgs {
    /// Id of a certificate, to see its attempts and all that happened in the newest
    #[arg(value_name = "CERT")]
    pub(crate) certificate: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward acme attempt`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AttemptArgs {
    /// Id of the attempt, from `portward acme attempts`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward acme check`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// Host name, *.NAME or IP address
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Issuer that would be asked [default: the only one there is]
    #[arg(long, value_name = "ID")]
    pub(crate) issuer: Option<String>,
    /// Challenge that would be answered [default: the one that would be chosen]
    #[arg(long, value_name = CHALLENGES, value_parser = CHALLENGE, hide_possible_values = true)]
    pub(crate) challenge: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward acme simulate`.
#[derive(Debug, ClapArgs)]
pub(crate) struct SimulateArgs {
    /// Until that date or time, as in 2027-03-31
    #[arg(long, value_name = "DATE")]
    pub(crate) until: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// The challenges that Portward answers.
pub(super) const CHALLENGE: [&str; 3] = ["http-01", "tls-alpn-01", "dns-01"];
/// The same in a line of help.
pub(super) const CHALLENGES: &str = "http-01|tls-alpn-01|dns-01";

const RENEWALS_EXAMPLES: &str = "\
Examples:
  portward acme renewals
  portward acme renewals CERT";

const ATTEMPTS_EXAMPLES: &str = "\
With a certificate, the newest attempt is shown whole: what was done, what the
CA answered, what went wrong, and what to do.

Examples:
  portward acme attempts
  portward acme attempts CERT
  portward acme attempts -o json";

const ATTEMPT_EXAMPLES: &str = "\
Example:
  portward acme attempt ID";

const CHECK_EXAMPLES: &str = "\
The CA is not asked, so no limit of it is used up. What is found is advice:
it keeps no certificate from being asked for.
Exits with 0 if there is no warning, and with 1 if there is one.

Examples:
  portward acme check shop.example
  portward acme check '*.shop.example' --challenge dns-01";

const SIMULATE_EXAMPLES: &str = "\
Examples:
  portward acme simulate --until 2027-03-31
  portward acme simulate --until 2027-03-31 -o json";
