//! What was typed: the commands, their flags and their help.
//!
//! Values stay text here; `action` makes the types of `portward_core` of them, so that its errors are shown whole.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

mod access;
mod acme;
mod agent;
mod apply;
mod audit;
mod binding;
mod certificate;
mod delivery;
mod explain;
mod https_settings;
mod identity;
mod import;
mod letsencrypt;
mod notification;
mod octopus;
mod oidc;
mod safety;
mod serve;
mod settings;
mod site;
mod store;
mod upgrade;

pub(crate) use access::{InitArgs, NewPasswordArgs, RoleWord, SetupLinkArgs, TokenCommand, UserCommand};
pub(crate) use acme::{AccountCommand, AcmeCommand, DnsAddArgs, DnsCommand, IssuerAddArgs, IssuerCommand};
pub(crate) use agent::{AgentAddArgs, AgentApproveArgs, AgentCommand, AgentTrustArgs};
pub(crate) use apply::{ApplyArgs, ExportArgs};
pub(crate) use audit::AuditCommand;
pub(crate) use binding::BindingCommand;
pub(crate) use certificate::{CertificateCommand, CertificateRequestArgs, ExportFormat, PasswordArgs};
pub(crate) use delivery::{DeliveryAddArgs, DeliveryCommand};
pub(crate) use explain::ExplainArgs;
pub(crate) use https_settings::{HttpsSettingsCommand, HttpsSettingsSetArgs};
pub(crate) use identity::{IdentityCommand, IdentityEditArgs, PfxPasswordArgs};
pub(crate) use import::{ForeignKind, ImportArgs};
pub(crate) use letsencrypt::{LetsEncryptCommand, LetsEncryptConfigureArgs};
pub(crate) use notification::{ChannelAddArgs, ChannelEditArgs, NotificationCommand};
pub(crate) use octopus::{
    ExportCertificateArgs, ImportCertificateArgs, NewCertificateArgs, ShowThumbprintArgs, ThumbprintFormat,
};
pub(crate) use oidc::{OidcCommand, OidcSetArgs};
pub(crate) use safety::{ConfirmArgs, RecoverArgs, SafetyArgs, UndoArgs};
pub(crate) use serve::ServeArgs;
pub(crate) use settings::SettingsCommand;
pub(crate) use site::{ForceHttpsWord, SiteCommand, SiteSettingArgs};
pub(crate) use store::StoreCommand;
pub(crate) use upgrade::UpgradeArgs;

