//! Dynamic updates of DNS itself (RFC 2136) with a shared key (TSIG, RFC 8945): BIND, Knot, PowerDNS, Windows.

use std::net::SocketAddr;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use dns_update::{DnsRecord, DnsRecordType, DnsUpdater, Error, TsigAlgorithm, providers::rfc2136::DnsAddress};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{
    Given, Make, NotOpened, ProviderKind, ProviderSetting,
    hosted::WITHIN,
    said::{one_line, outside, timed_out, words},
};
use crate::dns::{TxtError, TxtRecord, TxtWriter};

pub(super) const KIND: ProviderKind = ProviderKind {
    word: "rfc2136",
    name: "a DNS server",
    sentence: "Sends dynamic updates (RFC 2136) with a TSIG key to the primary server of the zone.",
    settings: &[
        ProviderSetting::plain(
            "server",
            "Host and port of the primary server, as in ns1.shop.example:53; 53 may be left out.",
        )
        .leads(),
        ProviderSetting::plain("key_name", "The name of the TSIG key, as the server knows it."),
        ProviderSetting::secret("secret", "The TSIG key in base64."),
        ProviderSetting::or("algorithm", "hmac-sha256", "hmac-sha256, hmac-sha384 or hmac-sha512."),
        ProviderSetting::or("transport", "udp", "udp or tcp.").leads(),
    ],
    make: Make::Own(open),
};

fn open(given: &Given) -> Result<Box<dyn TxtWriter>, NotOpened> {
    let server = given.text("server");
    let server = with_port(server).ok_or(NotOpened::Setting {
        name: "server",
        expected: "a host or address with an optional port, as in ns1.shop.example, 192.0.2.1:53 or [2001:db8::1]:53",
    })?;
    let secret = STANDARD.decode(given.text("secret")).ok().filter(|secret| !secret.is_empty());
    let secret = secret.ok_or(NotOpened::Setting { name: "secret", expected: "base64" })?;
    let algorithm = match given.text("algorithm").trim_end_matches('.').to_ascii_lowercase().as_str() {
        "hmac-sha256" => Algorithm::Sha256,
        "hmac-sha384" => Algorithm::Sha384,
        "hmac-sha512" => Algorithm::Sha512,
        _ => {
            let expected = "hmac-sha256, hmac-sha384 or hmac-sha512";
            return Err(NotOpened::Setting { name: "algorithm", expected });
        }
    };
    let transport = match given.text("transport") {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        _ => return Err(NotOpened::Setting { name: "transport", expected: "udp or tcp" }),
    };
    let key_name = given.text("key_name").trim_end_matches('.').to_owned();
    let update = Update { server, transport, key_name, secret: Zeroizing::new(secret), algorithm };
    // Shows now whether name and key can be used; the address does not matter for that.
    update.updater(SocketAddr::from(([127, 0, 0, 1], 53)))?;
    Ok(Box::new(update))
}

struct Update {
    server: String,
    transport: Transport,
    key_name: String,
    secret: Zeroizing<Vec<u8>>,
    algorithm: Algorithm,
}

#[derive(Clone, Copy)]
enum Transport {
    Udp,
    Tcp,
}

#[derive(Clone, Copy)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

/// Says what is done with the record.
#[derive(Clone, Copy)]
enum Action {
    Add,
    Remove,
}

#[async_trait]
impl TxtWriter for Update {
    async fn add(&self, record: &TxtRecord) -> Result<(), TxtError> {
        self.send(record, Action::Add).await
    }

    async fn remove(&self, record: &TxtRecord) -> Result<(), TxtError> {
        self.send(record, Action::Remove).await
    }
}

impl Update {
    async fn send(&self, record: &TxtRecord, action: Action) -> Result<(), TxtError> {
        // hickory-dns takes it for granted.
        if !record.is_inside_zone() {
            return Err(outside(&self.server, record));
        }
        match timeout(WITHIN, self.send_to_one(record, action)).await {
            Ok(result) => result,
            Err(_) => Err(timed_out(&self.server, WITHIN)),
        }
    }

