//! Use cases of notification channels.

use portward_api::{
    ChannelCreate, ChannelKindView, ChannelSettingView, ChannelUpdate, ChannelView, Removed, SendingView, SentView,
};
use portward_core::{ChannelId, Wanted};
use portward_store::{
    change::{Change, Expected},
    desired::{Desired, Stored, StoredChannel},
    work::{self, Delivered},
};
use zeroize::Zeroizing;

use super::{Allowed, App, AppError, Apply, Precondition, Revised, chain_text, right, slug};
use crate::{
    channel::{self, Message},
    kind_settings::{KindSettings, KnownSetting, Values, shown},
};

impl App {
    /// Lists the kinds of channels there are.
    pub(crate) fn list_channel_kinds(&self, _by: &Allowed<right::View>) -> Vec<ChannelKindView> {
        let setting = |setting: &channel::ChannelSetting| {
            let known = KnownSetting::from(setting);
            ChannelSettingView {
                name: known.name.to_owned(),
                about: known.about(),
                required: known.is_required,
                secret: known.is_secret,
            }
        };
        let kind = |kind: &channel::ChannelKind| ChannelKindView {
            kind: kind.word.to_owned(),
            about: format!("{}. {}", kind.name, kind.sentence),
            settings: kind.settings.iter().map(setting).collect(),
        };
        channel::kinds().iter().map(kind).collect()
    }

    /// Lists the channels.
    pub(crate) fn list_channels(&self, _by: &Allowed<right::View>) -> Vec<ChannelView> {
        self.served().desired.channels.iter().map(|stored| self.channel_view(&stored.value)).collect()
    }

    /// Shows one channel.
    pub(crate) fn show_channel(&self, _by: &Allowed<right::View>, id: &str) -> Result<Revised<ChannelView>, AppError> {
        let served = self.served();
        let stored = find(&served.desired, id)?;
        Ok(Revised { view: self.channel_view(&stored.value), revision: Some(stored.revision) })
    }

    /// Adds a channel. Nothing is sent yet.
    pub(crate) async fn add_channel(
        &self,
        by: &Allowed<right::NotificationChange>,
        input: &ChannelCreate,
        apply: Apply,
    ) -> Result<Revised<ChannelView>, AppError> {
        let settings = input
            .settings
            .iter()
            .map(|(name, value)| (name.clone(), Zeroizing::new(value.expose().to_owned())))
            .collect();
        let (settings, target) = checked(&input.kind, settings)?;
        let wanted = input.events.as_deref().map(wanted).transpose()?.unwrap_or_default();
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        if desired.channels.len() >= MOST {
            let message =
                format!("there are {MOST} channels already, which is the most there can be; remove one first");
            return Err(AppError::conflict("too-many", message));
        }
        let is_taken = |id: &str| ChannelId::parse(id).is_ok_and(|id| desired.channel(&id).is_some());
        let id = match &input.id {
            Some(id) if is_taken(id) => {
                let message = format!(
                    "there is a channel \"{id}\" already; choose another id, or remove it first: portward notification remove {id}"
                );
                return Err(AppError::conflict("already-there", message));
            }
            Some(id) => id.clone(),
            None => slug(&input.kind, "channel", is_taken),
        };
        let channel = StoredChannel {
            id: ChannelId::parse(&id).map_err(|error| AppError::invalid("id", &error))?,
            kind: input.kind.clone(),
            target,
            secret_names: settings.secret_names(),
            settings: settings.plain,
            secrets: None,
            generation: 1,
            wanted,
            enabled: input.enabled.unwrap_or(true),
        };
        let view = self.channel_view(&channel);
        if apply == Apply::DryRun {
            return Ok(Revised { view, revision: None });
        }
        let mut change = self.change(by, format!("add notification channel {id} ({})", input.kind));
        change.put_channel(&channel, &settings.secret, &self.sealer(&desired)?, Expected::Absent);
        let revision = self.commit(change).await?;
        drop(deciding);
        self.in_effect(revision).await?;
        Ok(Revised { view, revision: Some(revision) })
    }

