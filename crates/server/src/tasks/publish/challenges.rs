//! What a snapshot has for ACME challenges: answers, and bindings where there are none.

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use portward_certs::acme::challenge_certificate;
use portward_core::{BindingId, BindingProtocol, Host};
use portward_proxy::{ServedBinding, Serves, challenge_key};
use portward_store::desired::Desired;
use rustls::sign::CertifiedKey;

/// Keeps the certificates of tls-alpn-01 challenges from one snapshot to the next.
#[derive(Debug, Default)]
pub(super) struct ChallengeCertificates {
    made: HashMap<(Host, [u8; 32]), Arc<CertifiedKey>>,
}

impl ChallengeCertificates {
    /// The certificates for what is stored; one that cannot be made is told of, and left out.
    pub(super) fn of(&mut self, desired: &Desired) -> HashMap<Host, Arc<CertifiedKey>> {
        let wanted: Vec<(Host, [u8; 32])> =
            desired.tls_challenges.iter().map(|challenge| (challenge.host.clone(), challenge.digest)).collect();
        self.made.retain(|key, _| wanted.contains(key));
        let mut certificates = HashMap::new();
        for (host, digest) in wanted {
            let made = match self.made.get(&(host.clone(), digest)) {
                Some(made) => Arc::clone(made),
                None => match make(&host, &digest) {
                    Ok(made) => Arc::clone(self.made.entry((host.clone(), digest)).or_insert(made)),
                    Err(error) => {
                        tracing::error!(host = %host, error, "the answer to a tls-alpn-01 challenge could not be made");
                        continue;
                    }
                },
            };
            certificates.insert(host, made);
        }
        certificates
    }
}

fn make(host: &Host, digest: &[u8; 32]) -> Result<Arc<CertifiedKey>, String> {
    let made = challenge_certificate(host, digest).map_err(|error| error.to_string())?;
    challenge_key(&made.leaf, &made.key_pkcs8).map_err(|error| error.to_string())
}

/// The bindings for the time of a challenge: for each port at which a CA asks and no http binding listens.
pub(super) fn bindings(desired: &Desired) -> Vec<Arc<ServedBinding>> {
    let has = |port: u16| {
        let mut bindings = desired.bindings.iter().map(|stored| &stored.value);
        bindings.any(|binding| binding.is_http() && binding.address.port() == port)
    };
    let ports: BTreeSet<u16> = desired.challenges.iter().map(|challenge| challenge.port()).collect();
    ports.into_iter().filter(|port| !has(*port)).filter_map(binding).collect()
}

fn binding(port: u16) -> Option<Arc<ServedBinding>> {
    let address =
        if portward_proxy::has_ipv6() { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    let id = BindingId::parse(&format!("{PREFIX}{port}")).ok()?;
    let binding = ServedBinding::new(id, BindingProtocol::Http, SocketAddr::new(address, port));
    Some(Arc::new(ServedBinding { serves: Serves::ChallengesOnly, ..binding }))
}

/// The port of a binding that was made for challenges; none if it is one of an operator.
pub(crate) fn challenge_port(id: &BindingId) -> Option<u16> {
    id.as_str().strip_prefix(PREFIX)?.parse().ok()
}

/// Ids of operators' bindings begin with their scheme.
const PREFIX: &str = "acme-challenge-";
