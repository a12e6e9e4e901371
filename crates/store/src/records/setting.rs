//! The records of what applies to the whole server.

use std::time::Duration;

use portward_core::{AgentSettings, CertificateId, ForceHttps, Network, WarningPolicy};
use serde::{Deserialize, Serialize};

use super::{Record, RecordError, text};

/// Is `settings/force-https`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForceHttpsRecord {
    v: u32,
    mode: String,
}

/// Is `settings/letsencrypt`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LetsEncryptRecord {
    v: u32,
    #[serde(with = "text")]
    pub(crate) certificate: CertificateId,
}

/// Is `settings/warning`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WarningRecord {
    v: u32,
    before_end_seconds: u64,
}

/// Is `settings/trusted-proxies`; it is not there while nobody is trusted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustedProxiesRecord {
    v: u32,
    networks: Vec<String>,
}

/// Is `settings/agents`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentSettingsRecord {
    v: u32,
    /// 0 for never, as in the next one.
    identity_age_seconds: u64,
    server_identity_age_seconds: u64,
    check_every_seconds: u64,
}

impl Record for ForceHttpsRecord {
    const VERSION: u32 = 1;
}

impl Record for LetsEncryptRecord {
    const VERSION: u32 = 1;
}

impl LetsEncryptRecord {
    /// Makes the record.
    pub(crate) fn new(certificate: CertificateId) -> Self {
        Self { v: Self::VERSION, certificate }
    }
}

impl Record for WarningRecord {
    const VERSION: u32 = 1;
}

impl From<ForceHttps> for ForceHttpsRecord {
    fn from(mode: ForceHttps) -> Self {
        Self { v: Self::VERSION, mode: mode.as_str().to_owned() }
    }
}

impl TryFrom<ForceHttpsRecord> for ForceHttps {
    type Error = RecordError;

    fn try_from(record: ForceHttpsRecord) -> Result<Self, RecordError> {
        Self::parse(&record.mode).ok_or_else(|| RecordError::invalid("mode", record.mode))
    }
}

impl Record for AgentSettingsRecord {
    const VERSION: u32 = 1;
}

impl From<AgentSettings> for AgentSettingsRecord {
    fn from(settings: AgentSettings) -> Self {
        let AgentSettings { identity_age, server_identity_age, check_every } = settings;
        let seconds = |age: Option<Duration>| age.map_or(0, |age| age.as_secs());
        Self {
            v: Self::VERSION,
            identity_age_seconds: seconds(identity_age),
            server_identity_age_seconds: seconds(server_identity_age),
            check_every_seconds: check_every.as_secs(),
        }
    }
}

impl From<AgentSettingsRecord> for AgentSettings {
    fn from(record: AgentSettingsRecord) -> Self {
        let age = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
        Self {
            identity_age: age(record.identity_age_seconds),
            server_identity_age: age(record.server_identity_age_seconds),
            check_every: Duration::from_secs(record.check_every_seconds),
        }
    }
}

impl Record for TrustedProxiesRecord {
    const VERSION: u32 = 1;
}

impl TrustedProxiesRecord {
    /// Makes the record.
    pub(crate) fn new(networks: &[Network]) -> Self {
        Self { v: Self::VERSION, networks: networks.iter().map(ToString::to_string).collect() }
    }

    /// The networks.
    pub(crate) fn networks(&self) -> Result<Vec<Network>, RecordError> {
        let networks = self.networks.iter().map(|text| Network::parse(text)).collect::<Result<_, _>>();
        networks.map_err(|error| RecordError::invalid("networks", error))
    }
}

impl From<WarningPolicy> for WarningRecord {
    fn from(policy: WarningPolicy) -> Self {
        Self { v: Self::VERSION, before_end_seconds: policy.before_end.as_secs() }
    }
}

impl From<WarningRecord> for WarningPolicy {
    fn from(record: WarningRecord) -> Self {
        Self { before_end: Duration::from_secs(record.before_end_seconds) }
    }
}
