//! The way of a request, drawn: from the browser to Portward, and from there to the upstream. Only what is known.

use portward_core::{
    Host, ProxyProtocol, Scheme, Site, Thumbprint, Timestamp, Upstream, UpstreamAddress, UpstreamHttp, UpstreamTrust,
    WaitLimit,
};
use portward_proxy::{Limits, TrafficView};

use super::{
    super::{
        certificates::common_name,
        standing::Standing,
        view::{Mark, grouped, in_fours, relative, span},
    },
    tab::{Ports, ports},
};
use crate::{app::sites::presented::LastAnswer, served::ServedState};

/// Is the drawing.
pub(super) struct Handshake {
    /// What stands below the browser.
    pub(super) browser: String,
    /// What stands below Portward.
    pub(super) portward: String,
    pub(super) upstream: String,
    /// What it answered when it was asked last.
    pub(super) answered: Option<String>,
    pub(super) down: Hop,
    pub(super) up: Hop,
}

/// Is one hop of it.
pub(super) struct Hop {
    pub(super) link: Link,
    pub(super) mark: Mark,
    /// What stands on the link.
    pub(super) chip: String,
    /// What comes first in bold, where something is to be explained.
    pub(super) head: Option<&'static str>,
    pub(super) say: String,
    pub(super) facts: Vec<(&'static str, Fact)>,
}

/// Says how a hop is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Encrypted: a tube.
    Tube,
    /// In the clear: a dashed line.
    Plain,
    /// Within this process or this machine.
    Within,
}

/// Is a fact beside its name.
pub(super) struct Fact {
    pub(super) text: String,
    /// Where it leads, and the name of that.
    pub(super) link: Option<(String, String)>,
    pub(super) class: &'static str,
}

impl Handshake {
    pub(super) fn of(
        site: &Site,
        standing: &Standing,
        served: &ServedState,
        traffic: Option<&TrafficView>,
        answers: &[LastAnswer],
        now: Timestamp,
    ) -> Self {
        let ports = ports(served);
        let list = |ports: &[u16]| ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let portward: Vec<String> = [("https", &ports.https), ("http", &ports.http)]
            .into_iter()
            .filter(|(_, ports)| !ports.is_empty())
            .map(|(scheme, ports)| format!("{scheme} {}", list(ports)))
            .collect();
        let requests = traffic.map_or(0, TrafficView::requests);
        let more = site.upstreams.len().saturating_sub(1);
        let upstream = match site.upstreams.first() {
            Some(Upstream::Address(address)) => and_more(format!("{}:{}", address.host, address.port), more),
            Some(Upstream::Socket(socket)) => and_more(socket.as_str().to_owned(), more),
            Some(Upstream::Portal) => "this portal".to_owned(),
            None => "none".to_owned(),
        };
        let answered = answers.first().map(|last| match &last.answer {
            Ok((status, millis, _)) => {
                format!("answered {status} in {millis} ms, {}", relative(last.asked, now))
            }
            Err(_) => format!("did not answer, {}", relative(last.asked, now)),
        });
        Self {
            browser: match requests {
                0 => "no request yet".to_owned(),
                1 => "1 request so far".to_owned(),
                count => format!("{} requests so far", grouped(count)),
            },
            portward: if portward.is_empty() { "no binding".to_owned() } else { portward.join(", ") },
            upstream,
            answered,
            down: down(standing, served, &ports, traffic, now),
            up: up(site, answers),
        }
    }
}

