//! `portward delivery`.

use anyhow::anyhow;
use portward_api::{Client, DeliveryCreate, Effect};
use portward_core::{
    AgentName, CertificateId, DeliveryFormat, DeliveryId, DeliveryPath, FileMode, FileOwner, ProfileName, Verify,
};

use super::{bad, effect};
use crate::{
    args::{DeliveryAddArgs, DeliveryCommand, OutputArgs, PasswordArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    password, show,
    terminal::Terminal,
};

/// Is what is asked for about deliveries.
#[derive(Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one in a run of the program")]
pub(crate) enum DeliveryRequest {
    /// All of them.
    List,
    /// One of them.
    Show(DeliveryId),
    /// A new one.
    Add(DeliveryAdd),
    /// One is tried again.
    Retry(DeliveryId),
    /// One less.
    Remove(DeliveryId, Effect),
}

/// Is a new delivery; its password is not read yet.
#[derive(Debug, PartialEq)]
pub(crate) struct DeliveryAdd {
    create: DeliveryCreate,
    format: DeliveryFormat,
    password: PasswordArgs,
    effect: Effect,
}

impl DeliveryRequest {
    pub(super) fn parse(command: DeliveryCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        use DeliveryCommand as C;
        let id = |text: &str| DeliveryId::parse(text).map_err(Failure::usage);
        Ok(match command {
            C::List(args) => (Self::List, args.server, args.output),
            C::Show(args) => (Self::Show(id(&args.id)?), args.server, args.output),
            C::Retry(args) => (Self::Retry(id(&args.id)?), args.server, args.output),
            C::Remove(args) => (Self::Remove(id(&args.id)?, effect(args.dry_run)), args.server, args.output),
            C::Add(args) => {
                let (server, output) = (args.server.clone(), args.output);
                (Self::Add(DeliveryAdd::parse(args)?), server, output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::List => {
                let deliveries = client.list_deliveries().await?;
                terminal.result(&deliveries, |colour| show::deliveries(&deliveries, colour))
            }
            Self::Show(id) => {
                let delivery = client.show_delivery(&id).await?;
                terminal.result(&delivery, |colour| show::delivery(&delivery, colour))
            }
            Self::Add(add) => {
                let effect = add.effect;
                let delivery = client.add_delivery(&add.read()?, effect).await?;
                terminal.result(&delivery, |colour| show::delivery(&delivery, colour))?;
                terminal.tell(&show::delivery_added(&delivery, effect));
                Ok(Exit::Done)
            }
            Self::Retry(id) => {
                let delivery = client.retry_delivery(&id).await?;
                terminal.told(&delivery, &show::delivery_retried(&delivery))
            }
            Self::Remove(id, effect) => {
                let removed = client.remove_delivery(&id, effect).await?;
                terminal.told(&removed, &show::removed_or_would_be("delivery", &removed, effect))
            }
        }
    }
}

impl DeliveryAdd {
    fn parse(args: DeliveryAddArgs) -> Result<Self, Failure> {
        let format = DeliveryFormat::parse(&args.form).map_err(bad("--format"))?;
        let to = args.to.iter().map(|text| DeliveryPath::parse(text)).collect::<Result<Vec<_>, _>>();
        let to = to.map_err(bad("--to"))?;
        format.check_paths(&to).map_err(bad("--to"))?;
        if !format.has_password() && args.password != PasswordArgs::default() {
            return Err(Failure::usage(anyhow!(
                "{format} is written without a password; leave it out, or choose --format pfx or pkcs12-java"
            )));
        }
        let agent = AgentName::parse(&args.agent).map_err(bad("--agent"))?;
        let certificate = CertificateId::parse(&args.certificate).map_err(bad("--certificate"))?;
        let id = args.id.as_deref().map(DeliveryId::parse).transpose().map_err(bad("--id"))?;
        let owner = args.owner.as_deref().map(FileOwner::parse).transpose().map_err(bad("--owner"))?;
        let mode = args.mode.as_deref().map(FileMode::parse).transpose().map_err(bad("--mode"))?;
        let reload = args.reload.as_deref().map(ProfileName::parse).transpose().map_err(bad("--reload"))?;
        let verify = args.verify.as_deref().map(Verify::parse).transpose().map_err(bad("--verify"))?;
        let create = DeliveryCreate {
            id: id.map(|id| id.to_string()),
            agent: agent.to_string(),
            certificate: certificate.to_string(),
            format: format.to_string(),
            to: to.iter().map(ToString::to_string).collect(),
            owner: owner.map(|owner| owner.to_string()),
            mode: mode.map(|mode| mode.to_string()),
            reload: reload.map(|reload| reload.to_string()),
            verify: verify.map(|verify| verify.to_string()),
            password: None,
        };
        Ok(Self { create, format, password: args.password, effect: effect(args.dry_run) })
    }

    /// The whole of it, with the password that its format has.
    pub(super) fn read(self) -> Result<DeliveryCreate, Failure> {
        if !self.format.has_password() {
            return Ok(self.create);
        }
        let password = match password::read(&self.password)? {
            Some(password) => password,
            None if password::can_ask() => password::ask_new("Password for the delivered file: ")?,
            None => {
                return Err(Failure::usage(anyhow!(
                    "a {} has a password; give it with --password-file F or --password-stdin",
                    self.format
                )));
            }
        };
        Ok(DeliveryCreate { password: Some(password), ..self.create })
    }
}
