//! `portward binding`.

use std::net::SocketAddr;

use anyhow::anyhow;
use portward_api::{BindingCreate, Client};
use portward_core::{Binding, BindingId, CertificateId, Scheme};

use super::bad;
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
        /// Plain or TLS.
        scheme: Scheme,
        /// Address and port.
        address: SocketAddr,
        /// Certificate for names that no certificate has.
        default_certificate: Option<CertificateId>,
    },
    /// One less.
    Remove(BindingId),
}

impl BindingRequest {
    pub(super) fn parse(command: BindingCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        Ok(match command {
            BindingCommand::List(args) => (Self::List, args.server, args.output),
            BindingCommand::Add(args) => {
                let (scheme, address) = Binding::parse_url(&args.binding_url).map_err(Failure::usage)?;
                let default_certificate = args.default_certificate.as_deref().map(CertificateId::parse).transpose();
                let default_certificate = default_certificate.map_err(bad("--default-certificate"))?;
                if scheme == Scheme::Http && default_certificate.is_some() {
                    return Err(Failure::usage(anyhow!(
                        "an http binding presents no certificate; leave --default-certificate out, or add an https binding"
                    )));
                }
                (Self::Add { scheme, address, default_certificate }, args.server, args.output)
            }
            BindingCommand::Remove(args) => {
                (Self::Remove(BindingId::parse(&args.id).map_err(Failure::usage)?), args.server, args.output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::List => {
                let bindings = client.list_bindings().await?;
                terminal.result(&bindings, |colour| show::bindings(&bindings, colour))
            }
            Self::Add { scheme, address, default_certificate } => {
                let create = BindingCreate {
                    url: format!("{scheme}://{address}"),
                    default_certificate: default_certificate.map(|id| id.to_string()),
                };
                let binding = client.add_binding(&create).await?;
                terminal.result(&binding, |colour| show::bindings(std::slice::from_ref(&binding), colour))
            }
            Self::Remove(id) => {
                let removed = client.remove_binding(&id).await?;
                terminal.told(&removed, &show::removed("binding", &removed))
            }
        }
    }
}
