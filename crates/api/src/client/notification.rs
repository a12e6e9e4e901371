//! Operations about notification channels.

use http::Method;
use portward_core::ChannelId;

use super::{Client, ClientError, Effect, exchange::Sent};
use crate::{ChannelCreate, ChannelKindView, ChannelUpdate, ChannelView, Removed, SentView};

impl Client {
    /// The kinds of channels there are, with their settings.
    pub async fn list_channel_kinds(&self) -> Result<Vec<ChannelKindView>, ClientError> {
        self.list("notification-kinds").await
    }

    /// All channels, with how sending on them goes.
    pub async fn list_channels(&self) -> Result<Vec<ChannelView>, ClientError> {
        self.list("notifications").await
    }

    /// One channel.
    pub async fn show_channel(&self, id: &ChannelId) -> Result<ChannelView, ClientError> {
        self.ask(Method::GET, &format!("notifications/{id}"), Sent::Nothing).await
    }

    /// Adds a channel; nothing is sent yet.
    pub async fn add_channel(&self, create: &ChannelCreate, effect: Effect) -> Result<ChannelView, ClientError> {
        self.ask(Method::POST, &effect.of("notifications"), Sent::json(create)?).await
    }

    /// Changes a channel; what is left out stays.
    pub async fn edit_channel(&self, id: &ChannelId, update: &ChannelUpdate) -> Result<ChannelView, ClientError> {
        self.ask(Method::PATCH, &format!("notifications/{id}"), Sent::json(update)?).await
    }

    /// Sends a test message now, and tells what the other side said.
    pub async fn test_channel(&self, id: &ChannelId) -> Result<SentView, ClientError> {
        self.ask(Method::POST, &format!("notifications/{id}/test"), Sent::Nothing).await
    }

    /// Removes a channel with what waits for it.
    pub async fn remove_channel(&self, id: &ChannelId) -> Result<Removed, ClientError> {
        self.ask(Method::DELETE, &format!("notifications/{id}"), Sent::Nothing).await
    }
}
