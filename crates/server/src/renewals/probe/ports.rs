//! What answers on the port of a challenge, at each address of a name.

use std::net::{IpAddr, SocketAddr};

use portward_core::{
    Host, HostPattern, Scheme,
    acme::{ChallengeKind, PortAnswer},
};
use tokio::task::JoinSet;

use super::{
    Probe, Question,
    ask::{Said, ask, connects},
};
use crate::renewals::outside::reachable;

/// Says how our own answer is recognised.
pub(super) enum Expected<'a> {
    /// The key authorization that is in place.
    KeyAuthorization(&'a str),
    /// What our own binding says to the same request; none if none has the port.
    Like(Option<Said>),
}

impl Probe {
    /// What answers at each address; what cannot be told from our own answer is left out.
    pub(super) async fn answers(
        &self,
        question: &Question<'_>,
        port: u16,
        addresses: &[IpAddr],
        own: &[IpAddr],
    ) -> Vec<(IpAddr, PortAnswer)> {
        let is_asked = |address: &IpAddr| question.reach.is_none_or(|reach| reach.refusal(*address, port).is_none());
        let addresses: Vec<IpAddr> = addresses.iter().copied().filter(is_asked).take(MOST_ADDRESSES).collect();
        let addresses = addresses.as_slice();
        match (question.challenge, question.name) {
            (ChallengeKind::Http01, HostPattern::Exact(host)) => {
                self.http_answers(host, question.answer, port, addresses, own).await
            }
            (ChallengeKind::TlsAlpn01, _) => self.tls_answers(port, addresses, own).await,
            _ => Vec::new(),
        }
    }

    /// Sends the request of the CA where a token is in place; else one of the same form, to which our own binding is
    /// asked to answer as well.
    async fn http_answers(
        &self,
        host: &Host,
        answer: Option<(&str, &str)>,
        port: u16,
        addresses: &[IpAddr],
        own: &[IpAddr],
    ) -> Vec<(IpAddr, PortAnswer)> {
        let bound = self.bound(Scheme::Http, port);
        let token = match answer {
            Some((token, _)) => token.to_owned(),
            None => {
                format!("portward-check-{}", crate::app::random_hex::<8>().unwrap_or_else(|_| "0".to_owned()))
            }
        };
        let (host, path) = (authority(host, port), format!("{PREFIX}{token}"));
        let mut asked = JoinSet::new();
        let ours = bound.first().filter(|_| answer.is_none()).map(|bound| (None, reachable(*bound)));
        let theirs = addresses.iter().map(|address| (Some(*address), SocketAddr::new(*address, port)));
        for (address, socket) in ours.into_iter().chain(theirs) {
            let (host, path) = (host.clone(), path.clone());
            asked.spawn(async move { (address, ask(socket, &host, &path).await) });
        }
        let (mut said, mut like) = (Vec::new(), None);
        for (address, what) in asked.join_all().await {
            match address {
                Some(address) => said.push((address, what)),
                None => like = what.ok(),
            }
        }
        let expected = match answer {
            Some((_, key_authorization)) => Expected::KeyAuthorization(key_authorization),
            None => Expected::Like(like),
        };
        said.sort_by_key(|(address, _)| *address);
        let judged = said
            .into_iter()
            .filter_map(|(address, said)| Some((address, judge(said, &expected, is_here(address, &bound, own))?)));
        judged.collect()
    }

    /// Only looks whether connections are taken: a handshake would show no more than a certificate.
    async fn tls_answers(&self, port: u16, addresses: &[IpAddr], own: &[IpAddr]) -> Vec<(IpAddr, PortAnswer)> {
        let bound = self.bound(Scheme::Https, port);
        let mut asked = JoinSet::new();
        for address in addresses.iter().copied() {
            asked.spawn(async move { (address, connects(SocketAddr::new(address, port)).await) });
        }
        let mut said = asked.join_all().await;
        said.sort_by_key(|(address, _)| *address);
        let judged = said.into_iter().filter_map(|(address, connected)| match connected {
            Ok(()) => is_here(address, &bound, own).then_some((address, PortAnswer::OurToken)),
            Err(silence) => Some((address, silence)),
        });
        judged.collect()
    }
}

/// As in a `Host` header.
fn authority(host: &Host, port: u16) -> String {
    let host = match host {
        Host::Ip(IpAddr::V6(address)) => format!("[{address}]"),
        host => host.to_string(),
    };
    if port == 80 { host } else { format!("{host}:{port}") }
}

/// Says who answered; none if that cannot be told.
pub(super) fn judge(said: Result<Said, PortAnswer>, expected: &Expected<'_>, is_here: bool) -> Option<PortAnswer> {
    let said = match said {
        Ok(said) => said,
        Err(silence) => return Some(silence),
    };
    match expected {
        Expected::KeyAuthorization(expected) => {
            // White space at the end is not looked at (RFC 8555 section 8.3).
            let is_it = said.status == 200 && said.body.trim_end() == *expected;
            Some(if is_it { PortAnswer::OurToken } else { said.told() })
        }
        // The system leads there to our own socket.
        Expected::Like(_) if is_here => Some(PortAnswer::OurToken),
        Expected::Like(Some(own)) if is_like(&said, own) => Some(PortAnswer::OurToken),
        // An application that never says the same twice answers so, here and elsewhere.
        Expected::Like(Some(own)) if said.status == own.status && said.server == own.server => None,
        Expected::Like(_) => Some(said.told()),
    }
}

/// Whether two answers are the same but for the id of the request, with which our own ones end.
fn is_like(said: &Said, own: &Said) -> bool {
    let plain = |said: &Said| {
        let lines = said.body.lines().filter(|line| !line.starts_with("Request ID: "));
        lines.collect::<Vec<_>>().join("\n")
    };
    (said.status, &said.server, &said.location) == (own.status, &own.server, &own.location) && plain(said) == plain(own)
}

/// Whether the system leads connections to an address to a socket of ours.
fn is_here(address: IpAddr, bound: &[SocketAddr], own: &[IpAddr]) -> bool {
    let has = |bound: &SocketAddr| match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.is_ipv4(),
        IpAddr::V6(ip) if ip.is_unspecified() => true,
        ip => ip == address,
    };
    own.contains(&address) && bound.iter().any(has)
}

const PREFIX: &str = "/.well-known/acme-challenge/";
/// A name with more addresses is that of a CDN.
const MOST_ADDRESSES: usize = 8;
