//! What an operator has set does not fit the CA, or the DNS provider.

use std::collections::BTreeMap;

use portward_api::{
    Effect, SecretText,
    acme::{DnsProviderCreate, IssuerCreate},
};
use portward_core::IssuerId;
use portward_testkit::{Endpoint, Fault, FaultCa, FaultCaServer};

use super::{House, for_names, is_served, problem};

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_the_ca_does_not_offer_is_named() {
    let house = House::start().await;
    house.ca.configure(|config| {
        config.profiles.insert("classic".to_owned(), config.lifetime);
    });
    let mut create = for_names(&["shop.test"]);
    create.profile = Some("tlsserver".to_owned());
    let id = house.request(create).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 1).await[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_ca_never_signs_for_is_named() {
    let house = House::start().await;
    house.ca.configure(|config| {
        config.refused_names.insert("www.shop.test".to_owned());
    });
    let id = house.request(for_names(&["shop.test", "www.shop.test"])).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 1).await[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_needs_an_external_account() {
    let house = House::start().await;
    house.ca.configure(|config| config.eab = Some(("kid-1".to_owned(), vec![1; 32])));
    insta::assert_snapshot!(house.first().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_closed() {
    let house = House::start().await;
    let closed = problem("unauthorized", 403, "Account is not valid, has status \"deactivated\"");
    house.ca.fail(Endpoint::NewOrder, Fault::Status { status: 403, retry_after: None, problem: Some(closed) });
    insta::assert_snapshot!(house.first().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terms_of_service_have_changed() {
    let house = House::start().await;
    let changed =
        problem("userActionRequired", 403, "Terms of service have changed, agree at https://ca.test/terms-2027");
    house.ca.fail(Endpoint::NewOrder, Fault::Status { status: 403, retry_after: None, problem: Some(changed) });
    insta::assert_snapshot!(house.first().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_address_is_refused() {
    let house = House::start().await;
    let refused = problem("invalidContact", 400, "contact email has forbidden domain \"example.com\"");
    house.ca.fail(Endpoint::NewAccount, Fault::Status { status: 400, retry_after: None, problem: Some(refused) });
    insta::assert_snapshot!(house.first().await);
}

/// The page of an attempt whose TXT records a program writes that does so.
async fn written_by(script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let house = House::start().await;
    // Nobody answers there.
    let resolvers = vec![format!("127.0.0.1:{}", portward_testkit::free_port())];
    let replaced = resolvers[0].clone();
    house.add_issuer(IssuerCreate { resolvers, ..house.issuer("office") }).await;
    let directory = tempfile::tempdir().unwrap();
    let hook = directory.path().join("hook");
    std::fs::write(&hook, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o700)).unwrap();
    let hook = hook.to_str().unwrap();
    let settings = BTreeMap::from([("program".to_owned(), SecretText::new(hook.to_owned()))]);
    let provider = DnsProviderCreate { id: Some("hook".to_owned()), kind: "exec".to_owned(), settings };
    house.server.client.add_dns_provider(&provider, Effect::Apply).await.unwrap();
    let mut create = for_names(&["shop.test"]);
    create.dns = Some("hook".to_owned());
    create.issuers = vec!["office".to_owned()];
    let id = house.request(create).await;
    let page = house.page(&house.attempts(&id, 1).await[0]);
    assert_eq!(house.ca.failed_validations().len(), 0, "the CA was not asked to look");
    page.replace(hook, "/etc/portward/hook").replace(&replaced, "127.0.0.1:xxxxx")
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_14_no_resolver_says_where_the_txt_record_belongs() {
    insta::assert_snapshot!(written_by("exit 0").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_15_a_staging_certificate_is_told_apart_and_production_is_not_left_by_itself() {
    let house = House::start().await;
    // As after the first failure elsewhere: the certificate stays with the issuer that was chosen.
    house.add_issuer(IssuerCreate { directory: house.web.directory_url(), ..house.issuer("staging") }).await;
    let detail = "203.0.113.7: Invalid response from http://shop.test/.well-known/acme-challenge/x: 404";
    house.ca.set_verdict("shop.test", super::invalid("unauthorized", 403, detail));
    let mut create = for_names(&["shop.test"]);
    create.issuers = vec!["ca".to_owned()];
    let id = house.request(create).await;
    house.attempts(&id, 1).await;
    house.server.set_now(house.server.now().plus(std::time::Duration::from_secs(600)));
    house.renew(&id, false).await;
    let attempts = house.attempts(&id, 2).await;
    assert!(attempts.iter().all(|attempt| attempt.issuer == "ca"), "{attempts:?}");
    insta::assert_snapshot!(house.page(&attempts[0]));
}

/// The account that was made with the first CA was used with the second one of its id, until a restart.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_follows_another_one_of_its_id_has_an_account_of_its_own() {
    let house = House::start().await;
    let client = &house.server.client;
    let id = house.served().await;
    client.unmanage_certificate(&id).await.unwrap();
    client.remove_issuer(&IssuerId::parse("ca").unwrap(), Effect::Apply).await.unwrap();
    let ca = FaultCa::new(house.server.clock());
    let web = FaultCaServer::start(ca.clone()).await;
    let house = House { ca, web, ..house };
    house.add_issuer(house.issuer("ca")).await;
    let id = house.request(for_names(&["other.test"])).await;
    assert!(is_served(&house.attempts(&id, 1).await[0]));
    assert_eq!(house.ca.issued("other.test").len(), 1);
}
