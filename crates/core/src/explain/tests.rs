#![allow(clippy::unwrap_used, reason = "tests")]
use std::fmt::Write;

use super::*;
use crate::{Host, KeyType, Scheme, Sha1Thumbprint, Validity};

fn now() -> Timestamp {
    Timestamp::parse("2026-11-20T12:00:00Z").unwrap()
}

fn leaf(name: &str, days: u64) -> LeafFacts {
    LeafFacts {
        names: [HostPattern::parse(name).unwrap()].into(),
        thumbprint: Thumbprint::of(name.as_bytes()),
        sha1: Sha1Thumbprint::of(name.as_bytes()),
        serial: "0a".into(),
        issuer: "CN=Test CA".into(),
        subject: format!("CN={name}").into(),
        self_signed: false,
        validity: Validity {
            not_before: now().minus(Duration::from_secs(86_400)),
            not_after: now().plus(Duration::from_secs(days * 86_400)),
        },
        key_type: KeyType::Rsa(2048),
    }
}

fn tls(leaf: &LeafFacts) -> TlsFacts {
    TlsFacts {
        version: "TLS 1.3".to_owned(),
        cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
        alpn: Some("h2".to_owned()),
        thumbprint: leaf.thumbprint,
        leaf: Some(leaf.clone()),
        sent: 2,
        in_order: true,
        trust: Ok(()),
        took: Duration::from_millis(3),
    }
}

fn answered(status: u16) -> Answered {
    let took = Duration::from_millis(7);
    Answered { status, location: None, hsts: None, server: None, took }
}

fn look(at: &str, leaf: &LeafFacts, status: u16) -> Look {
    Look {
        at: at.parse().unwrap(),
        connected: Ok(Duration::from_millis(1)),
        tls: Some(Ok(tls(leaf))),
        answer: Some(Ok(answered(status))),
    }
}

/// A server that takes no connection.
fn refusing(at: &str) -> Look {
    Look { at: at.parse().unwrap(), connected: Err("nothing listens there".to_owned()), tls: None, answer: None }
}

fn bound(id: &str, protocol: BindingProtocol, at: &str) -> BindingFacts {
    let at = at.parse().unwrap();
    BindingFacts { id: id.to_owned(), protocol, wanted: at, bound: Ok(at) }
}

/// All is well: DNS leads here, and here is what is wanted.
fn well() -> Facts {
    let (leaf, address) = (leaf("shop.test", 60), "203.0.113.5".parse().unwrap());
    Facts {
        asked: Asked::parse("shop.test").unwrap(),
        now: now(),
        dns: Dns::Leads { alias: None, addresses: vec![address] },
        own: vec![address],
        bindings: vec![BindingFacts {
            id: "https-443".to_owned(),
            protocol: BindingProtocol::Https,
            wanted: "[::]:443".parse().unwrap(),
            bound: Ok("[::]:443".parse().unwrap()),
        }],
        passage: None,
        inside: Some(look("[::1]:443", &leaf, 200)),
        outside: vec![(address, Ok(look("203.0.113.5:443", &leaf, 200)))],
        site: Some(SiteFacts {
            id: SiteId::parse("shop").unwrap(),
            pattern: HostPattern::parse("shop.test").unwrap(),
            force_https: ForceHttps::Browsers,
            hsts: Hsts::Off,
            is_portal: false,
            route: None,
            http: UpstreamHttp::Auto,
        }),
        sites: 3,
        wanted: Some(WantedCertificate {
            id: "shop".to_owned(),
            why: Why::Name,
            stored: leaf,
            status: CertificateStatus::Valid,
            managed: true,
        }),
        plain: Some(Ok(Answered { location: Some("https://shop.test/".to_owned()), ..answered(308) })),
        upstreams: vec![UpstreamFacts {
            url: "http://127.0.0.1:3000".to_owned(),
            connected: Ok(Duration::from_millis(1)),
            tls: None,
            answer: Some(Ok(answered(200))),
        }],
    }
}

fn told(change: impl FnOnce(&mut Facts)) -> (Mark, String, Vec<Finding>) {
    let mut facts = well();
    change(&mut facts);
    let findings = explain(&facts);
    let (mark, message) = verdict(&facts, &findings);
    (mark, message, findings)
}

