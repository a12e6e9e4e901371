//! What agents need of a snapshot: their protocols at every https binding, and bindings of their own.

use std::{net::SocketAddr, sync::Arc};

use portward_core::{BindingId, BindingProtocol};
use portward_link::tls::{ENROL, LINK};
use portward_proxy::{ServedBinding, Serves};
use portward_store::desired::Desired;

/// The protocols whose clients are handed over; none where nobody is expected, so that nobody is listened to.
pub(super) fn protocols(desired: &Desired) -> Vec<&'static [u8]> {
    if desired.identities.is_empty() { Vec::new() } else { vec![LINK, ENROL] }
}

/// The bindings at which agents are let in and nobody else.
pub(super) fn bindings(desired: &Desired) -> Vec<Arc<ServedBinding>> {
    if desired.identities.is_empty() {
        return Vec::new();
    }
    let trust = desired.trust.iter().flat_map(|stored| &stored.value.bindings);
    trust.filter_map(|address| binding(*address)).collect()
}

fn binding(address: SocketAddr) -> Option<Arc<ServedBinding>> {
    // One address has one binding, and an id has few letters.
    let place: String = address.to_string().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let id = BindingId::parse(&format!("{PREFIX}{}", place.trim_matches('-'))).ok()?;
    Some(Arc::new(ServedBinding {
        serves: Serves::AgentsOnly,
        ..ServedBinding::new(id, BindingProtocol::Https, address)
    }))
}

/// Whether a binding is for agents alone, and none of an operator's.
pub(crate) fn is_for_agents(id: &BindingId) -> bool {
    id.as_str().starts_with(PREFIX)
}

/// Ids of operators' bindings begin with their scheme.
const PREFIX: &str = "agents-";
