//! `portward agent`.

use anyhow::anyhow;
use portward_api::{AgentJoinCreate, AgentTrust, AgentsCheck, Client, Effect, StrangerApprove};
use portward_core::{AgentHealth, AgentName, DialAddress, Thumbprint, ThumbprintError, parse_duration};

use super::{access::Shape, bad, effect};
use crate::{
    args::{AgentAddArgs, AgentApproveArgs, AgentCommand, AgentTrustArgs, OutputArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    show,
    terminal::Terminal,
};

/// Is what is asked for about agents.
#[derive(Debug, PartialEq)]
pub(crate) enum AgentRequest {
    /// A join string, alone or as the whole view.
    Add(AgentJoinCreate, Effect, Shape),
    /// All of them, and on stderr who waits.
    List,
    /// Those who wait to be approved.
    Waiting,
    /// One of them.
    Show(AgentName),
    /// How they are; all if none is named.
    Check(Vec<AgentName>),
    /// Somebody who came is trusted.
    Approve(String, Option<AgentName>, Effect),
    /// Somebody is trusted by their thumbprint.
    Trust(AgentTrust, Effect),
    /// A new identity for one.
    Rotate(AgentName),
    /// One less.
    Remove(AgentName, Effect),
}

impl AgentRequest {
    pub(super) fn parse(command: AgentCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        use AgentCommand as C;
        let name = |text: &str| AgentName::parse(text).map_err(Failure::usage);
        Ok(match command {
            C::Add(args) => {
                let (server, output) = (args.server.clone(), args.output);
                (Self::add(args)?, server, output)
            }
            C::List(args) if args.waiting => (Self::Waiting, args.server, args.output),
            C::List(args) => (Self::List, args.server, args.output),
            C::Show(args) => (Self::Show(name(&args.name)?), args.server, args.output),
            C::Check(args) => {
                let names = args.names.iter().map(|text| name(text)).collect::<Result<_, _>>()?;
                (Self::Check(names), args.server, args.output)
            }
            C::Approve(args) => {
                let (server, output) = (args.server.clone(), args.output);
                (Self::approve(args)?, server, output)
            }
            C::Trust(args) => {
                let (server, output) = (args.server.clone(), args.output);
                (Self::trust(args)?, server, output)
            }
            C::Rotate(args) => (Self::Rotate(name(&args.name)?), args.server, args.output),
            C::Remove(args) => (Self::Remove(name(&args.name)?, effect(args.dry_run)), args.server, args.output),
        })
    }

    fn add(args: AgentAddArgs) -> Result<Self, Failure> {
        let name = AgentName::parse(&args.name).map_err(Failure::usage)?;
        if let Some(ttl) = args.ttl.as_deref().filter(|text| parse_duration(text).is_none()) {
            return Err(Failure::usage(anyhow!("--ttl: \"{ttl}\" is not a duration, as in 30m or 12h")));
        }
        let address = |text: &String| DialAddress::parse(text, Some(HTTPS_PORT)).map(|address| address.to_string());
        let addresses = args.address.iter().map(address).collect::<Result<_, _>>().map_err(bad("--address"))?;
        let create = AgentJoinCreate { name: name.to_string(), ttl: args.ttl, addresses };
        Ok(Self::Add(create, effect(args.dry_run), args.output.format.into()))
    }

    fn approve(args: AgentApproveArgs) -> Result<Self, Failure> {
        let name = args.name.as_deref().map(AgentName::parse).transpose().map_err(bad("--name"))?;
        Ok(Self::Approve(args.id, name, effect(args.dry_run)))
    }

    fn trust(args: AgentTrustArgs) -> Result<Self, Failure> {
        let name = AgentName::parse(&args.name).map_err(Failure::usage)?;
        let thumbprint = match Thumbprint::parse(&args.thumbprint) {
            Ok(thumbprint) => thumbprint.to_string(),
            // The server refuses it too, and may know the SHA-256 to give.
            Err(ThumbprintError::Sha1) => args.thumbprint,
            Err(error) => return Err(bad("--thumbprint")(error)),
        };
        let listening = args.listening.as_deref().map(|text| DialAddress::parse(text, Some(LISTENING_PORT)));
        let listening = listening.transpose().map_err(bad("--listening"))?.map(|address| address.to_string());
        Ok(Self::Trust(AgentTrust { name: name.to_string(), thumbprint, listening }, effect(args.dry_run)))
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Add(create, effect, shape) => {
                let created = client.add_agent(&create, effect).await?;
                match &created.join_string {
                    _ if shape == Shape::View => terminal.result(&created, |_| String::new()),
                    Some(line) => {
                        terminal.write(format!("{}\n", line.expose()).as_bytes())?;
                        terminal.tell(&show::join_created(&created.join));
                        Ok(Exit::Done)
                    }
                    None => {
                        terminal.tell(&show::join_dry(&created.join));
                        Ok(Exit::Done)
                    }
                }
            }
            Self::List => {
                let (agents, waiting) = (client.list_agents().await?, client.list_strangers().await?);
                terminal.result(&agents, |colour| show::agents(&agents, colour))?;
                if !waiting.is_empty() {
                    terminal.tell(&show::waiting_agents(&waiting));
                }
                Ok(Exit::Done)
            }
            Self::Waiting => {
                let waiting = client.list_strangers().await?;
                terminal.result(&waiting, |_| show::waiting_agents(&waiting) + "\n")
            }
            Self::Show(name) => {
                let agent = client.show_agent(&name).await?;
                terminal.result(&agent, |colour| show::agent(&agent, colour))
            }
            Self::Check(names) => {
                let check = AgentsCheck { names: names.iter().map(ToString::to_string).collect() };
                let checked = client.check_agents(&check).await?;
                terminal.result(&checked, |colour| show::agents_checked(&checked, colour))?;
                let is_well = checked.iter().all(|agent| agent.health == AgentHealth::Healthy.as_str());
                Ok(if is_well { Exit::Done } else { Exit::Failed })
            }
            Self::Approve(id, name, effect) => {
                let approve = StrangerApprove { name: name.map(|name| name.to_string()), replace: false };
                let agent = client.approve_stranger(&id, &approve, effect).await?;
                terminal.result(&agent, |colour| show::agent(&agent, colour))?;
                terminal.tell(&show::agent_trusted(&agent, effect));
                Ok(Exit::Done)
            }
            Self::Trust(trust, effect) => {
                let agent = client.trust_agent(&trust, effect).await?;
                terminal.result(&agent, |colour| show::agent(&agent, colour))?;
                terminal.tell(&show::agent_trusted(&agent, effect));
                Ok(Exit::Done)
            }
            Self::Rotate(name) => {
                let agent = client.rotate_agent(&name).await?;
                terminal.told(&agent, &show::agent_rotated(&agent))
            }
            Self::Remove(name, effect) => {
                let removed = client.remove_agent(&name, effect).await?;
                terminal.told(&removed, &show::removed_or_would_be("agent", &removed, effect))
            }
        }
    }
}

/// Where agents listen, as Octopus's do.
const LISTENING_PORT: u16 = 10933;
/// Where agents dial if only a host is named.
pub(super) const HTTPS_PORT: u16 = 443;
