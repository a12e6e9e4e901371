//! `agent.json`: whom the agent trusts, where it listens, and how it gets out.

use std::net::IpAddr;

use portward_core::{DialAddress, Thumbprint, Timestamp};
use portward_link::{HttpProxy, Instance, SecretText, opening::TrustMark};
use serde::{Deserialize, Serialize};

/// Holds what operators and servers have set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Where it is dialled.
    pub listen: Listen,
    /// Through what it dials.
    pub proxy: Option<HttpProxy>,
    /// Whom it trusts.
    pub trusted: Vec<TrustedServer>,
}

/// Says where an agent listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Whether somebody chose; without a choice an agent listens as long as it dials nobody.
    pub chosen: Option<bool>,
    /// Where; on all addresses if none is given.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

/// Is a server that may call, and be called back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedServer {
    /// Tells it from the others while its pins change.
    pub id: String,
    /// The thumbprints that it may show; the one to expect is the first.
    pub pins: Vec<Thumbprint>,
    /// Which state of trust it has announced last.
    pub mark: TrustMark,
    /// Since when it is trusted.
    pub since: Timestamp,
    /// Where it is dialled; nowhere if it dials.
    pub addresses: Vec<DialAddress>,
    /// The next identity of this agent, if this server has taken it already.
    pub knows: Option<Thumbprint>,
}

/// Says why a text is no configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// It was written by a newer program.
    #[error("it is of version {0}, and this program knows version {VERSION}; update portward-agent")]
    Newer(u64),
    /// It cannot be read.
    #[error("{0}")]
    Damaged(String),
}

impl Default for Listen {
    fn default() -> Self {
        Self { chosen: None, address: None, port: PORT }
    }
}

impl TrustedServer {
    /// A server that somebody trusts by hand.
    pub fn new(pin: Thumbprint, now: Timestamp) -> Self {
        let id = Instance::new().to_string().chars().take(ID).collect();
        Self { id, pins: vec![pin], mark: TrustMark::default(), since: now, addresses: Vec::new(), knows: None }
    }

    /// The pin that is expected.
    pub fn expected(&self) -> Option<Thumbprint> {
        self.pins.first().copied()
    }
}

impl Configuration {
    /// Whether the agent listens.
    pub fn listens(&self) -> bool {
        self.listen.chosen.unwrap_or_else(|| self.trusted.iter().all(|server| server.addresses.is_empty()))
    }

    /// The server that has that pin.
    pub fn by_pin(&self, pin: Thumbprint) -> Option<&TrustedServer> {
        self.trusted.iter().find(|server| server.pins.contains(&pin))
    }

    /// The server that is called so in the file.
    pub fn by_id(&self, id: &str) -> Option<&TrustedServer> {
        self.trusted.iter().find(|server| server.id == id)
    }

    /// Trusts a pin; gives whether it was not trusted before.
    pub fn trust(&mut self, pin: Thumbprint, now: Timestamp) -> bool {
        let is_new = self.by_pin(pin).is_none();
        if is_new {
            self.trusted.push(TrustedServer::new(pin, now));
        }
        is_new
    }

    /// Trusts a pin no longer; gives whether it was trusted. A server without pins is none.
    pub fn distrust(&mut self, pin: Thumbprint) -> bool {
        let was_trusted = self.by_pin(pin).is_some();
        for server in &mut self.trusted {
            server.pins.retain(|one| *one != pin);
        }
        self.trusted.retain(|server| !server.pins.is_empty());
        was_trusted
    }

    /// Puts a pin in the place of another one; gives how many servers had it.
    pub fn replace_pin(&mut self, old: Thumbprint, new: Thumbprint) -> usize {
        let mut changed = 0;
        for server in self.trusted.iter_mut().filter(|server| server.pins.contains(&old)) {
            let mut pins: Vec<Thumbprint> = Vec::with_capacity(server.pins.len());
            for pin in server.pins.iter().map(|pin| if *pin == old { new } else { *pin }) {
                if !pins.contains(&pin) {
                    pins.push(pin);
                }
            }
            server.pins = pins;
            changed += 1;
        }
        changed
    }

    /// Reads the text of the file.
    pub fn parse(text: &str) -> Result<Self, ConfigurationError> {
        let damaged = |error: serde_json::Error| ConfigurationError::Damaged(format!("it cannot be read: {error}"));
        let Version { version } = serde_json::from_str(text).map_err(damaged)?;
        if version > VERSION {
            return Err(ConfigurationError::Newer(version));
        }
        let written: Written = serde_json::from_str(text).map_err(damaged)?;
        written.try_into()
    }

