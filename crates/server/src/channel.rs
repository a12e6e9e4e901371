//! Notification channels: how a message reaches people or programs elsewhere.
//!
//! A kind is a word, a sentence and a list of settings ([`kinds`]), so that command line, API and portal tell the same.
//! A channel is opened for each message: settings may have changed, and its secrets are not kept in memory.

mod chat;
mod email;
mod kind;
mod message;
mod push;
#[cfg(test)]
pub(crate) mod recorder;
mod settings;
#[cfg(test)]
mod tests;
mod webhook;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use zeroize::Zeroizing;

pub(crate) use kind::{ChannelKind, ChannelSetting, Choice, Need, find, kinds};
pub(crate) use message::Message;
use settings::Given;
pub(crate) use settings::OpenChannelError;

pub(crate) use crate::outgoing::SendError;
use crate::outgoing::shortened;

/// Sends messages of one kind to one place.
#[async_trait]
trait Sender: Send + Sync {
    /// Where messages go, as far as everybody may see it.
    fn target(&self) -> String;

    /// Sends one message, and gives what the other side said.
    async fn send(&self, message: &Message) -> Result<String, SendError>;
}

/// Is a channel that can send.
pub(crate) struct OpenChannel {
    sender: Box<dyn Sender>,
    secrets: Vec<Zeroizing<String>>,
}

/// Makes a channel of its kind and settings. Nothing is sent yet.
pub(crate) fn open(
    kind: &str,
    settings: &BTreeMap<String, Zeroizing<String>>,
) -> Result<OpenChannel, OpenChannelError> {
    let kind = find(kind)?;
    let given = Given::check(kind, settings)?;
    let sender: Box<dyn Sender> = match kind.word {
        "email" => Box::new(email::Email::open(&given)?),
        "webhook" => Box::new(webhook::Webhook::open(&given)?),
        "slack" => Box::new(chat::Chat::open(chat::Form::Slack, &given)?),
        "discord" => Box::new(chat::Chat::open(chat::Form::Discord, &given)?),
        "teams" => Box::new(chat::Chat::open(chat::Form::Teams, &given)?),
        "ntfy" => Box::new(push::Ntfy::open(&given)?),
        "gotify" => Box::new(push::Gotify::open(&given)?),
        _ => Box::new(push::Telegram::open(&given)?),
    };
    Ok(OpenChannel { sender, secrets: given.secrets() })
}

impl OpenChannel {
    /// Where messages go, as far as everybody may see it.
    pub(crate) fn target(&self) -> String {
        self.sender.target()
    }

    /// Sends one message within a minute, and gives what the other side said, without secrets and not too long.
    pub(crate) async fn send(&self, message: &Message) -> Result<String, SendError> {
        let sent = tokio::time::timeout(LONGEST, self.sender.send(message)).await;
        let sent = sent.unwrap_or_else(|_| Err(SendError::new("there was no answer within a minute")));
        match sent {
            Ok(said) => Ok(self.shown(&said)),
            Err(error) => Err(SendError { said: self.shown(&error.said), ..error }),
        }
    }

    fn shown(&self, said: &str) -> String {
        let mut shown = said.to_owned();
        for secret in &self.secrets {
            shown = shown.replace(secret.as_str(), "(secret)");
        }
        let one_line: Vec<&str> = shown.split_whitespace().collect();
        shortened(&one_line.join(" "), SHOWN)
    }
}

impl std::fmt::Debug for OpenChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenChannel").field("target", &self.target()).finish_non_exhaustive()
    }
}

/// Mail servers may look up names before they answer.
const LONGEST: Duration = Duration::from_secs(60);
/// Enough for the reason, and too little to read foreign pages by.
const SHOWN: usize = 300;
