#![allow(clippy::unwrap_used, reason = "tests")]
use std::{sync::Arc, time::Duration};

use portward_core::{
    AgentSettings, BindingId, BodyLimit, CertificateVersion, ForceHttps, HeaderRules, Hsts, KeyId, Management,
    PresetId, Site, SiteCertificate, SiteId, SiteLimits, Source, Upstream, UpstreamTrust, VersionNumber, WaitLimit,
    WarningPolicy, acme::Managed,
};

use super::*;
use crate::sample;

fn sites() -> Vec<Site> {
    let full = sample::site("s1");
    let mut plain = full.clone();
    plain.upstream_trust = UpstreamTrust::System;
    plain.force_https = None;
    plain.hsts = Hsts::Off;
    plain.certificate = SiteCertificate::Auto;
    let authorities: Arc<[Arc<[u8]>]> = Arc::new([b"der 1".as_slice().into(), b"der 2".as_slice().into()]);
    let trusting = Site { upstream_trust: UpstreamTrust::Authorities(authorities), ..full.clone() };
    let careless = Site { upstream_trust: UpstreamTrust::DangerInsecure, ..full.clone() };
    let mut portal = plain.clone();
    portal.upstreams = [Upstream::Portal].into();
    let tuned = Site {
        limits: SiteLimits {
            body: BodyLimit::parse("10GiB").unwrap(),
            response: WaitLimit::parse("20m").unwrap(),
            idle: WaitLimit::parse("90s").unwrap(),
        },
        headers: HeaderRules::new(vec![("X-A".to_owned(), "b: c".to_owned())], vec!["Server".to_owned()]).unwrap(),
        preset: Some(PresetId::parse("teamcity").unwrap()),
        ..full.clone()
    };
    let at_a_socket = Site { upstreams: [Upstream::parse("unix:/run/app.sock").unwrap()].into(), ..plain.clone() };
    let dealt = Site { forwarding: sample::forwarding().into(), ..tuned.clone() };
    vec![full, plain, trusting, careless, portal, tuned, at_a_socket, dealt]
}

fn version() -> CertificateVersion {
    let chain = sample::chain("leaf");
    let facts = Arc::new(sample::facts(&chain.leaf));
    let key = KeyId::parse("key-1").unwrap();
    CertificateVersion {
        number: VersionNumber(3),
        source: Source::Acme,
        added: sample::at(),
        chain,
        key,
        key_on: None,
        facts,
    }
}

