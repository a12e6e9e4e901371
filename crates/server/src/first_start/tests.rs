#![allow(clippy::unwrap_used, reason = "tests")]

use std::{net::TcpListener, num::NonZeroUsize};

use portward_proxy::{Clock, ProxyOptions, limits::Limits};
use portward_store::{cluster::Cluster, desired, memory::MemoryStore, sealing::MasterKey};

use super::*;
use crate::fixture::now;

async fn seeded(flags: &Flags, host_name: &str) -> Result<Desired, StartError> {
    let store = MemoryStore::new();
    let opened = Cluster::open(&store, MasterKey::generate()).await.unwrap();
    let options = ProxyOptions {
        workers: NonZeroUsize::MIN,
        limits: Limits::default(),
        clock: Clock::new(now),
        access_log: None,
        given: Vec::new(),
    };
    let proxy = Proxy::spawn(options).unwrap();
    assert!(is_empty(&desired::read(&store).await.unwrap()));
    let done = seed(&store, &opened.sealer, &proxy, flags, host_name, now()).await;
    let desired = desired::read(&store).await.unwrap();
    assert_eq!(is_empty(&desired), done.is_err(), "all or nothing");
    done.map(|()| desired)
}

fn flags(http: &[&str], https: &[&str], upstream: Option<&str>) -> Flags {
    let addresses = |texts: &[&str]| Some(texts.iter().map(|text| text.parse().unwrap()).collect());
    Flags {
        http: addresses(http),
        https: addresses(https),
        upstream: upstream.map(|upstream| Upstream::parse(upstream).unwrap()),
    }
}

#[tokio::test]
async fn an_empty_store_gets_what_the_flags_say() {
    let flags = flags(&["127.0.0.1:0"], &["127.0.0.1:0", "127.0.0.2:0"], Some("http://127.0.0.1:3000"));
    let desired = seeded(&flags, "Front.test").await.unwrap();
    let bindings: Vec<_> = desired.bindings.iter().map(|b| (b.value.id.to_string(), b.value.url())).collect();
    let expected =
        [("http-0", "http://127.0.0.1:0"), ("https-0", "https://127.0.0.1:0"), ("https-0-2", "https://127.0.0.2:0")];
    assert_eq!(bindings, expected.map(|(id, url)| (id.to_owned(), url.to_owned())));
    let certificate = &desired.certificates[0].value;
    let names: Vec<_> = certificate.current_version().unwrap().facts.names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["localhost", "front.test", "127.0.0.1", "::1"]);
    assert!(desired.bindings[1..].iter().all(|b| b.value.default_certificate.as_ref() == Some(&certificate.id)));
    assert_eq!(*desired.sites[0].value.names, [HostPattern::Any]);
    agree(&flags, &desired).unwrap();
}

#[tokio::test]
async fn a_machine_without_a_usable_name_gets_its_certificate_too() {
    let desired = seeded(&flags(&[], &["127.0.0.1:0"], None), "no host name").await.unwrap();
    assert_eq!(desired.certificates[0].value.current_version().unwrap().facts.names.len(), 3);
    let site = &desired.sites[0].value;
    assert_eq!((site.id.as_str(), site.names.as_slice(), site.is_portal()), ("portal", &[HostPattern::Any][..], true));
}

#[tokio::test]
async fn a_taken_port_names_the_flag_and_saves_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let error = seeded(&flags(&["127.0.0.1:0"], &[&taken], None), "front.test").await.unwrap_err();
    assert!(matches!(error, StartError::Bind { flag: "--https", .. }), "{error:?}");
    assert!(error.to_string().contains(&taken), "{error}");
}

#[tokio::test]
async fn bindings_that_exclude_each_other_are_named_and_nothing_is_saved() {
    for (http, https, one, other, with) in [
        (
            &["0.0.0.0:21090", "[::]:21090"][..],
            &[][..],
            "http://0.0.0.0:21090",
            "http://[::]:21090",
            "--http ADDR:PORT",
        ),
        (
            &["127.0.0.1:21090", "127.0.0.1:21090"],
            &[],
            "http://127.0.0.1:21090",
            "http://127.0.0.1:21090",
            "with --http",
        ),
        (
            &["127.0.0.1:21090"],
            &["127.0.0.1:21090"],
            "http://127.0.0.1:21090",
            "https://127.0.0.1:21090",
            "--http ADDR:PORT or --https ADDR:PORT",
        ),
        (&[], &["[::ffff:10.0.0.1]:21090", "10.0.0.1:21090"], "https://[::ffff:10.0.0.1]:21090", "10.0.0.1", "--https"),
    ] {
        let error = seeded(&flags(http, https, None), "front.test").await.unwrap_err();
        assert!(matches!(error, StartError::Overlap { .. }) && !error.is_configuration(), "{error:?}");
        for part in [one, other, with] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    }
    let beside_the_usual = Flags { https: flags(&[], &["0.0.0.0:8080"], None).https, ..Flags::default() };
    let error = seeded(&beside_the_usual, "front.test").await.unwrap_err().to_string();
    assert!(error.contains(":8080 and https://0.0.0.0:8080 of the first start exclude each other"), "{error}");
}

#[test]
fn ports_that_nobody_asked_for_are_left_out_where_something_asked_for_is() {
    let ip = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let added = |flags: &Flags| {
        let added = standard(flags, ip, &wanted(flags, ip).unwrap());
        added.into_iter().map(|(scheme, address)| format!("{scheme}://{address}")).collect::<Vec<_>>()
    };
    let (http, https) = (|to| flags(&[to], &[], None).http, |to| flags(&[], &[to], None).https);
    assert_eq!(added(&Flags::default()), ["http://[::]:80", "https://[::]:443"]);
    assert_eq!(added(&Flags { http: http("127.0.0.1:0"), ..Flags::default() }), ["https://[::]:443"]);
    assert_eq!(added(&Flags { https: https("0.0.0.0:80"), ..Flags::default() }), [""; 0]);
    assert_eq!(added(&Flags { https: https("0.0.0.0:81"), ..Flags::default() }), ["http://[::]:80"]);
}

#[tokio::test]
async fn flags_that_say_otherwise_than_the_store_are_refused_with_the_command() {
    let desired = seeded(&flags(&["127.0.0.1:0"], &["127.0.0.1:0"], Some("http://127.0.0.1:3000")), "a").await.unwrap();
    let none = Flags { http: None, https: None, upstream: None };
    agree(&none, &desired).unwrap();
    for (flags, parts) in [
        (
            Flags { http: flags(&["127.0.0.1:81"], &[], None).http, ..none.clone() },
            ["--http says http://127.0.0.1:81", "has http://127.0.0.1:0", "portward binding add"],
        ),
        (
            Flags { https: flags(&[], &["127.0.0.1:0", "127.0.0.2:0"], None).https, ..none.clone() },
            ["--https says", "has https://127.0.0.1:0;", "portward binding add"],
        ),
        (
            Flags { upstream: flags(&[], &[], Some("http://127.0.0.1:4000")).upstream, ..none.clone() },
            [
                "--upstream says http://127.0.0.1:4000",
                "which is for all hosts, has http://127.0.0.1:3000;",
                "portward site edit default",
            ],
        ),
    ] {
        let error = agree(&flags, &desired).unwrap_err();
        assert!(error.is_configuration());
        for part in parts {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    }
    let mut siteless = desired;
    siteless.sites = portward_core::Sorted::new();
    let flags = Flags { upstream: flags(&[], &[], Some("http://127.0.0.1:4000")).upstream, ..none };
    assert!(agree(&flags, &siteless).unwrap_err().to_string().contains("portward site add '*'"));
}
