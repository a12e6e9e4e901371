//! `portward https-settings`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::{ForceHttpsWord, OutputArgs, PasswordArgs, SafetyArgs, ServerArgs};

/// Lists the commands about how the portal is reached.
#[derive(Debug, Subcommand)]
pub(crate) enum HttpsSettingsCommand {
    /// Show certificate, port and redirect of the portal
    #[command(after_help = SHOW_EXAMPLES)]
    Show(HttpsSettingsShowArgs),
    /// Change certificate, port and redirect of the portal, all at once
    #[command(after_help = SET_EXAMPLES)]
    Set(HttpsSettingsSetArgs),
}

/// Holds the words of `portward https-settings show`.
#[derive(Debug, ClapArgs)]
pub(crate) struct HttpsSettingsShowArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward https-settings set`.
#[derive(Debug, ClapArgs)]
pub(crate) struct HttpsSettingsSetArgs {
    /// Files with the certificate, its issuers and its private key, in any order and any format
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// Port for https
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Which plain HTTP requests are sent to HTTPS: none, those of browsers, or all
    #[arg(long, value_enum, value_name = "off|browsers|all", hide_possible_values = true)]
    pub(crate) force_https: Option<ForceHttpsWord>,
    #[command(flatten)]
    pub(crate) safety: SafetyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  portward https-settings show
  portward https-settings show -o json";

const SET_EXAMPLES: &str = "\
What is not named stays as it is. The new way in is tried by a real connection;
if that fails, everything is as it was.

Examples:
  portward https-settings set portal.pfx --password-file pw.txt
  portward https-settings set cert.pem key.pem --port 443 --confirm-within 60s
  portward https-settings set --force-https browsers --confirm-within 60s";
