//! `portward init` and `portward setup-link`: how the first owner comes.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, anyhow};
use portward_api::{Client, ClientError, SecretText, SetupInput};
use portward_core::{EmailAddress, UserName};
use portward_server::{InitOfflineError, init_offline};

use super::bad;
use crate::{
    args::{Format, InitArgs, NewPasswordArgs, OutputArgs, PasswordArgs, ServerArgs, SetupLinkArgs},
    clock,
    exit::Exit,
    failure::Failure,
    password,
    target::Target,
    terminal::Terminal,
};

/// Is what is asked for about the first owner.
#[derive(Debug, PartialEq)]
pub(crate) enum AccessRequest {
    /// To be made.
    Init {
        /// What they sign in with.
        owner: UserName,
        /// Where they are notified.
        email: Option<EmailAddress>,
        /// Whether the password is on stdin.
        password: NewPassword,
    },
    /// The link by which they come, alone or as the whole view.
    SetupLink(Shape),
}

/// Says where a new password is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewPassword {
    /// On stdin.
    Stdin,
    /// In somebody's head.
    Asked,
}

/// Says what of an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The secret in it.
    Secret,
    /// All of it.
    View,
}

impl AccessRequest {
    pub(super) fn parse_init(args: InitArgs) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        let owner = UserName::parse(&args.owner).map_err(bad("--owner"))?;
        let email = parse_email(args.email.as_deref())?;
        let request = Self::Init { owner, email, password: args.password.into() };
        Ok((request, ServerArgs { data_dir: args.data_dir, url: None }, args.output))
    }

    pub(super) fn parse_setup_link(args: SetupLinkArgs) -> (Self, ServerArgs, OutputArgs) {
        let server = ServerArgs { data_dir: args.data_dir, url: None };
        (Self::SetupLink(args.output.format.into()), server, args.output)
    }

    pub(super) async fn run(self, target: &Target, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Init { owner, email, password } => {
                let input = SetupInput {
                    token: None,
                    name: owner.to_string(),
                    password: password.read()?,
                    email: email.map(|email| email.to_string()),
                };
                let made = match (client.create_owner(&input).await, target) {
                    (Err(ClientError::NotRunning { .. } | ClientError::Stale { .. }), Target::Local(data_dir)) => {
                        without_server(data_dir.clone(), &input).await?
                    }
                    (answered, _) => answered?,
                };
                terminal.told(&made, &format!("{} owns this server.", made.name))
            }
            Self::SetupLink(shape) => {
                let made = client.make_setup_link().await?;
                if shape == Shape::View {
                    return terminal.result(&made, |_| String::new());
                }
                let link = made.link.as_ref().unwrap_or(&made.loopback_link);
                terminal.write(format!("{}\n", link.expose()).as_bytes())?;
                let mut message = format!("It counts once, until {}.", made.expires);
                if made.link.is_none() {
                    message.push_str(" It opens on this machine alone, as no https binding shows the portal.");
                } else if let Some(thumbprint) = &made.thumbprint {
                    message.push_str(&format!(" The certificate there has the thumbprint (SHA-256) {thumbprint}."));
                }
                terminal.tell(&message);
                Ok(Exit::Done)
            }
        }
    }
}

/// Makes the owner in the data directory itself: a new machine has no server yet.
async fn without_server(data_dir: PathBuf, input: &SetupInput) -> Result<portward_api::UserView, Failure> {
    let tried = format!("no owner was made in the data directory {}, with which no server runs", data_dir.display());
    init_offline(&data_dir, input, Arc::new(clock::now)).await.map_err(|error| {
        let exit = if matches!(error, InitOfflineError::Owned(_)) { Exit::Conflict } else { Exit::Failed };
        Failure::ending(exit, anyhow::Error::new(error).context(tried))
    })
}

impl NewPassword {
    /// Reads it, or asks for it twice.
    pub(super) fn read(self) -> Result<SecretText, Failure> {
        match self {
            Self::Stdin => {
                let args = PasswordArgs { password_stdin: true, password_file: None };
                password::read(&args)?.context("cannot read the password from stdin").map_err(Failure::from)
            }
            Self::Asked if password::can_ask() => password::ask_new("New password: "),
            Self::Asked => Err(Failure::usage(anyhow!(
                "nobody can be asked for the password here; give it on stdin with --password-stdin"
            ))),
        }
    }
}

/// Reads an address, if there is one.
pub(super) fn parse_email(text: Option<&str>) -> Result<Option<EmailAddress>, Failure> {
    text.map(EmailAddress::parse).transpose().map_err(bad("--email"))
}

impl From<NewPasswordArgs> for NewPassword {
    fn from(args: NewPasswordArgs) -> Self {
        if args.password_stdin { Self::Stdin } else { Self::Asked }
    }
}

impl From<Format> for Shape {
    fn from(format: Format) -> Self {
        match format {
            Format::Table => Self::Secret,
            Format::Json => Self::View,
        }
    }
}
