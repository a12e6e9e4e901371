//! DNS beside BIND's server: dynamic updates, and finding out whether they are everywhere.

use std::collections::BTreeMap;

use portward_certs::dns::{DnsRecords, LookupFailure, TxtError, TxtRecord, TxtWriter, Zone, ZoneSource, open};
use portward_testkit::Named;

const SHOP: &str = "@ NS ns1\n\
    @ NS ns2\n\
    ns1 A 127.0.0.1\n\
    ns2 A 127.0.0.1\n\
    www A 192.0.2.1\n\
    @ CAA 0 issue \"ca.test\"\n\
    _acme-challenge.mail CNAME mail.validation.test.\n\
    a CNAME b\n\
    b CNAME a\n";
const VALIDATION: &str = "@ NS ns1\nns1 A 127.0.0.1\n";
const NAME: &str = "_acme-challenge.www.shop.test";

#[tokio::test]
async fn two_values_of_a_name_come_and_go_one_by_one() {
    let named = named().await;
    let dns = records(&named);
    let zone = dns.zone(NAME).await.unwrap();
    for transport in ["udp", "tcp"] {
        let writer = writer(&named, &[("transport", transport)]);
        assert!(!seen(&dns, &zone, "one").await);
        // Once more is no error.
        for value in ["one", "two", "one"] {
            writer.add(&record(value)).await.unwrap();
        }
        assert!(seen(&dns, &zone, "one").await && seen(&dns, &zone, "two").await);
        for _ in 0..2 {
            writer.remove(&record("one")).await.unwrap();
            assert!(!seen(&dns, &zone, "one").await && seen(&dns, &zone, "two").await);
        }
        writer.remove(&record("two")).await.unwrap();
        assert!(!seen(&dns, &zone, "two").await);
    }
}

#[tokio::test]
async fn a_key_that_the_server_does_not_take_is_a_matter_of_credentials() {
    let named = named().await;
    for transport in ["udp", "tcp"] {
        for (setting, value) in
            [("secret", "d3JvbmcgY2FuYXJ5"), ("key_name", "other-key"), ("algorithm", "hmac-sha512")]
        {
            let error =
                writer(&named, &[("transport", transport), (setting, value)]).add(&record("one")).await.unwrap_err();
            assert!(matches!(error, TxtError::Unauthorized { .. }), "{transport} {setting}: {error:?}");
            let text = error.to_string();
            assert!(text.starts_with(&format!("{} refuses the credentials: ", named.address)), "{text}");
            assert!(!text.contains("canary") && !text.contains(value), "{text}");
        }
    }
    let dns = records(&named);
    assert!(!seen(&dns, &dns.zone(NAME).await.unwrap(), "one").await);
}

#[tokio::test]
async fn a_zone_of_somebody_else_is_named() {
    let named = named().await;
    let writer = writer(&named, &[]);
    let mut elsewhere = record("one");
    elsewhere.zone = "other.test".to_owned();
    elsewhere.name = "_acme-challenge.other.test".to_owned();
    let error = writer.add(&elsewhere).await.unwrap_err();
    assert!(matches!(&error, TxtError::NoZone { zone, .. } if zone == "other.test"), "{error:?}");
    let mut outside = record("one");
    outside.name = "_acme-challenge.other.test".to_owned();
    let error = writer.add(&outside).await.unwrap_err();
    assert!(matches!(&error, TxtError::NoZone { zone, .. } if zone == "shop.test"), "{error:?}");
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable() {
    let named = named().await;
    let settings = [("server", "127.0.0.1:1"), ("transport", "tcp")];
    let error = writer(&named, &settings).add(&record("one")).await.unwrap_err();
    assert!(matches!(error, TxtError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn zones_delegations_and_caa_are_found() {
    let named = named().await;
    let dns = records(&named);
    for name in ["shop.test", NAME, "deep.below.shop.test"] {
        let zone = dns.zone(name).await.unwrap();
        let servers = ["ns1.shop.test", "ns2.shop.test"].map(|server| (server.to_owned(), vec![named.address]));
        assert_eq!(zone, Zone { apex: "shop.test".to_owned(), servers: servers.to_vec(), source: ZoneSource::Records });
    }
    let target = dns.follow_cname("_acme-challenge.mail.shop.test").await.unwrap();
    assert_eq!(target, "mail.validation.test");
    let zone = dns.zone(&target).await.unwrap();
    assert_eq!(zone.apex, "validation.test");
    let written = TxtRecord { zone: zone.apex.clone(), name: target.clone(), value: "one".to_owned() };
    writer(&named, &[]).add(&written).await.unwrap();
    assert!(dns.txt_everywhere(&zone, &target, "one").await.is_complete());

    assert!(matches!(dns.follow_cname("a.shop.test").await.unwrap_err().why, LookupFailure::Circle(_)));
    assert_eq!(dns.addresses("www.shop.test").await.unwrap().v4.len(), 1);
    assert_eq!(dns.addresses("gone.shop.test").await.unwrap_err().why, LookupFailure::NoSuchName);
    let caa = dns.caa("www.shop.test").await;
    // The server has nothing above its zones, and says so; a resolver would.
    let caa = caa.unwrap().unwrap();
    assert_eq!((caa.name.as_str(), caa.records[0].value.as_str()), ("shop.test", "ca.test"));
}

async fn named() -> Named {
    Named::start(&[("shop.test", SHOP), ("validation.test", VALIDATION)]).await
}

/// Asks the server as a resolver, and at its port as an authoritative server.
fn records(named: &Named) -> DnsRecords {
    DnsRecords::new(&[named.address]).at_port(named.address.port())
}

fn writer(named: &Named, settings: &[(&str, &str)]) -> Box<dyn TxtWriter> {
    let address = named.address.to_string();
    let mut all: BTreeMap<&str, &str> =
        BTreeMap::from([("server", address.as_str()), ("key_name", Named::KEY_NAME), ("secret", Named::SECRET)]);
    all.extend(settings.iter().copied());
    let all = all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned().into())).collect();
    open("rfc2136", &all).unwrap()
}

fn record(value: &str) -> TxtRecord {
    TxtRecord { zone: "shop.test".to_owned(), name: NAME.to_owned(), value: value.to_owned() }
}

/// Whether both servers show the value; that none does is all right, and that one does is not.
async fn seen(dns: &DnsRecords, zone: &Zone, value: &str) -> bool {
    let found = dns.txt_everywhere(zone, NAME, value).await;
    assert!(found.is_complete() || found.seen.is_empty(), "{found:?}");
    found.is_complete()
}
