#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use portward_core::{
    CertificateId, CertificateStatus, ForceHttps, HostPattern, Hsts, SiteId, SiteLimits, Thumbprint, Timestamp,
    Upstream, UpstreamTrust,
};

use super::*;
use crate::Traffic;

fn site(name: &str) -> ServedSite {
    ServedSite {
        id: SiteId::parse(name).unwrap(),
        upstreams: vec![Upstream::parse("http://127.0.0.1:1").unwrap()].into(),
        upstream_trust: UpstreamTrust::System,
        force_https: ForceHttps::Off,
        hsts: Hsts::Off,
        certificate: None,
        forwarding: Arc::default(),
        limits: SiteLimits::default(),
        headers: None,
        traffic: Arc::new(Traffic::since(Timestamp::EPOCH)),
    }
}

/// `shop.test`, everything under `wild.test` and `forced.test`, with a challenge for `shop.test` and `new.test`.
fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (pattern, name, force_https) in [
        ("shop.test", "shop", ForceHttps::Off),
        ("*.wild.test", "wild", ForceHttps::Off),
        ("forced.test", "forced", ForceHttps::All),
        ("10.0.0.1", "address", ForceHttps::Browsers),
    ] {
        let site = ServedSite { force_https, ..site(name) };
        snapshot.sites.insert(&HostPattern::parse(pattern).unwrap(), Arc::new(site));
    }
    for host in ["forced.test", "new.test"] {
        snapshot.challenges.insert((Host::parse(host).unwrap(), "tok".into()), "tok.key".into());
    }
    snapshot
}

fn plain<'a>(authority: &'a str, path_and_query: &'a str) -> Question<'a> {
    Question {
        scheme: Scheme::Http,
        asked: Scheme::Http,
        serves: Serves::Everything,
        method: "GET",
        authority,
        path_and_query,
        facts: RequestFacts::default(),
        sni: None,
    }
}

/// What becomes of it, in a word.
fn decide(question: &Question<'_>) -> String {
    match route(&snapshot(), || Some(8443), question) {
        Routed::Forward { host, site, .. } => format!("{} for {host}", site.id),
        Routed::Redirect { location, .. } => location,
        Routed::Answer(Answer::Challenge(key_authorization)) => key_authorization.into(),
        Routed::Answer(Answer::Fault(fault)) => format!("{fault:?}"),
        #[allow(unreachable_patterns, reason = "the list of answers may grow")]
        Routed::Answer(other) => panic!("{other:?}"),
    }
}

#[test]
fn the_host_decides_in_any_spelling() {
    for (authority, expected) in [
        ("shop.test", "shop for shop.test"),
        ("SHOP.Test", "shop for shop.test"),
        ("shop.test.", "shop for shop.test"),
        ("shop.test:9999", "shop for shop.test"),
        ("a.wild.test", "wild for a.wild.test"),
        ("A.WILD.TEST.:80", "wild for a.wild.test"),
        ("a.b.wild.test", "UnknownHost"),
        ("wild.test", "UnknownHost"),
        ("10.0.0.1", "address for 10.0.0.1"),
        ("[::ffff:10.0.0.1]:80", "address for 10.0.0.1"),
        ("nobody.test", "UnknownHost"),
        ("a..test", "Refused(InvalidHost)"),
        ("-a.test", "Refused(InvalidHost)"),
    ] {
        assert_eq!(decide(&plain(authority, "/")), expected, "{authority}");
    }
}

#[test]
fn without_any_site_every_name_is_told_so() {
    let nobody = Host::parse("nobody.test").unwrap();
    for sni in [None, Some(&nobody)] {
        let routed = route(&Snapshot::default(), || Some(8443), &Question { sni, ..plain("shop.test", "/") });
        assert!(matches!(routed, Routed::Answer(Answer::Fault(Fault::NoSite))), "{routed:?}");
    }
}

#[test]
fn a_name_that_no_site_has_is_misdirected_only_on_a_connection_for_another_name() {
    let (shop, nobody) = (Host::parse("shop.test").unwrap(), Host::parse("nobody.test").unwrap());
    for (sni, authority, expected) in [
        (None, "nobody.test", "UnknownHost"),
        (Some(&nobody), "nobody.test", "UnknownHost"),
        (Some(&shop), "nobody.test", "Misdirected"),
        (Some(&shop), "a.wild.test", "wild for a.wild.test"),
    ] {
        let question = Question { scheme: Scheme::Https, asked: Scheme::Https, sni, ..plain(authority, "/") };
        assert_eq!(decide(&question), expected, "{sni:?} {authority}");
    }
}

