//! `portward user`.

use portward_api::{Client, UserCreate, UserUpdate};
use portward_core::{EmailAddress, Role, UserName};

use super::access::{NewPassword, parse_email};
use crate::{
    args::{OutputArgs, RoleWord, ServerArgs, UserCommand},
    exit::Exit,
    failure::Failure,
    show,
    terminal::Terminal,
};

/// Is what is asked for about users.
#[derive(Debug, PartialEq)]
pub(crate) enum UserRequest {
    /// All of them.
    List,
    /// A new one.
    Add {
        /// What they sign in with.
        name: UserName,
        /// How much they may.
        role: Role,
        /// Where they are notified.
        email: Option<EmailAddress>,
        /// Where their password is.
        password: NewPassword,
    },
    /// One less who may sign in, or one more.
    Disable(UserName, bool),
    /// One less.
    Remove(UserName),
}

impl UserRequest {
    pub(super) fn parse(command: UserCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        let name = |text: &str| UserName::parse(text).map_err(Failure::usage);
        Ok(match command {
            UserCommand::List(args) => (Self::List, args.server, args.output),
            UserCommand::Add(args) => {
                let request = Self::Add {
                    name: name(&args.name)?,
                    role: args.role.into(),
                    email: parse_email(args.email.as_deref())?,
                    password: args.password.into(),
                };
                (request, args.server, args.output)
            }
            UserCommand::Disable(args) => (Self::Disable(name(&args.name)?, true), args.server, args.output),
            UserCommand::Enable(args) => (Self::Disable(name(&args.name)?, false), args.server, args.output),
            UserCommand::Remove(args) => (Self::Remove(name(&args.name)?), args.server, args.output),
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        let user = match self {
            Self::List => {
                let users = client.list_users().await?;
                return terminal.result(&users, |colour| show::users(&users, colour));
            }
            Self::Remove(name) => {
                let removed = client.remove_user(&name).await?;
                return terminal.told(&removed, &show::removed("user", &removed));
            }
            Self::Add { name, role, email, password } => {
                let create = UserCreate {
                    name: name.to_string(),
                    role: role.to_string(),
                    password: password.read()?,
                    email: email.map(|email| email.to_string()),
                };
                client.add_user(&create).await?
            }
            Self::Disable(name, disabled) => {
                let update = UserUpdate { disabled: Some(disabled), ..UserUpdate::default() };
                client.edit_user(&name, &update).await?
            }
        };
        terminal.result(&user, |colour| show::user(&user, colour))
    }
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Viewer => Self::Viewer,
            RoleWord::Operator => Self::Operator,
            RoleWord::Administrator => Self::Administrator,
            RoleWord::Owner => Self::Owner,
        }
    }
}
