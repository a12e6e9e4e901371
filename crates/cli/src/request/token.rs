//! `portward token`.

use anyhow::anyhow;
use portward_api::{Client, TokenCreate};
use portward_core::{Permission, TokenId, parse_duration};

use super::access::Shape;
use crate::{
    args::{OutputArgs, ServerArgs, TokenCommand},
    exit::Exit,
    failure::Failure,
    show,
    terminal::Terminal,
};

/// Is what is asked for about tokens.
#[derive(Debug, PartialEq)]
pub(crate) enum TokenRequest {
    /// All of them.
    List,
    /// A new one, of which the secret alone is printed, or the whole view.
    Create(TokenCreate, Shape),
    /// One less.
    Revoke(TokenId),
}

impl TokenRequest {
    pub(super) fn parse(command: TokenCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        Ok(match command {
            TokenCommand::List(args) => (Self::List, args.server, args.output),
            TokenCommand::Create(args) => {
                for permission in &args.permission {
                    if Permission::parse(permission).is_none() {
                        return Err(Failure::usage(anyhow!(
                            "--permission: \"{permission}\" is not a permission; portward token create --help lists them"
                        )));
                    }
                }
                if let Some(expires) = args.expires.as_deref().filter(|text| parse_duration(text).is_none()) {
                    return Err(Failure::usage(anyhow!(
                        "--expires: \"{expires}\" is not a duration, as in 90d or 12h"
                    )));
                }
                let create = TokenCreate { name: args.name, permissions: args.permission, expires: args.expires };
                (Self::Create(create, args.output.format.into()), args.server, args.output)
            }
            TokenCommand::Revoke(args) => {
                (Self::Revoke(TokenId::parse(&args.id).map_err(Failure::usage)?), args.server, args.output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::List => {
                let tokens = client.list_tokens().await?;
                terminal.result(&tokens, |colour| show::tokens(&tokens, colour))
            }
            Self::Create(create, shape) => {
                let created = client.create_token(&create).await?;
                match &created.secret {
                    Some(secret) if shape == Shape::Secret => {
                        terminal.write(format!("{}\n", secret.expose()).as_bytes())?;
                        terminal.tell(&show::token_created(&created.token));
                        Ok(Exit::Done)
                    }
                    _ => terminal.result(&created, |_| String::new()),
                }
            }
            Self::Revoke(id) => {
                let removed = client.revoke_token(&id).await?;
                terminal.told(&removed, &format!("The token {} is revoked.", removed.id))
            }
        }
    }
}
