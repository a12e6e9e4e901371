//! What was typed: the commands, their flags and their help.

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum, builder::BoolishValueParser};

/// The agent of Portward on this machine: it links it to Portward, reports how it is, and installs certificates.
#[derive(Debug, Parser)]
#[command(
    name = "portward-agent",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = EXAMPLES,
    max_term_width = 100
)]
pub(super) struct Args {
    /// Directory for all that the agent keeps, made if it is missing
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "PORTWARD_AGENT_DATA_DIR",
        hide_env_values = true,
        default_value = "/var/lib/portward-agent"
    )]
    pub(super) data_dir: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Lists the commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Keep the links with Portward until a signal ends it
    #[command(alias = "agent", after_help = RUN)]
    Run(RunArgs),
    /// Join a Portward server with the line that it printed
    #[command(after_help = JOIN)]
    Join(JoinArgs),
    /// Show who the agent is, whom it trusts, and which links are up
    #[command(after_help = STATUS)]
    Status(OutputArgs),
    /// Show what is configured
    #[command(after_help = "Examples:\n  portward-agent show-configuration -o json")]
    ShowConfiguration(OutputArgs),
    /// Print the thumbprint by which Portward knows this agent
    #[command(after_help = SHOW_THUMBPRINT)]
    ShowThumbprint(ShowThumbprintArgs),
    /// Make a new certificate for this agent
    #[command(after_help = NEW_CERTIFICATE)]
    NewCertificate(NewCertificateArgs),
    /// Take a certificate of your own for this agent
    #[command(after_help = IMPORT_CERTIFICATE)]
    ImportCertificate(ImportCertificateArgs),
    /// Choose whom to trust, where to listen, and through what to dial
    #[command(after_help = CONFIGURE)]
    Configure(ConfigureArgs),
    /// Put one trusted thumbprint in the place of another
    #[command(after_help = UPDATE_TRUST)]
    UpdateTrust(UpdateTrustArgs),
    /// Dial a server that is trusted
    #[command(after_help = POLL_SERVER)]
    PollServer(PollServerArgs),
    /// Have the API of a server know this agent, and trust what the server says of itself
    #[command(after_help = REGISTER_WITH)]
    RegisterWith(RegisterWithArgs),
    /// Have systemd run the agent
    #[command(arg_required_else_help = true)]
    Service(ServiceArgs),
    /// Say whether the agent is alive, for containers
    #[command(
        after_help = "Exits with 0 if it is, and with 1 if not.\n\nExamples:\n  portward-agent livez --max-age 60s"
    )]
    Livez(LivezArgs),
}

/// Holds the words of `portward-agent run`.
#[derive(Debug, ClapArgs)]
pub(super) struct RunArgs {
    /// Listen at this address, as long as this runs
    #[arg(long, alias = "listenIpAddress", value_name = "ADDRESS")]
    pub(super) listen_address: Option<String>,
    /// Listen on this port, as long as this runs; 0 takes one that is free
    #[arg(long, value_name = "PORT")]
    pub(super) port: Option<u16>,
    /// Listen nowhere, as long as this runs
    #[arg(long, alias = "noListen", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub(super) no_listen: Option<bool>,
    /// File that says what may be installed on this machine, and which programs are told
    #[arg(
        long,
        value_name = "FILE",
        env = "PORTWARD_AGENT_POLICY",
        hide_env_values = true,
        default_value = crate::policy::DEFAULT_PATH
    )]
    pub(super) policy: PathBuf,
    /// Octopus's; there is one instance for each data directory.
    #[arg(long, hide = true)]
    pub(super) instance: Option<String>,
    /// Octopus's; nothing is asked.
    #[arg(long, hide = true, action = ArgAction::SetTrue)]
    pub(super) noninteractive: bool,
}

/// Holds the words of `portward-agent join`.
#[derive(Debug, ClapArgs)]
pub(super) struct JoinArgs {
    /// The line that `portward agent add NAME` printed; - reads it from stdin
    #[arg(value_name = "STRING")]
    pub(super) string: String,
    /// What to be called, where the line does not say [default: the name of the machine]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
}