    /// Changes a channel; what the input leaves out stays.
    pub(crate) async fn edit_channel(
        &self,
        by: &Allowed<right::NotificationChange>,
        id: &str,
        input: &ChannelUpdate,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Revised<ChannelView>, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let Stored { value: before, revision } = find(&desired, id)?;
        precondition.check("channel", id, *revision)?;
        let stored = self.channel_settings(&desired, before)?;
        let mut settings = stored.all();
        for (name, value) in &input.settings {
            match value {
                Some(value) => settings.insert(name.clone(), Zeroizing::new(value.expose().to_owned())),
                None => settings.remove(name),
            };
        }
        let (settings, target) = checked(&before.kind, settings)?;
        let given = input.settings.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name.as_str());
        if let Some(elsewhere) = settings.elsewhere(&stored, &given.collect()) {
            return Err(AppError::refused("secret-elsewhere", format!("settings: {elsewhere}")));
        }
        let channel = StoredChannel {
            id: before.id.clone(),
            kind: before.kind.clone(),
            target,
            secret_names: settings.secret_names(),
            settings: settings.plain,
            secrets: None,
            generation: before.generation + 1,
            wanted: input.events.as_deref().map(wanted).transpose()?.unwrap_or_else(|| before.wanted.clone()),
            enabled: input.enabled.unwrap_or(before.enabled),
        };
        let view = self.channel_view(&channel);
        if apply == Apply::DryRun {
            return Ok(Revised { view, revision: Some(*revision) });
        }
        let mut change = self.change(by, format!("edit notification channel {id}"));
        change.put_channel(&channel, &settings.secret, &self.sealer(&desired)?, Expected::At(*revision));
        let revision = self.commit(change).await?;
        drop(deciding);
        self.in_effect(revision).await?;
        Ok(Revised { view, revision: Some(revision) })
    }

    /// Removes a channel with what waits for it.
    pub(crate) async fn remove_channel(
        &self,
        by: &Allowed<right::NotificationChange>,
        id: &str,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Removed, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let stored = find(&desired, id)?;
        precondition.check("channel", id, stored.revision)?;
        let waiting = self.parts.notices.board().of(&stored.value.id).waiting;
        let warnings = match waiting {
            0 => Vec::new(),
            waiting => vec![format!("notices that were not sent yet are gone with it: {waiting}")],
        };
        if apply == Apply::Now {
            let mut change = self.change(by, format!("remove notification channel {id}"));
            change.remove_channel(&stored.value.id, Expected::At(stored.revision));
            let revision = self.commit(change).await?;
            drop(deciding);
            self.in_effect(revision).await?;
            if let Err(error) = work::forget_channel(&*self.parts.store, &stored.value.id).await {
                tracing::warn!(
                    error = chain_text(&error),
                    "what waited for a removed channel could not be taken away; it is when the server starts anew"
                );
            }
        }
        Ok(Removed { id: id.to_owned(), warnings })
    }

    /// Sends a test message on a channel now, whether it is enabled or not, and tells what the other side said.
    pub(crate) async fn test_channel(
        &self,
        by: &Allowed<right::NotificationChange>,
        id: &str,
    ) -> Result<SentView, AppError> {
        let desired = self.desired().await?;
        let stored = &find(&desired, id)?.value;
        let settings = self.channel_settings(&desired, stored)?.all();
        let channel = channel::open(&stored.kind, &settings).map_err(|error| AppError::invalid("settings", &error))?;
        // Recorded before it leaves.
        self.commit(self.change_of(by.actor(), format!("send a test message on notification channel {id}"))).await?;
        let now = self.now();
        let message = Message::test(work::new_notice_id(now), id, self.parts.notices.server(), now);
        let (ok, said) = match channel.send(&message).await {
            Ok(said) => (true, said),
            Err(error) => (false, error.said),
        };
        let delivered = Delivered { at: self.now(), ok, said };
        // Notices may be sent on it at the same time, and it may be removed meanwhile.
        let edited = work::edit_channel_work(&*self.parts.store, &stored.id, |work| {
            work.last = Some(delivered.clone());
            if ok {
                // What waits is tried again at once.
                (work.failures, work.retry_at) = (0, None);
            }
            Change::of_work()
        });
        match edited.await {
            Ok(Some(work)) => self.parts.notices.board().update(&stored.id, |standing| standing.work = work),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = chain_text(&error), "what came of a test message could not be stored");
            }
        }
        Ok(sent_view(&delivered))
    }

    fn channel_settings(&self, desired: &Desired, channel: &StoredChannel) -> Result<KindSettings, AppError> {
        KindSettings::open_channel(&self.sealer(desired)?, channel).map_err(|error| {
            let message = format!(
                "the secrets of the channel \"{}\" do not open; remove the channel and add it anew",
                channel.id
            );
            AppError::internal(message, error)
        })
    }

    fn channel_view(&self, stored: &StoredChannel) -> ChannelView {
        let standing = self.parts.notices.board().of(&stored.id);
        ChannelView {
            id: stored.id.to_string(),
            kind: stored.kind.clone(),
            target: stored.target.clone(),
            settings: shown(&stored.settings, &stored.secret_names),
            events: stored.wanted.words(),
            enabled: stored.enabled,
            sending: SendingView {
                waiting: standing.waiting,
                failures: standing.work.failures,
                retry_at: standing.work.retry_at.map(|at| at.to_string()),
                last: standing.work.last.as_ref().map(sent_view),
            },
        }
    }
}

fn find<'a>(desired: &'a Desired, id: &str) -> Result<&'a Stored<StoredChannel>, AppError> {
    let found = ChannelId::parse(id).ok().and_then(|id| desired.channel(&id));
    found.ok_or_else(|| {
        let message = format!("there is no channel \"{id}\"; portward notification list shows those there are");
        AppError::new(http::StatusCode::NOT_FOUND, "not-found", message)
    })
}

/// Checks settings by opening the channel, and takes the secret ones apart; gives where its messages go too.
fn checked(kind: &str, settings: Values) -> Result<(KindSettings, String), AppError> {
    let opened = channel::open(kind, &settings).map_err(|error| AppError::invalid("settings", &error))?;
    Ok((KindSettings::of_channel(kind, settings), opened.target()))
}

fn wanted(words: &[String]) -> Result<Wanted, AppError> {
    Wanted::parse(words).map_err(|error| AppError::invalid("events", &error))
}

fn sent_view(delivered: &Delivered) -> SentView {
    SentView { at: delivered.at.to_string(), sent: delivered.ok, said: delivered.said.clone() }
}

/// Nobody has so many, and each costs a record for each notice.
const MOST: usize = 50;

#[cfg(test)]
mod tests;
