//! The extensions of a certificate (RFC 5280 section 4.2) that serving it needs.
//!
//! An extension that does not keep to its format counts as absent: clients judge it, we only show it.

use std::net::IpAddr;

use portward_core::{Host, HostPattern};

use crate::der::{self, DerError, Element};

/// Holds what the extensions say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// Of basicConstraints; none without it.
    pub(crate) ca: Option<bool>,
    /// DNS names and IP addresses of subjectAltName.
    pub(crate) names: Vec<HostPattern>,
    /// Dotted numbers of extKeyUsage; none without it.
    pub(crate) usages: Option<Vec<String>>,
    /// Of subjectKeyIdentifier and authorityKeyIdentifier.
    pub(crate) key_id: Option<Vec<u8>>,
    pub(crate) issuer_key_id: Option<Vec<u8>>,
    /// The first URL of `caIssuers` in authorityInfoAccess.
    pub(crate) issuer_url: Option<String>,
}

impl Extensions {
    /// Reads `[3] EXPLICIT SEQUENCE OF Extension`.
    pub(super) fn read(element: &Element<'_>) -> Result<Self, DerError> {
        let mut found = Self::default();
        let mut list = element.inside().expect(der::SEQUENCE, "the extensions are malformed")?.inside();
        while !list.is_empty() {
            let mut fields = list.expect(der::SEQUENCE, "the extensions are malformed")?.inside();
            let kind = fields.oid()?;
            fields.optional(BOOLEAN)?;
            let content = fields.expect(der::OCTET_STRING, "the extensions are malformed")?.octets()?;
            let Ok(value) = der::whole(&content) else {
                continue;
            };
            match kind.as_str() {
                "2.5.29.19" => found.ca = basic_constraints(&value).ok(),
                "2.5.29.17" => found.names = names(&value),
                "2.5.29.37" => found.usages = usages(&value).ok(),
                "2.5.29.14" => found.key_id = Some(value.body.to_vec()),
                "2.5.29.35" => found.issuer_key_id = issuer_key_id(&value).ok().flatten(),
                "1.3.6.1.5.5.7.1.1" => found.issuer_url = issuer_url(&value).ok().flatten(),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Whether TLS clients accept the certificate from a server, as far as extKeyUsage goes.
    pub(crate) fn is_for_servers(&self) -> bool {
        match &self.usages {
            None => true,
            Some(usages) => usages.iter().any(|usage| usage == SERVER_AUTH || usage == ANY_USAGE),
        }
    }
}

fn basic_constraints(value: &Element<'_>) -> Result<bool, DerError> {
    let ca = value.inside().optional(BOOLEAN)?;
    Ok(ca.is_some_and(|ca| ca.body.iter().any(|byte| *byte != 0)))
}

/// Reads dNSName and iPAddress; other kinds, and what no host can be called, are passed over.
fn names(value: &Element<'_>) -> Vec<HostPattern> {
    let mut found = Vec::new();
    let mut list = value.inside();
    while let Ok(entry) = list.any() {
        let name = match entry.tag {
            DNS_NAME => dns_name(entry.body),
            IP_ADDRESS => ip_address(entry.body).map(|address| HostPattern::Exact(Host::from(address))),
            _ => None,
        };
        if let Some(name) = name
            && !found.contains(&name)
        {
            found.push(name);
        }
    }
    found
}

/// A name of letters; an IP address in this place means nothing to clients (RFC 6125 section 1.7.2).
fn dns_name(text: &[u8]) -> Option<HostPattern> {
    match HostPattern::parse(std::str::from_utf8(text).ok()?).ok()? {
        HostPattern::Any | HostPattern::Exact(Host::Ip(_)) => None,
        name => Some(name),
    }
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

fn usages(value: &Element<'_>) -> Result<Vec<String>, DerError> {
    let mut list = value.inside();
    let mut found = Vec::new();
    while !list.is_empty() {
        found.push(list.oid()?);
    }
    Ok(found)
}

fn issuer_key_id(value: &Element<'_>) -> Result<Option<Vec<u8>>, DerError> {
    Ok(value.inside().optional(der::context_primitive(0))?.map(|id| id.body.to_vec()))
}

fn issuer_url(value: &Element<'_>) -> Result<Option<String>, DerError> {
    let mut list = value.inside();
    while !list.is_empty() {
        let mut entry = list.expect(der::SEQUENCE, "authorityInfoAccess is malformed")?.inside();
        let method = entry.oid()?;
        let place = entry.any()?;
        if method == CA_ISSUERS && place.tag == URI && place.body.iter().all(u8::is_ascii_graphic) {
            return Ok(Some(String::from_utf8_lossy(place.body).into_owned()));
        }
    }
    Ok(None)
}

const BOOLEAN: u8 = 0x01;
const DNS_NAME: u8 = der::context_primitive(2);
const URI: u8 = der::context_primitive(6);
const IP_ADDRESS: u8 = der::context_primitive(7);
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";
const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const ANY_USAGE: &str = "2.5.29.37.0";
