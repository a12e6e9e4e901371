//! Looks at what may keep a CA from seeing the answer to a challenge: gathers the facts that advice is made of.
//!
//! Nothing is changed by looking, and nothing takes longer than a few seconds: what does not answer in time is unknown.

mod ask;
mod ports;
#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use portward_certs::{
    acme::{CertificateAuthority, DirectoryFacts},
    dns::{DnsRecords, DnssecState, LookupFailure},
};
use portward_core::{
    Host, HostPattern, Scheme, Timestamp,
    acme::{
        AdviceFacts, Budget, CaaRecord, CaaSet, ChallengeKind, Clocks, DirectoryTrust, Dnssec, Issuer, IssuerPorts,
        Ledger, LimitKind, Limits, PortBinding, Vantage, budget,
    },
};
use portward_proxy::{Clock, Proxy};
use portward_store::{
    Store,
    work::{StoredAccount, ledger},
};
use tokio::time::timeout;

use crate::{reach::Reach, served::Served, tasks::publish::challenge_port};

/// Gathers facts about names, and changes nothing.
#[derive(Clone)]
pub(crate) struct Probe {
    /// What is remembered of orders and failures.
    pub(crate) store: Arc<dyn Store>,
    /// What listens.
    pub(crate) served: Arc<Served>,
    /// Asked whether a port could be listened on.
    pub(crate) proxy: Arc<Proxy>,
    /// The time.
    pub(crate) clock: Clock,
}

/// Is what is to be looked at.
pub(crate) struct Question<'a> {
    /// The name that a CA is to be asked for.
    pub(crate) name: &'a HostPattern,
    /// How control of it is to be shown.
    pub(crate) challenge: ChallengeKind,
    /// Who is to be asked; without one, only what needs none is looked at.
    pub(crate) issuer: Option<&'a Issuer>,
    /// Who answers for the issuer, or why nobody can be asked.
    pub(crate) ca: Option<Result<Arc<dyn CertificateAuthority>, String>>,
    /// Token and key authorization that are in place; none while nothing is.
    pub(crate) answer: Option<(&'a str, &'a str)>,
    /// Where nobody connects to, as somebody asked who may not have it looked at; none for the engine itself.
    pub(crate) reach: Option<&'a Reach>,
}

/// Is what the CA says of itself, and how the clocks stand.
#[derive(Default)]
struct OfCa {
    directory: Option<Result<(), String>>,
    identities: Vec<String>,
    clocks: Option<Clocks>,
}

impl Probe {
    /// Gathers what can be seen of a name from here.
    pub(crate) async fn gather(&self, question: Question<'_>) -> AdviceFacts {
        let Question { name, challenge, issuer, .. } = question;
        let ports = issuer.map_or_else(IssuerPorts::default, |issuer| issuer.ports);
        let (scheme, port) = match challenge {
            ChallengeKind::TlsAlpn01 => (Scheme::Https, ports.tls),
            ChallengeKind::Http01 | ChallengeKind::Dns01 => (Scheme::Http, ports.http),
        };
        let records = DnsRecords::new(issuer.map_or(&[][..], |issuer| &issuer.resolvers));
        let mut facts = AdviceFacts::new(name.clone(), challenge, port, Vantage::Internet);
        facts.own_addresses = portward_proxy::addresses();
        let own = &facts.own_addresses;
        let reach = async {
            let addresses = addresses(&records, name).await;
            let answers = match &addresses {
                Ok(addresses) => self.answers(&question, port, addresses, own).await,
                Err(_) => Vec::new(),
            };
            (addresses, answers)
        };
        let ((addresses, answers), caa, dnssec, of_ca, vantage, budgets, account_url) = tokio::join!(
            reach,
            caa(&records, name),
            dnssec(&records, name),
            self.of_ca(question.ca.as_ref()),
            vantage(issuer),
            self.budgets(issuer, name),
            self.account_url(issuer),
        );
        facts.addresses = Some(addresses);
        facts.answers = answers;
        facts.caa = caa;
        facts.dnssec = dnssec;
        facts.vantage = vantage;
        facts.budgets = budgets;
        facts.account_url = account_url;
        facts.caa_identities = of_ca.identities;
        facts.clocks = of_ca.clocks;
        facts.directory = of_ca.directory;
        facts.binding = (challenge != ChallengeKind::Dns01).then(|| self.binding(scheme, port));
        facts
    }

