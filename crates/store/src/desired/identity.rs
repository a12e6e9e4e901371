//! What the server shows to agents, and what they are told of it.

use std::{net::SocketAddr, sync::Arc};

use portward_core::{DialAddress, IdentityState, Thumbprint, Timestamp};

use crate::{
    place::Place,
    sealing::{Sealed, Sealer, Secret, UnsealError},
};

/// Is a certificate that the server shows to agents, and by whose thumbprint they know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredIdentity {
    /// Counts from 1 which one this is; a number is never given twice.
    pub seq: u64,
    /// The certificate, in DER.
    pub certificate: Arc<[u8]>,
    /// Its private key (PKCS #8 in DER); [`open_identity_key`] opens it.
    pub key: Arc<Sealed>,
    /// How far it has come.
    pub state: IdentityState,
    /// When it was made.
    pub created: Timestamp,
    /// Of the certificate; it is computed when the record is read.
    pub thumbprint: Thumbprint,
}

/// Is what agents are told of whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTrust {
    /// The number of the newest state; an agent takes none that is older than what it has.
    pub seq: u64,
    /// Where agents are told to dial that dial themselves; none for where the bindings are.
    pub addresses: Vec<DialAddress>,
    /// Where agents are let in and nobody else, beside every https binding.
    pub bindings: Vec<SocketAddr>,
}

/// Opens the private key (PKCS #8 in DER) of an identity.
pub fn open_identity_key(sealer: &Sealer, seq: u64, sealed: &Sealed) -> Result<Secret, UnsealError> {
    sealer.open(&Place::Identity(seq).key(), IDENTITY_VERSION, sealed)
}

/// The key of an identity is written once; a new key has a new number.
pub(crate) const IDENTITY_VERSION: u64 = 1;
