//! Looking at upstreams of a site, as Portward reaches them.

use std::{net::SocketAddr, sync::Arc};

use http::Method;
use portward_core::{
    Host, HostPattern, PathRoute, ProxyProtocol, Scheme, Site, Timestamp, Upstream, UpstreamAddress, UpstreamHttp,
    explain::{Asked, UpstreamFacts},
};
use tokio::{task::JoinSet, time::timeout};

use super::authority;
use crate::{
    app::sites::presented::LastAnswer,
    explain::{Ask, LIMIT, Place, Trust, answer, connect, handshake},
};

/// What of the site's upstreams is looked at.
pub(super) fn chosen<'a>(site: &'a Site, path: &str) -> (Option<&'a PathRoute>, &'a [Upstream]) {
    let path = path.split('?').next().unwrap_or(path);
    match site.forwarding.route(path) {
        Some(route) => (Some(route), &route.upstreams),
        None => (None, &site.upstreams),
    }
}

/// Asks upstreams of a site, as Portward does.
pub(super) async fn look_at_all(
    site: &Site,
    upstreams: Vec<&Upstream>,
    asked: &Asked,
    method: &Method,
    now: Timestamp,
) -> Vec<UpstreamFacts> {
    let is_https = |upstream: &Upstream| upstream.address().is_some_and(|address| address.scheme == Scheme::Https);
    let trust = if upstreams.iter().any(|upstream| is_https(upstream)) {
        let believed = site.upstream_trust.clone();
        tokio::task::spawn_blocking(move || Trust::of_upstream(&believed, now)).await.ok().map(Arc::new)
    } else {
        None
    };
    let mut looks = JoinSet::new();
    let looked_at =
        upstreams.into_iter().filter(|upstream| **upstream != Upstream::Portal).take(MOST_UPSTREAMS).cloned();
    for (index, upstream) in looked_at.enumerate() {
        let ask = Ask {
            host: upstream.address().map_or_else(|| asked.host.clone(), |address| address.host.clone()),
            authority: authority(&asked.host, Scheme::Https, asked.port.unwrap_or(443)),
            method: method.clone(),
            path: asked.path.clone(),
            trust: trust.clone().filter(|_| is_https(&upstream)),
            opening: opening(site.forwarding.proxy_protocol),
        };
        let http = site.forwarding.http;
        looks.spawn(async move { (index, look_at(&upstream, &ask, http).await) });
    }
    let mut looks = looks.join_all().await;
    looks.sort_by_key(|(index, _)| *index);
    looks.into_iter().map(|(_, facts)| facts).collect()
}

/// What a connection begins with that is made for no client (PROXY protocol, sections 2.1 and 2.2).
fn opening(version: ProxyProtocol) -> &'static [u8] {
    match version {
        ProxyProtocol::Off => b"",
        ProxyProtocol::V1 => b"PROXY UNKNOWN\r\n",
        ProxyProtocol::V2 => b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    }
}

/// Asks each upstream of a site for a path, as a client of its first name does.
pub(in crate::app) async fn ask_site(site: &Site, path: &str, now: Timestamp) -> Vec<LastAnswer> {
    let named = site.names.iter().find_map(|name| match name {
        HostPattern::Exact(host) => Some(host.clone()),
        HostPattern::Wildcard(_) | HostPattern::Any => None,
    });
    let own = || site.all_upstreams().find_map(Upstream::address).map(|address| address.host.clone());
    let Some(host) = named.or_else(own).or_else(|| Host::parse("localhost").ok()) else { return Vec::new() };
    let asked = Asked { host, scheme: None, port: None, path: path.to_owned() };
    let is_http_2 = site.forwarding.http == UpstreamHttp::Two;
    let answer = |facts: UpstreamFacts| {
        let version = match &facts.tls {
            Some(Ok(tls)) => Some(tls.version.clone()),
            _ => None,
        };
        match (facts.connected, facts.tls, facts.answer) {
            (Err(why), ..) | (_, Some(Err(why)), _) | (.., Some(Err(why))) => Err(why),
            (_, _, Some(Ok(answer))) => {
                Ok((answer.status, u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX), version))
            }
            (_, Some(Ok(tls)), None) if tls.trust.is_err() => {
                Err("its certificate is not the one that the site believes; Explain says more".to_owned())
            }
            _ if is_http_2 => Err("it takes connections, and HTTP/2 without asking is not tried here".to_owned()),
            _ => Err("it takes connections, and was not asked".to_owned()),
        }
    };
    // Some applications answer a HEAD of their health path with 404 or 405.
    let facts = look_at_all(site, site.all_upstreams().collect(), &asked, &Method::GET, now).await.into_iter();
    facts
        .map(|facts| LastAnswer { asked: now, url: facts.url.clone(), path: path.to_owned(), answer: answer(facts) })
        .collect()
}

async fn look_at(upstream: &Upstream, ask: &Ask, http: UpstreamHttp) -> UpstreamFacts {
    let url = upstream.to_string();
    let place = match upstream {
        Upstream::Address(address) => resolve(address).await.map(Place::Address),
        Upstream::Socket(socket) => Ok(Place::Socket(socket.clone())),
        Upstream::Portal => Err("it is part of Portward".to_owned()),
    };
    let place = match place {
        Ok(place) => place,
        Err(why) => return UpstreamFacts { url, connected: Err(why), tls: None, answer: None },
    };
    let mut facts = UpstreamFacts { url, connected: connect(&place).await, tls: None, answer: None };
    if facts.connected.is_err() {
        return facts;
    }
    if let (Some(trust), Place::Address(at)) = (&ask.trust, &place) {
        let shaken = handshake(*at, ask, trust).await;
        // What is not believed is sent nothing.
        let is_believed = shaken.as_ref().is_ok_and(|tls| tls.trust.is_ok());
        facts.tls = Some(shaken);
        if !is_believed {
            return facts;
        }
    }
    // One that speaks HTTP/2 alone would take a request of HTTP/1.1 for a fault.
    if http != UpstreamHttp::Two {
        facts.answer = Some(answer(&place, ask).await);
    }
    facts
}

pub(super) async fn resolve(address: &UpstreamAddress) -> Result<SocketAddr, String> {
    let name = match &address.host {
        Host::Ip(ip) => return Ok(SocketAddr::new(*ip, address.port)),
        Host::Name(name) => name.as_str(),
    };
    let found = timeout(LIMIT, tokio::net::lookup_host((name, address.port))).await;
    let found = found.map_err(|_| format!("{name} was not found within {} seconds", LIMIT.as_secs()))?;
    let mut found = found.map_err(|error| format!("{name} is not found: {error}"))?;
    found.next().ok_or_else(|| format!("{name} has no address"))
}

/// More would not be read.
const MOST_UPSTREAMS: usize = 8;