/// From the browser to us.
fn down(
    standing: &Standing,
    served: &ServedState,
    ports: &Ports,
    traffic: Option<&TrafficView>,
    now: Timestamp,
) -> Hop {
    let mut facts = Vec::new();
    let certificate = standing.certificate();
    let stored = certificate.and_then(|certificate| served.desired.certificate(&certificate.id));
    let version = stored.and_then(|stored| stored.value.current_version());
    if let (Some(certificate), Some(version)) = (certificate, version) {
        let end = version.facts.validity.not_after;
        let left = (end.unix() - now.unix()).div_euclid(86_400);
        let left = match left {
            ..=-1 => "expired".to_owned(),
            0 => "less than a day left".to_owned(),
            1 => "1 day left".to_owned(),
            days => format!("{days} days left"),
        };
        facts.push((
            "Certificate",
            Fact {
                text: format!(", version {}, {left}", version.number),
                link: Some((format!("/certificates/{}", certificate.id), certificate.id.to_string())),
                class: "",
            },
        ));
        let issuers = version.chain.intermediates.len();
        let chain = if version.facts.self_signed {
            "the leaf alone, signed by its own key".to_owned()
        } else {
            let issuer = common_name(&version.facts.issuer);
            match issuers {
                0 if version.chain.root.is_some() => format!("the leaf; root {issuer} not sent"),
                0 => format!("the leaf alone; {issuer} is not sent"),
                1 => format!("leaf, {issuer}; root not sent"),
                more => format!("leaf, {issuer} and {} more; root not sent", more - 1),
            }
        };
        facts.push(("Chain", Fact::plain(chain)));
        facts.push(("Key", Fact::plain(version.facts.key_type.to_string())));
    }
    if let Some(traffic) = traffic {
        let secure = traffic.https_http1 + traffic.https_http2;
        if secure > 0 {
            let share = |count: u64| format!("{} %", count * 100 / secure);
            let text = format!("HTTP/2 {}, HTTP/1.1 {}", share(traffic.https_http2), share(traffic.https_http1));
            facts.push(("Protocol", Fact::plain(text)));
        }
        if traffic.requests() > 0 {
            let text = match traffic.http {
                0 => "none".to_owned(),
                plain => format!("{} of {} requests", grouped(plain), grouped(traffic.requests())),
            };
            facts.push(("In the clear", Fact::plain(text)));
        }
    }
    if ports.https.is_empty() {
        let say = "There is no https binding, so everybody can read what is sent. Add one under Bindings.".to_owned();
        return Hop { link: Link::Plain, mark: Mark::Warn, chip: "HTTP".to_owned(), head: None, say, facts };
    }
    let names = match standing.names.len() {
        1 => "the name".to_owned(),
        2 => "both names".to_owned(),
        count => format!("all {count} names"),
    };
    let bare: Vec<&str> =
        standing.names.iter().filter(|named| named.certificate.is_none()).map(|named| named.name.as_str()).collect();
    let worst = standing.names.iter().max_by_key(|named| named.mark);
    let word = worst.map_or("", |named| named.word);
    let (mark, head, say) = match worst.map_or(Mark::Unknown, |named| named.mark) {
        _ if standing.mark == Mark::Bad && standing.word == "Not served" => {
            (Mark::Bad, Some("Not served."), "Problems says why.".to_owned())
        }
        Mark::Ok => {
            (Mark::Ok, None, format!("The certificate fits {names}, is in force, and is signed by an authority."))
        }
        _ if !bare.is_empty() => (
            Mark::Warn,
            Some("Browsers refuse a name."),
            format!("No certificate is valid for {}: the default of the binding is presented.", bare.join(", ")),
        ),
        mark => match word {
            "Expired" => (mark, Some("Browsers refuse it."), "The certificate has expired.".to_owned()),
            "Not valid yet" => (mark, Some("Browsers refuse it."), "The certificate is not valid yet.".to_owned()),
            "Self-signed" => (
                mark,
                Some("Encrypted, but browsers warn."),
                "The certificate is signed by its own key; nobody vouches for it.".to_owned(),
            ),
            _ => (mark, Some("Works, and ends soon."), "The certificate expires soon.".to_owned()),
        },
    };
    Hop { link: Link::Tube, mark, chip: "TLS".to_owned(), head, say, facts }
}