/// Says how a result is written.
#[derive(Debug, ClapArgs)]
pub(super) struct OutputArgs {
    /// For people (table) or for programs (json)
    #[arg(
        short = 'o',
        long = "output",
        alias = "format",
        value_enum,
        value_name = "FORMAT",
        default_value = "table",
        ignore_case = true
    )]
    pub(super) format: Format,
}

/// Lists the ways a result is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Lines.
    #[default]
    #[value(help = None, alias = "text")]
    Table,
    /// JSON.
    #[value(help = None)]
    Json,
}

/// Holds the words of `portward-agent show-thumbprint`.
#[derive(Debug, ClapArgs)]
pub(super) struct ShowThumbprintArgs {
    /// The bare SHA-256, or JSON that has the SHA-1 too
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text", ignore_case = true)]
    pub(super) format: ThumbprintFormat,
    /// Write it to a file
    #[arg(short = 'e', long, alias = "exportFile", value_name = "FILE")]
    pub(super) export_file: Option<PathBuf>,
    /// Octopus's; it is all that is printed anyway.
    #[arg(long, hide = true, action = ArgAction::SetTrue)]
    pub(super) thumbprint_only: bool,
}

/// Lists the ways a thumbprint is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ThumbprintFormat {
    /// Bare.
    #[value(help = None)]
    Text,
    /// JSON.
    #[value(help = None)]
    Json,
}

/// Says what opens a PFX.
#[derive(Debug, ClapArgs)]
pub(super) struct PfxPasswordArgs {
    /// Password of the PFX; all users of this machine can see it while the command runs
    #[arg(long, alias = "pw", alias = "pfxPassword", value_name = "PASSWORD", conflicts_with = "pfx_password_file")]
    pub(super) pfx_password: Option<String>,
    /// File that has the password of the PFX; - reads it from stdin
    #[arg(long, value_name = "FILE")]
    pub(super) pfx_password_file: Option<PathBuf>,
}

/// Holds the words of `portward-agent new-certificate`.
#[derive(Debug, ClapArgs)]
pub(super) struct NewCertificateArgs {
    /// Change nothing if there is one
    #[arg(short = 'b', long, alias = "ifBlank")]
    pub(super) if_blank: bool,
    /// Write it to a PFX, and change nothing
    #[arg(long, alias = "exportPfx", value_name = "FILE")]
    pub(super) export_pfx: Option<PathBuf>,
    #[command(flatten)]
    pub(super) password: PfxPasswordArgs,
    /// Use it at once, whether or not the servers know it
    #[arg(long)]
    pub(super) now: bool,
}

/// Holds the words of `portward-agent import-certificate`.
#[derive(Debug, ClapArgs)]
pub(super) struct ImportCertificateArgs {
    /// PFX, or PEM with certificate and key
    #[arg(short = 'f', long, alias = "fromFile", value_name = "FILE")]
    pub(super) from_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) password: PfxPasswordArgs,
    /// Use it at once, whether or not the servers know it
    #[arg(long)]
    pub(super) now: bool,
}

/// Holds the words of `portward-agent configure`.
#[derive(Debug, ClapArgs)]
pub(super) struct ConfigureArgs {
    /// Trust the server with this thumbprint (SHA-256, in any usual form)
    #[arg(long, value_name = "SHA256")]
    pub(super) trust: Vec<String>,
    /// Trust this thumbprint no longer
    #[arg(long, alias = "removeTrust", value_name = "SHA256")]
    pub(super) remove_trust: Vec<String>,
    /// Trust nobody, before --trust
    #[arg(long, alias = "resetTrust")]
    pub(super) reset_trust: bool,
    /// Listen on this port
    #[arg(long, value_name = "PORT")]
    pub(super) port: Option<u16>,
    /// Listen nowhere; --no-listen=false listens again
    #[arg(long, alias = "noListen", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub(super) no_listen: Option<bool>,
    /// Listen at this address; any is all of them
    #[arg(long, alias = "listenIpAddress", alias = "listen-ip-address", value_name = "ADDRESS")]
    pub(super) listen_address: Option<String>,
    /// Through what it dials.
    #[arg(long, value_name = "URL", help = PROXY_HELP)]
    pub(super) proxy: Option<String>,
    /// File that has the password of the proxy; - reads it from stdin
    #[arg(long, value_name = "FILE", requires = "proxy")]
    pub(super) proxy_password_file: Option<PathBuf>,
}

