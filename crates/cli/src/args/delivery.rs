//! `portward delivery`.

use clap::{Args as ClapArgs, Subcommand};

use super::{OutputArgs, PasswordArgs, ServerArgs};

/// Lists the commands about deliveries.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one in a run of the program")]
pub(crate) enum DeliveryCommand {
    /// Have an agent install a certificate, and each of its renewals
    #[command(after_help = ADD_EXAMPLES)]
    Add(DeliveryAddArgs),
    /// List the deliveries: what is wanted, what is stored, what is served
    #[command(after_help = LIST_EXAMPLES)]
    List(DeliveryListArgs),
    /// Show one delivery, and why it failed if it did
    #[command(after_help = SHOW_EXAMPLES)]
    Show(DeliveryIdArgs),
    /// Install it again now
    #[command(after_help = RETRY_EXAMPLES)]
    Retry(DeliveryIdArgs),
    /// Deliver it no more; the files stay on the machine
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(DeliveryRemoveArgs),
}

/// Holds the words of `portward delivery add`.
#[derive(Debug, ClapArgs)]
pub(crate) struct DeliveryAddArgs {
    /// Name of the agent that installs it, from `portward agent list`
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: String,
    /// Id of the certificate, from `portward certificate list`
    #[arg(long, value_name = "ID")]
    pub(crate) certificate: String,
    /// In which form: pem, pem-combined, pfx, pkcs12-java or der
    #[arg(long = "format", value_name = "FORMAT")]
    pub(crate) form: String,
    /// Absolute path of each file: one, or two for pem (certificates, then key) and der (certificate, then key)
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    pub(crate) to: Vec<String>,
    /// Who owns the files, as in root:ssl-cert [default: the agent's own user]
    #[arg(long, value_name = "USER:GROUP")]
    pub(crate) owner: Option<String>,
    /// Who may read the files [default: 600]
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<String>,
    /// Profile of the agent's own policy that tells the program of new files
    #[arg(long, value_name = "PROFILE")]
    pub(crate) reload: Option<String>,
    /// Where the agent sees what is served: HOST:PORT, or NAME@HOST:PORT to ask for another name
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) verify: Option<String>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// Name for it [default: made of agent and certificate]
    #[arg(long, value_name = "I")]
    pub(crate) id: Option<String>,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward delivery list`.
#[derive(Debug, ClapArgs)]
pub(crate) struct DeliveryListArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward delivery show` and `retry`.
#[derive(Debug, ClapArgs)]
pub(crate) struct DeliveryIdArgs {
    /// Id of the delivery, from `portward delivery list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward delivery remove`.
#[derive(Debug, ClapArgs)]
pub(crate) struct DeliveryRemoveArgs {
    /// Id of the delivery, from `portward delivery list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const ADD_EXAMPLES: &str = "\
What a profile runs is in the agent's policy, which the server cannot change.
A pfx or pkcs12-java has a password; on a terminal it is asked for.

Examples:
  portward delivery add --agent web-03 --certificate shop-example \\
    --format pem --to /etc/nginx/tls/shop.pem --to /etc/nginx/tls/shop.key \\
    --reload nginx --verify 127.0.0.1:443
  portward delivery add --agent lb-01 --certificate shop-example \\
    --format pem-combined --to /etc/haproxy/tls/shop.pem --owner root:haproxy \\
    --mode 640 --reload haproxy
  portward delivery add --agent app-01 --certificate shop-example \\
    --format pkcs12-java --to /srv/app/keystore.p12 --password-file secret";

const LIST_EXAMPLES: &str = "\
Examples:
  portward delivery list
  portward delivery list -o json";

const SHOW_EXAMPLES: &str = "\
Example:
  portward delivery show ID";

const RETRY_EXAMPLES: &str = "\
Example:
  portward delivery retry ID";

const REMOVE_EXAMPLES: &str = "\
Examples:
  portward delivery remove ID --dry-run
  portward delivery remove ID";
