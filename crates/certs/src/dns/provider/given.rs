//! The settings that were given, checked against those of the kind.

use std::collections::BTreeMap;

use dns_update::Error;
use zeroize::Zeroizing;

use super::{Need, OpenProviderError, ProviderKind, said::Secrets};

/// Holds the settings of one provider, defaults included; all that must be given are there.
pub(super) struct Given {
    values: BTreeMap<&'static str, Zeroizing<String>>,
    /// What must not be in texts.
    pub(super) secrets: Secrets,
}

/// Says why a provider cannot be made of settings that are all there.
pub(super) enum NotOpened {
    /// A setting is not what it must be.
    Setting { name: &'static str, expected: &'static str },
    /// dns-update refuses them.
    Updater(Error),
}

impl Given {
    /// A setting that must be given, or has a default.
    pub(super) fn text(&self, name: &str) -> &str {
        self.option(name).unwrap_or_default()
    }

    /// A setting that may be given.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.as_str())
    }

    /// The same, owned.
    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.option(name).map(str::to_owned)
    }

    /// A setting that is the URL of an HTTP server; without a slash at its end.
    pub(super) fn url(&self, name: &'static str) -> Result<&str, NotOpened> {
        let text = self.text(name);
        let uri = text.parse::<http::Uri>().ok().filter(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
                && uri.query().is_none()
        });
        match uri {
            Some(_) => Ok(text.trim_end_matches('/')),
            None => Err(NotOpened::Setting {
                name,
                expected: "a URL like https://dns.example/path, without user and query",
            }),
        }
    }
}

/// Checks that all settings are known, and none is missing.
pub(super) fn check(
    kind: &ProviderKind,
    settings: &BTreeMap<String, Zeroizing<String>>,
) -> Result<Given, OpenProviderError> {
    if let Some(setting) = settings.keys().find(|name| kind.settings.iter().all(|known| known.name != name.as_str())) {
        return Err(OpenProviderError::UnknownSetting {
            kind: kind.word,
            setting: setting.clone(),
            known: kind.known_settings(),
        });
    }
    let mut values = BTreeMap::new();
    let mut secrets = Vec::new();
    for setting in kind.settings {
        // What is pasted often has a line break at its end, and no setting may begin or end with a space.
        let value = settings.get(setting.name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let value = match (value, setting.need) {
            (Some(value), _) => value,
            (None, Need::Default(value)) => value,
            (None, Need::Optional) => continue,
            (None, Need::Required) => {
                return Err(OpenProviderError::MissingSetting {
                    kind: kind.word,
                    setting: setting.name,
                    sentence: setting.sentence,
                    known: kind.known_settings(),
                });
            }
        };
        let value = Zeroizing::new(value.to_owned());
        if setting.secret {
            secrets.push(value.clone());
        }
        values.insert(setting.name, value);
    }
    Ok(Given { values, secrets: Secrets::new(secrets) })
}

impl NotOpened {
    pub(super) fn of(self, kind: &ProviderKind, given: &Given) -> OpenProviderError {
        match self {
            Self::Setting { name, expected } => {
                OpenProviderError::BadSetting { kind: kind.word, setting: name, expected }
            }
            Self::Updater(error) => {
                OpenProviderError::Unusable { kind: kind.word, why: given.secrets.hide(&super::said::words(&error)) }
            }
        }
    }
}

impl From<Error> for NotOpened {
    fn from(error: Error) -> Self {
        Self::Updater(error)
    }
}