#[test]
fn a_challenge_is_answered_on_its_normalised_path_and_nothing_else_there_is_special() {
    for (authority, method, path, expected) in [
        ("new.test", "GET", "/.well-known/acme-challenge/tok", "tok.key"),
        ("NEW.test.:80", "HEAD", "/.well-known/acme-challenge/tok?x=y", "tok.key"),
        ("forced.test", "GET", "/.well-known/acme-challenge/tok", "tok.key"),
        ("new.test", "GET", "/%2ewell-known/acme%2Dchallenge/%74ok", "tok.key"),
        ("new.test", "GET", "//.well-known/./acme-challenge//tok", "tok.key"),
        ("new.test", "GET", "/x/../.well-known/acme-challenge/tok", "tok.key"),
        ("new.test", "POST", "/.well-known/acme-challenge/tok", "UnknownHost"),
        ("new.test", "GET", "/.well-known/acme-challenge/other", "UnknownHost"),
        ("new.test", "GET", "/.well-known/acme-challenge/", "UnknownHost"),
        ("new.test", "GET", "/.well-known/acme-challenge/tok/more", "UnknownHost"),
        ("new.test", "GET", "/.well-known/acme-challenge/tok%2f", "UnknownHost"),
        ("new.test", "GET", "/.well-known/acme-challenge/%zz", "UnknownHost"),
        ("new.test", "GET", "/.well-known/acme-challenge/tok%", "UnknownHost"),
        ("new.test", "GET", "/../.well-known/acme-challenge/tok", "UnknownHost"),
        ("new.test", "GET", "/.Well-Known/acme-challenge/tok", "UnknownHost"),
        ("new.test", "GET", "/a?/.well-known/acme-challenge/tok", "UnknownHost"),
        ("shop.test", "GET", "/.well-known/acme-challenge/tok", "shop for shop.test"),
        (
            "forced.test",
            "GET",
            "/.well-known/acme-challenge/x",
            "https://forced.test:8443/.well-known/acme-challenge/x",
        ),
    ] {
        let question = Question { method, ..plain(authority, path) };
        assert_eq!(decide(&question), expected, "{method} {authority} {path}");
    }
    let question = Question {
        scheme: Scheme::Https,
        asked: Scheme::Https,
        ..plain("new.test", "/.well-known/acme-challenge/tok")
    };
    assert_eq!(decide(&question), "UnknownHost", "challenges belong to plain HTTP");
    // Whatever a proxy in front of it says that its clients use.
    let question = Question { asked: Scheme::Https, ..plain("forced.test", "/.well-known/acme-challenge/tok") };
    assert_eq!(decide(&question), "tok.key");
    assert_eq!(decide(&Question { path_and_query: "/", ..question }), "forced for forced.test");
}

#[test]
fn a_binding_for_challenges_serves_no_site_and_redirects_nobody() {
    for (scheme, authority, path, expected) in [
        (Scheme::Http, "new.test", "/.well-known/acme-challenge/tok", "tok.key"),
        (Scheme::Http, "forced.test:80", "/.well-known/acme-challenge/tok", "tok.key"),
        (Scheme::Http, "forced.test", "/.well-known/acme-challenge/other", "ChallengesOnly"),
        (Scheme::Http, "forced.test", "/", "ChallengesOnly"),
        (Scheme::Http, "shop.test", "/", "ChallengesOnly"),
        (Scheme::Http, "nobody.test", "/", "ChallengesOnly"),
        (Scheme::Http, "a..test", "/", "Refused(InvalidHost)"),
        (Scheme::Https, "shop.test", "/", "ChallengesOnly"),
        (Scheme::Https, "new.test", "/.well-known/acme-challenge/tok", "ChallengesOnly"),
    ] {
        let question = Question { scheme, asked: scheme, serves: Serves::ChallengesOnly, ..plain(authority, path) };
        assert_eq!(decide(&question), expected, "{scheme:?} {authority} {path}");
    }
}

#[test]
fn plain_http_is_redirected_only_where_that_leads_somewhere() {
    let forced = plain("Forced.test:8080", "/a?b");
    assert_eq!(decide(&forced), "https://forced.test:8443/a?b");
    assert_eq!(decide(&Question { method: "OPTIONS", path_and_query: "*", ..forced }), "forced for forced.test");
    assert_eq!(decide(&Question { scheme: Scheme::Https, asked: Scheme::Https, ..forced }), "forced for forced.test");
    assert!(matches!(route(&snapshot(), || None, &forced), Routed::Forward { .. }));
    let navigation = RequestFacts { sec_fetch_mode: Some(b"navigate"), accept: None };
    let address = plain("10.0.0.1", "/");
    assert_eq!(decide(&address), "address for 10.0.0.1");
    assert_eq!(decide(&Question { facts: navigation, ..address }), "https://10.0.0.1:8443/");
}

#[test]
fn hsts_is_said_only_with_a_certificate_that_browsers_accept() {
    let certificate = |self_signed, status| {
        let key = rustls::sign::CertifiedKey::new(Vec::new(), Arc::new(NoKey));
        ServedCertificate {
            id: CertificateId::parse("c").unwrap(),
            thumbprint: Thumbprint::of(b""),
            self_signed,
            status,
            key: crate::tls::ServedKey::ready(Arc::new(key)),
        }
    };
    use CertificateStatus::{Expired, ExpiresSoon, NotYetValid, Valid};
    let set = || HstsRule::Set("max-age=60".to_owned());
    let on = Hsts::parse("60").unwrap();
    for (setting, host, shown, expected) in [
        (on, "shop.test", None, HstsRule::Remove),
        (on, "shop.test", Some((false, Valid)), set()),
        (on, "shop.test", Some((false, ExpiresSoon)), set()),
        (on, "shop.test", Some((true, Valid)), HstsRule::Remove),
        (on, "shop.test", Some((false, Expired)), HstsRule::Remove),
        (on, "shop.test", Some((false, NotYetValid)), HstsRule::Remove),
        (on, "10.0.0.1", Some((false, Valid)), HstsRule::Keep),
        (Hsts::Off, "shop.test", Some((false, Valid)), HstsRule::Keep),
        (Hsts::Off, "shop.test", Some((true, Valid)), HstsRule::Remove),
        (Hsts::Off, "shop.test", None, HstsRule::Remove),
    ] {
        let site = ServedSite { hsts: setting, ..site("s") };
        let shown = shown.map(|(self_signed, status)| certificate(self_signed, status));
        assert_eq!(hsts(&site, &Host::parse(host).unwrap(), shown.as_ref()), expected, "{setting} {host} {shown:?}");
    }
}

#[derive(Debug)]
struct NoKey;

impl rustls::sign::SigningKey for NoKey {
    fn choose_scheme(&self, _: &[rustls::SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        None
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        rustls::SignatureAlgorithm::ECDSA
    }
}
