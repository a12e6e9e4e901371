//! `portward settings`.

use clap::{Args as ClapArgs, Subcommand};

use super::{ForceHttpsWord, OutputArgs, SafetyArgs, ServerArgs};

/// Lists the commands about what applies to the whole server.
#[derive(Debug, Subcommand)]
pub(crate) enum SettingsCommand {
    /// Show what applies to the whole server
    #[command(after_help = SHOW_EXAMPLES)]
    Show(SettingsShowArgs),
    /// Change what applies to the whole server
    #[command(after_help = EDIT_EXAMPLES)]
    Edit(SettingsEditArgs),
}

/// Holds the words of `portward settings show`.
#[derive(Debug, ClapArgs)]
pub(crate) struct SettingsShowArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward settings edit`.
#[derive(Debug, ClapArgs)]
pub(crate) struct SettingsEditArgs {
    /// Which plain HTTP requests are sent to HTTPS where a site does not say
    #[arg(long, value_enum, value_name = "off|browsers|all", hide_possible_values = true)]
    pub(crate) force_https: Option<ForceHttpsWord>,
    /// How many days before its end a certificate is warned of; at most a third of its lifetime
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=365))]
    pub(crate) warning_days: Option<u32>,
    /// At which age the identity of an agent is followed by a new one; 0 for never
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(0..=3650))]
    pub(crate) agent_identity_days: Option<u32>,
    /// At which age the server's own identity is followed by a new one; 0 for never
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(0..=3650))]
    pub(crate) server_identity_days: Option<u32>,
    /// How often agents are asked how they are
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub(crate) agent_check_minutes: Option<u32>,
    /// Proxies whose X-Forwarded-* and Forwarded are believed, in the place of those before; none for nobody
    #[arg(long, value_name = "CIDR|none")]
    pub(crate) trusted_proxy: Vec<String>,
    #[command(flatten)]
    pub(crate) safety: SafetyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  portward settings show
  portward settings show -o json";

const EDIT_EXAMPLES: &str = "\
Settings that are not named stay as they are.

Examples:
  portward settings edit --force-https browsers
  portward settings edit --force-https all --confirm-within 60s
  portward settings edit --warning-days 14
  portward settings edit --agent-identity-days 180 --agent-check-minutes 5
  portward settings edit --trusted-proxy 10.0.0.0/8 --trusted-proxy 192.0.2.7
  portward settings edit --trusted-proxy none";
