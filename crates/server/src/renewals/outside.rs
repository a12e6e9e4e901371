//! The real outside: the data plane, CAs over HTTPS, DNS.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use portward_certs::{
    acme::{CertificateAuthority, Directory, DirectoryOptions, HttpTimeouts},
    dns::{self, DnsRecords, TxtWriter},
};
use portward_core::{
    Host, HostName, HostPattern, IssuerId, Revision, Scheme, Thumbprint, Timestamp,
    acme::{Advice, ChallengeKind, DirectoryTrust, Issuer, advise},
};
use portward_proxy::Clock;
use zeroize::Zeroizing;

use super::{
    probe::{Probe, Question},
    surroundings::{NoRequest, RequestWanted, Shown, Surroundings, TxtPlace},
};
use crate::{
    agents::Agents,
    app::chain_text,
    handshake::{Greeting, presented},
    served::Served,
    tasks::publish::challenge_port,
};

/// Is the real outside of the engine.
pub(crate) struct Outside {
    served: Arc<Served>,
    clock: Clock,
    /// Looks at what may keep a CA from seeing an answer.
    probe: Probe,
    /// Whose machines may keep a private key.
    agents: Arc<Agents>,
    timeouts: HttpTimeouts,
    /// Connections and nonces are kept from one turn to the next.
    directories: Mutex<HashMap<IssuerId, Known>>,
}

struct Known {
    url: String,
    trust: DirectoryTrust,
    directory: Arc<Directory>,
}

impl Outside {
    /// Makes the outside of a server.
    pub(crate) fn new(probe: Probe, agents: Arc<Agents>) -> Self {
        let Probe { served, clock, .. } = probe.clone();
        Self { served, clock, probe, agents, timeouts: HttpTimeouts::default(), directories: Mutex::default() }
    }

    /// Sets how long CAs may take to answer.
    pub(crate) fn with_timeouts(self, timeouts: HttpTimeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// The https bindings that listen: what they are bound to, and where that can be connected to.
    ///
    /// Those that pass the host through present nothing for it.
    fn https_addresses(&self, host: &Host) -> Vec<(IpAddr, SocketAddr, Greeting)> {
        let now = self.served.now();
        let https = now.desired.bindings.iter().map(|stored| &stored.value).filter(|binding| binding.is_https());
        let serving = https.filter(|binding| !binding.to.iter().any(|passage| passage.name.matches(host)));
        serving
            .filter_map(|binding| {
                let bound = now.binding(&binding.id)?.result.as_ref().ok()?;
                let address = reachable(*bound);
                Some((bound.ip(), address, Greeting::of(binding, address)))
            })
            .collect()
    }
}

#[async_trait]
impl Surroundings for Outside {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn authority(&self, issuer: &Issuer) -> Result<Arc<dyn CertificateAuthority>, String> {
        let mut directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = directories.get(&issuer.id)
            && known.url == issuer.directory
            && known.trust == issuer.trust
        {
            return Ok(Arc::clone(&known.directory) as _);
        }
        let (url, trust) = (issuer.directory.clone(), issuer.trust.clone());
        let options = DirectoryOptions { url, trust, timeouts: self.timeouts };
        let directory = Arc::new(Directory::new(options).map_err(|error| chain_text(&error))?);
        let known =
            Known { url: issuer.directory.clone(), trust: issuer.trust.clone(), directory: Arc::clone(&directory) };
        directories.insert(issuer.id.clone(), known);
        Ok(directory as _)
    }

    fn listens(&self, scheme: Scheme, port: u16) -> bool {
        let now = self.served.now();
        now.desired.bindings.iter().any(|stored| {
            // The port that is bound: the system may have chosen it.
            let bound = now.binding(&stored.value.id).and_then(|report| report.result.as_ref().ok());
            stored.value.protocol.scheme() == Some(scheme) && bound.is_some_and(|address| address.port() == port)
        })
    }

    fn challenge_port_trouble(&self, port: u16) -> Option<String> {
        let now = self.served.now();
        if self.listens(Scheme::Http, port) {
            return None;
        }
        let report = now.bindings.iter().find(|report| challenge_port(&report.id) == Some(port))?;
        report.result.as_ref().err().map(ToString::to_string)
    }

