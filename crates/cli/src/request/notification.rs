//! `portward notification`.

use anyhow::anyhow;
use portward_api::{ChannelCreate, ChannelUpdate, Client, Effect};
use portward_core::{ChannelId, Wanted};

use super::{TypedSettings, bad, effect};
use crate::{
    args::{ChannelAddArgs, ChannelEditArgs, NotificationCommand, OutputArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    show,
    terminal::Terminal,
};

/// Is what is asked for about notifications.
#[derive(Debug, PartialEq)]
pub(crate) enum NotificationRequest {
    /// What kinds of channels there are.
    Kinds,
    /// All channels.
    List,
    /// One of them.
    Show(ChannelId),
    /// A new one.
    Add(ChannelAdd),
    /// Other settings for one.
    Edit(ChannelEdit),
    /// A test message.
    Test(ChannelId),
    /// One less.
    Remove(ChannelId),
}

/// Is a new channel; files are not read yet.
#[derive(Debug, PartialEq)]
pub(crate) struct ChannelAdd {
    create: ChannelCreate,
    settings: TypedSettings,
    effect: Effect,
}

/// Is a change of a channel; files are not read yet.
#[derive(Debug, PartialEq)]
pub(crate) struct ChannelEdit {
    id: ChannelId,
    update: ChannelUpdate,
    settings: TypedSettings,
}

impl NotificationRequest {
    pub(super) fn parse(command: NotificationCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        use NotificationCommand as C;
        let id = |text: &str| ChannelId::parse(text).map_err(Failure::usage);
        Ok(match command {
            C::Kinds(args) => (Self::Kinds, args.server, args.output),
            C::List(args) => (Self::List, args.server, args.output),
            C::Show(args) => (Self::Show(id(&args.id)?), args.server, args.output),
            C::Test(args) => (Self::Test(id(&args.id)?), args.server, args.output),
            C::Remove(args) => (Self::Remove(id(&args.id)?), args.server, args.output),
            C::Add(args) => {
                let (server, output) = (args.server.clone(), args.output);
                (Self::Add(ChannelAdd::parse(args)?), server, output)
            }
            C::Edit(args) => {
                let (server, output) = (args.server.clone(), args.output);
                (Self::Edit(ChannelEdit::parse(args)?), server, output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Kinds => {
                let kinds = client.list_channel_kinds().await?;
                terminal.result(&kinds, |colour| show::channel_kinds(&kinds, colour))
            }
            Self::List => {
                let channels = client.list_channels().await?;
                terminal.result(&channels, |colour| show::channels(&channels, colour))
            }
            Self::Show(id) => {
                let channel = client.show_channel(&id).await?;
                terminal.result(&channel, |colour| show::channel(&channel, colour))
            }
            Self::Add(add) => {
                let effect = add.effect;
                let create = ChannelCreate { settings: add.settings.read()?, ..add.create };
                let channel = client.add_channel(&create, effect).await?;
                terminal.result(&channel, |colour| show::channel(&channel, colour))?;
                terminal.tell(&show::channel_added(&channel.id, effect));
                Ok(Exit::Done)
            }
            Self::Edit(ChannelEdit { id, mut update, settings }) => {
                update.settings.extend(settings.read()?.into_iter().map(|(name, value)| (name, Some(value))));
                let channel = client.edit_channel(&id, &update).await?;
                terminal.result(&channel, |colour| show::channel(&channel, colour))
            }
            Self::Test(id) => {
                let told = client.test_channel(&id).await?;
                terminal.told(&told, &show::channel_tested(&id, &told))?;
                Ok(if told.sent { Exit::Done } else { Exit::Failed })
            }
            Self::Remove(id) => {
                let removed = client.remove_channel(&id).await?;
                terminal.told(&removed, &show::removed("channel", &removed))
            }
        }
    }
}

impl ChannelAdd {
    fn parse(args: ChannelAddArgs) -> Result<Self, Failure> {
        let id = args.id.as_deref().map(ChannelId::parse).transpose().map_err(bad("--id"))?;
        let create = ChannelCreate {
            id: id.map(|id| id.to_string()),
            kind: args.kind,
            settings: Default::default(),
            events: events(&args.settings.event)?,
            enabled: args.disabled.then_some(false),
        };
        let settings = TypedSettings::parse(&args.settings.set, &args.settings.secret)?;
        Ok(Self { create, settings, effect: effect(args.dry_run) })
    }
}

impl ChannelEdit {
    fn parse(args: ChannelEditArgs) -> Result<Self, Failure> {
        let id = ChannelId::parse(&args.id).map_err(Failure::usage)?;
        let settings = TypedSettings::parse(&args.settings.set, &args.settings.secret)?;
        let update = ChannelUpdate {
            settings: args.unset.into_iter().map(|name| (name, None)).collect(),
            events: events(&args.settings.event)?,
            enabled: (args.enable || args.disable).then_some(args.enable),
        };
        if update == ChannelUpdate::default() && settings == TypedSettings::default() {
            return Err(Failure::usage(anyhow!("nothing to change was named; see: portward notification edit --help")));
        }
        Ok(Self { id, update, settings })
    }
}

/// The events that are named; none if none is, so that the server's default counts or what is there stays.
fn events(words: &[String]) -> Result<Option<Vec<String>>, Failure> {
    if words.is_empty() {
        return Ok(None);
    }
    Ok(Some(Wanted::parse(words).map_err(bad("--event"))?.words()))
}
