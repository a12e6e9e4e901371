//! `portward import`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::{OutputArgs, ServerArgs};

/// Holds the words of `portward import`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ImportArgs {
    /// Program to move in from
    #[arg(value_enum, value_name = "certbot|acme.sh|caddy|traefik", hide_possible_values = true)]
    pub(crate) kind: ForeignKind,
    /// Its directory; for traefik its file acme.json
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Lists the programs to move in from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ForeignKind {
    /// Certbot.
    #[value(name = "certbot")]
    Certbot,
    /// The script acme.sh.
    #[value(name = "acme.sh")]
    AcmeSh,
    /// Caddy.
    #[value(name = "caddy")]
    Caddy,
    /// Traefik.
    #[value(name = "traefik")]
    Traefik,
}

impl ForeignKind {
    /// The word of the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Certbot => "certbot",
            Self::AcmeSh => "acme.sh",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
        }
    }
}

pub(super) const EXAMPLES: &str = "\
This program reads the files, so the server needs no access to them, and you
need to be a user who may read them. Nothing of the other program is changed.
Logs are not read. A second import takes what is new.

Examples:
  portward import certbot /etc/letsencrypt --dry-run
  portward import acme.sh ~/.acme.sh
  portward import caddy ~/.local/share/caddy
  portward import traefik acme.json";
