//! Looks up what DNS has: addresses, CAA, delegations, zones with their servers.
//!
//! Nothing is remembered between two questions. A resolver that remembers that a name was not there would hide a record
//! that has been written since, which is why the authoritative servers can be asked directly as well.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RData, Record, RecordType},
};

mod ask;
mod dnssec;
mod error;
mod everywhere;
mod zone;

use ask::{Answer, Asking, Patience, Silence, ask};
pub use dnssec::DnssecState;
pub use error::{LookupError, LookupFailure};
pub use everywhere::Propagation;
pub use zone::{Zone, ZoneSource};

/// Looks things up in DNS; cheap to clone.
///
/// `/etc/hosts` is not read: a CA does not see it either.
/// Each question has a time-out, and each call has one that includes all its questions.
#[derive(Clone, Debug)]
pub struct DnsRecords {
    resolvers: Arc<[SocketAddr]>,
    server_port: u16,
    patience: Patience,
}

/// Holds the addresses of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Of its A records.
    pub v4: Vec<Ipv4Addr>,
    /// Of its AAAA records.
    pub v6: Vec<Ipv6Addr>,
}

/// Holds the CAA records that count for a name (RFC 8659).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaSet {
    /// The name where they were found: the one that was asked for, or one above it.
    pub name: String,
    /// The records; never empty.
    pub records: Vec<CaaRecord>,
}

/// Is one CAA record (RFC 8659 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaRecord {
    /// Whether a CA that does not understand the tag must not issue.
    pub critical: bool,
    /// The tag in lower case: `issue`, `issuewild`, `iodef` and others.
    pub tag: String,
    /// The value as it is written.
    pub value: String,
}

impl DnsRecords {
    /// Asks these resolvers, one after another; those of the machine (`/etc/resolv.conf`) if there are none.
    pub fn new(resolvers: &[SocketAddr]) -> Self {
        Self { resolvers: resolvers.into(), server_port: DNS_PORT, patience: Patience::default() }
    }

    /// Asks authoritative servers at another port than 53, for servers that are not reached at their own.
    #[must_use]
    pub fn at_port(mut self, port: u16) -> Self {
        self.server_port = port;
        self
    }

    /// The addresses of a name, through its CNAME records.
    ///
    /// One kind of address is enough; it is an error if there is neither.
    pub async fn addresses(&self, name: &str) -> Result<Addresses, LookupError> {
        self.in_time(name, "addresses", async {
            let name = parse(name)?;
            let (v4, v6) = tokio::join!(self.find(&name, RecordType::A), self.find(&name, RecordType::AAAA));
            let (v4, v6) = match (v4, v6) {
                // What is wrong with one kind is hidden only by addresses of the other one.
                (Err(LookupFailure::NoData), Err(why)) | (Err(why), Err(_)) => return Err(why),
                (v4, v6) => (v4.unwrap_or_default(), v6.unwrap_or_default()),
            };
            Ok(Addresses {
                v4: v4.iter().filter_map(|record| as_v4(&record.data)).collect(),
                v6: v6.iter().filter_map(|record| as_v6(&record.data)).collect(),
            })
        })
        .await
    }

    /// The CAA records that count for a name: its own, else those of the nearest name above it that has some
    /// (RFC 8659 section 3). CNAME records of each of these names are followed, and nothing is looked for above
    /// their targets.
    ///
    /// None if no name up to the top has any: then every CA may issue. A server that fails is an error, because a CA
    /// does not issue then.
    pub async fn caa(&self, name: &str) -> Result<Option<CaaSet>, LookupError> {
        self.in_time(name, "CAA records", async {
            let mut name = parse(name.strip_prefix("*.").unwrap_or(name))?;
            while !name.is_root() {
                match self.find(&name, RecordType::CAA).await {
                    Ok(found) => {
                        let records = found.iter().filter_map(|record| as_caa(&record.data)).collect();
                        return Ok(Some(CaaSet { name: shown(&name), records }));
                    }
                    Err(LookupFailure::NoData | LookupFailure::NoSuchName) => name = name.base_name(),
                    Err(why) => return Err(why),
                }
            }
            Ok(None)
        })
        .await
    }

    /// The name at the end of the CNAME records of a name; the name itself if it has none, or is not there.
    pub async fn follow_cname(&self, name: &str) -> Result<String, LookupError> {
        self.in_time(name, "CNAME records", async {
            let mut path = Path::from(parse(name)?);
            loop {
                let (_, answer) = self.resolve(path.end(), RecordType::CNAME, Asking::Resolver).await?;
                let begin = path.hops();
                while let Some(target) = alias(&answer.answers, path.end()) {
                    path.go_on(target)?;
                }
                if path.hops() == begin {
                    return Ok(shown(path.end()));
                }
            }
        })
        .await
    }

    /// The records of one type at the end of the CNAME records of a name; never empty.
    async fn find(&self, name: &Name, kind: RecordType) -> Result<Vec<Record>, LookupFailure> {
        let mut path = Path::from(name.clone());
        loop {
            let (_, answer) = self.resolve(path.end(), kind, Asking::Resolver).await?;
            let begin = path.hops();
            loop {
                let found: Vec<Record> =
                    answer.answers.iter().filter(|record| is(record, path.end(), kind)).cloned().collect();
                if !found.is_empty() {
                    return Ok(found);
                }
                match alias(&answer.answers, path.end()) {
                    Some(target) => path.go_on(target)?,
                    None => break,
                }
            }
            // A resolver follows CNAME records by itself, an authoritative server those of its own zones; whoever
            // stopped on the way is asked about the place where it did.
            if path.hops() == begin {
                return Err(match answer.metadata.response_code {
                    ResponseCode::NXDomain => LookupFailure::NoSuchName,
                    _ => LookupFailure::NoData,
                });
            }
        }
    }

