//! Which zone a name is in, and who serves it.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::{
    op::ResponseCode,
    rr::{RData, RecordType},
};
use tokio::task::JoinSet;

use super::{Asking, DnsRecords, LookupError, LookupFailure, is, parse, shown};

/// Is a zone with the servers that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// The name at its top, without a dot at its end.
    pub apex: String,
    /// The servers that its NS records name, each with all its addresses; one without any has none in DNS.
    pub servers: Vec<(String, Vec<SocketAddr>)>,
    /// How we know.
    pub source: ZoneSource,
}

/// Says how a zone was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneSource {
    /// By its SOA and NS records.
    Records,
    /// There are none, and it is assumed: see [`DnsRecords::zone`].
    Assumed,
}

impl DnsRecords {
    /// The zone of a name: the nearest name that has a SOA record, going up from the name itself; its servers by its
    /// NS records.
    ///
    /// Resolvers that were given explicitly may be all that knows the name, and have neither SOA nor NS records, as
    /// test servers do. What is above the name is unknown then; the zone is assumed to begin at the name without
    /// `_acme-challenge.`, its servers are the resolvers, and [`Zone::source`] is [`ZoneSource::Assumed`].
    /// Without explicit resolvers a name without a zone is an error.
    pub async fn zone(&self, name: &str) -> Result<Zone, LookupError> {
        self.in_time(name, "the zone", async {
            match self.zone_of_records(name).await {
                Err(LookupFailure::NoZone | LookupFailure::NoServers { .. }) if !self.resolvers.is_empty() => {
                    Ok(self.assumed_zone(name))
                }
                found => found,
            }
        })
        .await
    }

    async fn zone_of_records(&self, name: &str) -> Result<Zone, LookupFailure> {
        let mut apex = parse(name)?;
        loop {
            match self.resolve(&apex, RecordType::SOA, Asking::Resolver).await {
                // Of the name itself: the SOA record beside a negative answer may be of anybody, and behind a CNAME
                // record is that of another zone.
                Ok((_, answer)) if answer.answers.iter().any(|record| is(record, &apex, RecordType::SOA)) => break,
                Ok(_) => {}
                // A test server that knows no such type.
                Err(LookupFailure::Refused { code, .. }) if code == ResponseCode::NotImp.to_string() => {}
                Err(why) => return Err(why),
            }
            apex = apex.base_name();
            if apex.is_root() {
                return Err(LookupFailure::NoZone);
            }
        }
        let none = || LookupFailure::NoServers { apex: shown(&apex) };
        let found = match self.find(&apex, RecordType::NS).await {
            Err(LookupFailure::NoData | LookupFailure::NoSuchName) => return Err(none()),
            found => found?,
        };
        let mut lookups = JoinSet::new();
        for name in found.iter().filter_map(|record| match &record.data {
            RData::NS(server) => Some(shown(&server.0)),
            _ => None,
        }) {
            let records = self.clone();
            lookups.spawn(async move {
                let found = records.addresses(&name).await.unwrap_or_default();
                let all = found.v4.into_iter().map(IpAddr::V4).chain(found.v6.into_iter().map(IpAddr::V6));
                let addresses = all.map(|address| SocketAddr::new(address, records.server_port)).collect();
                (name, addresses)
            });
        }
        let mut servers: Vec<(String, Vec<SocketAddr>)> = lookups.join_all().await;
        servers.sort();
        servers.dedup();
        if servers.iter().all(|(_, addresses)| addresses.is_empty()) {
            return Err(none());
        }
        Ok(Zone { apex: shown(&apex), servers, source: ZoneSource::Records })
    }

    fn assumed_zone(&self, name: &str) -> Zone {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        Zone {
            apex: name.strip_prefix("_acme-challenge.").unwrap_or(&name).to_owned(),
            servers: self.resolvers.iter().map(|resolver| (resolver.ip().to_string(), vec![*resolver])).collect(),
            source: ZoneSource::Assumed,
        }
    }
}
