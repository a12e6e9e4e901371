//! `portward binding`.

use std::net::SocketAddr;

use anyhow::anyhow;
use portward_api::{BindingCreate, BindingUpdate, Client};
use portward_core::{Binding, BindingId, BindingProtocol, CertificateId};

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
        /// What is spoken there.
        protocol: BindingProtocol,
        /// Address and port.
        address: SocketAddr,
        /// Certificate for names that no certificate has.
        default_certificate: Option<CertificateId>,
        /// In which manner.
        safety: Safety,
    },
    /// Another certificate for names that no certificate has.
    Edit(BindingId, CertificateId, Safety),
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
                let default_certificate = default_certificate.map_err(bad("--default-certificate"))?;
                if protocol != BindingProtocol::Https && default_certificate.is_some() {
                    return Err(Failure::usage(anyhow!(
                        "the {protocol} binding presents no certificate; leave --default-certificate out, or add an https binding"
                    )));
                }
                let safety = Safety::parse(&args.safety)?;
                (Self::Add { protocol, address, default_certificate, safety }, args.server, args.output)
            }
            BindingCommand::Edit(args) => {
                let id = BindingId::parse(&args.id).map_err(Failure::usage)?;
                let certificate =
                    CertificateId::parse(&args.default_certificate).map_err(bad("--default-certificate"))?;
                (Self::Edit(id, certificate, Safety::parse(&args.safety)?), args.server, args.output)
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
            Self::Add { protocol, address, default_certificate, safety } => {
                let create = BindingCreate {
                    url: format!("{protocol}://{address}"),
                    default_certificate: default_certificate.map(|id| id.to_string()),
                };
                let binding = safety.client(client).add_binding(&create).await?;
                let exit =
                    terminal.result(&binding, |colour| show::bindings(std::slice::from_ref(&*binding), colour))?;
                follow(client, terminal, binding.confirmation.as_ref()).await?;
                Ok(exit)
            }
            Self::Edit(id, certificate, safety) => {
                let update = BindingUpdate { default_certificate: Some(certificate.to_string()) };
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