/// Holds the words of `portward-agent update-trust`.
#[derive(Debug, ClapArgs)]
pub(super) struct UpdateTrustArgs {
    /// The thumbprint that is trusted
    #[arg(long, alias = "oldThumbprint", value_name = "SHA256")]
    pub(super) old_thumbprint: String,
    /// The thumbprint to trust in its place
    #[arg(long, alias = "newThumbprint", value_name = "SHA256")]
    pub(super) new_thumbprint: String,
}

/// Holds the words of `portward-agent poll-server`.
#[derive(Debug, ClapArgs)]
pub(super) struct PollServerArgs {
    /// Where the server is, HOST:PORT; more are tried one after the other
    #[arg(value_name = "ADDRESS")]
    pub(super) addresses: Vec<String>,
    /// Which of the trusted servers it is [default: the one there is]
    #[arg(long, value_name = "SHA256")]
    pub(super) thumbprint: Option<String>,
    /// Octopus's: HOST, or a URL.
    #[arg(long, alias = "serverCommsAddress", hide = true)]
    pub(super) server_comms_address: Vec<String>,
    /// Octopus's.
    #[arg(long, alias = "serverCommsPort", hide = true)]
    pub(super) server_comms_port: Option<u16>,
}

/// Holds the words of `portward-agent register-with`.
#[derive(Debug, ClapArgs)]
pub(super) struct RegisterWithArgs {
    /// Where the API of the server is.
    #[arg(long, value_name = "URL", help = SERVER_HELP)]
    pub(super) server: String,
    /// SHA-256 of the certificate that the portal presents, where no authority vouches for it
    #[arg(long, value_name = "SHA256")]
    pub(super) server_thumbprint: Option<String>,
    /// File that has a token of the API; - reads it from stdin [default: the variable PORTWARD_TOKEN]
    #[arg(long, value_name = "FILE", conflicts_with = "api_key")]
    pub(super) token_file: Option<PathBuf>,
    /// The token itself; all users of this machine can see it while the command runs
    #[arg(long, alias = "apiKey", value_name = "TOKEN")]
    pub(super) api_key: Option<String>,
    /// What to be called [default: the name of the machine]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Who dials: TentacleActive the agent, TentaclePassive the server [default: the agent, unless --listening says where]
    #[arg(long, alias = "commsStyle", value_enum, value_name = "STYLE", ignore_case = true)]
    pub(super) comms_style: Option<CommsStyle>,
    /// Where the server dials this agent, HOST:PORT
    #[arg(long, alias = "publicHostName", value_name = "HOST:PORT")]
    pub(super) listening: Option<String>,
}

/// Lists who dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CommsStyle {
    /// The server.
    #[value(name = "TentaclePassive", alias = "listening", help = None)]
    TentaclePassive,
    /// The agent.
    #[value(name = "TentacleActive", alias = "polling", help = None)]
    TentacleActive,
}

/// Holds the words of `portward-agent service`.
#[derive(Debug, ClapArgs)]
pub(super) struct ServiceArgs {
    #[command(subcommand)]
    pub(super) command: Option<ServiceCommand>,
    /// Octopus's, which may be given together.
    #[arg(long, hide = true)]
    pub(super) uninstall: bool,
    /// Octopus's.
    #[arg(long, hide = true)]
    pub(super) stop: bool,
    /// Octopus's.
    #[arg(long, hide = true, alias = "reconfigure")]
    pub(super) install: bool,
    /// Octopus's.
    #[arg(long, hide = true)]
    pub(super) start: bool,
    /// Octopus's.
    #[arg(long, hide = true)]
    pub(super) restart: bool,
    /// Octopus's; there is one instance for each data directory.
    #[arg(long, hide = true)]
    pub(super) instance: Option<String>,
}

/// Lists what can be done with systemd.
#[derive(Debug, Subcommand)]
pub(super) enum ServiceCommand {
    /// Write the unit and enable it
    #[command(after_help = "Examples:\n  portward-agent service install\n  portward-agent service install --print")]
    Install(ServiceInstallArgs),
    /// Stop it, and remove the unit; the data directory stays
    #[command(after_help = "Examples:\n  portward-agent service uninstall")]
    Uninstall,
    /// Start it
    #[command(after_help = "Examples:\n  portward-agent service start")]
    Start,
    /// Stop it
    #[command(after_help = "Examples:\n  portward-agent service stop")]
    Stop,
}

