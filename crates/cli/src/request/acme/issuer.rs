//! `portward acme issuer`.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use anyhow::anyhow;
use portward_api::{
    Client, Effect, SecretText,
    acme::{EabInput, IssuerCreate},
};
use portward_core::IssuerId;

use super::{authorities, bad, effect};
use crate::{
    args::{IssuerAddArgs, IssuerCommand, OutputArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    secret_file, show,
    terminal::Terminal,
};

/// Is what is asked for about issuers.
#[derive(Debug, PartialEq)]
pub(crate) enum IssuerRequest {
    /// All of them.
    List,
    /// One of them.
    Show(IssuerId),
    /// A new one.
    Add(Box<IssuerAdd>),
    /// One less.
    Remove(IssuerId),
}

/// Is a new issuer; files are not read yet.
#[derive(Debug, PartialEq)]
pub(crate) struct IssuerAdd {
    pub(crate) create: IssuerCreate,
    pub(crate) directory_ca: Option<PathBuf>,
    /// Key identifier, and the file with the key.
    pub(crate) eab: Option<(String, PathBuf)>,
    pub(crate) effect: Effect,
}

impl IssuerRequest {
    pub(super) fn parse(command: IssuerCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        let id = |text: &str| IssuerId::parse(text).map_err(Failure::usage);
        Ok(match command {
            IssuerCommand::List(args) => (Self::List, args.server, args.output),
            IssuerCommand::Show(args) => (Self::Show(id(&args.id)?), args.server, args.output),
            IssuerCommand::Remove(args) => (Self::Remove(id(&args.id)?), args.server, args.output),
            IssuerCommand::Add(args) => {
                let (server, output) = (args.server.clone(), args.output);
                (Self::Add(Box::new(IssuerAdd::parse(*args)?)), server, output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::List => {
                let issuers = client.list_issuers().await?;
                terminal.result(&issuers, |colour| show::issuers(&issuers, colour))
            }
            Self::Show(id) => {
                let issuer = client.show_issuer(&id).await?;
                terminal.result(&issuer, |colour| show::issuer(&issuer, colour))
            }
            Self::Add(add) => {
                let effect = add.effect;
                let issuer = client.add_issuer(&add.read()?, effect).await?;
                terminal.result(&issuer, |colour| show::issuer(&issuer, colour))?;
                terminal.tell(&show::added("issuer", &issuer.id, effect));
                Ok(Exit::Done)
            }
            Self::Remove(id) => {
                let removed = client.remove_issuer(&id, Effect::Apply).await?;
                terminal.told(&removed, &show::removed("issuer", &removed))
            }
        }
    }
}

impl IssuerAdd {
    fn parse(args: IssuerAddArgs) -> Result<Self, Failure> {
        let is_word = ["letsencrypt", "letsencrypt-staging"].contains(&args.directory.as_str());
        if !is_word && !args.directory.starts_with("https://") {
            return Err(Failure::usage(anyhow!(
                "\"{}\" is neither letsencrypt nor letsencrypt-staging nor a URL that begins with https://",
                args.directory
            )));
        }
        let id = args.id.as_deref().map(IssuerId::parse).transpose().map_err(bad("--id"))?;
        let resolvers = args.resolver.iter().map(|text| resolver(text)).collect::<Result<_, _>>()?;
        let create = IssuerCreate {
            id: id.map(|id| id.to_string()),
            directory: args.directory,
            directory_ca: None,
            contacts: args.contact,
            accept_terms: args.accept_terms,
            eab: None,
            profile: args.profile,
            challenge: args.challenge,
            preferred_chain: args.preferred_chain,
            http_port: args.http_port,
            tls_port: args.tls_port,
            resolvers,
        };
        let eab = args.eab_key_id.zip(args.eab_mac_key_file);
        Ok(Self { create, directory_ca: args.directory_ca, eab, effect: effect(args.dry_run) })
    }

    /// The issuer with what its files have.
    fn read(mut self) -> Result<IssuerCreate, Failure> {
        self.create.directory_ca =
            self.directory_ca.map(|file| authorities::read(&file, "--directory-ca")).transpose()?;
        if let Some((key_id, file)) = self.eab {
            let key = secret_file::read(&file, "the key of --eab-mac-key-file")?;
            let mac_key = SecretText::new(key.expose().trim().to_owned());
            self.create.eab = Some(EabInput { key_id, mac_key });
        }
        Ok(self.create)
    }
}

/// An address with or without a port, as the API takes it.
fn resolver(text: &str) -> Result<String, Failure> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    text.parse::<SocketAddr>().map(|address| address.to_string()).map_err(|_| {
        Failure::usage(anyhow!(
            "--resolver: \"{text}\" is no IP address, with or without a port, as in 192.0.2.53 or [2001:db8::53]:5353"
        ))
    })
}
