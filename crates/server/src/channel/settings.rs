//! The settings that were given, checked against those of the kind.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{ChannelKind, Choice, Need};
use crate::outgoing::Address;

/// Says why a channel cannot be made of its settings. No value is in the texts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenChannelError {
    /// The kind is not one of [`kinds`](super::kinds).
    #[error("there is no channel of the kind {kind}; the kinds are {known}")]
    UnknownKind {
        /// What was asked for.
        kind: String,
        /// All words.
        known: String,
    },
    /// The kind has no such setting.
    #[error("{kind} has no setting {setting}; its settings are {known}")]
    UnknownSetting {
        /// The kind.
        kind: &'static str,
        /// What was given.
        setting: String,
        /// All names.
        known: String,
    },
    /// A setting is not given, or empty.
    #[error("{kind} needs the setting {setting}: {sentence} Its settings are {known}")]
    MissingSetting {
        /// The kind.
        kind: &'static str,
        /// The name.
        setting: &'static str,
        /// What it is.
        sentence: &'static str,
        /// All names.
        known: String,
    },
    /// A setting is not what it must be.
    #[error("the setting {setting} is not {expected}")]
    BadSetting {
        /// The name.
        setting: &'static str,
        /// What it must be.
        expected: String,
    },
}

/// Holds the settings of one channel, defaults included; all that must be given are there.
pub(super) struct Given {
    values: BTreeMap<&'static str, Zeroizing<String>>,
    secret_names: Vec<&'static str>,
}

impl Given {
    /// Checks that all settings are known, and none is missing.
    pub(super) fn check(
        kind: &'static ChannelKind,
        settings: &BTreeMap<String, Zeroizing<String>>,
    ) -> Result<Self, OpenChannelError> {
        if let Some(setting) = settings.keys().find(|name| kind.settings.iter().all(|known| known.name != **name)) {
            return Err(OpenChannelError::UnknownSetting {
                kind: kind.word,
                setting: setting.clone(),
                known: kind.known_settings(),
            });
        }
        let mut values = BTreeMap::new();
        for setting in kind.settings {
            // What is pasted often has a line break at its end, and no setting may begin or end with a space.
            let value = settings.get(setting.name).map(|value| value.trim()).filter(|value| !value.is_empty());
            let value = match (value, setting.need) {
                (Some(value), _) => value,
                (None, Need::Default(value)) => value,
                (None, Need::Optional) => continue,
                (None, Need::Required) => {
                    return Err(OpenChannelError::MissingSetting {
                        kind: kind.word,
                        setting: setting.name,
                        sentence: setting.sentence,
                        known: kind.known_settings(),
                    });
                }
            };
            let expected = match setting.choice {
                Choice::Of(words) if !words.contains(&value) => Some(format!("one of {}", words.join(", "))),
                Choice::Line if value.contains(['\r', '\n']) => Some("one line".to_owned()),
                _ => None,
            };
            if let Some(expected) = expected {
                return Err(OpenChannelError::BadSetting { setting: setting.name, expected });
            }
            values.insert(setting.name, Zeroizing::new(value.to_owned()));
        }
        let secret_names = kind.settings.iter().filter(|setting| setting.secret).map(|setting| setting.name).collect();
        Ok(Self { values, secret_names })
    }

    /// A setting that must be given, or has a default.
    pub(super) fn text(&self, name: &str) -> &str {
        self.option(name).unwrap_or_default()
    }

    /// A setting that may be given.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.as_str())
    }

    /// A setting that is a URL, with who vouches for it and whether it may be plain.
    pub(super) fn address(&self, name: &'static str) -> Result<Address, OpenChannelError> {
        Address::parse(self.text(name), self.text("plain_http") == "private", self.option("authority"))
            .map_err(|(setting, expected)| bad(setting.unwrap_or(name), expected))
    }

    /// All that must not be in texts, the longest first; words so short that they are everywhere are no secrets.
    pub(super) fn secrets(&self) -> Vec<Zeroizing<String>> {
        let mut secrets: Vec<Zeroizing<String>> =
            self.secret_names.iter().filter_map(|name| self.values.get(name)).cloned().collect();
        secrets.retain(|secret| secret.len() > 3);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }
}

/// A setting that is not what it must be.
pub(super) fn bad(setting: &'static str, expected: impl Into<String>) -> OpenChannelError {
    OpenChannelError::BadSetting { setting, expected: expected.into() }
}