    /// The text of the file.
    pub fn write(&self) -> String {
        // Texts, numbers and lists of them can always be written.
        let mut text = serde_json::to_string_pretty(&Written::from(self)).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u64,
    listen: WrittenListen,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proxy: Option<WrittenProxy>,
    trusted: Vec<WrittenServer>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenListen {
    #[serde(default)]
    on: Option<bool>,
    #[serde(default)]
    address: Option<IpAddr>,
    port: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenProxy {
    address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<SecretText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenServer {
    id: String,
    pins: Vec<String>,
    mark: TrustMark,
    since: String,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    knows: Option<String>,
}

impl From<&Configuration> for Written {
    fn from(configuration: &Configuration) -> Self {
        let server = |server: &TrustedServer| WrittenServer {
            id: server.id.clone(),
            pins: server.pins.iter().map(ToString::to_string).collect(),
            mark: server.mark,
            since: server.since.to_string(),
            addresses: server.addresses.iter().map(ToString::to_string).collect(),
            knows: server.knows.map(|pin| pin.to_string()),
        };
        let Listen { chosen, address, port } = configuration.listen;
        Self {
            version: VERSION,
            listen: WrittenListen { on: chosen, address, port },
            proxy: configuration.proxy.as_ref().map(|proxy| WrittenProxy {
                address: proxy.address.to_string(),
                user: proxy.credentials.as_ref().map(|(user, _)| user.clone()),
                password: proxy.credentials.as_ref().map(|(_, password)| password.clone()),
            }),
            trusted: configuration.trusted.iter().map(server).collect(),
        }
    }
}

impl TryFrom<Written> for Configuration {
    type Error = ConfigurationError;

    fn try_from(written: Written) -> Result<Self, ConfigurationError> {
        fn bad(error: impl std::error::Error) -> ConfigurationError {
            ConfigurationError::Damaged(error.to_string())
        }
        let server = |server: WrittenServer| {
            let pins: Result<Vec<_>, _> = server.pins.iter().map(|pin| Thumbprint::parse(pin)).collect();
            let addresses: Result<Vec<_>, _> =
                server.addresses.iter().map(|address| DialAddress::parse(address, None)).collect();
            let pins = pins.map_err(bad)?;
            if pins.is_empty() {
                return Err(ConfigurationError::Damaged(format!("the server {} has no thumbprint", server.id)));
            }
            Ok(TrustedServer {
                id: server.id,
                pins,
                mark: server.mark,
                since: Timestamp::parse(&server.since).map_err(bad)?,
                addresses: addresses.map_err(bad)?,
                knows: server.knows.as_deref().map(Thumbprint::parse).transpose().map_err(bad)?,
            })
        };
        let proxy = |proxy: WrittenProxy| {
            let address = DialAddress::parse(&proxy.address, None).map_err(bad)?;
            let password = proxy.password.unwrap_or_else(|| SecretText::new(String::new()));
            Ok(HttpProxy { address, credentials: proxy.user.map(|user| (user, password)) })
        };
        let WrittenListen { on, address, port } = written.listen;
        Ok(Self {
            listen: Listen { chosen: on, address, port },
            proxy: written.proxy.map(proxy).transpose()?,
            trusted: written.trusted.into_iter().map(server).collect::<Result<_, _>>()?,
        })
    }
}

/// Octopus's Tentacles listen there, and so do the firewalls of their users.
pub(crate) const PORT: u16 = 10933;
/// Rises when an older program could not read the file any more.
const VERSION: u64 = 1;
const ID: usize = 12;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-26T12:00:00Z").unwrap()
    }

    #[test]
    fn a_configuration_is_read_as_it_was_written() {
        let mut configuration = Configuration::default();
        assert_eq!(Configuration::parse(&configuration.write()).unwrap(), configuration);
        configuration.trust(Thumbprint::of(b"a"), now());
        configuration.trusted[0].addresses = vec![DialAddress::parse("portward.example:443", None).unwrap()];
        configuration.trusted[0].mark = TrustMark { generation: 1, seq: 7 };
        configuration.trusted[0].knows = Some(Thumbprint::of(b"next"));
        configuration.listen = Listen { chosen: Some(false), address: Some([127, 0, 0, 1].into()), port: 0 };
        configuration.proxy = Some(HttpProxy {
            address: DialAddress::parse("proxy.example:3128", None).unwrap(),
            credentials: Some(("web".to_owned(), SecretText::new("secret".to_owned()))),
        });
        assert_eq!(Configuration::parse(&configuration.write()).unwrap(), configuration);
    }

    #[test]
    fn what_is_damaged_or_newer_is_not_taken_for_an_empty_one() {
        let whole = Configuration::default().write();
        for end in 0..whole.trim_end().len() {
            assert!(matches!(Configuration::parse(&whole[..end]), Err(ConfigurationError::Damaged(_))), "{end}");
        }
        let newer = r#"{"version": 9, "moods": []}"#;
        assert_eq!(Configuration::parse(newer), Err(ConfigurationError::Newer(9)));
        let pinless = r#"{"version":1,"listen":{"port":1},"trusted":[
            {"id":"a","pins":[],"mark":{"generation":0,"seq":0},"since":"2026-11-26T12:00:00Z"}]}"#;
        assert!(matches!(Configuration::parse(pinless), Err(ConfigurationError::Damaged(_))));
    }

    #[test]
    fn pins_come_go_and_take_the_place_of_others() {
        let (a, b, c) = (Thumbprint::of(b"a"), Thumbprint::of(b"b"), Thumbprint::of(b"c"));
        let mut configuration = Configuration::default();
        assert!(configuration.trust(a, now()) && !configuration.trust(a, now()) && configuration.trust(b, now()));
        assert_eq!(configuration.replace_pin(a, c), 1);
        assert_eq!(configuration.replace_pin(a, c), 0);
        assert!(configuration.by_pin(a).is_none() && configuration.by_pin(c).is_some());
        assert!(configuration.distrust(c) && !configuration.distrust(c));
        assert_eq!(configuration.trusted.len(), 1);
    }

    #[test]
    fn an_agent_listens_unless_it_dials_or_somebody_chose() {
        let mut configuration = Configuration::default();
        assert!(configuration.listens());
        configuration.trust(Thumbprint::of(b"a"), now());
        assert!(configuration.listens());
        configuration.trusted[0].addresses = vec![DialAddress::parse("portward.example:443", None).unwrap()];
        assert!(!configuration.listens());
        configuration.listen.chosen = Some(true);
        assert!(configuration.listens());
    }
}
