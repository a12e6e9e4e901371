//! `portward acme dns`.

use portward_api::{Client, Effect, acme::DnsProviderCreate};
use portward_core::DnsProviderId;

use super::{TypedSettings, bad, effect};
use crate::{
    args::{DnsAddArgs, DnsCommand, OutputArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    show,
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
    pub(crate) settings: TypedSettings,
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
        let settings = TypedSettings::parse(&args.set, &args.secret)?;
        let id = id.map(|id| id.to_string());
        let create = DnsProviderCreate { id, kind: args.kind, settings: Default::default() };
        Ok(Self { create, settings, effect: effect(args.dry_run) })
    }

    /// The DNS provider with what its files have.
    fn read(self) -> Result<DnsProviderCreate, Failure> {
        Ok(DnsProviderCreate { settings: self.settings.read()?, ..self.create })
    }
}