    /// The name of the server is looked up each time: it may have moved.
    async fn send_to_one(&self, record: &TxtRecord, action: Action) -> Result<(), TxtError> {
        let unreachable = |why: String| TxtError::Unreachable { provider: self.server.clone(), why };
        let addresses = tokio::net::lookup_host(&self.server).await;
        let address = addresses
            .map_err(|error| unreachable(format!("its name cannot be looked up: {error}")))?
            .next()
            .ok_or_else(|| unreachable("its name has no address".to_owned()))?;
        let failed = |error: Error| self.txt_error(&error, record);
        let updater = self.updater(address).map_err(failed)?;
        let (name, zone, values) = (&record.name, &record.zone, vec![DnsRecord::TXT(record.value.clone())]);
        match action {
            Action::Add => updater.add_to_rrset(name, DnsRecordType::TXT, TTL, values, zone).await,
            Action::Remove => updater.remove_from_rrset(name, DnsRecordType::TXT, values, zone).await,
        }
        .map_err(failed)
    }

    fn updater(&self, address: SocketAddr) -> dns_update::Result<DnsUpdater> {
        let address = match self.transport {
            Transport::Udp => DnsAddress::Udp(address),
            Transport::Tcp => DnsAddress::Tcp(address),
        };
        let algorithm = match self.algorithm {
            Algorithm::Sha256 => TsigAlgorithm::HmacSha256,
            Algorithm::Sha384 => TsigAlgorithm::HmacSha384,
            Algorithm::Sha512 => TsigAlgorithm::HmacSha512,
        };
        DnsUpdater::new_rfc2136_tsig(address, &self.key_name, self.secret.to_vec(), algorithm)
    }

    /// Reads the words of hickory-dns, which has neither types for these nor ever the key in them.
    ///
    /// An update whose signature the server does not accept is answered without one (RFC 8945 section 5.2); hickory-dns
    /// takes that for a signature that is too short.
    fn txt_error(&self, error: &Error, record: &TxtRecord) -> TxtError {
        let (provider, zone, text) = (self.server.clone(), record.zone.clone(), one_line(&words(error)));
        let lower = text.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        match error {
            Error::Response(_) if has(&["query refused"]) => TxtError::Unauthorized {
                provider,
                why: format!("the key {} may not change {} (REFUSED)", self.key_name, record.name),
            },
            Error::Response(_) if has(&["not authorized"]) => TxtError::NoZone {
                provider,
                zone,
                why: "it is not the primary server of the zone (NOTAUTH)".to_owned(),
            },
            Error::Response(_) if has(&["not in zone"]) => outside(&self.server, record),
            Error::Response(_) => {
                TxtError::Failed { provider, why: format!("the server answers the update with: {text}") }
            }
            _ if has(&["truncated hmac", "wrong key", "hmac"]) => TxtError::Unauthorized {
                provider,
                why: "key_name, secret and algorithm are not those of a key of the server, or the clocks differ"
                    .to_owned(),
            },
            _ if has(&["signature record not found"]) => TxtError::Failed {
                provider,
                why: "its answer is not signed, as if it took no signed updates".to_owned(),
            },
            _ if has(&["outdated response"]) => TxtError::Failed {
                provider,
                why: "its clock and that of this machine differ by more than a minute".to_owned(),
            },
            _ if has(&["io error", "timed out", "timeout", "connection", "closed"]) => {
                TxtError::Unreachable { provider, why: text }
            }
            _ => TxtError::Failed { provider, why: format!("the update was not answered as it should be: {text}") },
        }
    }
}

/// The server with its port.
pub(super) fn with_port(server: &str) -> Option<String> {
    let is_host = |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    if let Ok(address) = server.parse::<std::net::Ipv6Addr>() {
        return Some(format!("[{address}]:{DNS_PORT}"));
    }
    if let Ok(address) = server.parse::<SocketAddr>() {
        return Some(address.to_string());
    }
    match server.rsplit_once(':') {
        None => is_host(server).then(|| format!("{server}:{DNS_PORT}")),
        Some((host, port)) => {
            (is_host(host) && port.parse::<u16>().is_ok_and(|port| port != 0)).then(|| server.to_owned())
        }
    }
}

const DNS_PORT: u16 = 53;
/// Short: the record is gone after minutes.
const TTL: u32 = 60;
