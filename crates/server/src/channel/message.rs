//! What is sent: one notice, or a digest of several, in words that every kind of channel can show.

use portward_core::{Timestamp, Tone};
use portward_store::work::QueuedNotice;

use crate::outgoing::shortened;

/// Is a message about one notice or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Names the message: the same one each time that it is tried.
    pub(crate) id: String,
    /// What this server is called.
    pub(crate) server: String,
    /// When it is sent.
    pub(crate) at: Timestamp,
    /// The worst of its items.
    pub(crate) tone: Tone,
    /// One line.
    pub(crate) title: String,
    /// What it tells of; at least one.
    pub(crate) items: Vec<Item>,
    /// How many notices before it were given up.
    pub(crate) dropped: u32,
    /// The page of the portal to begin with.
    pub(crate) url: Option<String>,
}

/// Is one notice of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// The stable word for programs.
    pub(crate) event: String,
    /// How it is meant.
    pub(crate) tone: Tone,
    /// Which thing.
    pub(crate) subject: String,
    /// One line.
    pub(crate) title: String,
    /// What is, and why.
    pub(crate) message: String,
    /// What to do; empty if nothing is to be done.
    pub(crate) remedy: String,
    /// The page of the portal about it.
    pub(crate) url: Option<String>,
    /// When it was.
    pub(crate) at: Timestamp,
}

impl Message {
    /// Makes a message of notices that waited; none if there is none. `portal` is the URL of the portal, if it is known.
    pub(crate) fn of(
        notices: &[QueuedNotice],
        dropped: u32,
        server: &str,
        portal: Option<&str>,
        at: Timestamp,
    ) -> Option<Self> {
        let url = |path: &str| portal.map(|portal| format!("{}{path}", portal.trim_end_matches('/')));
        let items: Vec<Item> = notices
            .iter()
            .map(|notice| Item {
                event: notice.kind.to_string(),
                tone: notice.tone,
                subject: notice.subject.clone(),
                title: notice.title.clone(),
                message: notice.message.clone(),
                remedy: notice.remedy.clone(),
                url: notice.path.as_deref().and_then(url),
                at: notice.at,
            })
            .collect();
        let (first, last) = (notices.first()?, notices.last()?);
        let title = match notices.len() {
            1 => first.title.clone(),
            count => format!("{count} notices"),
        };
        // Of a digest the newest notice says which one it is: with others it is another message.
        let id = if notices.len() == 1 { first.id.clone() } else { format!("{}-{}", last.id, notices.len()) };
        let tone = items.iter().map(|item| item.tone).min().unwrap_or(Tone::Neutral);
        let page = if notices.len() == 1 { items.first().and_then(|item| item.url.clone()) } else { url("/problems") };
        Some(Self { id, server: server.to_owned(), at, tone, title, items, dropped, url: page })
    }

    /// Makes the message that a test sends.
    pub(crate) fn test(id: String, channel: &str, server: &str, at: Timestamp) -> Self {
        let item = Item {
            event: "test".to_owned(),
            tone: Tone::Good,
            subject: format!("channel {channel}"),
            title: "Notifications reach you here".to_owned(),
            message: format!("This is a test of the channel {channel}, which somebody asked for."),
            remedy: String::new(),
            url: None,
            at,
        };
        Self {
            id,
            server: server.to_owned(),
            at,
            tone: item.tone,
            title: item.title.clone(),
            items: vec![item],
            dropped: 0,
            url: None,
        }
    }

    /// The title with the server that it is about, for where titles of several servers come together.
    pub(crate) fn headline(&self) -> String {
        format!("{}: {}", self.server, self.title)
    }

    /// All of it as plain text of at most that many characters; what does not fit is counted.
    pub(crate) fn text(&self, limit: usize) -> String {
        let mut text = match self.items.as_slice() {
            [item] => single(item),
            items => digest(items, limit.saturating_sub(RESERVED)),
        };
        if self.dropped > 0 {
            text.push_str(&format!(
                "\n\nBefore this, {} could not be delivered in time and {} given up.",
                counted(self.dropped),
                if self.dropped == 1 { "was" } else { "were" },
            ));
        }
        if let Some(url) = &self.url {
            text.push_str("\n\n");
            text.push_str(url);
        }
        shortened(&text, limit)
    }
}

fn single(item: &Item) -> String {
    match item.remedy.as_str() {
        "" => item.message.clone(),
        remedy => format!("{}\n\nWhat to do: {remedy}", item.message),
    }
}

fn digest(items: &[Item], limit: usize) -> String {
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        let line = format!("- {}. {} {}", item.title.trim_end_matches('.'), item.message, item.remedy);
        let line = line.trim_end();
        if index > 0 && text.chars().count() + line.chars().count() > limit {
            text.push_str(&format!("- and {} more", items.len() - index));
            return text;
        }
        text.push_str(line);
        text.push('\n');
    }
    text.trim_end().to_owned()
}

fn counted(count: u32) -> String {
    if count == 1 { "1 notice".to_owned() } else { format!("{count} notices") }
}

/// Room for what stands below a digest.
const RESERVED: usize = 300;
