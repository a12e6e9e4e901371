//! Who writes TXT records.

use async_trait::async_trait;

/// Writes TXT records for dns-01, one at a time.
///
/// Other values of the same name stay: a wildcard and its apex are validated side by side (RFC 8555 section 8.4). Two
/// writers of the same provider must not write at the same time: what is there may be read, changed and written back.
#[async_trait]
pub trait TxtWriter: Send + Sync + 'static {
    /// Adds a record; one that is there already is no error.
    async fn add(&self, record: &TxtRecord) -> Result<(), TxtError>;

    /// Takes the record away; one that is not there is no error.
    async fn remove(&self, record: &TxtRecord) -> Result<(), TxtError>;
}

/// Is a TXT record of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxtRecord {
    /// The zone that it belongs to, without a dot at its end, as in `shop.example`.
    pub zone: String,
    /// The full name, without a dot at its end, as in `_acme-challenge.www.shop.example`.
    pub name: String,
    /// The value: 43 characters of base64url.
    pub value: String,
}

impl TxtRecord {
    /// Whether the name is that of the zone, or below it.
    pub fn is_inside_zone(&self) -> bool {
        let (name, zone) = (self.name.to_ascii_lowercase(), self.zone.to_ascii_lowercase());
        name.strip_suffix(&zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) && !zone.is_empty()
    }
}

/// Says why a TXT record could not be written or taken away.
///
/// The texts are of the provider or the program, with what we know about it; no secret is in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxtError {
    /// The credentials are not good enough.
    #[error("{provider} refuses the credentials: {why}")]
    Unauthorized {
        /// Who.
        provider: String,
        /// Its words.
        why: String,
    },
    /// The provider does not know the zone.
    #[error("{provider} has no zone {zone}: {why}")]
    NoZone {
        /// Who.
        provider: String,
        /// The zone.
        zone: String,
        /// Its words.
        why: String,
    },
    /// Nobody answered, or not in time.
    #[error("{provider} cannot be reached: {why}")]
    Unreachable {
        /// Who.
        provider: String,
        /// What happened.
        why: String,
    },
    /// Everything else.
    #[error("{provider} failed: {why}")]
    Failed {
        /// Who.
        provider: String,
        /// Its words.
        why: String,
    },
}
