//! The settings of what comes in kinds, DNS providers and channels: some that everybody may see, and some that nobody may.
//!
//! A secret is given for a place. Where another place is named, it is not sent there unless it is given again: else
//! whoever may change the settings could have it sent to themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use portward_certs::dns::{self, ProviderSetting};
use portward_store::{
    desired::{
        OpenChannelSecretsError, OpenDnsSecretsError, StoredChannel, StoredDnsProvider, open_channel_secrets,
        open_dns_secrets,
    },
    sealing::Sealer,
};
use zeroize::Zeroizing;

use crate::channel::{self, ChannelSetting};

/// Values by the names of their settings; none of them is shown.
pub(crate) type Values = BTreeMap<String, Zeroizing<String>>;

/// Is what a kind says of one of its settings.
#[derive(Clone, Copy)]
pub(crate) struct KnownSetting {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether nobody may see it again.
    pub(crate) is_secret: bool,
    /// Whether it must be given.
    pub(crate) is_required: bool,
    leads: bool,
    default: Option<&'static str>,
    sentence: &'static str,
}

/// Holds the settings of one thing of a kind, the secret ones apart.
#[derive(Clone)]
pub(crate) struct KindSettings {
    kind: String,
    known: Vec<KnownSetting>,
    /// What everybody may see.
    pub(crate) plain: BTreeMap<String, String>,
    /// What nobody may see.
    pub(crate) secret: Values,
}

/// Says that a secret would be sent elsewhere than it was given for.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    /// What is another one than before.
    pub(crate) moved: &'static str,
    /// What is to be given again.
    pub(crate) secret: String,
}

impl KnownSetting {
    /// What it is, for people.
    pub(crate) fn about(&self) -> String {
        match self.default {
            Some(value) => format!("{} Without it: {value}.", self.sentence),
            None => self.sentence.to_owned(),
        }
    }
}

impl KindSettings {
    /// Takes the settings of a DNS provider apart.
    pub(crate) fn of_dns_provider(kind: &str, all: Values) -> Self {
        let known = dns::kinds().iter().find(|known| known.word == kind).map(|kind| kind.settings).unwrap_or_default();
        Self::split(kind, known.iter().map(KnownSetting::from).collect(), all)
    }

    /// Takes the settings of a channel apart.
    pub(crate) fn of_channel(kind: &str, all: Values) -> Self {
        let known = channel::find(kind).map(|kind| kind.settings).unwrap_or_default();
        Self::split(kind, known.iter().map(KnownSetting::from).collect(), all)
    }

    /// Opens the settings of a DNS provider.
    pub(crate) fn open_dns_provider(sealer: &Sealer, stored: &StoredDnsProvider) -> Result<Self, OpenDnsSecretsError> {
        let secret = open_dns_secrets(sealer, stored)?;
        Ok(Self { plain: stored.settings.clone(), secret, ..Self::of_dns_provider(&stored.kind, Values::new()) })
    }

    /// Opens the settings of a channel.
    pub(crate) fn open_channel(sealer: &Sealer, stored: &StoredChannel) -> Result<Self, OpenChannelSecretsError> {
        let secret = open_channel_secrets(sealer, stored)?;
        Ok(Self { plain: stored.settings.clone(), secret, ..Self::of_channel(&stored.kind, Values::new()) })
    }

    fn split(kind: &str, known: Vec<KnownSetting>, all: Values) -> Self {
        let is_secret = |name: &str| known.iter().any(|known| known.name == name && known.is_secret);
        let (secret, plain): (Values, Values) = all.into_iter().partition(|(name, _)| is_secret(name));
        let plain = plain.into_iter().map(|(name, value)| (name, value.as_str().to_owned())).collect();
        Self { kind: kind.to_owned(), known, plain, secret }
    }

    /// All of them, as their kind is opened with.
    pub(crate) fn all(&self) -> Values {
        let plain = self.plain.iter().map(|(name, value)| (name.clone(), Zeroizing::new(value.clone())));
        plain.chain(self.secret.clone()).collect()
    }

    /// The names of what nobody may see.
    pub(crate) fn secret_names(&self) -> Vec<String> {
        self.secret.keys().cloned().collect()
    }

    /// Whether nobody may see a setting of that name.
    pub(crate) fn is_secret(&self, name: &str) -> bool {
        self.known.iter().any(|known| known.name == name && known.is_secret)
    }

    /// What would be sent elsewhere than it was given for, of all that was not given again with these settings.
    pub(crate) fn elsewhere(&self, before: &Self, given: &BTreeSet<&str>) -> Option<Elsewhere> {
        let kept = |name: &&String| !given.contains(name.as_str()) && before.secret.contains_key(name.as_str());
        let secret = self.secret.keys().find(kept)?.clone();
        if self.kind != before.kind {
            return Some(Elsewhere { moved: "kind", secret });
        }
        let leading = self.known.iter().filter(|known| known.leads);
        let moved = leading.into_iter().find(|known| self.value(known) != before.value(known))?;
        Some(Elsewhere { moved: moved.name, secret })
    }

    /// What is in effect, whoever wrote it down: forms have other line ends than files, and send defaults too.
    fn value(&self, known: &KnownSetting) -> Zeroizing<String> {
        let plain = self.plain.get(known.name).map(String::as_str);
        let given = plain.or_else(|| self.secret.get(known.name).map(|value| value.as_str()));
        let given = given.map(str::trim).filter(|text| !text.is_empty());
        let lines: Vec<&str> = given.or(known.default).unwrap_or_default().lines().map(str::trim_end).collect();
        Zeroizing::new(lines.join("\n"))
    }
}

/// The settings as everybody may see them: of a secret the name alone.
pub(crate) fn shown(plain: &BTreeMap<String, String>, secret_names: &[String]) -> BTreeMap<String, Option<String>> {
    let plain = plain.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    plain.chain(secret_names.iter().map(|name| (name.clone(), None))).collect()
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { moved, secret } = self;
        write!(
            f,
            "{moved} is another one, and the {secret} that is stored was given for the one before; give {secret} again"
        )
    }
}

impl From<&ProviderSetting> for KnownSetting {
    fn from(setting: &ProviderSetting) -> Self {
        Self {
            name: setting.name,
            is_secret: setting.secret,
            is_required: setting.need == dns::Need::Required,
            leads: setting.leads,
            default: match setting.need {
                dns::Need::Default(value) => Some(value),
                dns::Need::Required | dns::Need::Optional => None,
            },
            sentence: setting.sentence,
        }
    }
}

impl From<&ChannelSetting> for KnownSetting {
    fn from(setting: &ChannelSetting) -> Self {
        Self {
            name: setting.name,
            is_secret: setting.secret,
            is_required: setting.need == channel::Need::Required,
            leads: setting.leads,
            default: match setting.need {
                channel::Need::Default(value) => Some(value),
                channel::Need::Required | channel::Need::Optional => None,
            },
            sentence: setting.sentence,
        }
    }
}

#[cfg(test)]
mod tests;
