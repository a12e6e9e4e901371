//! JSON to a program, signed as [Standard Webhooks](https://www.standardwebhooks.com) says.
//!
//! `webhook-signature` has HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`, so that nobody else can send
//! such a message, nor send an old one again later.

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderName, HeaderValue};
use serde_json::json;

use super::{
    Message, OpenChannelError, SendError, Sender,
    settings::{Given, bad},
};
use crate::outgoing::{Address, Outgoing};

/// Posts to one URL.
pub(super) struct Webhook {
    address: Address,
    key: hmac::Key,
}

impl Webhook {
    pub(super) fn open(given: &Given) -> Result<Self, OpenChannelError> {
        let secret = given.text("secret");
        let bytes = match secret.strip_prefix("whsec_") {
            Some(encoded) => BASE64_STANDARD
                .decode(encoded)
                .map_err(|_| bad("secret", "whsec_ followed by base64; leave whsec_ out for a plain text"))?,
            None => secret.as_bytes().to_vec(),
        };
        if bytes.len() < SHORTEST_SECRET {
            return Err(bad("secret", format!("{SHORTEST_SECRET} bytes long or longer, so it could be guessed")));
        }
        Ok(Self { address: given.address("url")?, key: hmac::Key::new(hmac::HMAC_SHA256, &bytes) })
    }

    fn signature(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        format!("v1,{}", BASE64_STANDARD.encode(context.sign().as_ref()))
    }
}

#[async_trait]
impl Sender for Webhook {
    fn target(&self) -> String {
        self.address.place()
    }

    async fn send(&self, message: &Message) -> Result<String, SendError> {
        let body = body(message).to_string().into_bytes();
        let timestamp = message.at.unix().to_string();
        let signature = self.signature(&message.id, &timestamp, &body);
        let mut post = Outgoing::json(&self.address, body);
        for (name, value) in
            [("webhook-id", &message.id), ("webhook-timestamp", &timestamp), ("webhook-signature", &signature)]
        {
            let value = HeaderValue::try_from(value).map_err(|_| SendError::new("the message has no usable id"))?;
            post.headers.push((HeaderName::from_static(name), value));
        }
        post.send().await?.accepted()
    }
}

fn body(message: &Message) -> serde_json::Value {
    let items: Vec<serde_json::Value> = message
        .items
        .iter()
        .map(|item| {
            json!({
                "event": item.event,
                "severity": item.tone.as_str(),
                "subject": item.subject,
                "title": item.title,
                "message": item.message,
                "remedy": item.remedy,
                "url": item.url,
                "at": item.at.to_string(),
            })
        })
        .collect();
    json!({
        "type": if message.items.len() == 1 { "notice" } else { "digest" },
        "timestamp": message.at.to_string(),
        "data": {
            "id": message.id,
            "server": message.server,
            "severity": message.tone.as_str(),
            "title": message.title,
            "notices": items,
            "given_up": message.dropped,
        },
    })
}

/// Standard Webhooks asks for 24 bytes; half of that cannot be guessed either, if it is random.
const SHORTEST_SECRET: usize = 12;