#[test]
fn of_a_name_that_is_passed_through_its_target_is_all_that_is_looked_at() {
    let passed = |connected| PassageFacts {
        binding: "https-443".to_owned(),
        passage: Passage::parse("shop.test=127.0.0.1:10943").unwrap(),
        connected,
    };
    let (mark, message, findings) = told(|facts| facts.passage = Some(passed(Ok(Duration::from_millis(1)))));
    assert_eq!((mark, message.as_str()), (Mark::Good, "shop.test is passed through to 127.0.0.1:10943."));
    assert_eq!(
        findings.iter().map(|finding| finding.step.as_str()).collect::<Vec<_>>(),
        ["dns", "binding", "connection"]
    );
    let (mark, message, _) = told(|facts| facts.passage = Some(passed(Err("nobody listens there".to_owned()))));
    assert_eq!(mark, Mark::Bad);
    assert_eq!(message, "127.0.0.1:10943 takes no connection: nobody listens there.");
}

#[test]
fn all_is_well_in_the_order_of_the_way() {
    let (mark, message, findings) = told(|_| {});
    assert_eq!((mark, message.as_str()), (Mark::Good, "shop.test is served as it is configured."));
    let steps: Vec<&str> = findings.iter().map(|finding| finding.step.as_str()).collect();
    let mut order = steps.clone();
    order.dedup();
    assert_eq!(
        order,
        ["dns", "binding", "connection", "tls", "certificate", "site", "force-https", "hsts", "upstream", "response"]
    );
    assert!(findings.iter().all(|finding| finding.mark <= Mark::Off && finding.remedy.is_none()), "{findings:#?}");
}

