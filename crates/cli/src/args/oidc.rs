//! `portward oidc`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::{OutputArgs, ServerArgs};

/// Lists the commands about signing in at an OpenID provider.
#[derive(Debug, Subcommand)]
pub(crate) enum OidcCommand {
    /// Show at which provider users sign in
    #[command(after_help = SHOW_EXAMPLES)]
    Show(OidcArgs),
    /// Say at which provider users sign in; what is not named stays as it is
    #[command(after_help = SET_EXAMPLES)]
    Set(Box<OidcSetArgs>),
    /// Ask the provider what it says of itself, and for its keys
    #[command(after_help = TEST_EXAMPLES)]
    Test(OidcArgs),
    /// Have users sign in with passwords alone
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(OidcArgs),
}

/// Holds the words of `portward oidc set`.
#[derive(Debug, ClapArgs)]
pub(crate) struct OidcSetArgs {
    /// The provider, as it names itself: a URL, of which each character counts
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// How the provider knows this server
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// File with the secret of the client, or - for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// The client has no secret
    #[arg(long, conflicts_with = "client_secret_file")]
    pub(crate) no_client_secret: bool,
    /// A group, and the role that it gives: viewer, operator, administrator or owner; repeat it for each
    #[arg(long, value_name = "GROUP=ROLE")]
    pub(crate) role: Vec<String>,
    /// A group that gives no role any more; repeat it for each
    #[arg(long, value_name = "GROUP")]
    pub(crate) unset_role: Vec<String>,
    /// A scope that is asked for beside openid, instead of those before; repeat it for each [default: profile]
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Vec<String>,
    /// Claim with the groups, or the path to it with dots [default: groups]
    #[arg(long, value_name = "CLAIM")]
    pub(crate) groups_claim: Option<String>,
    /// Claim that names a new user [default: preferred_username]
    #[arg(long, value_name = "CLAIM")]
    pub(crate) name_claim: Option<String>,
    /// PEM file with the authorities that vouch for the provider [default: those of the machine]
    #[arg(long, value_name = "FILE")]
    pub(crate) authority_file: Option<PathBuf>,
    /// Trust the authorities of the machine again
    #[arg(long, conflicts_with = "authority_file")]
    pub(crate) no_authority: bool,
    /// What the button says after "Sign in with" [default: the host of the provider]
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward oidc show`, `test` and `remove`.
#[derive(Debug, ClapArgs)]
pub(crate) struct OidcArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  portward oidc show
  portward oidc show -o json";

const SET_EXAMPLES: &str = "\
The provider must know this address of the portal as a redirect URI:
https://HOST/sign-in/oidc/callback

Examples:
  portward oidc set --issuer https://login.shop.example/realms/main \\
    --client-id portward --client-secret-file secret-file \\
    --role admins=administrator --role developers=operator
  portward oidc set --role support=viewer --label Northmole
  portward oidc set --groups-claim realm_access.roles";

const TEST_EXAMPLES: &str = "\
Example:
  portward oidc test";

const REMOVE_EXAMPLES: &str = "\
Users who sign in at the provider stay, and cannot sign in any more.

Example:
  portward oidc remove";
