//! The OpenID provider at which users sign in who have no password here.

use portward_core::{GroupRoles, Identity, OidcIssuer};

use super::{ReadAccessError, StoredUser, stored, users};
use crate::{
    Read, Store, StoreError,
    desired::Stored,
    place::Place,
    records::{OidcRecord, decode},
    sealing::{Sealed, Sealer, Secret, UnsealError},
};

/// Is a provider, and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOidc {
    /// The provider.
    pub issuer: OidcIssuer,
    /// How it knows this server.
    pub client_id: String,
    /// By what this server proves that; [`open_oidc_secret`] opens it. None for a client without one.
    pub secret: Option<Sealed>,
    /// Counts from 1 how often this was written, so that an older secret cannot be put back.
    pub generation: u64,
    /// What is asked for, `openid` among it.
    pub scopes: Vec<String>,
    /// The claim with the groups.
    pub groups_claim: String,
    /// The claim that names a new user.
    pub name_claim: String,
    /// Which group gives which role.
    pub roles: GroupRoles,
    /// Who vouches for the provider, in PEM; none for the authorities of the machine.
    pub authority: Option<String>,
    /// What the button says after "Sign in with".
    pub label: String,
}

/// Reads the provider; none if users sign in here alone.
pub async fn read_oidc(store: &dyn Store) -> Result<Option<Stored<StoredOidc>>, ReadAccessError> {
    let (kv, _) = store.get(&Place::Oidc.key(), Read::Linearizable).await?;
    let Some(kv) = kv else { return Ok(None) };
    let value = decode::<OidcRecord>(&kv.value).and_then(StoredOidc::try_from);
    stored(&kv, value).map(Some)
}

/// Opens the secret of the client; none if it has none.
pub fn open_oidc_secret(sealer: &Sealer, oidc: &StoredOidc) -> Result<Option<Secret>, UnsealError> {
    oidc.secret.as_ref().map(|sealed| sealer.open(&Place::Oidc.key(), oidc.generation, sealed)).transpose()
}

/// Finds the user whom a provider knows as that.
pub async fn find_identity(store: &dyn Store, identity: &Identity) -> Result<Option<Stored<StoredUser>>, StoreError> {
    let all = users(store).await?;
    Ok(all.into_iter().find(|stored| stored.value.identity.as_ref() == Some(identity)))
}

#[cfg(test)]
mod tests;