#[test]
fn each_fault_says_what_it_is_and_what_to_do() {
    type Case = (&'static str, fn(&mut Facts));
    let elsewhere: IpAddr = "198.51.100.9".parse().unwrap();
    assert!(!well().own.contains(&elsewhere));
    let cases: [Case; 34] = [
        ("DNS has nothing", |facts| {
            facts.dns = Dns::Leads { alias: None, addresses: Vec::new() };
            facts.outside.clear();
        }),
        ("DNS fails", |facts| {
            facts.dns = Dns::Failed("no resolver answers".to_owned());
            facts.outside.clear();
        }),
        ("DNS leads to another server", |facts| {
            let (address, other) = ("198.51.100.9".parse().unwrap(), leaf("other.test", 60));
            facts.dns = Dns::Leads { alias: Some("shop.cdn.test".to_owned()), addresses: vec![address] };
            facts.outside = vec![(address, Ok(look("198.51.100.9:443", &other, 403)))];
        }),
        ("DNS leads to a router that passes it on", |facts| {
            let address = "198.51.100.9".parse().unwrap();
            facts.dns = Dns::Leads { alias: None, addresses: vec![address] };
            facts.outside = vec![(address, Ok(look("198.51.100.9:443", &leaf("shop.test", 60), 200)))];
        }),
        ("DNS leads to a router that does not answer from here", |facts| {
            let address = "198.51.100.9".parse().unwrap();
            let silent = Look {
                at: "198.51.100.9:443".parse().unwrap(),
                connected: Err("nothing listens there".to_owned()),
                tls: None,
                answer: None,
            };
            facts.dns = Dns::Leads { alias: None, addresses: vec![address] };
            facts.outside = vec![(address, Ok(silent))];
        }),
        ("one of two addresses is elsewhere and silent", |facts| {
            let (own, other) = ("203.0.113.5".parse().unwrap(), "2001:db8::9".parse().unwrap());
            facts.dns = Dns::Leads { alias: None, addresses: vec![own, other] };
            let silent = Look {
                at: "[2001:db8::9]:443".parse().unwrap(),
                connected: Err("nothing came within 3 seconds".to_owned()),
                tls: None,
                answer: None,
            };
            facts.outside.push((other, Ok(silent)));
        }),
        ("an address that is not asked", |facts| {
            facts.outside = vec![("198.51.100.9".parse().unwrap(), Err("it is nobody's".to_owned()))];
        }),
        ("no binding at the port", |facts| {
            facts.asked = Asked::parse("https://shop.test:8443").unwrap();
            facts.inside = None;
        }),
        ("no binding of http at the port", |facts| {
            facts.asked = Asked::parse("http://shop.test:8080").unwrap();
            (facts.inside, facts.wanted) = (None, None);
            facts.outside.clear();
        }),
        ("https has the port that is asked for by http", |facts| {
            facts.asked = Asked::parse("http://shop.test:443").unwrap();
            (facts.inside, facts.wanted) = (None, None);
            facts.outside.clear();
        }),
        ("another scheme has the port at another address", |facts| {
            facts.asked = Asked::parse("https://shop.test:8080").unwrap();
            facts.bindings = vec![bound("http-8080", BindingProtocol::Http, "127.0.0.1:8080")];
            facts.inside = None;
            facts.outside = vec![("203.0.113.5".parse().unwrap(), Ok(refusing("203.0.113.5:8080")))];
        }),
        ("a binding of IPv4, and DNS leads to IPv6 as well", |facts| {
            facts.asked = Asked::parse("http://shop.test").unwrap();
            facts.bindings = vec![bound("http-80", BindingProtocol::Http, "0.0.0.0:80")];
            facts.inside = Some(Look { tls: None, ..look("127.0.0.1:80", &leaf("shop.test", 60), 200) });
            facts.own.push("2001:db8::5".parse().unwrap());
            facts.outside = vec![("2001:db8::5".parse().unwrap(), Ok(refusing("[2001:db8::5]:80")))];
        }),
        ("a packet filter before our own binding", |facts| {
            facts.outside = vec![("203.0.113.5".parse().unwrap(), Ok(refusing("203.0.113.5:443")))];
        }),
        ("the usual port passes through", |facts| {
            let passing = bound("tls-passthrough-443", BindingProtocol::TlsPassthrough, "0.0.0.0:443");
            facts.bindings = vec![bound("https-8443", BindingProtocol::Https, "[::]:8443"), passing];
            facts.inside.as_mut().unwrap().at = "[::1]:8443".parse().unwrap();
            facts.outside.clear();
        }),
        ("a binding that is not bound", |facts| {
            facts.bindings[0].bound = Err("port 443 is taken by nginx".to_owned());
            facts.inside = None;
        }),
        ("another port than clients go to", |facts| {
            facts.bindings[0].bound = Ok("[::]:8443".parse().unwrap());
            facts.inside.as_mut().unwrap().at = "[::1]:8443".parse().unwrap();
        }),
        ("no handshake", |facts| facts.inside.as_mut().unwrap().tls = Some(Err("received fatal alert".to_owned()))),
        ("no certificate for the name", |facts| {
            let other = leaf("other.test", 60);
            let wanted = facts.wanted.as_mut().unwrap();
            (wanted.why, wanted.stored) = (Why::Default, other.clone());
            facts.inside = Some(look("[::1]:443", &other, 200));
            facts.outside.clear();
        }),
        ("the certificate of the site is for others", |facts| {
            let wanted = facts.wanted.as_mut().unwrap();
            (wanted.why, wanted.stored) = (Why::Site, leaf("other.test", 60));
        }),
        ("expired", |facts| {
            let wanted = facts.wanted.as_mut().unwrap();
            wanted.status = CertificateStatus::Expired;
            wanted.stored.validity.not_after = now().minus(Duration::from_secs(3 * 86_400));
        }),
        ("expires soon, and is renewed by hand", |facts| {
            let wanted = facts.wanted.as_mut().unwrap();
            (wanted.status, wanted.managed) = (CertificateStatus::ExpiresSoon, false);
            wanted.stored.validity.not_after = now().plus(Duration::from_secs(3 * 86_400));
        }),
        ("something else is served", |facts| {
            facts.inside = Some(look("[::1]:443", &leaf("old.test", 5), 200));
        }),
        ("not trusted", |facts| {
            let look = facts.inside.as_mut().unwrap();
            let tls = look.tls.as_mut().unwrap().as_mut().unwrap();
            tls.trust = Err("nobody that is trusted has signed it".to_owned());
        }),
        ("self-signed", |facts| {
            let tls = facts.inside.as_mut().unwrap().tls.as_mut().unwrap().as_mut().unwrap();
            tls.leaf.as_mut().unwrap().self_signed = true;
            tls.trust = Err("nobody that is trusted has signed it".to_owned());
        }),
        ("no site", |facts| {
            (facts.site, facts.upstreams) = (None, Vec::new());
            facts.inside = Some(look("[::1]:443", &leaf("shop.test", 60), 404));
        }),
        ("a name that the portal does not answer to", |facts| {
            let site = facts.site.as_mut().unwrap();
            (site.id, site.pattern, site.is_portal) = (SiteId::parse("portal").unwrap(), HostPattern::Any, true);
            facts.upstreams.clear();
            facts.inside = Some(look("[::1]:443", &leaf("shop.test", 60), 421));
            let outside = look("203.0.113.5:443", &leaf("shop.test", 60), 421);
            facts.outside = vec![("203.0.113.5".parse().unwrap(), Ok(outside))];
        }),
        ("force HTTPS is off", |facts| {
            facts.site.as_mut().unwrap().force_https = ForceHttps::Off;
            facts.plain = Some(Ok(answered(200)));
        }),
        ("no redirect", |facts| facts.plain = Some(Ok(answered(200)))),
        ("HSTS is held back", |facts| {
            facts.site.as_mut().unwrap().hsts = Hsts::parse("1h").unwrap();
            facts.wanted.as_mut().unwrap().stored.self_signed = true;
        }),
        ("the application is down", |facts| {
            let upstream = facts.upstreams.first_mut().unwrap();
            (upstream.connected, upstream.answer) = (Err("nothing listens there".to_owned()), None);
            facts.inside.as_mut().unwrap().answer = Some(Ok(answered(502)));
            facts.outside.clear();
        }),
        ("one of two upstreams is down", |facts| {
            let mut other = facts.upstreams.first().unwrap().clone();
            other.url = "unix:/run/shop.sock".to_owned();
            (other.connected, other.answer) = (Err("nothing is there".to_owned()), None);
            facts.upstreams.push(other);
        }),
        ("the upstream of a route is down", |facts| {
            facts.site.as_mut().unwrap().route = Some(PathPrefix::parse("/api").unwrap());
            let upstream = facts.upstreams.first_mut().unwrap();
            (upstream.connected, upstream.answer) = (Err("nothing listens there".to_owned()), None);
        }),
        ("the application speaks HTTP/2 alone", |facts| {
            facts.site.as_mut().unwrap().http = UpstreamHttp::Two;
            facts.upstreams.first_mut().unwrap().answer = None;
        }),
        ("the application has a certificate that is not trusted", |facts| {
            let upstream = facts.upstreams.first_mut().unwrap();
            let mut shown = tls(&leaf("app.test", 60));
            shown.trust = Err("it is for other names".to_owned());
            upstream.url = "https://app.internal:443".to_owned();
            (upstream.tls, upstream.answer) = (Some(Ok(shown)), None);
            facts.inside.as_mut().unwrap().answer = Some(Ok(answered(502)));
            facts.outside.clear();
        }),
    ];
    let mut text = String::new();
    for (name, change) in cases {
        let (mark, message, findings) = told(change);
        let _ = writeln!(text, "# {name}\n{mark}: {message}");
        for finding in findings.iter().filter(|finding| finding.mark > Mark::Good) {
            let from = finding.vantage.map(|vantage| format!(" ({vantage})")).unwrap_or_default();
            let _ = writeln!(text, "  {} {}{from}: {}", finding.mark, finding.step, finding.message);
            if let Some(remedy) = &finding.remedy {
                let _ = writeln!(text, "    {remedy}");
            }
        }
        for finding in &findings {
            let is_fixable = finding.mark == Mark::Bad;
            assert!(!is_fixable || finding.remedy.is_some(), "{name}: {}", finding.message);
        }
    }
    insta::assert_snapshot!("faults", text);
}

#[test]
fn what_is_typed_is_read() {
    for (text, host, scheme, port, path) in [
        ("shop.test", "shop.test", None, None, "/"),
        (" Shop.Test ", "shop.test", None, None, "/"),
        ("shop.test:8443", "shop.test", None, Some(8443), "/"),
        ("shop.test/a?b=c#d", "shop.test", None, None, "/a?b=c"),
        ("shop.test?b", "shop.test", None, None, "/?b"),
        ("http://shop.test", "shop.test", Some(Scheme::Http), None, "/"),
        ("https://[2001:db8::1]:8443/x", "[2001:db8::1]", Some(Scheme::Https), Some(8443), "/x"),
        ("10.0.0.1", "10.0.0.1", None, None, "/"),
    ] {
        let asked = Asked::parse(text).unwrap();
        let expected = Asked { host: Host::parse(host).unwrap(), scheme, port, path: path.to_owned() };
        assert_eq!(asked, expected, "{text}");
        assert_eq!(Asked::parse(&asked.to_string()), Ok(asked), "{text}");
    }
    for text in ["", "ftp://shop.test", "sh op", "a@b", "shop.test/a b", "shop.test/\u{7f}", "shop.test:0", "//x"] {
        assert!(Asked::parse(text).is_err(), "{text}");
    }
}