    /// The answer of the first resolver that has one, with its address: `NOERROR` or `NXDOMAIN`.
    async fn resolve(&self, name: &Name, kind: RecordType, how: Asking) -> Result<(SocketAddr, Answer), LookupFailure> {
        let resolvers = self.resolvers()?;
        let mut first = None;
        for resolver in resolvers.iter() {
            let why = match ask(*resolver, name, kind, how, self.patience).await {
                Ok(answer) => match LookupFailure::of_answer(*resolver, &answer) {
                    None => return Ok((*resolver, answer)),
                    Some(why) => why,
                },
                Err(silence) => LookupFailure::of_silence(*resolver, silence),
            };
            first.get_or_insert(why);
        }
        Err(first.unwrap_or_else(|| LookupFailure::NoResolver("there is none".to_owned())))
    }

    /// The resolvers that were given, else those of the machine as they are now.
    fn resolvers(&self) -> Result<Arc<[SocketAddr]>, LookupFailure> {
        if !self.resolvers.is_empty() {
            return Ok(Arc::clone(&self.resolvers));
        }
        let text = std::fs::read_to_string(RESOLV_CONF)
            .map_err(|error| LookupFailure::NoResolver(format!("{RESOLV_CONF} cannot be read: {error}")))?;
        let found = name_servers(&text);
        if found.is_empty() {
            return Err(LookupFailure::NoResolver(format!("{RESOLV_CONF} has no line with nameserver and an address")));
        }
        Ok(found.into())
    }

    async fn in_time<T>(
        &self,
        name: &str,
        records: &'static str,
        lookup: impl Future<Output = Result<T, LookupFailure>>,
    ) -> Result<T, LookupError> {
        let result = tokio::time::timeout(self.patience.total, lookup).await;
        result
            .unwrap_or(Err(LookupFailure::TimedOut { server: "DNS".to_owned(), within: self.patience.total }))
            .map_err(|why| LookupError { name: name.to_owned(), records, why })
    }
}

/// Is the way along CNAME records, each name once.
struct Path(Vec<Name>, Name);

impl From<Name> for Path {
    fn from(name: Name) -> Self {
        Self(Vec::new(), name)
    }
}

impl Path {
    fn end(&self) -> &Name {
        &self.1
    }

    fn hops(&self) -> usize {
        self.0.len()
    }

    fn go_on(&mut self, target: Name) -> Result<(), LookupFailure> {
        self.0.push(std::mem::replace(&mut self.1, target));
        let shown = || self.0.iter().chain([&self.1]).map(shown).collect::<Vec<_>>().join(" to ");
        if self.0.contains(&self.1) {
            return Err(LookupFailure::Circle(shown()));
        }
        if self.0.len() > MAX_ALIASES {
            return Err(LookupFailure::TooManyAliases { limit: MAX_ALIASES, path: shown() });
        }
        Ok(())
    }
}

/// The target of a CNAME record of the name.
fn alias(answers: &[Record], name: &Name) -> Option<Name> {
    answers.iter().filter(|record| record.name == *name).find_map(|record| match &record.data {
        RData::CNAME(target) => Some(rooted(target.0.clone())),
        _ => None,
    })
}

fn is(record: &Record, name: &Name, kind: RecordType) -> bool {
    record.name == *name && record.record_type() == kind
}

fn as_v4(data: &RData) -> Option<Ipv4Addr> {
    match data {
        RData::A(address) => Some(address.0),
        _ => None,
    }
}

fn as_v6(data: &RData) -> Option<Ipv6Addr> {
    match data {
        RData::AAAA(address) => Some(address.0),
        _ => None,
    }
}

fn as_caa(data: &RData) -> Option<CaaRecord> {
    match data {
        RData::CAA(caa) => Some(CaaRecord {
            critical: caa.issuer_critical,
            tag: caa.tag.to_ascii_lowercase(),
            value: String::from_utf8_lossy(&caa.value).into_owned(),
        }),
        _ => None,
    }
}

fn parse(name: &str) -> Result<Name, LookupFailure> {
    let parsed = Name::from_ascii(name).map(rooted).map_err(|error| LookupFailure::NotAName(error.to_string()))?;
    if parsed.is_root() {
        return Err(LookupFailure::NotAName("it is empty".to_owned()));
    }
    Ok(parsed.to_lowercase())
}

fn rooted(mut name: Name) -> Name {
    name.set_fqdn(true);
    name
}

/// A name as people write it, without a dot at its end.
fn shown(name: &Name) -> String {
    let text = name.to_ascii();
    text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase()
}

/// The addresses of the `nameserver` lines of a resolv.conf.
fn name_servers(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == "nameserver").then(|| words.next())?
        })
        // An address of one link, as in fe80::1%eth0, names an interface that a socket address has as a number only.
        .filter_map(|address| address.parse::<IpAddr>().ok())
        .map(|address| SocketAddr::new(address, DNS_PORT))
        .collect()
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(3), total: Duration::from_secs(15) }
    }
}

const DNS_PORT: u16 = 53;
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// As many CNAME records as common resolvers follow at least; more are a mistake.
const MAX_ALIASES: usize = 8;

#[cfg(test)]
mod tests;
