#![allow(clippy::unwrap_used, reason = "tests")]

use hickory_proto::op::ResponseCode;

use super::*;

mod fake;

use fake::{Asked, Fake, Says, a, aaaa, caa, cname, ns, soa, txt};

/// Asks these, with little patience.
fn asking(servers: &[&Fake]) -> DnsRecords {
    let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    let mut records = DnsRecords::new(&addresses);
    records.patience.attempt = Duration::from_millis(700);
    records
}

#[tokio::test]
async fn addresses_of_both_kinds_are_found_behind_aliases() {
    let server = Fake::with(vec![
        cname("www.shop.test", "shop.test"),
        a("shop.test", "192.0.2.1"),
        a("shop.test", "192.0.2.2"),
        aaaa("shop.test", "2001:db8::1"),
        a("four.test", "192.0.2.4"),
        txt("empty.test", &["x"]),
    ])
    .await;
    let records = asking(&[&server]);
    for name in ["www.shop.test", "WWW.Shop.Test."] {
        let found = records.addresses(name).await.unwrap();
        assert_eq!(found.v4, ["192.0.2.1", "192.0.2.2"].map(|address| address.parse::<Ipv4Addr>().unwrap()));
        assert_eq!(found.v6, ["2001:db8::1".parse::<Ipv6Addr>().unwrap()]);
    }
    assert!(records.addresses("four.test").await.unwrap().v6.is_empty());
    let why = async |name| records.addresses(name).await.unwrap_err().why;
    assert_eq!(why("empty.test").await, LookupFailure::NoData);
    assert_eq!(why("other.test").await, LookupFailure::NoSuchName);
    assert!(matches!(why("").await, LookupFailure::NotAName(_)));
    assert!(matches!(why("a..b").await, LookupFailure::NotAName(_)));
}

#[tokio::test]
async fn failures_are_told_apart_in_plain_words() {
    let server = Fake::start(|asked| match asked.name.as_str() {
        "gone.test" => Says::NoSuchName,
        "bare.test" => Says::Records(Vec::new()),
        "broken.test" => Says::Explained(7, "RRSIG expired\r\n"),
        "refused.test" => Says::Code(ResponseCode::Refused),
        _ => Says::Silence,
    })
    .await;
    let records = asking(&[&server]);
    let address = server.address;
    for (name, expected) in [
        ("gone.test", "there is no such name in DNS (NXDOMAIN)".to_owned()),
        ("bare.test", "the name is in DNS, but has none".to_owned()),
        (
            "broken.test",
            format!(
                "{address} could not find out (SERVFAIL) (DNSSEC signature expired: RRSIG expired); \
                 the zone's servers do not answer it, or its DNSSEC is broken"
            ),
        ),
        ("refused.test", format!("{address} refuses to answer (Query Refused)")),
        ("silent.test", format!("{address} did not answer within 1.4 seconds")),
    ] {
        let error = records.addresses(name).await.unwrap_err();
        assert_eq!(error.to_string(), format!("looking up addresses of {name} failed: {expected}"));
    }
}

#[tokio::test]
async fn a_call_ends_in_its_time_however_many_resolvers_are_silent() {
    let silent = Fake::start(|_| Says::Silence).await;
    let mut records = asking(&[&silent, &silent, &silent]);
    records.patience.total = Duration::from_millis(900);
    let error = records.caa("shop.test").await.unwrap_err();
    assert_eq!(error.why, LookupFailure::TimedOut { server: "DNS".to_owned(), within: Duration::from_millis(900) });
}

#[tokio::test]
async fn the_next_resolver_is_asked_where_one_fails() {
    let broken = Fake::start(|_| Says::Code(ResponseCode::ServFail)).await;
    let good = Fake::with(vec![a("shop.test", "192.0.2.1")]).await;
    let records = asking(&[&broken, &good]);
    assert_eq!(records.addresses("shop.test").await.unwrap().v4.len(), 1);
    assert_eq!(records.addresses("other.test").await.unwrap_err().why, LookupFailure::NoSuchName);
}

