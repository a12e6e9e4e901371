//! The kinds of DNS providers, and how one is made of its settings.
//!
//! A kind is a word, a sentence and a list of settings, so that command line, API and documentation tell the same.
//! Hosted providers are spoken to by the crate dns-update; [`rfc2136`], [`exec`], [`httpreq`] and [`acme_dns`] are for
//! everything else.

use std::{collections::BTreeMap, fmt};

use zeroize::Zeroizing;

use super::TxtWriter;

mod acme_dns;
mod exec;
mod given;
mod hosted;
mod httpreq;
mod rfc2136;
mod said;

use given::{Given, NotOpened};
use hosted::Hosted;

/// Is a kind of DNS provider.
#[derive(Clone, Copy)]
pub struct ProviderKind {
    /// Its word, as in `cloudflare`.
    pub word: &'static str,
    /// What people call it, as in `Cloudflare`.
    pub name: &'static str,
    /// What there is to know about it, for people.
    pub sentence: &'static str,
    /// What it is to be told.
    pub settings: &'static [ProviderSetting],
    make: Make,
}

/// Is one setting of a kind of DNS provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderSetting {
    /// Its name, as in `api_token`.
    pub name: &'static str,
    /// Whether nobody may see it again.
    pub secret: bool,
    /// Whether it says where secrets are sent.
    pub leads: bool,
    /// Whether it must be given.
    pub need: Need,
    /// What it is, for people.
    pub sentence: &'static str,
}

/// Says whether a setting must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// Nothing takes its place if it is not given.
    Optional,
    /// This takes its place if it is not given.
    Default(&'static str),
}

/// Says why a DNS provider cannot be made of its settings. No value is in the texts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenProviderError {
    /// The kind is not one of [`kinds`].
    #[error("there is no DNS provider of the kind {kind}; the kinds are {known}")]
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
    #[error("the setting {setting} of {kind} is not {expected}")]
    BadSetting {
        /// The kind.
        kind: &'static str,
        /// The name.
        setting: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The settings do not go together.
    #[error("{kind} cannot be used with these settings: {why}")]
    Unusable {
        /// The kind.
        kind: &'static str,
        /// What is wrong with them.
        why: String,
    },
    /// Nobody could vouch for the provider's certificate.
    #[error(
        "{kind} is reached over HTTPS, and this machine trusts no authority: \
         install the package ca-certificates, or name a file with authorities in SSL_CERT_FILE"
    )]
    NoAuthorities {
        /// The kind.
        kind: &'static str,
    },
}

/// Says how a kind is made.
#[derive(Clone, Copy)]
enum Make {
    /// By dns-update.
    Hosted(Hosted),
    /// By us.
    Own(fn(&Given) -> Result<Box<dyn TxtWriter>, NotOpened>),
}

/// All kinds: first those that work with every DNS server, then the hosted ones in the order of their words.
pub fn kinds() -> &'static [ProviderKind] {
    &KINDS
}

/// Makes a DNS provider of its kind and settings. Nothing is asked of anybody yet.
pub fn open(
    kind: &str,
    settings: &BTreeMap<String, Zeroizing<String>>,
) -> Result<Box<dyn TxtWriter>, OpenProviderError> {
    let found = KINDS.iter().find(|known| known.word == kind);
    let Some(kind) = found else {
        let known = list(KINDS.iter().map(|kind| kind.word));
        return Err(OpenProviderError::UnknownKind { kind: kind.to_owned(), known });
    };
    let given = given::check(kind, settings)?;
    if kind.needs_authorities() && rustls_native_certs::load_native_certs().certs.is_empty() {
        return Err(OpenProviderError::NoAuthorities { kind: kind.word });
    }
    let made = match kind.make {
        Make::Hosted(hosted) => hosted.open(kind, &given),
        Make::Own(make) => make(&given),
    };
    made.map_err(|why| why.of(kind, &given))
}

/// The program that is run by a DNS provider of that kind with these settings; none if it runs none.
pub fn program<'a>(kind: &str, settings: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let setting = if kind == exec::KIND.word { settings.get(exec::PROGRAM)? } else { return None };
    Some(setting.trim())
}

fn list(words: impl Iterator<Item = &'static str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

impl ProviderKind {
    /// All its settings, listed for people.
    fn known_settings(&self) -> String {
        match self.settings {
            [] => "none".to_owned(),
            settings => list(settings.iter().map(|setting| setting.name)),
        }
    }

    /// The HTTP client of dns-update reads the machine's authorities when it is made, and cannot be made without.
    fn needs_authorities(&self) -> bool {
        !matches!(self.word, "rfc2136" | "exec")
    }
}

impl fmt::Debug for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderKind").field("word", &self.word).finish_non_exhaustive()
    }
}

/// Settings as the catalogue writes them down.
impl ProviderSetting {
    const fn secret(name: &'static str, sentence: &'static str) -> Self {
        Self { name, secret: true, leads: false, need: Need::Required, sentence }
    }

    const fn plain(name: &'static str, sentence: &'static str) -> Self {
        Self { name, secret: false, leads: false, need: Need::Required, sentence }
    }

    const fn optional(name: &'static str, sentence: &'static str) -> Self {
        Self { name, secret: false, leads: false, need: Need::Optional, sentence }
    }

    const fn optional_secret(name: &'static str, sentence: &'static str) -> Self {
        Self { name, secret: true, leads: false, need: Need::Optional, sentence }
    }

    const fn or(name: &'static str, default: &'static str, sentence: &'static str) -> Self {
        Self { name, secret: false, leads: false, need: Need::Default(default), sentence }
    }

    /// The same, where secrets are sent by it.
    const fn leads(self) -> Self {
        Self { leads: true, ..self }
    }
}

static KINDS: [ProviderKind; OWN.len() + hosted::KINDS.len()] = {
    let mut all = [OWN[0]; OWN.len() + hosted::KINDS.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < OWN.len() { OWN[at] } else { hosted::KINDS[at - OWN.len()] };
        at += 1;
    }
    all
};

const OWN: [ProviderKind; 4] = [rfc2136::KIND, exec::KIND, httpreq::KIND, acme_dns::KIND];

#[cfg(test)]
mod tests;
