//! Webhooks of chats: Slack, Discord, Microsoft Teams.

use async_trait::async_trait;
use portward_core::Tone;
use serde_json::{Value, json};

use super::{Message, OpenChannelError, SendError, Sender, settings::Given};
use crate::outgoing::{Address, Outgoing, shortened};

/// Posts to the webhook of a chat.
pub(super) struct Chat {
    form: Form,
    address: Address,
}

/// Names whose JSON it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Blocks: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.
    Slack,
    /// Embeds: <https://discord.com/developers/docs/resources/webhook#execute-webhook>.
    Discord,
    /// An adaptive card, as "When a Teams webhook request is received" takes it.
    Teams,
}

impl Chat {
    pub(super) fn open(form: Form, given: &Given) -> Result<Self, OpenChannelError> {
        Ok(Self { form, address: given.address("url")? })
    }
}

#[async_trait]
impl Sender for Chat {
    fn target(&self) -> String {
        self.address.place()
    }

    async fn send(&self, message: &Message) -> Result<String, SendError> {
        let body = match self.form {
            Form::Slack => slack(message),
            Form::Discord => discord(message),
            Form::Teams => teams(message),
        };
        Outgoing::json(&self.address, body.to_string().into_bytes()).send().await?.accepted()
    }
}

fn slack(message: &Message) -> Value {
    let text = message.text(SLACK_TEXT).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({
        // What is shown where there are no blocks, as in a push message.
        "text": message.headline(),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": shortened(&message.title, SLACK_HEADER)}},
            {"type": "section", "text": {"type": "mrkdwn", "text": format!("{} {text}", mark(message.tone))}},
            {"type": "context", "elements": [{"type": "plain_text", "text": shortened(&message.server, SLACK_HEADER)}]},
        ],
    })
}

fn discord(message: &Message) -> Value {
    let mut embed = json!({
        "title": shortened(&message.title, DISCORD_TITLE),
        "description": message.text(DISCORD_TEXT),
        "color": colour(message.tone),
        "timestamp": message.at.to_string(),
        "footer": {"text": shortened(&message.server, DISCORD_TITLE)},
    });
    if let (Some(url), Some(embed)) = (&message.url, embed.as_object_mut()) {
        embed.insert("url".to_owned(), url.clone().into());
    }
    // Nobody is called by what a name or an error has in it.
    json!({"embeds": [embed], "allowed_mentions": {"parse": []}})
}

fn teams(message: &Message) -> Value {
    let style = match message.tone {
        Tone::Bad => "attention",
        Tone::Warning => "warning",
        Tone::Good => "good",
        Tone::Neutral => "default",
    };
    let paragraphs = message.text(TEAMS_TEXT);
    let paragraphs = paragraphs.split("\n\n").map(|text| json!({"type": "TextBlock", "text": text, "wrap": true}));
    let mut body = vec![
        json!({"type": "TextBlock", "text": message.title, "weight": "bolder", "size": "medium", "color": style, "wrap": true}),
    ];
    body.extend(paragraphs);
    body.push(json!({"type": "TextBlock", "text": message.server, "isSubtle": true, "size": "small", "wrap": true}));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    });
    if let (Some(url), Some(card)) = (&message.url, card.as_object_mut()) {
        card.insert("actions".to_owned(), json!([{"type": "Action.OpenUrl", "title": "Open the portal", "url": url}]));
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

fn mark(tone: Tone) -> &'static str {
    match tone {
        Tone::Bad => ":octagonal_sign:",
        Tone::Warning => ":warning:",
        Tone::Good => ":white_check_mark:",
        Tone::Neutral => ":information_source:",
    }
}

/// The status colours of the portal.
fn colour(tone: Tone) -> u32 {
    match tone {
        Tone::Bad => 0x00c6_2828,
        Tone::Warning => 0x00b2_6a00,
        Tone::Good => 0x002e_7d32,
        Tone::Neutral => 0x0045_6990,
    }
}

/// A section has at most 3,000 characters; some become several when they are escaped.
const SLACK_TEXT: usize = 2_500;
/// A header has at most 150 characters.
const SLACK_HEADER: usize = 150;
/// Limits of an embed.
const DISCORD_TITLE: usize = 256;
const DISCORD_TEXT: usize = 4_000;
/// A message has at most 28 KB.
const TEAMS_TEXT: usize = 10_000;
