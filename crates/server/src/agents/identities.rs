//! By what agents know Portward: its identities, opened, as the newest desired state has them.

use std::sync::Arc;

use portward_core::{IdentityState, Thumbprint};
use portward_link::{
    Identity,
    opening::TrustMark,
    tls::{Dialled, Purpose},
};
use portward_store::{
    desired::{self, Desired, StoredIdentity, StoredTrust},
    sealing::Sealer,
};
use zeroize::Zeroizing;

/// Holds Portward's identities.
#[derive(Debug)]
pub(crate) struct Identities {
    /// In use.
    pub(crate) current: Identity,
    /// Announced.
    pub(crate) next: Option<Identity>,
    /// For agents that know no other one yet; the newest first.
    pub(crate) old: Vec<Identity>,
    /// What is shown to those who dial.
    pub(crate) dialled: Dialled,
    /// The number of the newest state of trust.
    pub(crate) mark: TrustMark,
    /// What agents are told of it: above all where those dial that do.
    pub(crate) trust: StoredTrust,
    /// Tells whether a desired state has other ones.
    stored: Vec<(u64, Thumbprint, IdentityState)>,
}

/// Says why no identity can be shown.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct IdentitiesError(String);

impl Identities {
    /// Opens those of a desired state; none if it has none in use.
    pub(crate) fn open(desired: &Desired, sealer: &Sealer) -> Result<Option<Self>, IdentitiesError> {
        let (mut current, mut next, mut old, mut stored) = (None, None, Vec::new(), Vec::new());
        for identity in desired.identities.iter().map(|stored| &stored.value) {
            let opened = open(identity, sealer)?;
            stored.push((identity.seq, identity.thumbprint, identity.state));
            match identity.state {
                IdentityState::Next => next = Some(opened),
                IdentityState::Current => current = Some(opened),
                IdentityState::Old | IdentityState::Compromised => old.push(opened),
            }
        }
        let Some(current) = current else { return Ok(None) };
        old.reverse();
        let others: Vec<Identity> = next.iter().chain(&old).cloned().collect();
        let dialled = Dialled::new(&current, &others, &[Purpose::Link, Purpose::Enrol])
            .map_err(|error| IdentitiesError(error.to_string()))?;
        let trust = desired.trust.as_ref().map(|stored| stored.value.clone());
        let trust = trust.unwrap_or(StoredTrust { seq: 0, ..StoredTrust::FIRST });
        let mark =
            TrustMark { generation: desired.cluster.as_ref().map_or(0, |cluster| cluster.generation), seq: trust.seq };
        Ok(Some(Self { current, next, old, dialled, mark, trust, stored }))
    }

    /// Whether these are the ones of a desired state.
    pub(crate) fn are_of(&self, desired: &Desired) -> bool {
        let theirs = desired.identities.iter().map(|stored| &stored.value);
        let theirs = theirs.map(|identity| (identity.seq, identity.thumbprint, identity.state));
        let trust = desired.trust.as_ref().map(|stored| &stored.value);
        self.stored.iter().copied().eq(theirs)
            && trust.is_some_and(|trust| *trust == self.trust)
            && desired.cluster.as_ref().is_some_and(|cluster| cluster.generation == self.mark.generation)
    }

    /// Thumbprints that agents are to trust, the one to expect first; without old ones for those who need none any more.
    pub(crate) fn pins(&self, needs_old: bool) -> Vec<Thumbprint> {
        let old = self.old.iter().filter(|_| needs_old);
        let all = std::iter::once(&self.current).chain(&self.next).chain(old);
        all.map(Identity::thumbprint).collect()
    }

    /// The state of trust for an agent that knows Portward by `session`: once it comes by the identity in use it needs
    /// the old ones no more, and that is a state of its own.
    pub(crate) fn wanted_of(&self, session: Thumbprint) -> (TrustMark, Vec<Thumbprint>) {
        let needs_old =
            session != self.current.thumbprint() && self.next.as_ref().is_none_or(|next| next.thumbprint() != session);
        if needs_old || self.old.is_empty() {
            (self.mark, self.pins(true))
        } else {
            (self.retired_mark(), self.pins(false))
        }
    }

    /// The state in which an agent has forgotten the old ones.
    pub(crate) fn retired_mark(&self) -> TrustMark {
        TrustMark { seq: self.mark.seq + 1, ..self.mark }
    }

    /// The identity with a thumbprint.
    pub(crate) fn of(&self, thumbprint: Thumbprint) -> Option<&Identity> {
        let mut all = std::iter::once(&self.current).chain(&self.next).chain(&self.old);
        all.find(|identity| identity.thumbprint() == thumbprint)
    }

    /// Those by which an agent that listens may be dialled, the one in use first.
    pub(crate) fn in_turn(&self) -> impl Iterator<Item = &Identity> {
        std::iter::once(&self.current).chain(&self.old)
    }
}

fn open(stored: &StoredIdentity, sealer: &Sealer) -> Result<Identity, IdentitiesError> {
    let failed = |error: &dyn std::error::Error| {
        IdentitiesError(format!("the identity {} cannot be used: {error}", stored.thumbprint))
    };
    let key = desired::open_identity_key(sealer, stored.seq, &stored.key).map_err(|error| failed(&error))?;
    Identity::from_der(stored.certificate.to_vec(), Zeroizing::new(key.expose().to_vec()))
        .map_err(|error| failed(&error))
}

/// Keeps what was opened as long as nothing else is wanted.
pub(crate) fn newest(
    now: Option<Arc<Identities>>,
    desired: &Desired,
    sealer: &Sealer,
) -> Result<Option<Arc<Identities>>, IdentitiesError> {
    match now {
        Some(now) if now.are_of(desired) => Ok(Some(now)),
        _ => Ok(Identities::open(desired, sealer)?.map(Arc::new)),
    }
}

/// What people find in the certificate of an identity of the server.
pub(crate) const SUBJECT: &str = "Portward";
