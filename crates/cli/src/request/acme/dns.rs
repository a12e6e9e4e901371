//! `portward acme dns`.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::anyhow;
use portward_api::{Client, Effect, SecretText, acme::DnsProviderCreate};
use portward_core::DnsProviderId;

use super::{bad, effect};
use crate::{
    args::{DnsAddArgs, DnsCommand, OutputArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    secret_file, show,
    terminal::Terminal,
};

/// Is what is asked for about DNS providers.
#[derive(Debug, PartialEq)]
pub(crate) enum DnsRequest {
    /// What kinds there are.
    Kinds,
    /// All of them.
    List,
    /// One of them.
    Show(DnsProviderId),
    /// A new one.
    Add(DnsAdd),
    /// One less.
    Remove(DnsProviderId),
}

/// Is a new DNS provider; files are not read yet.
#[derive(Debug, PartialEq)]
pub(crate) struct DnsAdd {
    pub(crate) create: DnsProviderCreate,
    /// Files of secret settings by name.
    pub(crate) secrets: BTreeMap<String, PathBuf>,
    pub(crate) effect: Effect,
}

impl DnsRequest {
    pub(super) fn parse(command: DnsCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        let id = |text: &str| DnsProviderId::parse(text).map_err(Failure::usage);
        Ok(match command {
            DnsCommand::Kinds(args) => (Self::Kinds, args.server, args.output),
            DnsCommand::List(args) => (Self::List, args.server, args.output),
            DnsCommand::Show(args) => (Self::Show(id(&args.id)?), args.server, args.output),
            DnsCommand::Remove(args) => (Self::Remove(id(&args.id)?), args.server, args.output),
            DnsCommand::Add(args) => {
                let (server, output) = (args.server.clone(), args.output);
                (Self::Add(DnsAdd::parse(args)?), server, output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Kinds => {
                let kinds = client.list_dns_provider_kinds().await?;
                terminal.result(&kinds, |colour| show::dns_kinds(&kinds, colour))
            }
            Self::List => {
                let providers = client.list_dns_providers().await?;
                terminal.result(&providers, |colour| show::dns_providers(&providers, colour))
            }
            Self::Show(id) => {
                let provider = client.show_dns_provider(&id).await?;
                terminal.result(&provider, |colour| show::dns_provider(&provider, colour))
            }
            Self::Add(add) => {
                let effect = add.effect;
                let provider = client.add_dns_provider(&add.read()?, effect).await?;
                terminal.result(&provider, |colour| show::dns_provider(&provider, colour))?;
                terminal.tell(&show::added("DNS provider", &provider.id, effect));
                Ok(Exit::Done)
            }
            Self::Remove(id) => {
                let removed = client.remove_dns_provider(&id, Effect::Apply).await?;
                terminal.told(&removed, &show::removed("DNS provider", &removed))
            }
        }
    }
}

impl DnsAdd {
    fn parse(args: DnsAddArgs) -> Result<Self, Failure> {
        let id = args.id.as_deref().map(DnsProviderId::parse).transpose().map_err(bad("--id"))?;
        let mut settings = BTreeMap::new();
        for text in &args.set {
            let (name, value) = pair(text, "--set takes NAME=VALUE")?;
            if settings.insert(name.to_owned(), SecretText::new(value.to_owned())).is_some() {
                return Err(twice(name));
            }
        }
        let mut secrets = BTreeMap::new();
        for text in &args.secret {
            let (name, file) = pair(text, "--secret takes NAME=FILE, or NAME=- for stdin")?;
            if settings.contains_key(name) || secrets.insert(name.to_owned(), PathBuf::from(file)).is_some() {
                return Err(twice(name));
            }
        }
        if secrets.values().filter(|file| secret_file::is_stdin(file)).count() > 1 {
            return Err(Failure::usage(anyhow!(
                "--secret: only one setting can come from stdin; put the others in files"
            )));
        }
        let create = DnsProviderCreate { id: id.map(|id| id.to_string()), kind: args.kind, settings };
        Ok(Self { create, secrets, effect: effect(args.dry_run) })
    }

    /// The DNS provider with what its files have.
    fn read(mut self) -> Result<DnsProviderCreate, Failure> {
        for (name, file) in self.secrets {
            let secret = secret_file::read(&file, &format!("the secret {name}"))?;
            self.create.settings.insert(name, secret);
        }
        Ok(self.create)
    }
}

/// A name and what is after the first `=`; the text is not quoted, as a secret may be in it by mistake.
fn pair<'a>(text: &'a str, expected: &'static str) -> Result<(&'a str, &'a str), Failure> {
    text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| Failure::usage(anyhow!(expected)))
}

fn twice(name: &str) -> Failure {
    Failure::usage(anyhow!("the setting {name} is given twice"))
}
