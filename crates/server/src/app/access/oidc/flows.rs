//! Sign-ins that are under way at a provider: each counts once, for ten minutes, in the browser where it began.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use portward_api::SecretText;
use portward_core::{Revision, Timestamp};

/// Keeps the sign-ins that are under way, by the SHA-256 of their `state`.
#[derive(Default)]
pub(super) struct Flows {
    out: Mutex<HashMap<[u8; 32], Flow>>,
}

/// Is one sign-in that is under way.
pub(super) struct Flow {
    /// The SHA-256 of what the browser was told to show.
    pub(super) browser: [u8; 32],
    /// What the ID token must repeat.
    pub(super) nonce: SecretText,
    /// What proves to the provider that it is the same client (RFC 7636 section 4.1).
    pub(super) verifier: SecretText,
    /// To where the browser comes back.
    pub(super) redirect_uri: String,
    /// Where to go on after it.
    pub(super) next: String,
    /// Of the settings with which it began.
    pub(super) settings: Revision,
    /// From where.
    pub(super) network: Option<IpAddr>,
    pub(super) expires: Timestamp,
}

impl Flows {
    /// Begins one; of a network that begins very many, the oldest is forgotten.
    pub(super) fn begin(&self, state: [u8; 32], flow: Flow, now: Timestamp) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.retain(|_, flow| flow.expires > now);
        let oldest = |out: &HashMap<[u8; 32], Flow>, is_meant: &dyn Fn(&Flow) -> bool, most: usize| {
            let meant: Vec<_> = out.iter().filter(|(_, flow)| is_meant(flow)).collect();
            let first = meant.iter().min_by_key(|(_, flow)| flow.expires);
            first.filter(|_| meant.len() >= most).map(|(state, _)| **state)
        };
        let network = flow.network;
        let gone =
            oldest(&out, &|flow| flow.network == network, OF_A_NETWORK).or_else(|| oldest(&out, &|_| true, KEPT));
        if let Some(gone) = gone {
            out.remove(&gone);
        }
        out.insert(state, flow);
    }

    /// Takes one out, so that it counts once; none if it is not there, took too long, or began in another browser.
    pub(super) fn take(&self, state: &[u8; 32], browser: Option<&[u8; 32]>, now: Timestamp) -> Option<Flow> {
        let flow = self.out.lock().unwrap_or_else(PoisonError::into_inner).remove(state)?;
        let is_its = browser.is_some_and(|browser| super::super::is_same(browser, &flow.browser));
        (flow.expires > now && is_its).then_some(flow)
    }
}

/// Long enough to find the phone, and to set up a second factor there.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// Offices share an address.
const OF_A_NETWORK: usize = 100;
/// About 4 MB.
const KEPT: usize = 5000;