/// The HTTPS front door of this machine: certificates, bindings and sites, changed while they serve.
#[derive(Debug, Parser)]
#[command(
    name = "portward",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = EXAMPLES,
    max_term_width = 100
)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Lists the commands by their nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until a signal ends it
    Serve(ServeArgs),
    /// Show what is served, problems, and certificates that need attention
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Choose where Portward accepts connections
    #[command(subcommand, arg_required_else_help = true)]
    Binding(BindingCommand),
    /// Choose what is served for which host names
    #[command(subcommand, arg_required_else_help = true)]
    Site(SiteCommand),
    /// Get, import, make, export and replace certificates
    #[command(subcommand, arg_required_else_help = true)]
    Certificate(CertificateCommand),
    /// Get a certificate for this server's own name from Let's Encrypt
    #[command(name = "letsencrypt", alias = "lets-encrypt", subcommand, arg_required_else_help = true)]
    LetsEncrypt(LetsEncryptCommand),
    /// Choose the CAs, and see what they are asked and what they answer
    #[command(subcommand, arg_required_else_help = true)]
    Acme(AcmeCommand),
    /// Take over certificates and accounts from Certbot, acme.sh, Caddy or Traefik
    #[command(after_help = import::EXAMPLES)]
    Import(ImportArgs),
    /// Trust agents on other machines, and ask them how they are
    #[command(subcommand, arg_required_else_help = true)]
    Agent(AgentCommand),
    /// Have agents install certificates, and each of their renewals
    #[command(subcommand, arg_required_else_help = true)]
    Delivery(DeliveryCommand),
    /// See and change the identity by which agents know this server
    #[command(subcommand, arg_required_else_help = true, after_help = IDENTITY_OCTOPUS)]
    Identity(IdentityCommand),
    /// Choose certificate, port and redirect of the portal
    #[command(subcommand, arg_required_else_help = true)]
    HttpsSettings(HttpsSettingsCommand),
    /// Keep a change that goes back by itself, or go back now
    #[command(after_help = safety::CONFIRM_EXAMPLES)]
    Confirm(ConfirmArgs),
    /// Put back what a change replaced
    #[command(after_help = safety::UNDO_EXAMPLES)]
    Undo(UndoArgs),
    /// Make the desired state what files declare, in one change
    #[command(after_help = apply::APPLY_EXAMPLES)]
    Apply(ApplyArgs),
    /// Write the desired state to files that can be applied
    #[command(after_help = apply::EXPORT_EXAMPLES)]
    Export(ExportArgs),
    /// Get back in: undo what keeps operators out of the portal
    #[command(after_help = safety::RECOVER_EXAMPLES)]
    Recover(RecoverArgs),
    /// See and change what applies to the whole server
    #[command(subcommand, arg_required_else_help = true)]
    Settings(SettingsCommand),
    /// Make the first owner of this server, for scripts
    #[command(after_help = access::INIT_EXAMPLES)]
    Init(InitArgs),
    /// Print a fresh link by which the first owner of this server comes
    #[command(after_help = access::SETUP_LINK_EXAMPLES)]
    SetupLink(SetupLinkArgs),
    /// Choose who may sign in
    #[command(subcommand, arg_required_else_help = true)]
    User(UserCommand),
    /// Have users sign in at an OpenID provider, with the role that their groups give
    #[command(subcommand, arg_required_else_help = true)]
    Oidc(OidcCommand),
    /// Let programs in
    #[command(subcommand, arg_required_else_help = true)]
    Token(TokenCommand),
    /// Choose who is told what, and by which channel
    #[command(subcommand, arg_required_else_help = true)]
    Notification(NotificationCommand),
    /// Back up all of the desired state, and go back to it
    #[command(subcommand, arg_required_else_help = true)]
    Store(StoreCommand),
    /// Say why a host name answers as it does, step by step, and what to do
    #[command(after_help = explain::EXAMPLES)]
    Explain(ExplainArgs),
    /// Have another version take over from the one that runs, without a lost connection
    #[command(after_help = upgrade::EXAMPLES)]
    Upgrade(UpgradeArgs),
    /// See who changed what, and whether the record of it was touched
    #[command(subcommand, arg_required_else_help = true)]
    Audit(AuditCommand),
    /// Make a new identity, in a file or in place of the one in use
    #[command(hide = true, after_help = octopus::NEW_EXAMPLES)]
    NewCertificate(NewCertificateArgs),
    /// Take an identity of your own in place of the one in use; agents follow by themselves
    #[command(hide = true, after_help = octopus::IMPORT_EXAMPLES)]
    ImportCertificate(ImportCertificateArgs),
    /// Write the identity in use with its private key to a file
    #[command(hide = true, after_help = octopus::EXPORT_EXAMPLES)]
    ExportCertificate(ExportCertificateArgs),
    /// Print the thumbprint by which agents know this server
    #[command(hide = true, after_help = octopus::SHOW_EXAMPLES)]
    ShowThumbprint(ShowThumbprintArgs),
}

/// Holds the words of `portward status`.
#[derive(Debug, ClapArgs)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Says which server a command talks to.
#[derive(Debug, Default, Clone, ClapArgs)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerArgs {
    /// Data directory of a server on this machine [env: PORTWARD_DATA_DIR] [default: ./portward-data if it
    /// exists, else /var/lib/portward]
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address of the API of any server.
    #[arg(long, value_name = "URL", help = URL_HELP)]
    pub(crate) url: Option<String>,
}

/// Says how a result is written.
#[derive(Debug, Default, Clone, Copy, ClapArgs)]
pub(crate) struct OutputArgs {
    /// For people (table) or for programs (json: the views of the API)
    #[arg(short = 'o', long = "output", value_enum, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,
}

/// Lists the ways a result is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns.
    #[default]
    #[value(help = None)]
    Table,
    /// The views of the API.
    #[value(help = None)]
    Json,
}

// As a doc comment, rustdoc would want the address to be a link.
const URL_HELP: &str = "Address of a server's API, as in https://portward.example:8443; its token is read from the \
    environment variable PORTWARD_TOKEN";

const EXAMPLES: &str = "\
Examples:
  portward serve --data-dir ./portward-data --upstream http://127.0.0.1:3000
  portward status
  portward certificate import shop.pfx --password-stdin < password
  portward site add shop.example --upstream http://127.0.0.1:3000
  portward letsencrypt configure --dns-name shop.example --accept-terms --wait

Exit codes:
  0 done, 1 failed, 2 usage, 3 not found, 4 not permitted, 5 conflict,
  7 something differs (apply --dry-run), 64 wrong configuration";

const IDENTITY_OCTOPUS: &str = "\
As Octopus Server spells them: portward show-thumbprint, new-certificate,
import-certificate and export-certificate do the same.";

const STATUS_EXAMPLES: &str = "\
Exits with 0 if everything is served, and with 1 if there are problems.

Examples:
  portward status
  portward status -o json";

#[cfg(test)]
mod tests;