    async fn served(&self, revision: Revision) -> Result<(), String> {
        self.served.reached(revision, SERVED_WITHIN).await.map(drop).map_err(|error| error.to_string())
    }

    async fn shown(&self, name: &HostPattern, thumbprint: &Thumbprint) -> Shown {
        let host = match name {
            HostPattern::Exact(host) => host.clone(),
            HostPattern::Wildcard(base) => match HostName::parse(&format!("portward-looks.{base}")) {
                Ok(name) => Host::Name(name),
                Err(error) => return Shown::Failed(error.to_string()),
            },
            HostPattern::Any => return Shown::Nobody,
        };
        let mut shown = Shown::Nobody;
        let here = portward_proxy::addresses();
        for (bound, address, greeting) in self.https_addresses(&host) {
            let address = match &host {
                // Without a name in the hello, what is presented depends on the address that is asked.
                Host::Ip(ip) if bound.is_unspecified() && here.contains(ip) => SocketAddr::new(*ip, address.port()),
                Host::Ip(ip) if *ip != address.ip() => continue,
                _ => address,
            };
            match presented(address, greeting, &host).await {
                Ok(leaf) if leaf == *thumbprint => shown = Shown::It,
                Ok(leaf) => return self.other(&leaf),
                Err(text) => return Shown::Failed(format!("the handshake with {address} for {host} failed: {text}")),
            }
        }
        shown
    }

    fn writer(&self, kind: &str, settings: BTreeMap<String, Zeroizing<String>>) -> Result<Box<dyn TxtWriter>, String> {
        dns::open(kind, &settings).map_err(|error| chain_text(&error))
    }

    async fn txt_place(&self, issuer: &Issuer, name: &str) -> Result<TxtPlace, String> {
        let records = DnsRecords::new(&issuer.resolvers);
        let name = records.follow_cname(name).await.map_err(|error| chain_text(&error))?;
        let zone = records.zone(&name).await.map_err(|error| chain_text(&error))?;
        Ok(TxtPlace { zone: zone.apex, name })
    }

    async fn txt_missing(
        &self,
        issuer: &Issuer,
        place: &TxtPlace,
        value: &str,
    ) -> Result<Vec<(String, String)>, String> {
        let records = DnsRecords::new(&issuer.resolvers);
        let zone = records.zone(&place.name).await.map_err(|error| chain_text(&error))?;
        let found = records.txt_everywhere(&zone, &place.name, value).await;
        if found.is_complete() {
            return Ok(Vec::new());
        }
        if found.missing.is_empty() {
            return Err(format!("no server of the zone {} can be asked", zone.apex));
        }
        Ok(found.missing)
    }

    async fn signing_request(&self, wanted: &RequestWanted<'_>) -> Result<Vec<u8>, NoRequest> {
        self.agents.signing_request(wanted).await
    }

    async fn advise(
        &self,
        issuer: &Issuer,
        name: &HostPattern,
        kind: ChallengeKind,
        answer: Option<(&str, &str)>,
    ) -> Vec<Advice> {
        let ca = Some(self.authority(issuer));
        let question = Question { name, challenge: kind, issuer: Some(issuer), ca, answer, reach: None };
        advise(&self.probe.gather(question).await)
    }
}

impl Outside {
    /// Says which certificate is presented instead.
    fn other(&self, leaf: &Thumbprint) -> Shown {
        let now = self.served.now();
        let mut certificates = now.desired.certificates.iter();
        let found = certificates
            .find(|stored| stored.value.current_version().is_some_and(|version| version.facts.thumbprint == *leaf));
        match found {
            Some(stored) => Shown::Other(format!("the certificate \"{}\", which has the name too", stored.value.id)),
            // It is none of what is served now, so it is of a moment ago.
            None => Shown::Failed(format!("another certificate is presented, with the thumbprint {leaf}")),
        }
    }
}

/// Where a socket on all addresses can be reached.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

/// Publishing takes milliseconds.
const SERVED_WITHIN: Duration = Duration::from_secs(10);