/// From us to the upstream.
fn up(site: &Site, answers: &[LastAnswer]) -> Hop {
    let scheme = match site.upstreams.first() {
        Some(Upstream::Address(address)) => address.scheme,
        Some(Upstream::Socket(_)) => Scheme::Http,
        Some(Upstream::Portal) | None => {
            let say = "The portal is part of Portward; nothing leaves this process.".to_owned();
            let facts = vec![("Protocol", Fact::plain("HTTP/1.1"))];
            return Hop { link: Link::Within, mark: Mark::Ok, chip: "within".to_owned(), head: None, say, facts };
        }
    };
    let mut facts = Vec::new();
    let version = answers.first().and_then(|last| last.answer.as_ref().ok()).and_then(|(.., version)| version.clone());
    let (link, mark, chip, head, say) = match scheme {
        Scheme::Http if site.upstreams.first().is_some_and(is_here) => (
            Link::Within,
            Mark::Ok,
            "HTTP".to_owned(),
            None,
            "In the clear, and it does not leave this machine.".to_owned(),
        ),
        Scheme::Http => (
            Link::Plain,
            Mark::Warn,
            "HTTP".to_owned(),
            Some("In the clear."),
            "Whoever is on the network between can read and change it.".to_owned(),
        ),
        Scheme::Https => {
            let (mark, head, say) = match &site.upstream_trust {
                UpstreamTrust::System => (Mark::Ok, None, "Its certificate has to fit its name, and an authority that this machine trusts has to vouch for it.".to_owned()),
                UpstreamTrust::Authorities(_) => (Mark::Ok, None, "Its certificate has to fit its name, and an authority that you named has to vouch for it.".to_owned()),
                UpstreamTrust::Pin(_) => (Mark::Ok, None, "It has to present the one certificate with this thumbprint.".to_owned()),
                UpstreamTrust::DangerInsecure => (Mark::Warn, Some("Any certificate is accepted."), "Whoever stands between can read and change everything.".to_owned()),
            };
            (Link::Tube, mark, version.unwrap_or_else(|| "TLS".to_owned()), head, say)
        }
    };
    // What it answered says more than how it is reached.
    let (mark, head, say) = match answers.first().map(|last| &last.answer) {
        Some(Err(why)) => (Mark::Bad, Some("It does not answer."), format!("When it was asked last: {why}.")),
        Some(Ok((status, ..))) if *status >= 500 => {
            (Mark::Bad, Some("It answers with an error."), format!("When it was asked last: {status}."))
        }
        _ => (mark, head, say),
    };
    match (&site.upstream_trust, scheme) {
        (UpstreamTrust::Pin(pin), Scheme::Https) => {
            facts.push(("Certificate", Fact::plain("trusted by thumbprint")));
            facts.push(("Thumbprint", Fact { text: shortened(pin), link: None, class: "thumb" }));
        }
        (UpstreamTrust::Authorities(authorities), Scheme::Https) => {
            let from = match authorities.len() {
                1 => "from 1 authority of its own".to_owned(),
                count => format!("from one of {count} authorities of its own"),
            };
            facts.push(("Certificate", Fact::plain(from)));
        }
        (UpstreamTrust::System, Scheme::Https) => {
            facts.push(("Certificate", Fact::plain("from an authority of this machine")));
        }
        (UpstreamTrust::DangerInsecure, Scheme::Https) => facts.push(("Certificate", Fact::plain("any"))),
        (_, Scheme::Http) => {}
    }
    let protocol = match (site.forwarding.http, scheme) {
        (UpstreamHttp::Two, _) => "HTTP/2",
        (UpstreamHttp::Auto, Scheme::Https) => "HTTP/2 if it agrees, else HTTP/1.1, WebSocket passes",
        (UpstreamHttp::Auto, Scheme::Http) | (UpstreamHttp::One, _) => "HTTP/1.1, WebSocket passes",
    };
    facts.push(("Protocol", Fact::plain(protocol)));
    match site.forwarding.proxy_protocol {
        ProxyProtocol::Off => {}
        version => facts.push(("Told the client", Fact::plain(format!("by the PROXY protocol, {version}")))),
    }
    if !site.forwarding.routes.is_empty() {
        let prefixes: Vec<String> = site.forwarding.routes.iter().map(|route| route.prefix.to_string()).collect();
        facts.push(("But below", Fact::plain(prefixes.join(", "))));
    }
    let wait = site.limits.response.map_or_else(|| Limits::default().upstream_response, WaitLimit::span);
    facts.push(("Answers within", Fact::plain(span(wait.as_secs()))));
    Hop { link, mark, chip, head, say, facts }
}

/// Whether an upstream is on this machine without any network between.
pub(super) fn is_here(upstream: &Upstream) -> bool {
    match upstream {
        Upstream::Socket(_) | Upstream::Portal => true,
        Upstream::Address(UpstreamAddress { host, .. }) => match host {
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => name.as_str() == "localhost" || name.as_str().ends_with(".localhost"),
        },
    }
}

fn and_more(first: String, more: usize) -> String {
    if more > 0 { format!("{first} and {more} more") } else { first }
}

/// Its start and its end, for a drawing: it is compared elsewhere.
fn shortened(thumbprint: &Thumbprint) -> String {
    let fours = in_fours(&thumbprint.to_string());
    match (fours.get(..9), fours.get(fours.len().saturating_sub(9)..)) {
        (Some(start), Some(end)) => format!("{start} … {end}"),
        _ => fours,
    }
}

impl Fact {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), link: None, class: "" }
    }
}

impl Hop {
    /// The class of its drawing.
    pub(super) fn class(&self) -> &'static str {
        match self.mark {
            Mark::Bad => "bad",
            Mark::Warn => "warn",
            _ => "",
        }
    }

    /// What a screen reader says of the drawing.
    pub(super) fn label(&self) -> String {
        match self.link {
            Link::Tube => format!("{}, encrypted", self.chip),
            Link::Plain => format!("{}, in the clear", self.chip),
            Link::Within => format!("{}, within this machine", self.chip),
        }
    }
}
