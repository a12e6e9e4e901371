//! What cannot be asked for is refused at once, and nothing is tried.

use std::fmt::Write as _;

use portward_api::{
    AuditQuery, ClientError, Effect,
    acme::{CertificateRequestCreate, CertificateRevoke, IssuerCreate, LetsEncryptConfigure},
};
use portward_core::IssuerId;
use portward_testkit::steady;

use super::{House, for_names};

fn told<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    match answer {
        Err(ClientError::Problem(problem)) => serde_json::to_string_pretty(&problem).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_ca_can_do_is_refused_before_it_is_asked() {
    let house = House::start().await;
    let client = &house.server.client;
    let mut page = String::new();
    let with = |names: &[&str], change: fn(&mut CertificateRequestCreate)| {
        let mut create = for_names(names);
        change(&mut create);
        create
    };
    for (what, create) in [
        ("a wildcard without DNS", with(&["*.shop.test"], |_| {})),
        ("a wildcard by http-01", with(&["*.shop.test"], |create| create.challenge = Some("http-01".to_owned()))),
        ("an address by dns-01", with(&["192.0.2.7"], |create| create.challenge = Some("dns-01".to_owned()))),
        ("an issuer that is not there", with(&["shop.test"], |create| create.issuers = vec!["zerossl".to_owned()])),
        ("a DNS provider that is not there", with(&["shop.test"], |create| create.dns = Some("cloudflare".to_owned()))),
        ("a URL", with(&["https://shop.test/"], |_| {})),
        ("every host", with(&["*"], |_| {})),
        ("no name", with(&[], |_| {})),
        ("a challenge that is none", with(&["shop.test"], |create| create.challenge = Some("http".to_owned()))),
        ("a certificate that is not there", with(&["shop.test"], |create| create.replace = Some("shop".to_owned()))),
    ] {
        let answer = client.request_certificate(&create, Effect::Apply).await;
        writeln!(page, "{what}\n{}\n", told(answer)).unwrap();
    }
    house.add_issuer(house.issuer("second")).await;
    let answer = client.request_certificate(&for_names(&["shop.test"]), Effect::Apply).await;
    writeln!(page, "two issuers and no word which\n{}\n", told(answer)).unwrap();
    // Another URL, which no issuer that agreed to the terms has.
    let web = portward_testkit::FaultCaServer::start(house.ca.clone()).await;
    let configure = |dns_name: &str, accept_terms| LetsEncryptConfigure {
        dns_name: dns_name.to_owned(),
        accept_terms,
        directory: Some(web.directory_url()),
        directory_ca: Some(web.root_pem()),
        ..LetsEncryptConfigure::default()
    };
    for (what, configure) in [
        ("Let's Encrypt for a URL", configure("https://shop.test", true)),
        ("Let's Encrypt without its terms", configure("shop.test", false)),
    ] {
        let answer = client.configure_lets_encrypt(&configure, Effect::Apply).await;
        writeln!(page, "{what}\n{}\n", told(answer)).unwrap();
    }
    let other = IssuerCreate { accept_terms: false, ..house.issuer("third") };
    let answer = client.add_issuer(&other, Effect::Apply).await;
    writeln!(page, "an issuer without agreement to its terms\n{}\n", told(answer)).unwrap();
    assert_eq!(client.list_issuers().await.unwrap().len(), 2);
    insta::assert_snapshot!(steady(&page, &[]));
    assert!(house.ca.asked().iter().all(|asked| asked.endpoint == portward_testkit::Endpoint::Directory));
    assert_eq!(client.list_renewals().await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_issuer_it_is_told_how_to_add_one() {
    let server = portward_testkit::TestServer::start().await;
    let answer = server.client.request_certificate(&for_names(&["shop.test"]), Effect::Apply).await;
    insta::assert_snapshot!(told(answer));
}

/// Whoever had a key replaced or a certificate revoked was nowhere to be found.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_ca_asked_is_in_the_audit() {
    let house = House::start().await;
    let id = house.served().await;
    let issuer = IssuerId::parse("ca").unwrap();
    house.server.client.roll_over_account(&issuer).await.unwrap();
    house.renew(&id, true).await;
    let revoke = CertificateRevoke { reason: Some("key-compromise".to_owned()) };
    house.server.client.revoke_certificate(&id, &revoke).await.unwrap();
    let records = house.server.client.list_audit(&AuditQuery::default()).await.unwrap().items;
    for what in
        ["give the account with issuer ca a new key", "renew certificate shop-test", "revoke certificate shop-test"]
    {
        assert!(records.iter().any(|record| record.what.starts_with(what)), "{what}: {records:?}");
    }
}
