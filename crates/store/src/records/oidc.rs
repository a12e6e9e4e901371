//! The record of the OpenID provider, with the client's secret sealed inside.

use std::collections::BTreeMap;

use portward_core::{GroupRoles, OidcIssuer};
use serde::{Deserialize, Serialize};

use super::{Record, RecordError};
use crate::{access::StoredOidc, sealing::Sealed};

/// Is `access/oidc`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OidcRecord {
    v: u32,
    issuer: String,
    client_id: String,
    /// Sealed for `generation`; none for a client that has none.
    secret: Option<Sealed>,
    /// Counts how often the record was written.
    generation: u64,
    scopes: Vec<String>,
    groups_claim: String,
    name_claim: String,
    /// Role by group.
    roles: BTreeMap<String, String>,
    /// PEM; none for the authorities of the machine.
    authority: Option<String>,
    label: String,
}

impl Record for OidcRecord {
    const VERSION: u32 = 1;
}

impl OidcRecord {
    /// Makes the record.
    pub(crate) fn new(oidc: &StoredOidc, secret: Option<Sealed>) -> Self {
        Self {
            v: Self::VERSION,
            issuer: oidc.issuer.to_string(),
            client_id: oidc.client_id.clone(),
            secret,
            generation: oidc.generation,
            scopes: oidc.scopes.clone(),
            groups_claim: oidc.groups_claim.clone(),
            name_claim: oidc.name_claim.clone(),
            roles: oidc.roles.iter().map(|(group, role)| (group.to_owned(), role.to_string())).collect(),
            authority: oidc.authority.clone(),
            label: oidc.label.clone(),
        }
    }
}

impl TryFrom<OidcRecord> for StoredOidc {
    type Error = RecordError;

    fn try_from(record: OidcRecord) -> Result<Self, RecordError> {
        let pairs = record.roles.iter().map(|(group, role)| (group.as_str(), role.as_str()));
        let roles = GroupRoles::parse(pairs).map_err(|error| RecordError::invalid("roles", error))?;
        Ok(Self {
            issuer: OidcIssuer::parse(&record.issuer).map_err(|error| RecordError::invalid("issuer", error))?,
            client_id: record.client_id,
            secret: record.secret,
            generation: record.generation,
            scopes: record.scopes,
            groups_claim: record.groups_claim,
            name_claim: record.name_claim,
            roles,
            authority: record.authority,
            label: record.label,
        })
    }
}
