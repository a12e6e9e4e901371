//! The records of issuers and DNS providers, with their secrets sealed inside.

use std::{collections::BTreeMap, sync::Arc};

use portward_core::{
    IssuerId,
    acme::{ChallengeKind, DirectoryTrust, Issuer, IssuerPorts},
};
use serde::{Deserialize, Serialize};

use super::{Record, RecordError, base64::Blob};
use crate::sealing::Sealed;

/// Is `acme/issuers/<id>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerRecord {
    v: u32,
    directory: String,
    /// DER; none for the authorities of the machine.
    authorities: Option<Vec<Blob>>,
    contacts: Vec<String>,
    terms_agreed: bool,
    eab_key_id: Option<String>,
    pub(crate) eab_mac_key: Option<Sealed>,
    profile: Option<String>,
    challenge: Option<String>,
    preferred_chain: Option<String>,
    http_port: u16,
    tls_port: u16,
    resolvers: Vec<String>,
}

/// Is `acme/dns/<id>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DnsProviderRecord {
    v: u32,
    pub(crate) kind: String,
    pub(crate) settings: BTreeMap<String, String>,
    /// Names of the settings that are in `secrets`.
    pub(crate) secret_names: Vec<String>,
    /// A JSON object of text, sealed.
    pub(crate) secrets: Option<Sealed>,
}

impl Record for IssuerRecord {
    const VERSION: u32 = 1;
}

impl Record for DnsProviderRecord {
    const VERSION: u32 = 1;
}

impl IssuerRecord {
    /// Makes the record.
    pub(crate) fn new(issuer: &Issuer, eab_mac_key: Option<Sealed>) -> Self {
        Self {
            v: Self::VERSION,
            directory: issuer.directory.clone(),
            authorities: match &issuer.trust {
                DirectoryTrust::System => None,
                DirectoryTrust::Authorities(ders) => Some(ders.iter().cloned().map(Blob).collect()),
            },
            contacts: issuer.contacts.clone(),
            terms_agreed: issuer.terms_agreed,
            eab_key_id: issuer.eab_key_id.clone(),
            eab_mac_key,
            profile: issuer.profile.clone(),
            challenge: issuer.challenge.map(|kind| kind.as_str().to_owned()),
            preferred_chain: issuer.preferred_chain.clone(),
            http_port: issuer.ports.http,
            tls_port: issuer.ports.tls,
            resolvers: issuer.resolvers.iter().map(ToString::to_string).collect(),
        }
    }

    /// Makes the issuer of that id.
    pub(crate) fn into_issuer(self, id: IssuerId) -> Result<(Issuer, Option<Arc<Sealed>>), RecordError> {
        let resolvers = self.resolvers.iter().map(|text| text.parse()).collect::<Result<_, _>>();
        let challenge = self
            .challenge
            .map(|text| ChallengeKind::parse(&text).ok_or_else(|| RecordError::invalid("challenge", text)))
            .transpose()?;
        let issuer = Issuer {
            id,
            directory: self.directory,
            trust: match self.authorities {
                None => DirectoryTrust::System,
                Some(ders) => DirectoryTrust::Authorities(ders.into_iter().map(|blob| blob.0).collect()),
            },
            contacts: self.contacts,
            terms_agreed: self.terms_agreed,
            eab_key_id: self.eab_key_id,
            profile: self.profile,
            challenge,
            preferred_chain: self.preferred_chain,
            ports: IssuerPorts { http: self.http_port, tls: self.tls_port },
            resolvers: resolvers.map_err(|error: std::net::AddrParseError| RecordError::invalid("resolvers", error))?,
        };
        Ok((issuer, self.eab_mac_key.map(Arc::new)))
    }
}

impl DnsProviderRecord {
    /// Makes the record.
    pub(crate) fn new(
        kind: String,
        settings: BTreeMap<String, String>,
        secret_names: Vec<String>,
        secrets: Option<Sealed>,
    ) -> Self {
        Self { v: Self::VERSION, kind, settings, secret_names, secrets }
    }
}