#[tokio::test]
async fn nobody_listening_is_no_time_out() {
    let gone = Fake::with(Vec::new()).await.address;
    let error = DnsRecords::new(&[gone]).addresses("shop.test").await.unwrap_err();
    assert!(matches!(error.why, LookupFailure::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn answers_that_are_too_long_are_read_over_tcp() {
    let long: Vec<_> = (0..200).map(|number| a("shop.test", &format!("192.0.2.{number}"))).collect();
    let server = Fake::start(move |asked| match asked {
        Asked { tcp: false, .. } => Says::Truncated,
        asked => fake::lookup(&long, asked),
    })
    .await;
    assert_eq!(asking(&[&server]).addresses("shop.test").await.unwrap().v4.len(), 200);
}

#[tokio::test]
async fn servers_from_before_edns_are_asked_without_it() {
    let server = Fake::start(|asked| match asked {
        Asked { edns: true, .. } => Says::Code(ResponseCode::FormErr),
        asked => fake::lookup(&[a("shop.test", "192.0.2.1")], asked),
    })
    .await;
    assert_eq!(asking(&[&server]).addresses("shop.test").await.unwrap().v4.len(), 1);
}

#[tokio::test]
async fn caa_records_of_the_nearest_name_count() {
    let server = Fake::start(|asked| {
        if asked.name.ends_with("broken.test") {
            return Says::Code(ResponseCode::ServFail);
        }
        let records = [
            caa("shop.test", "ca.test"),
            caa("pay.shop.test", "pay-ca.test"),
            a("www.shop.test", "192.0.2.1"),
            cname("alias.shop.test", "host.cdn.test"),
            caa("host.cdn.test", "cdn-ca.test"),
            // What is above the target of an alias does not count.
            cname("plain.shop.test", "none.cdn.test"),
            a("none.cdn.test", "192.0.2.1"),
            caa("cdn.test", "wrong.test"),
        ];
        fake::lookup(&records, asked)
    })
    .await;
    let records = asking(&[&server]);
    for (name, expected) in [
        ("shop.test", Some(("shop.test", "ca.test"))),
        ("www.shop.test", Some(("shop.test", "ca.test"))),
        ("*.shop.test", Some(("shop.test", "ca.test"))),
        ("deep.below.www.shop.test", Some(("shop.test", "ca.test"))),
        ("a.pay.shop.test", Some(("pay.shop.test", "pay-ca.test"))),
        ("alias.shop.test", Some(("alias.shop.test", "cdn-ca.test"))),
        ("plain.shop.test", Some(("shop.test", "ca.test"))),
        ("elsewhere.test", None),
    ] {
        let found = records.caa(name).await.unwrap();
        let found = found.as_ref().map(|set| (set.name.as_str(), set.records[0].value.trim_end_matches('.')));
        assert_eq!(found, expected, "{name}");
    }
    let first = records.caa("shop.test").await.unwrap().unwrap().records.remove(0);
    assert_eq!((first.critical, first.tag.as_str()), (true, "issue"));
    assert!(matches!(records.caa("a.broken.test").await.unwrap_err().why, LookupFailure::ServFail { .. }));
}

#[tokio::test]
async fn aliases_are_followed_to_their_end_and_circles_are_found() {
    let mut all = vec![
        cname("_acme-challenge.shop.test", "shop.delegated.test"),
        cname("shop.delegated.test", "end.delegated.test"),
        cname("a.test", "b.test"),
        cname("b.test", "a.test"),
        cname("self.test", "self.test"),
    ];
    all.extend((0..12).map(|number| cname(&format!("n{number}.test"), &format!("n{}.test", number + 1))));
    let server = Fake::with(all).await;
    let records = asking(&[&server]);
    assert_eq!(records.follow_cname("_acme-challenge.shop.test").await.unwrap(), "end.delegated.test");
    assert_eq!(records.follow_cname("Nowhere.test").await.unwrap(), "nowhere.test");
    assert_eq!(records.follow_cname("n4.test").await.unwrap(), "n12.test");
    let error = records.follow_cname("n3.test").await.unwrap_err();
    assert!(matches!(error.why, LookupFailure::TooManyAliases { limit: 8, .. }), "{error}");
    for (name, expected) in [("a.test", "a.test to b.test to a.test"), ("self.test", "self.test to self.test")] {
        let error = records.follow_cname(name).await.unwrap_err();
        assert_eq!(error.why, LookupFailure::Circle(expected.to_owned()));
    }
    assert!(matches!(records.addresses("a.test").await.unwrap_err().why, LookupFailure::Circle(_)));
}

#[tokio::test]
async fn a_zone_is_found_with_all_addresses_of_its_servers() {
    let server = Fake::with(vec![
        soa("shop.test"),
        ns("shop.test", "ns2.dns.test"),
        ns("shop.test", "NS1.dns.test"),
        ns("shop.test", "gone.dns.test"),
        a("ns1.dns.test", "192.0.2.1"),
        aaaa("ns1.dns.test", "2001:db8::1"),
        a("ns2.dns.test", "192.0.2.2"),
        // Neither the zone behind an alias, nor one of which only the name is there.
        cname("alias.shop.test", "other.test"),
        soa("other.test"),
    ])
    .await;
    let records = asking(&[&server]).at_port(5353);
    for name in ["shop.test", "_acme-challenge.deep.www.shop.test", "alias.shop.test"] {
        let zone = records.zone(name).await.unwrap();
        assert_eq!((zone.apex.as_str(), zone.source), ("shop.test", ZoneSource::Records));
        let servers: Vec<(&str, Vec<String>)> = zone
            .servers
            .iter()
            .map(|(name, addresses)| (name.as_str(), addresses.iter().map(ToString::to_string).collect()))
            .collect();
        let expected = [
            ("gone.dns.test", vec![]),
            ("ns1.dns.test", vec!["192.0.2.1:5353".to_owned(), "[2001:db8::1]:5353".to_owned()]),
            ("ns2.dns.test", vec!["192.0.2.2:5353".to_owned()]),
        ];
        assert_eq!(servers, expected);
    }
}

#[tokio::test]
async fn resolvers_without_any_zone_are_taken_for_its_servers() {
    // As pebble-challtestsrv does it.
    let server = Fake::start(|asked| match asked.kind {
        RecordType::TXT => Says::Records(vec![txt(&asked.name, &["value"])]),
        RecordType::SOA | RecordType::NS => Says::Code(ResponseCode::NotImp),
        _ => Says::Records(Vec::new()),
    })
    .await;
    let records = asking(&[&server]);
    let zone = records.zone("_acme-challenge.www.Shop.test").await.unwrap();
    assert_eq!((zone.apex.as_str(), zone.source), ("www.shop.test", ZoneSource::Assumed));
    assert_eq!(zone.servers, [("127.0.0.1".to_owned(), vec![server.address])]);
    let seen = records.txt_everywhere(&zone, "_acme-challenge.www.shop.test", "value").await;
    assert_eq!(seen.seen, [server.address.to_string()]);
    assert!(seen.is_complete());
    assert!(!records.txt_everywhere(&zone, "_acme-challenge.www.shop.test", "other").await.is_complete());
}

#[tokio::test]
async fn a_value_is_everywhere_only_when_every_server_shows_it() {
    const NAME: &str = "_acme-challenge.shop.test";
    // The strings of one record are one value.
    let first = Fake::start(|asked| {
        assert!(!asked.recursion, "an authoritative server is asked for what it has itself");
        fake::lookup(&[txt(NAME, &["other"]), txt(NAME, &["val", "ue"])], asked)
    })
    .await;
    let second = Fake::with(vec![txt(NAME, &["other"]), txt(NAME, &["older"])]).await;
    let third = Fake::with(Vec::new()).await;
    let fourth = Fake::start(|_| Says::Silence).await;
    let fifth = Fake::start(|_| Says::Code(ResponseCode::Refused)).await;
    let sixth = Fake::with(vec![cname(NAME, "elsewhere.test")]).await;
    let resolver = Fake::start(|asked| {
        assert!(asked.recursion);
        Says::NoSuchName
    })
    .await;
    let records = asking(&[&resolver]);
    let server = |name: &str, fakes: &[&Fake]| (name.to_owned(), fakes.iter().map(|fake| fake.address).collect());
    let mut zone = Zone {
        apex: "shop.test".to_owned(),
        servers: vec![
            server("ns1.test", &[&first, &second]),
            server("ns2.test", &[&third, &fourth, &fifth, &sixth]),
            server("ns3.test", &[]),
        ],
        source: ZoneSource::Records,
    };
    let found = records.txt_everywhere(&zone, NAME, "value").await;
    assert_eq!(found.seen, [format!("ns1.test ({})", first.address)]);
    let said: Vec<&str> = found.missing.iter().map(|(_, said)| said.as_str()).collect();
    assert_eq!(
        said,
        [
            "the server has no address in DNS",
            "has other values: \"other\", \"older\"",
            "does not have the name (NXDOMAIN)",
            "did not answer within 1.4 seconds",
            "refuses to answer (Query Refused): is it a server of the zone?",
            "has a CNAME record to elsewhere.test instead",
        ]
    );
    assert_eq!(found.missing[1].0, format!("ns1.test ({})", second.address));
    assert!(!found.is_complete());

    // A resolver that remembers what was there before does not matter.
    zone.servers = vec![server("ns1.test", &[&first])];
    let found = records.txt_everywhere(&zone, NAME, "value").await;
    assert!(found.is_complete());
    assert_eq!(
        found.aside,
        [(format!("resolver {}", resolver.address), "does not have the name (NXDOMAIN)".to_owned())]
    );
    zone.servers.clear();
    assert!(!records.txt_everywhere(&zone, NAME, "value").await.is_complete());
}

#[tokio::test]
async fn a_value_in_a_long_answer_is_seen_over_tcp() {
    const NAME: &str = "_acme-challenge.shop.test";
    let server = Fake::start(|asked| match asked {
        Asked { tcp: false, .. } => Says::Truncated,
        asked => fake::lookup(&[txt(NAME, &["value"])], asked),
    })
    .await;
    let zone = Zone {
        apex: "shop.test".to_owned(),
        servers: vec![("ns1.test".to_owned(), vec![server.address])],
        source: ZoneSource::Records,
    };
    assert!(asking(&[&server]).txt_everywhere(&zone, NAME, "value").await.is_complete());
}

#[tokio::test]
async fn broken_dnssec_is_an_answer_that_comes_only_without_checks() {
    let signature = || {
        let data = RData::Unknown { code: RecordType::RRSIG, rdata: hickory_proto::rr::rdata::NULL::with(vec![0; 40]) };
        Record::from_rdata(fake::name("shop.test"), 60, data)
    };
    let server = Fake::start(move |asked| {
        assert!(asked.dnssec);
        match (asked.name.as_str(), asked.unchecked) {
            ("broken.test", false) => Says::Explained(6, ""),
            ("broken.test", true) => Says::Records(vec![a("broken.test", "192.0.2.1")]),
            ("valid.test", _) => Says::Validated(vec![a("valid.test", "192.0.2.1")]),
            ("plain.test", _) => Says::Records(vec![a("plain.test", "192.0.2.1")]),
            ("signed.test", _) => Says::Records(vec![a("signed.test", "192.0.2.1"), signature()]),
            ("dead.test", _) => Says::Code(ResponseCode::ServFail),
            _ => Says::Silence,
        }
    })
    .await;
    let records = asking(&[&server]);
    assert_eq!(records.dnssec("valid.test").await, DnssecState::Valid);
    assert_eq!(records.dnssec("plain.test").await, DnssecState::Unsigned);
    let broken = format!(
        "{} gives SERVFAIL (DNSSEC bogus) where it checks signatures, and an answer where it does not",
        server.address
    );
    assert_eq!(records.dnssec("broken.test").await, DnssecState::Broken(broken));
    // One that checks nothing does not make up for it.
    let careless = Fake::with(vec![a("broken.test", "192.0.2.1")]).await;
    let both = asking(&[&server, &careless]);
    assert!(matches!(both.dnssec("broken.test").await, DnssecState::Broken(_)));
    for name in ["signed.test", "dead.test", "silent.test"] {
        assert!(matches!(records.dnssec(name).await, DnssecState::Unknown(_)), "{name}");
    }
}

#[test]
fn the_resolvers_of_the_machine_are_read() {
    let text = "# nameserver 192.0.2.9\nsearch shop.test\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 \nnameserver fe80::1%eth0\noptions edns0\n";
    let found: Vec<String> = name_servers(text).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["192.0.2.1:53", "[2001:db8::1]:53"]);
    assert!(name_servers("search shop.test\n").is_empty());
}