#[test]
fn what_is_written_is_read() {
    for site in sites() {
        let record: SiteRecord = decode(&encode(&SiteRecord::from(&site))).unwrap();
        assert_eq!(record.into_site(site.id.clone(), &Shared::default()).unwrap(), site);
    }
    for (url, certificate) in [("https://[::]:8443", Some("cert-1")), ("http://127.0.0.1:80", None)] {
        let mut binding = sample::binding("b1", url);
        binding.default_certificate = certificate.map(sample::certificate_id);
        let record: BindingRecord = decode(&encode(&BindingRecord::from(&binding))).unwrap();
        assert_eq!(record.into_binding(binding.id.clone()).unwrap(), binding);
    }
    for (url, networks, to) in [
        ("tls-passthrough://[::]:10943", &[][..], &["polling.test=127.0.0.1:10943", "*=[::1]:22"][..]),
        ("https://[::]:8443", &["10.0.0.0/8", "::1/128"][..], &["*.shop.test=app.test:443"][..]),
    ] {
        let mut binding = sample::binding("b1", url);
        binding.accept_proxy_from = networks.iter().map(|text| portward_core::Network::parse(text).unwrap()).collect();
        binding.to = to.iter().map(|text| portward_core::Passage::parse(text).unwrap()).collect();
        let record: BindingRecord = decode(&encode(&BindingRecord::from(&binding))).unwrap();
        assert_eq!(record.into_binding(binding.id.clone()).unwrap(), binding);
    }
    for management in [sample::managed(), Management::Unmanaged] {
        let record: SpecRecord = decode(&encode(&SpecRecord::new("Ä \"x\"".to_owned(), &management))).unwrap();
        assert_eq!((record.name.as_str(), record.managed), ("Ä \"x\"", management != Management::Unmanaged));
        if let Some(managed) = management.managed() {
            let record: ManagedRecord = decode(&encode(&ManagedRecord::from(&**managed))).unwrap();
            assert_eq!(Managed::try_from(record).unwrap(), **managed);
        }
    }
    let issuer = sample::issuer("letsencrypt");
    let record: IssuerRecord = decode(&encode(&IssuerRecord::new(&issuer, None))).unwrap();
    assert_eq!(record.into_issuer(issuer.id.clone()).unwrap(), (issuer, None));
    let version = version();
    let (sha256, issuers) = IssuersRecord::of(&version.chain).unwrap();
    let issuers = Issuers::from(decode::<IssuersRecord>(&encode(&issuers)).unwrap());
    let record: VersionRecord = decode(&encode(&VersionRecord::from(&version))).unwrap();
    assert_eq!(record.issuers.as_deref(), Some(sha256.as_str()));
    let mut read = record.into_version(version.number, &mut Shared::default()).unwrap();
    issuers.complete(&mut read.chain);
    assert_eq!(read, version);
    let warning = WarningPolicy { before_end: Duration::from_secs(77) };
    assert_eq!(WarningPolicy::from(decode::<WarningRecord>(&encode(&WarningRecord::from(warning))).unwrap()), warning);
    for agents in [
        AgentSettings::DEFAULT,
        AgentSettings {
            server_identity_age: Some(Duration::from_secs(77)),
            identity_age: None,
            ..AgentSettings::DEFAULT
        },
    ] {
        let record: AgentSettingsRecord = decode(&encode(&AgentSettingsRecord::from(agents))).unwrap();
        assert_eq!(AgentSettings::from(record), agents);
    }
    for mode in [ForceHttps::Off, ForceHttps::Browsers, ForceHttps::All] {
        let record: ForceHttpsRecord = decode(&encode(&ForceHttpsRecord::from(mode))).unwrap();
        assert_eq!(ForceHttps::try_from(record).unwrap(), mode);
    }
}

