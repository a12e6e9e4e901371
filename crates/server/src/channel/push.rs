//! Push messages: ntfy, Gotify, Telegram.

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header};
use portward_core::Tone;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    Message, OpenChannelError, SendError, Sender,
    settings::{Given, bad},
};
use crate::outgoing::{Address, Outgoing, shortened};

/// Publishes on a topic: <https://docs.ntfy.sh/publish/#publish-as-json>.
pub(super) struct Ntfy {
    address: Address,
    topic: Zeroizing<String>,
    token: Option<HeaderValue>,
}

/// Sends as an application: <https://gotify.net/docs/pushmsg>.
pub(super) struct Gotify {
    address: Address,
    token: HeaderValue,
}

/// Sends as a bot: <https://core.telegram.org/bots/api#sendmessage>.
pub(super) struct Telegram {
    address: Address,
    chat: String,
}

impl Ntfy {
    pub(super) fn open(given: &Given) -> Result<Self, OpenChannelError> {
        let topic = given.text("topic");
        let is_topic = |topic: &str| {
            (1..=64).contains(&topic.len())
                && topic.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if !is_topic(topic) {
            return Err(bad("topic", "1 to 64 letters, digits, - and _"));
        }
        let token =
            given.option("token").map(|token| secret_header("token", &format!("Bearer {token}"))).transpose()?;
        Ok(Self { address: given.address("server")?, topic: Zeroizing::new(topic.to_owned()), token })
    }
}

#[async_trait]
impl Sender for Ntfy {
    fn target(&self) -> String {
        self.address.place()
    }

    async fn send(&self, message: &Message) -> Result<String, SendError> {
        let (priority, tag) = match message.tone {
            Tone::Bad => (5, "octagonal_sign"),
            Tone::Warning => (4, "warning"),
            Tone::Neutral => (3, "information_source"),
            Tone::Good => (2, "white_check_mark"),
        };
        let mut body = json!({
            "topic": self.topic.as_str(),
            "title": message.headline(),
            "message": message.text(NTFY_TEXT),
            "priority": priority,
            "tags": [tag],
        });
        if let (Some(url), Some(body)) = (&message.url, body.as_object_mut()) {
            body.insert("click".to_owned(), url.clone().into());
        }
        let mut post = Outgoing::json(&self.address, body.to_string().into_bytes());
        post.headers.extend(self.token.clone().map(|token| (header::AUTHORIZATION, token)));
        post.send().await?.accepted()
    }
}

impl Gotify {
    pub(super) fn open(given: &Given) -> Result<Self, OpenChannelError> {
        let address = given.address("server")?.below("/message");
        Ok(Self { address, token: secret_header("token", given.text("token"))? })
    }
}

#[async_trait]
impl Sender for Gotify {
    fn target(&self) -> String {
        self.address.place()
    }

    async fn send(&self, message: &Message) -> Result<String, SendError> {
        let priority = match message.tone {
            Tone::Bad => 8,
            Tone::Warning => 5,
            Tone::Neutral => 3,
            Tone::Good => 2,
        };
        let mut extras = json!({"client::display": {"contentType": "text/plain"}});
        if let (Some(url), Some(extras)) = (&message.url, extras.as_object_mut()) {
            extras.insert("client::notification".to_owned(), json!({"click": {"url": url}}));
        }
        let body = json!({
            "title": message.headline(),
            "message": message.text(GOTIFY_TEXT),
            "priority": priority,
            "extras": extras,
        });
        let mut post = Outgoing::json(&self.address, body.to_string().into_bytes());
        post.headers.push((HeaderName::from_static("x-gotify-key"), self.token.clone()));
        post.send().await?.accepted()
    }
}

impl Telegram {
    pub(super) fn open(given: &Given) -> Result<Self, OpenChannelError> {
        let token = given.text("token");
        let is_token = |token: &str| {
            let plain = token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':'));
            plain && token.contains(':')
        };
        if !is_token(token) {
            return Err(bad("token", "a bot token like 123456:ABC-def"));
        }
        let address = given.address("server")?.below(&format!("/bot{token}/sendMessage"));
        Ok(Self { address, chat: given.text("chat").to_owned() })
    }
}

#[async_trait]
impl Sender for Telegram {
    fn target(&self) -> String {
        format!("chat {} by {}", self.chat, self.address.place())
    }

    async fn send(&self, message: &Message) -> Result<String, SendError> {
        let headline = shortened(&message.headline(), TELEGRAM_HEADLINE);
        let body = json!({
            "chat_id": self.chat,
            "text": format!("{headline}\n\n{}", message.text(TELEGRAM_TEXT)),
            "link_preview_options": {"is_disabled": true},
        });
        let answer = Outgoing::json(&self.address, body.to_string().into_bytes()).send().await?;
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match (answer.is_success(), told["ok"].as_bool(), told["description"].as_str()) {
            (true, Some(true), _) => Ok("ok".to_owned()),
            (_, _, Some(description)) => Err(SendError {
                said: format!("{}: {description}", answer.status),
                retry_after: told["parameters"]["retry_after"].as_u64().map(std::time::Duration::from_secs),
            }),
            _ => answer.accepted().and_then(|said| Err(SendError::new(format!("no answer of the Bot API: {said}")))),
        }
    }
}

fn secret_header(setting: &'static str, value: &str) -> Result<HeaderValue, OpenChannelError> {
    let mut value = HeaderValue::try_from(value).map_err(|_| bad(setting, "plain ASCII"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What is longer becomes an attachment.
const NTFY_TEXT: usize = 1_300;
const GOTIFY_TEXT: usize = 10_000;
/// A message has at most 4,096 characters.
const TELEGRAM_TEXT: usize = 3_500;
const TELEGRAM_HEADLINE: usize = 300;