/// Holds the words of `portward-agent service install`.
#[derive(Debug, ClapArgs)]
pub(super) struct ServiceInstallArgs {
    /// Print the unit, and install nothing
    #[arg(long)]
    pub(super) print: bool,
}

/// Holds the words of `portward-agent livez`.
#[derive(Debug, ClapArgs)]
pub(super) struct LivezArgs {
    /// How old the last sign of life may be
    #[arg(long, alias = "maxAge", value_name = "SPAN", default_value = "60s")]
    pub(super) max_age: String,
}

// As a doc comment, rustdoc would want the address to be a link.
const PROXY_HELP: &str = "Dial through this HTTP proxy: http://[USER[:PASSWORD]@]HOST:PORT, or none";

const SERVER_HELP: &str = "Where the API of the server is, as in https://portward.example:8443";

const EXAMPLES: &str = "\
Examples:
  portward-agent join pwa1_...
  portward-agent service install
  portward-agent status
  portward-agent configure --trust=THUMBPRINT --port=10933

Changes count at once, for an agent that runs too.

Exit codes:
  0 done, 1 failed, 2 usage, 3 not found, 4 not permitted, 5 conflict,
  64 wrong configuration";

const RUN: &str = "\
Prints one line to stdout when it is up: ready

The log goes to stderr. PORTWARD_LOG (or RUST_LOG) filters it, as in
info,portward_agent=debug; PORTWARD_LOG_FORMAT=json writes it as JSON.

Examples:
  portward-agent run
  portward-agent run --listen-address 127.0.0.1 --port 0
  portward-agent run --no-listen";

const JOIN: &str = "\
The line is a secret that counts once. From a file: join - < FILE

Examples:
  portward-agent join pwa1_...
  portward-agent join - --name web-03 < line";

const STATUS: &str = "\
Exits with 0 if the agent runs and its links are up, and with 1 if not.

Examples:
  portward-agent status
  portward-agent status -o json";

const SHOW_THUMBPRINT: &str = "\
Examples:
  portward-agent show-thumbprint
  portward-agent show-thumbprint --format json
  portward-agent show-thumbprint --export-file thumbprint.txt";

const NEW_CERTIFICATE: &str = "\
Servers that this agent trusts are offered the new certificate, and it counts
when they know it: nobody has to visit them. With --now it counts at once, and
the servers refuse the agent until somebody has them trust it.

Examples:
  portward-agent new-certificate
  portward-agent new-certificate --if-blank
  portward-agent new-certificate --export-pfx agent.pfx --pfx-password-file pw";

const IMPORT_CERTIFICATE: &str = "\
Only the certificate that the key belongs to is taken, without its issuers.
Servers that this agent trusts are offered it, as with new-certificate.

Examples:
  portward-agent import-certificate --from-file=agent.pfx --pfx-password-file pw
  portward-agent import-certificate --from-file=agent.pem --now";

const CONFIGURE: &str = "\
Trust is reset first, then removed, then added, whatever the order of the words.

Examples:
  portward-agent configure --trust=THUMBPRINT
  portward-agent configure --reset-trust --trust=THUMBPRINT --port=10933
  portward-agent configure --no-listen
  portward-agent configure --proxy=http://web@proxy.example:3128 \\
    --proxy-password-file pw";

const UPDATE_TRUST: &str = "\
Examples:
  portward-agent update-trust --old-thumbprint=SHA256 --new-thumbprint=SHA256";

const REGISTER_WITH: &str = "\
The authorities that this machine trusts are asked about the certificate of the
server's API; the variable SSL_CERT_FILE names others.

Examples:
  portward-agent register-with --server https://portward.example --token-file t
  portward-agent register-with --server https://portward.example \\
    --token-file t --name web-03 --listening web-03.example:10933";

const POLL_SERVER: &str = "\
The server is trusted first: portward-agent configure --trust=THUMBPRINT

Examples:
  portward-agent poll-server portward.example:443
  portward-agent poll-server a.example:443 b.example:443 --thumbprint=SHA256";

#[cfg(test)]
mod tests;