    /// Whether we listen where the CA asks.
    fn binding(&self, scheme: Scheme, port: u16) -> PortBinding {
        if !self.bound(scheme, port).is_empty() {
            return PortBinding::Bound;
        }
        let now = self.served.now();
        let is_it = |id: &portward_core::BindingId| {
            let mut bindings = now.desired.bindings.iter().map(|stored| &stored.value);
            bindings
                .any(|other| other.id == *id && other.protocol.scheme() == Some(scheme) && other.address.port() == port)
                || (scheme == Scheme::Http && challenge_port(id) == Some(port))
        };
        match now.bindings.iter().find(|report| is_it(&report.id)).map(|report| &report.result) {
            Some(Ok(_)) => PortBinding::ForTheChallenge,
            Some(Err(error)) => PortBinding::Failed(error.to_string()),
            None if scheme == Scheme::Https => PortBinding::Missing,
            None => match self.proxy.try_bind(scheme, everywhere(port)) {
                Ok(()) => PortBinding::ForTheChallenge,
                Err(error) => PortBinding::Failed(error.to_string()),
            },
        }
    }

    /// Where bindings of an operator listen on a port.
    fn bound(&self, scheme: Scheme, port: u16) -> Vec<SocketAddr> {
        let now = self.served.now();
        let bindings = now.desired.bindings.iter().map(|stored| &stored.value);
        let bound = bindings
            .filter(|binding| binding.protocol.scheme() == Some(scheme))
            .filter_map(|binding| now.binding(&binding.id)?.result.as_ref().ok());
        bound.filter(|address| address.port() == port).copied().collect()
    }

    /// Reads the directory, which has the CA's clock with it.
    async fn of_ca(&self, ca: Option<&Result<Arc<dyn CertificateAuthority>, String>>) -> OfCa {
        let ca = match ca {
            None => return OfCa::default(),
            Some(Err(why)) => return OfCa { directory: Some(Err(why.clone())), ..OfCa::default() },
            Some(Ok(ca)) => ca,
        };
        match timeout(LIMIT, ca.directory()).await {
            Ok(Ok(DirectoryFacts { caa_identities, date, .. })) => OfCa {
                directory: Some(Ok(())),
                identities: caa_identities,
                clocks: date.map(|of_ca| Clocks { ours: self.clock.now(), of_ca }),
            },
            Ok(Err(error)) => OfCa { directory: Some(Err(error.to_string())), ..OfCa::default() },
            Err(_) => OfCa { directory: Some(Err(in_time(LIMIT))), ..OfCa::default() },
        }
    }

    /// What may still be asked, as far as it is counted for the account and the name.
    async fn budgets(&self, issuer: Option<&Issuer>, name: &HostPattern) -> Vec<(LimitKind, Budget)> {
        let Some(issuer) = issuer else { return Vec::new() };
        let (limits, now) = (Limits::of(&issuer.directory), self.clock.now());
        let mut budgets = Vec::new();
        let mut count = |times: Result<Vec<Timestamp>, _>, limit: portward_core::acme::Limit| match times {
            Ok(times) => budgets.push((limit.kind, budget(&Ledger::new(times), limit, now))),
            Err(error) => tracing::debug!(error = crate::app::chain_text(&error), "a budget cannot be read"),
        };
        count(ledger::orders(&*self.store, &issuer.id).await, limits.orders);
        count(ledger::failures(&*self.store, name).await, limits.failed_validations);
        budgets
    }

    async fn account_url(&self, issuer: Option<&Issuer>) -> Option<String> {
        StoredAccount::read_url(&*self.store, &issuer?.id).await.ok().flatten()
    }
}

