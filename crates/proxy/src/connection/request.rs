//! From the bytes of a request's head to what is done with it, without waiting for anything.

use std::{fmt, net::IpAddr, sync::Arc};

use portward_core::{Authority, HeaderRules, Host, RequestFacts, Scheme};

use crate::{
    access_log::{Logged, Said},
    answer::{Answer, Fault, log, wants_html},
    forward::{Interim, Outgoing, Repeat},
    h1::{
        KeepAlive, Parsed, Version,
        forwarded::{Believed, Forwarded, Proto, Told, Trust},
        headers::HeaderSlots,
        length::BodyLength,
        limits::HeadLimits,
        request::{self, RequestHead},
    },
    request_id::RequestId,
    route::{HstsRule, Question, Routed, hsts, route},
    served::Client,
    snapshot::ServedSite,
    stream::buffer,
    tls::TlsFacts,
    traffic::CameBy,
    upstream::{Sticky, sticky::COOKIE},
};

/// Is what is still to be known of a request when its head is gone.
#[derive(Debug)]
pub(super) struct About {
    pub(super) id: RequestId,
    pub(super) version: Version,
    pub(super) keep_alive: KeepAlive,
    /// Whether the method is HEAD.
    pub(super) head: bool,
    /// Whether the client waits for `100 Continue`.
    pub(super) expects_continue: bool,
    /// Whether a person reads the answer.
    pub(super) accepts_html: bool,
    /// Whom it comes from, if a trusted proxy says so.
    pub(super) named: Option<IpAddr>,
    /// The host that was asked for, if it could be read.
    pub(super) host: Option<Host>,
    pub(super) hsts: HstsRule,
    /// What the site does to headers.
    pub(super) rules: Option<Arc<HeaderRules>>,
    /// The length of the body, as the head announces it.
    pub(super) body: BodyLength,
    /// Where it is written down what becomes of it.
    pub(super) log: Logged,
}

impl About {
    /// What the log needs to know of the request.
    pub(super) fn subject<'a>(&'a self, client: &Client, site: Option<&'a ServedSite>) -> log::Subject<'a> {
        let host = self.host.as_ref().map(|host| host as &dyn fmt::Display);
        log::Subject {
            id: &self.id,
            peer: client.peer,
            proxy: client.proxy(),
            named: self.named,
            host,
            site: site.map(|site| &site.id),
        }
    }
}

/// Says what is done with a request.
#[derive(Debug)]
pub(super) enum Begun {
    /// It goes to the site's application.
    Forward { site: Arc<ServedSite>, outgoing: Outgoing, about: About },
    /// It is answered here.
    Answer { answer: Answer, about: About },
    /// It cannot be read in one way, or did not come in time: it is answered, and nothing behind it is read.
    Refuse { fault: Fault, id: RequestId },
}

/// Reads a head at the start of `unread`: what is done with it, and how many bytes it has; none if it is not all there.
pub(super) fn begin(unread: &[u8], client: &Client, tls: Option<&TlsFacts>) -> Option<(Begun, usize)> {
    let mut slots = HeaderSlots::new();
    match request::parse(unread, &HeadLimits::default(), &mut slots) {
        Ok(Parsed::Partial) => None,
        Ok(Parsed::Complete { head, len }) => Some((decide(&head, client, tls), len)),
        Err(refusal) => {
            let id = client.worker.request_ids.next();
            Some((Begun::Refuse { fault: Fault::Refused(refusal), id }, unread.len()))
        }
    }
}

