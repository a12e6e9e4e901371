//! What an operator is told unasked: events, each once.
//!
//! The log has all of them; [`Notices`] has those that are wanted wait for the channels that they are sent on.

mod board;
mod notices;

use std::fmt;

use portward_api::{NoticeEvent, Severity};
use portward_core::{NoticeKind, Timestamp, Tone, VersionNumber};
use portward_store::work::{self, QueuedNotice};

#[cfg(test)]
pub(crate) use board::Deliveries;
pub(crate) use board::{ChannelBoard, Standing};
pub(crate) use notices::Notices;

use crate::problem::Subject;

/// Tells of something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What happened.
    pub(crate) kind: NoticeKind,
    /// How it is meant.
    pub(crate) tone: Tone,
    /// Which thing it is about.
    pub(crate) subject: About,
    /// Which version of it, if it is a certificate.
    pub(crate) version: Option<VersionNumber>,
    /// When it was.
    pub(crate) at: Timestamp,
    /// One line, for people.
    pub(crate) title: String,
    /// What is going on, for people.
    pub(crate) message: String,
    /// What to do; empty if nothing is to be done.
    pub(crate) remedy: String,
}

/// Names what a notice is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A thing that is configured.
    Thing(Subject),
    /// A user, by name.
    User(String),
    /// A thing of which only its name is known, as it was told of before a restart.
    Told(String),
    /// Whom Portward trusts.
    Trust,
}

impl Notice {
    /// What listeners hear of it.
    pub(crate) fn event(&self) -> NoticeEvent {
        NoticeEvent {
            kind: self.kind.as_str().to_owned(),
            severity: self.tone.to_string(),
            about: self.subject.to_string(),
            message: self.message.clone(),
            remedy: self.remedy.clone(),
        }
    }

    /// Writes it to the log.
    pub(crate) fn log(&self) {
        // The macro needs a level that is known when it is compiled.
        match self.tone {
            Tone::Bad => {
                tracing::error!(notice.kind = self.kind.as_str(), notice.subject = %self.subject, "{self}");
            }
            Tone::Warning => {
                tracing::warn!(notice.kind = self.kind.as_str(), notice.subject = %self.subject, "{self}");
            }
            Tone::Neutral | Tone::Good => {
                tracing::info!(notice.kind = self.kind.as_str(), notice.subject = %self.subject, "{self}");
            }
        }
    }

    /// The form in which it waits to be sent.
    pub(crate) fn queued(&self) -> QueuedNotice {
        QueuedNotice {
            id: work::new_notice_id(self.at),
            kind: self.kind,
            tone: self.tone,
            subject: self.subject.to_string(),
            title: self.title.clone(),
            message: sentence(&self.message),
            remedy: sentence(&self.remedy),
            path: self.subject.path(),
            at: self.at,
        }
    }
}

impl About {
    /// The page of the portal about it.
    fn path(&self) -> Option<String> {
        match self {
            Self::Thing(Subject::Binding(_)) => Some("/bindings".to_owned()),
            Self::Thing(Subject::Site(id)) => Some(format!("/sites/{id}")),
            Self::Thing(Subject::Certificate(id)) => Some(format!("/certificates/{id}")),
            Self::Thing(Subject::Channel(_)) => Some("/notifications".to_owned()),
            Self::Thing(Subject::Agent(_) | Subject::Agents | Subject::Delivery(_)) => Some("/agents".to_owned()),
            Self::Thing(Subject::Record(_) | Subject::Store) => Some("/problems".to_owned()),
            Self::Told(_) => Some("/problems".to_owned()),
            Self::User(_) => Some("/users".to_owned()),
            Self::Trust => Some("/audit".to_owned()),
        }
    }
}

/// All of it for people: what is going on, then what to do.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.remedy.is_empty() {
            return f.write_str(&self.message);
        }
        let between = if self.message.ends_with('.') { " " } else { "; " };
        write!(f, "{}{between}{}", self.message, self.remedy)
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thing(subject) => subject.fmt(f),
            Self::Told(name) => f.write_str(name),
            Self::User(name) => write!(f, "user {name}"),
            Self::Trust => f.write_str("trust"),
        }
    }
}

/// How a notice of that severity is meant.
pub(crate) fn tone_of(severity: Severity) -> Tone {
    match severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Warning,
    }
}

/// A text as a sentence: the first letter large, a full stop at its end; commands at its end stay as they are.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut sentence: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    sentence.push_str(letters.as_str());
    let ends_with_command = sentence.rsplit_once(": portward ").is_some();
    if !sentence.is_empty() && !ends_with_command && !sentence.ends_with(['.', '?', '!', ':']) {
        sentence.push('.');
    }
    sentence
}