/// The addresses of a name; those of the name below which a wildcard is.
async fn addresses(records: &DnsRecords, name: &HostPattern) -> Result<Vec<IpAddr>, String> {
    if let HostPattern::Exact(Host::Ip(ip)) = name {
        return Ok(vec![*ip]);
    }
    let Some(name) = dns_name(name) else { return Ok(Vec::new()) };
    match timeout(ADDRESSES_LIMIT, records.addresses(name)).await {
        Ok(Ok(found)) => Ok(found.v4.into_iter().map(IpAddr::V4).chain(found.v6.into_iter().map(IpAddr::V6)).collect()),
        Ok(Err(error)) => match error.why {
            LookupFailure::NoSuchName | LookupFailure::NoData => Ok(Vec::new()),
            why => Err(why.to_string()),
        },
        Err(_) => Err(in_time(ADDRESSES_LIMIT)),
    }
}

async fn caa(records: &DnsRecords, name: &HostPattern) -> Option<Result<CaaSet, String>> {
    let name = dns_name(name)?;
    let found = match timeout(LIMIT, records.caa(name)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Some(Err(error.why.to_string())),
        Err(_) => return Some(Err(in_time(LIMIT))),
    };
    // The flag is bit 0, which is the highest one (RFC 8659 section 4.1).
    let record = |record: portward_certs::dns::CaaRecord| CaaRecord {
        flags: if record.critical { 128 } else { 0 },
        tag: record.tag,
        value: record.value,
    };
    let set = found.map_or_else(CaaSet::default, |set| CaaSet {
        found_at: set.name,
        records: set.records.into_iter().map(record).collect(),
    });
    Some(Ok(set))
}

async fn dnssec(records: &DnsRecords, name: &HostPattern) -> Option<Dnssec> {
    let name = dns_name(name)?;
    Some(match timeout(LIMIT, records.dnssec(name)).await {
        Ok(DnssecState::Unsigned) => Dnssec::Unsigned,
        Ok(DnssecState::Valid) => Dnssec::Secure,
        Ok(DnssecState::Broken(why)) => Dnssec::Bogus(why),
        Ok(DnssecState::Unknown(why)) => Dnssec::Unknown(why),
        Err(_) => Dnssec::Unknown(in_time(LIMIT)),
    })
}

/// From where the CA looks: from our own network if it is in it, or has authorities of its own.
async fn vantage(issuer: Option<&Issuer>) -> Vantage {
    let Some(issuer) = issuer else { return Vantage::Internet };
    if issuer.trust != DirectoryTrust::System {
        return Vantage::Network;
    }
    let Ok(uri) = issuer.directory.parse::<http::Uri>() else { return Vantage::Internet };
    let Some(Ok(host)) = uri.host().map(Host::parse) else { return Vantage::Internet };
    let addresses = match host {
        Host::Ip(ip) => vec![ip],
        Host::Name(name) => match timeout(ADDRESSES_LIMIT, tokio::net::lookup_host((name.as_str(), 443))).await {
            Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
            _ => Vec::new(),
        },
    };
    let is_near = !addresses.is_empty() && addresses.into_iter().all(is_private);
    if is_near { Vantage::Network } else { Vantage::Internet }
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// What DNS is asked for; none for an address.
fn dns_name(name: &HostPattern) -> Option<&str> {
    match name {
        HostPattern::Exact(Host::Name(name)) | HostPattern::Wildcard(name) => Some(name.as_str()),
        HostPattern::Exact(Host::Ip(_)) | HostPattern::Any => None,
    }
}

/// As the binding that is made for a challenge.
fn everywhere(port: u16) -> SocketAddr {
    let ip =
        if portward_proxy::has_ipv6() { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    SocketAddr::new(ip, port)
}

fn in_time(limit: Duration) -> String {
    format!("no answer came within {} seconds", limit.as_secs())
}

/// For everything together: an operator waits for it, and so does a CA.
const LIMIT: Duration = Duration::from_secs(6);
/// Leaves as much for asking each of the addresses.
const ADDRESSES_LIMIT: Duration = Duration::from_secs(3);
