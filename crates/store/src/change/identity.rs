//! Changing what the server shows to agents.

use std::sync::Arc;

use portward_core::{IdentityState, Timestamp};

use super::{Change, Expected};
use crate::{
    desired::{IDENTITY_VERSION, StoredIdentity, StoredTrust},
    place::Place,
    records::{AgentTrustRecord, ServerIdentityRecord},
    sealing::{Sealed, Sealer, Secret},
};

/// Is an identity that is about to be stored.
#[derive(Debug)]
pub struct NewIdentity<'a> {
    /// A number from 1 on that no identity had before.
    pub seq: u64,
    /// The certificate, in DER.
    pub certificate: Arc<[u8]>,
    /// Its private key, PKCS #8 in DER.
    pub key: &'a Secret,
    /// How far it has come.
    pub state: IdentityState,
    /// When it was made.
    pub created: Timestamp,
}

impl Change {
    /// Adds an identity with its private key, which is sealed; refused if there is one of that number.
    pub fn add_identity(&mut self, new: NewIdentity<'_>, sealer: &Sealer) {
        let place = Place::Identity(new.seq);
        let key = sealer.seal(&place.key(), IDENTITY_VERSION, new.key);
        let record = ServerIdentityRecord::new(new.certificate, key, new.state, new.created);
        self.put(&place, &record, Expected::Absent);
    }

    /// Writes an identity that there is, with its private key as it is sealed: to say how far it has come.
    pub fn put_identity(&mut self, identity: &StoredIdentity, expected: Expected) {
        let StoredIdentity { seq, certificate, key, state, created, thumbprint: _ } = identity;
        let record = ServerIdentityRecord::new(Arc::clone(certificate), Sealed::clone(key), *state, *created);
        self.put(&Place::Identity(*seq), &record, expected);
    }

    /// Takes an identity away, with its private key.
    pub fn remove_identity(&mut self, seq: u64, expected: Expected) {
        self.delete(&Place::Identity(seq), expected);
    }

    /// Writes what agents are told of whom to trust.
    pub fn put_trust(&mut self, trust: &StoredTrust, expected: Expected) {
        self.put(&Place::Trust, &AgentTrustRecord::from(trust), expected);
    }
}
