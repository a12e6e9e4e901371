//! `portward init`, `portward setup-link`, `portward user` and `portward token`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::{OutputArgs, ServerArgs};

/// Holds the words of `portward init`.
#[derive(Debug, ClapArgs)]
pub(crate) struct InitArgs {
    /// Data directory of the server, made if it is missing [env: PORTWARD_DATA_DIR] [default: ./portward-data if
    /// it exists, else /var/lib/portward]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Name that the owner signs in with
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: String,
    #[command(flatten)]
    pub(crate) password: NewPasswordArgs,
    /// Address of the owner, kept with the user; notices go to channels: portward notification
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Holds the words of `portward setup-link`.
#[derive(Debug, ClapArgs)]
pub(crate) struct SetupLinkArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Data directory of the server on this machine [env: PORTWARD_DATA_DIR] [default: ./portward-data if it
    /// exists, else /var/lib/portward]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// Says where a new password is read from; never argv, which every user of the machine can see.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct NewPasswordArgs {
    /// Read the password from stdin, one line of 15 to 128 characters; without it, it is asked for
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// Lists the commands about users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// List who may sign in
    #[command(after_help = USER_LIST_EXAMPLES)]
    List(AccessListArgs),
    /// Let somebody sign in
    #[command(after_help = USER_ADD_EXAMPLES)]
    Add(UserAddArgs),
    /// Keep somebody out for now, and end their sessions
    #[command(after_help = USER_DISABLE_EXAMPLES)]
    Disable(UserNameArgs),
    /// Let somebody in again
    #[command(after_help = USER_ENABLE_EXAMPLES)]
    Enable(UserNameArgs),
    /// Remove somebody with their tokens
    #[command(after_help = USER_REMOVE_EXAMPLES)]
    Remove(UserNameArgs),
}

/// Holds the words of `portward user list` and `portward token list`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AccessListArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward user add`.
#[derive(Debug, ClapArgs)]
pub(crate) struct UserAddArgs {
    /// Name to sign in with
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// How much the user may
    #[arg(long, value_enum, value_name = "ROLE")]
    pub(crate) role: RoleWord,
    #[command(flatten)]
    pub(crate) password: NewPasswordArgs,
    /// Where the user is notified
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of commands about one user.
#[derive(Debug, ClapArgs)]
pub(crate) struct UserNameArgs {
    /// Name of the user, from `portward user list`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Lists the words of `--role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleWord {
    /// Looks
    Viewer,
    /// Changes what is served
    Operator,
    /// Changes everything but owners, and restores no backup
    Administrator,
    /// Everything
    Owner,
}

/// Lists the commands about tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List the tokens, without their secrets
    #[command(after_help = TOKEN_LIST_EXAMPLES)]
    List(AccessListArgs),
    /// Make a token for a program, and print it, this once
    #[command(after_help = TOKEN_CREATE_EXAMPLES)]
    Create(TokenCreateArgs),
    /// Make a token count no more
    #[command(after_help = TOKEN_REVOKE_EXAMPLES)]
    Revoke(TokenRevokeArgs),
}

/// Holds the words of `portward token create`.
#[derive(Debug, ClapArgs)]
pub(crate) struct TokenCreateArgs {
    /// What the token is called
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What it permits; several may follow, or repeat it
    #[arg(long, value_name = "PERMISSION", required = true, num_args = 1..)]
    pub(crate) permission: Vec<String>,
    /// How long it counts, as in 90d; without, until it is revoked
    #[arg(long, value_name = "DURATION")]
    pub(crate) expires: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward token revoke`.
#[derive(Debug, ClapArgs)]
pub(crate) struct TokenRevokeArgs {
    /// Id of the token, from `portward token list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

pub(super) const INIT_EXAMPLES: &str = "\
For machines that are set up by scripts: it makes the first owner, before the
server is started for the first time or while it runs. It is refused with exit
code 5 where there is an owner. People open the setup link that
`portward serve` prints instead.

Example:
  portward init --owner mara --password-stdin < password";

pub(super) const SETUP_LINK_EXAMPLES: &str = "\
Prints the link alone. It opens the page on which the first owner is made; it
counts once, for an hour, and the one before it counts no more. It is refused
with exit code 5 where there is an owner.

Example:
  portward setup-link";

const USER_LIST_EXAMPLES: &str = "\
Examples:
  portward user list
  portward user list -o json";

const USER_ADD_EXAMPLES: &str = "\
Nobody gives a role that may more than they do.

Examples:
  portward user add mara --role operator
  portward user add mara --role operator --password-stdin < password";

const USER_DISABLE_EXAMPLES: &str = "\
The tokens of the user count no more either, until the user is enabled.

Example:
  portward user disable mara";

const USER_ENABLE_EXAMPLES: &str = "\
Example:
  portward user enable mara";

const USER_REMOVE_EXAMPLES: &str = "\
The last owner is not removed: make another one first.

Example:
  portward user remove mara";

const TOKEN_LIST_EXAMPLES: &str = "\
Examples:
  portward token list
  portward token list -o json";

const TOKEN_CREATE_EXAMPLES: &str = "\
Prints the token alone; it is shown this once. It may no more than who makes
it.

Permissions:
  view                            look at what is configured and served
  binding:change                  change bindings
  site:change                     change sites
  certificate:change              change certificates
  certificate:export-private-key  export private keys
  issuer:change                   change issuers and DNS providers
  issuer:run-program              have a program run as a DNS provider
  https-settings:change           change HTTPS settings
  settings:change                 change settings
  user:view                       look at users and tokens
  user:change                     change users
  token:change                    make and revoke tokens
  audit:view                      look at the audit
  notification:change             change notifications
  agent:change                    change agents
  agent:check                     check agents
  delivery:change                 change deliveries
  identity:change                 change the server's identity
  metrics:view                    read metrics
  store:backup                    back up the store
  store:restore                   restore the store

Examples:
  portward token create deploy --permission view site:change --expires 90d
  PORTWARD_TOKEN=$(portward token create prometheus --permission metrics:view)";

const TOKEN_REVOKE_EXAMPLES: &str = "\
Example:
  portward token revoke 4f0c81d2a97e";

#[cfg(test)]
mod tests {
    use portward_core::{Permission, Role};

    use super::*;

    #[test]
    fn the_help_has_every_permission_and_every_role() {
        for permission in Permission::ALL {
            let line = format!("  {:<31} {}", permission.as_str(), permission.purpose());
            assert!(TOKEN_CREATE_EXAMPLES.lines().any(|known| known == line), "{line}");
        }
        let words: Vec<String> = RoleWord::value_variants()
            .iter()
            .filter_map(|word| Some(word.to_possible_value()?.get_name().to_owned()))
            .collect();
        assert_eq!(words, Role::ALL.map(|role| role.to_string()));
    }
}
