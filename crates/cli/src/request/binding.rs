//! `portward binding`.

use anyhow::anyhow;
use portward_api::{BindingCreate, BindingUpdate, Client};
use portward_core::{Binding, BindingId, CertificateId, Network, Passage};

use super::{
    bad,
    safety::{Safety, follow},
};
use crate::{
    args::{BindingCommand, OutputArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    show,
    terminal::Terminal,
};

/// Is what is asked for about bindings.
#[derive(Debug, PartialEq)]
pub(crate) enum BindingRequest {
    /// All of them.
    List,
    /// A new one.
    Add {
        /// What it is to be.
        create: BindingCreate,
        /// In which manner.
        safety: Safety,
    },
    /// Something else of it.
    Edit(BindingId, BindingUpdate, Safety),
    /// One less.
    Remove(BindingId, Safety),
}

impl BindingRequest {
    pub(super) fn parse(command: BindingCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        Ok(match command {
            BindingCommand::List(args) => (Self::List, args.server, args.output),
            BindingCommand::Add(args) => {
                let (protocol, address) = Binding::parse_url(&args.binding_url).map_err(Failure::usage)?;
                let default_certificate = args.default_certificate.as_deref().map(CertificateId::parse).transpose();
                // Its id is made where it is known which are taken.
                let binding = Binding {
                    default_certificate: default_certificate.map_err(bad("--default-certificate"))?,
                    accept_proxy_from: networks(&args.accept_proxy_from)?,
                    to: passages(&args.to)?,
                    ..Binding::new(BindingId::parse("new").map_err(Failure::usage)?, protocol, address)
                };
                binding.check().map_err(Failure::usage)?;
                let create = BindingCreate {
                    url: binding.url(),
                    default_certificate: binding.default_certificate.as_ref().map(ToString::to_string),
                    accept_proxy_from: binding.accept_proxy_from.iter().map(ToString::to_string).collect(),
                    to: binding.to.iter().map(ToString::to_string).collect(),
                };
                let safety = Safety::parse(&args.safety)?;
                (Self::Add { create, safety }, args.server, args.output)
            }
            BindingCommand::Edit(args) => {
                let id = BindingId::parse(&args.id).map_err(Failure::usage)?;
                let certificate = args.default_certificate.as_deref().map(CertificateId::parse).transpose();
                let certificate = certificate.map_err(bad("--default-certificate"))?;
                let update = BindingUpdate {
                    default_certificate: certificate.map(|id| id.to_string()),
                    accept_proxy_from: replaced(&args.accept_proxy_from, networks)?,
                    to: replaced(&args.to, passages)?,
                };
                if update == BindingUpdate::default() {
                    let error = anyhow!("nothing to change was named; see: portward binding edit --help");
                    return Err(Failure::usage(error));
                }
                (Self::Edit(id, update, Safety::parse(&args.safety)?), args.server, args.output)
            }
            BindingCommand::Remove(args) => {
                let safety = Safety::parse(&args.safety)?.or_dry(args.dry_run);
                (Self::Remove(BindingId::parse(&args.id).map_err(Failure::usage)?, safety), args.server, args.output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::List => {
                let bindings = client.list_bindings().await?;
                terminal.result(&bindings, |colour| show::bindings(&bindings, colour))
            }
            Self::Add { create, safety } => {
                let binding = safety.client(client).add_binding(&create).await?;
                let exit =
                    terminal.result(&binding, |colour| show::bindings(std::slice::from_ref(&*binding), colour))?;
                follow(client, terminal, binding.confirmation.as_ref()).await?;
                Ok(exit)
            }
            Self::Edit(id, update, safety) => {
                let binding = safety.client(client).edit_binding(&id, &update).await?;
                let exit =
                    terminal.result(&binding, |colour| show::bindings(std::slice::from_ref(&*binding), colour))?;
                follow(client, terminal, binding.confirmation.as_ref()).await?;
                Ok(exit)
            }
            Self::Remove(id, safety) => {
                let removed = safety.client(client).remove_binding(&id).await?;
                let exit = terminal.told(&removed, &show::removal("binding", &removed, safety.is_dry()))?;
                follow(client, terminal, removed.confirmation.as_ref()).await?;
                Ok(exit)
            }
        }
    }
}

fn networks(texts: &[String]) -> Result<Vec<Network>, Failure> {
    let networks = texts.iter().map(|text| Network::parse(text)).collect::<Result<_, _>>();
    networks.map_err(bad("--accept-proxy-from"))
}

fn passages(texts: &[String]) -> Result<Vec<Passage>, Failure> {
    texts.iter().map(|text| Passage::parse(text)).collect::<Result<_, _>>().map_err(bad("--to"))
}

/// A list that takes the place of another one: `none` for an empty one, and nothing where nothing was named.
fn replaced<T: ToString>(
    texts: &[String],
    read: impl Fn(&[String]) -> Result<Vec<T>, Failure>,
) -> Result<Option<Vec<String>>, Failure> {
    match texts {
        [] => Ok(None),
        [none] if none == "none" => Ok(Some(Vec::new())),
        texts => Ok(Some(read(texts)?.iter().map(ToString::to_string).collect())),
    }
}