fn decide(head: &RequestHead<'_>, client: &Client, tls: Option<&TlsFacts>) -> Begun {
    let accept = head.header("accept");
    let scheme = if tls.is_some() { Scheme::Https } else { Scheme::Http };
    let trust = client.trust();
    // A proxy that does TLS in our place says so: its clients are over https already, and a redirect would be for ever.
    let asked = match Believed::read(&head.headers, trust).proto {
        Some(Proto::Https) => Scheme::Https,
        Some(Proto::Http) | None => scheme,
    };
    let question = Question {
        scheme,
        asked,
        serves: client.binding.serves,
        method: head.method,
        authority: head.host,
        path_and_query: head.path_and_query,
        facts: RequestFacts { sec_fetch_mode: head.header("sec-fetch-mode"), accept },
        sni: tls.and_then(|tls| tls.sni.as_ref()),
    };
    let routed = if client.served.clients.may_ask(client.peer.ip()) {
        let snapshot = client.served.newest();
        route(&snapshot, || client.served.https_port_for(client.local.ip()), &question)
    } else {
        Routed::Answer(Fault::TooManyRequests.into())
    };
    let id = client.worker.request_ids.next();
    let log = Logged::begin(client, id, tls, || Said {
        version: Some(head.version),
        method: Some(head.method),
        target: Some(head.target),
        host: Some(head.host),
        referer: head.header("referer"),
        user_agent: head.header("user-agent"),
    });
    let mut about = About {
        id,
        version: head.version,
        keep_alive: head.keep_alive,
        head: head.method == "HEAD",
        expects_continue: head.expect_continue,
        accepts_html: wants_html(accept),
        named: client.named(&head.headers, trust),
        host: None,
        hsts: HstsRule::Remove,
        rules: None,
        body: head.body,
        log,
    };
    let (worker, now) = (client.worker.index, client.served.now());
    let by = match scheme {
        Scheme::Http => CameBy::Http { facts: question.facts, user_agent: head.header("user-agent") },
        Scheme::Https => CameBy::HttpsHttp1,
    };
    match routed {
        Routed::Answer(answer) => {
            about.host = Authority::parse(head.host).ok().map(|authority| authority.host);
            Begun::Answer { answer, about }
        }
        Routed::Redirect { site, location } => {
            site.traffic.came(worker, by, now);
            site.traffic.redirected(worker, now);
            about.log.is_for(&site);
            about.host = Authority::parse(head.host).ok().map(|authority| authority.host);
            Begun::Answer { answer: Answer::Redirect { location }, about }
        }
        Routed::Forward { host, site, group } => {
            site.traffic.came(worker, by, now);
            about.log.is_for(&site);
            let certificate = tls.and_then(|tls| tls.certificate.as_deref());
            about.hsts = hsts(&site, &host, certificate);
            about.host = Some(host);
            about.rules.clone_from(&site.headers);
            let mut told = Told::Nothing;
            if tls.is_some_and(|tls| client.is_outdated(&site, tls)) {
                (told, about.keep_alive) = (Told::Outdated, KeepAlive::Close);
            }
            let mut out = buffer::take();
            let sticky = Sticky::of(&site, group, &head.headers, scheme);
            let forwarded = Forwarded {
                hidden_cookie: sticky.map(|_| COOKIE),
                ..forwarded(client, scheme, trust, &about.id, told)
            };
            request::write_upstream(head, &forwarded, &mut out);
            let outgoing = Outgoing {
                head: out,
                body: head.body,
                asked: head.asked(),
                repeat: Repeat::of(head.method),
                expects_continue: head.expect_continue,
                interim: if head.version == Version::Http10 { Interim::Drop } else { Interim::Pass },
                log: about.log.clone(),
                group,
                sticky,
            };
            Begun::Forward { site, outgoing, about }
        }
    }
}

fn forwarded<'a>(client: &Client, scheme: Scheme, trust: Trust, id: &'a RequestId, connection: Told) -> Forwarded<'a> {
    Forwarded {
        peer: client.peer.ip(),
        proto: match scheme {
            Scheme::Http => Proto::Http,
            Scheme::Https => Proto::Https,
        },
        port: client.local.port(),
        request_id: id.as_str(),
        trust,
        connection,
        hidden_cookie: None,
    }
}
