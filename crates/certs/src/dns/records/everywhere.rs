//! Whether a TXT record can be seen, wherever a CA may look.

use std::{net::SocketAddr, time::Duration};

use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RData, RecordType},
};
use tokio::task::JoinSet;

use super::{
    Answer, Asking, DnsRecords, LookupFailure, Patience, Silence, Zone, ZoneSource, alias, ask, is, parse, shown,
};

/// Says who shows a TXT record, and who does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Propagation {
    /// Authoritative servers that show it, as in `ns1.shop.example (192.0.2.1)`.
    pub seen: Vec<String>,
    /// Authoritative servers that do not, with what they say instead.
    pub missing: Vec<(String, String)>,
    /// Others that do not, and that say nothing about what a CA sees: resolvers that may remember an older answer or
    /// see a DNS of their own, and servers at addresses that this machine has no way to, as without IPv6.
    pub aside: Vec<(String, String)>,
}

impl Propagation {
    /// Whether every authoritative server that can be asked shows it, and at least one does.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && !self.seen.is_empty()
    }
}

impl DnsRecords {
    /// Asks every address of every server of the zone whether the name has the TXT record, and the resolvers too.
    ///
    /// The servers are asked directly and all at once. The name must be at the end of its CNAME records.
    pub async fn txt_everywhere(&self, zone: &Zone, name: &str, value: &str) -> Propagation {
        let mut found = Propagation::default();
        let name = match parse(name) {
            Ok(name) => name,
            Err(why) => {
                found.missing.push((name.to_owned(), why.to_string()));
                return found;
            }
        };
        let mut asked = JoinSet::new();
        let mut spawn = |place: Place, address: SocketAddr, how| {
            let (name, value, patience) = (name.clone(), value.to_owned(), self.patience);
            asked.spawn(async move {
                let looked = tokio::time::timeout(patience.total, look(address, &name, &value, how, patience)).await;
                (place, looked.unwrap_or_else(|_| Look::Missing(late(patience.total))))
            });
        };
        let mut number = 0;
        for (server, addresses) in &zone.servers {
            if addresses.is_empty() {
                found.missing.push((server.clone(), "the server has no address in DNS".to_owned()));
            }
            for address in addresses {
                let (shown, how) = match zone.source {
                    ZoneSource::Records => (format!("{server} ({})", self.short(*address)), Asking::Authority),
                    ZoneSource::Assumed => (address.to_string(), Asking::Resolver),
                };
                spawn(Place { number, shown, counts: true }, *address, how);
                number += 1;
            }
        }
        // Where the zone is assumed, the resolvers are its servers.
        if let (ZoneSource::Records, Ok(resolvers)) = (zone.source, self.resolvers()) {
            for address in resolvers.iter() {
                spawn(
                    Place { number, shown: format!("resolver {address}"), counts: false },
                    *address,
                    Asking::Resolver,
                );
                number += 1;
            }
        }
        let mut answers = asked.join_all().await;
        answers.sort_by_key(|(place, _)| place.number);
        for (Place { shown, counts, .. }, look) in answers {
            match look {
                Look::Seen if counts => found.seen.push(shown),
                Look::Seen => {}
                Look::Missing(said) if counts => found.missing.push((shown, said)),
                Look::Missing(said) | Look::NoRoute(said) => found.aside.push((shown, said)),
            }
        }
        found
    }

    /// An address without the port where that is the usual one.
    fn short(&self, address: SocketAddr) -> String {
        if address.port() == super::DNS_PORT { address.ip().to_string() } else { address.to_string() }
    }
}

/// Is somebody who is asked; `counts` says whether a CA sees what it says.
struct Place {
    number: usize,
    shown: String,
    counts: bool,
}

enum Look {
    Seen,
    Missing(String),
    NoRoute(String),
}

async fn look(server: SocketAddr, name: &Name, value: &str, how: Asking, patience: Patience) -> Look {
    match ask(server, name, RecordType::TXT, how, patience).await {
        Ok(answer) => look_at(&answer, server, name, value),
        Err(Silence::NoRoute(why)) => Look::NoRoute(format!("this machine has no way to it: {why}")),
        Err(Silence::Failed(why)) => Look::Missing(format!("cannot be reached: {why}")),
        Err(Silence::TimedOut(within)) => Look::Missing(late(within)),
    }
}

fn late(within: Duration) -> String {
    format!("did not answer within {} seconds", within.as_secs_f32())
}

fn look_at(answer: &Answer, server: SocketAddr, name: &Name, value: &str) -> Look {
    if let Some(why) = LookupFailure::of_answer(server, answer) {
        return Look::Missing(match why {
            LookupFailure::Refused { code, .. } => format!("refuses to answer ({code}): is it a server of the zone?"),
            why => why.to_string(),
        });
    }
    let values: Vec<String> = answer
        .answers
        .iter()
        .filter(|record| is(record, name, RecordType::TXT))
        .filter_map(|record| text(&record.data))
        .collect();
    if values.iter().any(|shown| shown == value) {
        return Look::Seen;
    }
    Look::Missing(if !values.is_empty() {
        let list: Vec<String> = values.iter().take(MAX_SHOWN).map(|value| format!("{value:?}")).collect();
        format!("has other values: {}{}", list.join(", "), if values.len() > MAX_SHOWN { " and more" } else { "" })
    } else if let Some(target) = alias(&answer.answers, name) {
        format!("has a CNAME record to {} instead", shown(&target))
    } else if answer.metadata.response_code == ResponseCode::NXDomain {
        "does not have the name (NXDOMAIN)".to_owned()
    } else {
        "has no TXT record of the name".to_owned()
    })
}

/// The strings of a TXT record are one value for a CA (RFC 8555 section 8.4 with RFC 7208 section 3.3).
fn text(data: &RData) -> Option<String> {
    match data {
        RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
        _ => None,
    }
}

/// Enough to recognise another program's values.
const MAX_SHOWN: usize = 4;
