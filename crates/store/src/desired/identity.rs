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
    /// The number of the first state with addresses; 0 where that is not known, or there never were any.
    pub told_from: u64,
    /// The number of the state in which they were taken back: who took one between these two dials where there may be
    /// nothing, and is told where the bindings are.
    pub told_until: Option<u64>,
    /// Where agents are let in and nobody else, beside every https binding.
    pub bindings: Vec<SocketAddr>,
}

impl StoredTrust {
    /// The first state of trust, which comes with the first identity.
    pub const FIRST: Self =
        Self { seq: 2, addresses: Vec::new(), told_from: 0, told_until: None, bindings: Vec::new() };

    /// The state that follows, with the same addresses: by two, as the number after it says that the old identities are
    /// forgotten.
    #[must_use]
    pub fn newer(self) -> Self {
        Self { seq: self.seq + 2, ..self }
    }

    /// The state that follows, with other addresses.
    #[must_use]
    pub fn newer_at(self, addresses: Vec<DialAddress>) -> Self {
        let seq = self.seq + 2;
        let told_from = if self.addresses.is_empty() && self.told_until.is_none() { seq } else { self.told_from };
        let told_until = match (addresses.is_empty(), self.addresses.is_empty()) {
            (false, _) => None,
            (true, false) => Some(seq),
            (true, true) => self.told_until,
        };
        Self { seq, addresses, told_from, told_until, ..self }
    }

    /// Whether who has taken the state of that number has addresses from it that were taken back since.
    pub fn took_back(&self, seq: u64) -> bool {
        self.told_until.is_some_and(|until| seq > 0 && (self.told_from..until).contains(&seq))
    }
}

/// Opens the private key (PKCS #8 in DER) of an identity.
pub fn open_identity_key(sealer: &Sealer, seq: u64, sealed: &Sealed) -> Result<Secret, UnsealError> {
    sealer.open(&Place::Identity(seq).key(), IDENTITY_VERSION, sealed)
}

/// The key of an identity is written once; a new key has a new number.
pub(crate) const IDENTITY_VERSION: u64 = 1;