/// What an older Portward wrote must stay readable: these texts may be added to, never changed.
#[test]
fn records_of_version_1_look_like_this() {
    let binding = r#"{"v":1,"url":"https://[::]:8443","default_certificate":null}"#;
    assert_eq!(encode(&BindingRecord::from(&sample::binding("b1", "https://[::]:8443"))), binding);
    let mut proxied = sample::binding("b1", "https://[::]:8443");
    proxied.accept_proxy_from = vec![portward_core::Network::parse("10.0.0.0/8").unwrap()];
    proxied.to = vec![portward_core::Passage::parse("polling.test=127.0.0.1:10943").unwrap()];
    let binding = r#"{"v":2,"url":"https://[::]:8443","default_certificate":null,"accept_proxy_from":["10.0.0.0/8"],"to":["polling.test=127.0.0.1:10943"]}"#;
    assert_eq!(encode(&BindingRecord::from(&proxied)), binding);
    let site = concat!(
        r#"{"v":2,"names":["shop.test","*.shop.test","::1","*"],"upstreams":["http://127.0.0.1:3000","https://[::1]:4000"],"#,
        r#""upstream_trust":{"pin":"a0ffb33a6dd00a2ea62d93d78d31f1c1f7a5aa4d4bcef8eb5e7f8b1d0f6de45a"},"force_https":"browsers","#,
        r#""hsts":"31536000,includeSubDomains,preload","certificate":"cert-1"}"#
    );
    let written = encode(&SiteRecord::from(&sample::site("s1")));
    let pin = portward_core::Thumbprint::of(b"upstream").to_string();
    assert_eq!(written, site.replace("a0ffb33a6dd00a2ea62d93d78d31f1c1f7a5aa4d4bcef8eb5e7f8b1d0f6de45a", &pin));
    assert_eq!(encode(&CurrentRecord::from(VersionNumber(4))), r#"{"v":1,"version":4}"#);
    assert_eq!(encode(&SpecRecord::new("n".to_owned(), &sample::managed())), r#"{"v":1,"name":"n","managed":true}"#);
    assert_eq!(encode(&ForceHttpsRecord::from(ForceHttps::All)), r#"{"v":1,"mode":"all"}"#);
    assert_eq!(encode(&WarningRecord::from(WarningPolicy::DEFAULT)), r#"{"v":1,"before_end_seconds":2592000}"#);
    let agents = r#"{"v":1,"identity_age_seconds":31536000,"server_identity_age_seconds":0,"check_every_seconds":600}"#;
    assert_eq!(encode(&AgentSettingsRecord::from(AgentSettings::DEFAULT)), agents);
    assert_eq!(encode(&ChallengeRecord::new("a.b".to_owned(), 80)), r#"{"v":1,"key_authorization":"a.b","port":80}"#);
    let cluster = r#"{"v":1,"cluster_id":"c","generation":7}"#;
    assert_eq!(encode(&ClusterRecord::new("c".to_owned(), 7)), cluster);
    assert_eq!(encode(&SchemaRecord::ours()), r#"{"v":1,"version":1,"min_reader":1,"features":[]}"#);
    let fields = concat!(
        r#"{"v":1,"source":"acme","added":"2026-11-20T14:32:07Z","leaf":"bGVhZg==","issuers":"<issuers>","key":"key-1","#,
        r#""names":["shop.test","*.shop.test","10.0.0.1"],"thumbprint":"<thumbprint>","sha1":"<sha1>","serial":"0a1b","#,
        r#""issuer":"CN=Test \"CA\", O=Ä","subject":"CN=shop.test","self_signed":false,"#,
        r#""not_before":"1970-01-01T00:00:00Z","not_after":"2026-11-20T14:32:07Z","key_type":"RSA 2048"}"#
    );
    let version = version();
    let expected = fields
        .replace("<issuers>", &IssuersRecord::of(&version.chain).unwrap().0)
        .replace("<thumbprint>", &version.facts.thumbprint.to_string())
        .replace("<sha1>", &version.facts.sha1.to_string().to_lowercase());
    assert_eq!(encode(&VersionRecord::from(&version)), expected);
    // What an older Portward would read as a key of its own is of a version that it refuses.
    let elsewhere = CertificateVersion { key_on: Some(sample::agent("web-03").name), ..version };
    let expected = expected.replace(r#""v":1"#, r#""v":2"#).replace(r#""key-1","#, r#""key-1","key_on":"web-03","#);
    assert_eq!(encode(&VersionRecord::from(&elsewhere)), expected);
    let managed = sample::managed();
    let managed = String::from_utf8(encode(&ManagedRecord::from(&**managed.managed().unwrap())).to_vec()).unwrap();
    assert!(managed.starts_with(r#"{"v":2,"#) && managed.contains(r#""key_on":"web-03""#), "{managed}");
}

/// Likewise of version 3, which is written only where version 2 cannot say it.
#[test]
fn a_record_of_version_3_has_what_version_2_cannot_say() {
    let tuned = sites().remove(5);
    let written = String::from_utf8(encode(&SiteRecord::from(&tuned)).to_vec()).unwrap();
    assert!(written.starts_with(r#"{"v":3,"names":["shop.test""#), "{written}");
    let end = concat!(
        r#""certificate":"cert-1","limits":{"body":"10GiB","response":"20m","idle":"90s"},"#,
        r#""headers":{"set":[["X-A","b: c"]],"remove":["Server"]},"preset":"teamcity"}"#
    );
    assert!(written.ends_with(end), "{written}");
    let unknown = written.replace("\"10GiB\"", "\"much\"");
    let read: SiteRecord = decode(unknown.as_bytes()).unwrap();
    assert!(matches!(read.into_site(tuned.id, &Shared::default()), Err(RecordError::Invalid { field: "limits", .. })));
}

/// Likewise of version 4.
#[test]
fn a_record_of_version_4_has_what_version_3_cannot_say() {
    let [at_a_socket, dealt] = <[Site; 2]>::try_from(sites().split_off(6)).unwrap();
    let written = String::from_utf8(encode(&SiteRecord::from(&at_a_socket)).to_vec()).unwrap();
    assert!(written.starts_with(r#"{"v":4,"names":["shop.test""#), "{written}");
    assert!(written.contains(r#""upstreams":["unix:/run/app.sock"]"#) && !written.contains("forwarding"), "{written}");
    let written = String::from_utf8(encode(&SiteRecord::from(&dealt)).to_vec()).unwrap();
    assert!(written.starts_with(r#"{"v":4,"names":["shop.test""#), "{written}");
    let end = concat!(
        r#""preset":"teamcity","forwarding":{"balance":"least-connections","health":"/health?deep=1","#,
        r#""proxy_protocol":"v2","http":"2","routes":["#,
        r#"{"prefix":"/api","upstreams":["http://127.0.0.1:8081","unix:/run/api.sock"]},"#,
        r#"{"prefix":"/docs","upstreams":["http://127.0.0.1:8082"]}]}}"#
    );
    assert!(written.ends_with(end), "{written}");
    for (from, to) in [
        ("least-connections", "random"),
        ("/health?deep=1", "health"),
        (r#""v2""#, r#""v3""#),
        (r#""http":"2""#, r#""http":"3""#),
        ("\"/docs\"", "\"docs\""),
        ("\"/docs\"", "\"/api/\""),
        ("http://127.0.0.1:8082", "portal"),
        ("\"http://127.0.0.1:8082\"", ""),
        ("\"http://127.0.0.1:3000\",\"https://[::1]:4000\"", "\"portal\""),
    ] {
        let altered = written.replacen(from, to, 1);
        assert_ne!(altered, written, "{from}");
        let record: SiteRecord = decode(altered.as_bytes()).unwrap();
        let error = record.into_site(dealt.id.clone(), &Shared::default()).unwrap_err();
        assert!(matches!(error, RecordError::Invalid { field: "forwarding", .. }), "{from}: {error:?}");
    }
}

#[test]
fn every_prefix_of_a_record_is_refused() {
    fn check<R: Record>(record: &R) {
        let bytes = encode(record);
        for length in 0..bytes.len() {
            assert!(decode::<R>(&bytes[..length]).is_err(), "{length} of {}", String::from_utf8_lossy(&bytes));
        }
    }
    sites().iter().for_each(|site| check(&SiteRecord::from(site)));
    check(&VersionRecord::from(&version()));
    check(&IssuersRecord::of(&version().chain).unwrap().1);
    check(&ClusterRecord::new("c".to_owned(), 1));
    check(&ChallengeRecord::new("a.b".to_owned(), 80));
    check(&AgentRecord::from(&sample::agent("web-03")));
    let sealed = || sample::sealed();
    check(&DeliveryRecord::new(&sample::delivery("d1", "web-03"), Some(sealed())));
    check(&JoinRecord::new(sample::agent("web-03").name, sealed(), sample::at(), sample::at()));
    let state = portward_core::IdentityState::Current;
    check(&ServerIdentityRecord::new(b"der".as_slice().into(), sealed(), state, sample::at()));
}

#[test]
fn a_newer_record_is_refused_by_its_version_whatever_else_it_has() {
    for bytes in [r#"{"v":3}"#, r#"{"v":3,"url":5,"more":[]}"#, r#"{"more":{},"v":4000000000}"#] {
        let error = decode::<BindingRecord>(bytes.as_bytes()).unwrap_err();
        assert!(matches!(error, RecordError::Newer { known: 2, .. }), "{error:?}");
        assert!(error.to_string().contains("a newer Portward wrote this"), "{error}");
    }
    for bytes in [r#"{"v":0}"#, r#"{"v":-1}"#, r#"{"v":"1"}"#, "{}", "[]", "null", "", "\u{feff}{}"] {
        assert!(
            !matches!(decode::<BindingRecord>(bytes.as_bytes()), Ok(_) | Err(RecordError::Newer { .. })),
            "{bytes}"
        );
    }
    let extra = r#"{"v":1,"url":"http://1.2.3.4:80","default_certificate":null,"more":1}"#;
    assert!(matches!(decode::<BindingRecord>(extra.as_bytes()), Err(RecordError::Malformed(_))));
}

#[test]
fn an_impossible_value_is_refused_by_the_name_of_its_field() {
    let site = String::from_utf8(encode(&SiteRecord::from(&sample::site("s1"))).to_vec()).unwrap();
    for (from, to, expected) in [
        ("\"shop.test\"", "\"sh op\"", "names"),
        ("[\"shop.test\",\"*.shop.test\",\"::1\",\"*\"]", "[]", "names"),
        ("http://127.0.0.1:3000", "ftp://x", "upstreams"),
        ("\"browsers\"", "\"often\"", "force_https"),
        ("31536000", "soon", "hsts"),
        ("\"cert-1\"", "\"CERT\"", "certificate"),
        ("{\"pin\":\"", "{\"pin\":\"z", "upstream_trust"),
    ] {
        let altered = site.replacen(from, to, 1);
        assert_ne!(altered, site, "{from}");
        let record: SiteRecord = decode(altered.as_bytes()).unwrap();
        let error = record.into_site(SiteId::parse("s1").unwrap(), &Shared::default()).unwrap_err();
        assert!(matches!(error, RecordError::Invalid { field, .. } if field == expected), "{from}: {error:?}");
    }
    let record: BindingRecord = decode(br#"{"v":1,"url":"http://host:80","default_certificate":null}"#).unwrap();
    let error = record.into_binding(BindingId::parse("b").unwrap()).unwrap_err();
    assert!(matches!(error, RecordError::Invalid { field: "url", .. }));

    let version = version();
    let text = String::from_utf8(encode(&VersionRecord::from(&version)).to_vec()).unwrap();
    for (from, to, expected) in [
        ("bGVhZg==", "bGVhZh==", "leaf"),
        ("bGVhZg==", "b3RoZXI=", "thumbprint"),
        ("\"acme\"", "\"gift\"", "source"),
        ("\"key-1\"", "\"KEY\"", "key"),
        ("RSA 2048", "RSA", "key_type"),
        ("1970-01-01", "1970-13-01", "not_before"),
        ("\"10.0.0.1\"", "\"a b\"", "names"),
    ] {
        let altered = text.replacen(from, to, 1);
        assert_ne!(altered, text, "{from}");
        match decode::<VersionRecord>(altered.as_bytes())
            .map(|record| record.into_version(version.number, &mut Shared::default()))
        {
            Ok(Err(RecordError::Invalid { field, .. })) => assert_eq!(field, expected),
            // Base64 with bits that nobody needs is no base64.
            Err(RecordError::Malformed(_)) => assert_eq!(expected, "leaf"),
            other => unreachable!("{from}: {other:?}"),
        }
    }
}

#[test]
fn issuers_are_shared_by_what_they_are() {
    let of = |chain: &portward_core::Chain| IssuersRecord::of(chain).map(|(sha256, _)| sha256);
    let one = sample::chain("leaf 1");
    assert_eq!(of(&one), of(&sample::chain("leaf 2")));
    assert_eq!(of(&portward_core::Chain::of_leaf(one.leaf.clone())), None);
    let without_root = portward_core::Chain { root: None, ..one.clone() };
    let swapped =
        portward_core::Chain { intermediates: one.intermediates.iter().rev().cloned().collect(), ..one.clone() };
    // The root as one more intermediate is not the same as the root.
    let longer = portward_core::Chain {
        intermediates: one.intermediates.iter().chain(&one.root).cloned().collect(),
        root: None,
        ..one.clone()
    };
    let all = [of(&one), of(&without_root), of(&swapped), of(&longer)];
    assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), all.len());
}
