//! The ACME client against Pebble.

use std::sync::{Arc, Weak};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portward_certs::acme::{
    AccountKey, AuthorizationStatus, CertificateAuthority, ChallengeStatus, Directory, DirectoryOptions, EabKey,
    NewAccount, NewOrder, Order, OrderStatus, RegisteredAccount, RevocationReason, csr, new_private_key,
};
use portward_core::{
    HostPattern, Thumbprint,
    acme::{CaError, CaErrorKind, ChallengeKind, DirectoryTrust, KeyAlgorithm},
};
use portward_testkit::{Pebble, eventually};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::sync::Mutex;

/// The Pebble of all tests that need nothing special of it; it ends with the last of them that is running.
async fn shared() -> Arc<Pebble> {
    static RUNNING: Mutex<Weak<Pebble>> = Mutex::const_new(Weak::new());
    let mut running = RUNNING.lock().await;
    if let Some(pebble) = running.upgrade() {
        return pebble;
    }
    let options =
        Pebble::options().strict().answering_http().blocklist("blocked.test").alternate_roots(2).chain_length(2);
    let pebble = Arc::new(options.start().await);
    *running = Arc::downgrade(&pebble);
    pebble
}

fn directory(pebble: &Pebble) -> Directory {
    let trust = DirectoryTrust::Authorities(vec![pebble.root_der().into()]);
    Directory::new(DirectoryOptions::new(pebble.directory_url(), trust)).unwrap()
}

fn new_account() -> NewAccount {
    NewAccount {
        key: AccountKey::generate().unwrap(),
        contacts: vec!["mailto:ops@shop.test".to_owned()],
        terms_agreed: true,
        eab: None,
    }
}

fn names(names: &[&str]) -> Vec<HostPattern> {
    names.iter().map(|name| HostPattern::parse(name).unwrap()).collect()
}

fn new_order(given: &[&str]) -> NewOrder {
    NewOrder { names: names(given), profile: None, replaces: None }
}

fn word(error: &CaError) -> &str {
    error.problem().unwrap_or_else(|| panic!("{error:?}")).word()
}

/// What a TXT record holds (RFC 8555 section 8.4).
fn dns_value(key_authorization: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Thumbprint::of(key_authorization.as_bytes()).as_bytes())
}

/// Answers the http-01 challenges of an order and waits until it can be finalized.
async fn answer_all(pebble: &Pebble, ca: &Directory, account: &RegisteredAccount, order: &Order) {
    for url in &order.authorizations {
        let authorization = ca.authorization(account, url).await.unwrap();
        let challenge = authorization.challenges.iter().find(|it| it.kind == ChallengeKind::Http01).unwrap();
        pebble.add_http(&challenge.token, &challenge.key_authorization).await;
        ca.answer(account, url, ChallengeKind::Http01).await.unwrap();
    }
    wait_for(ca, account, order, OrderStatus::Ready).await;
    // A challenge that was answered is not answered again.
    ca.answer(account, &order.authorizations[0], ChallengeKind::Http01).await.unwrap();
}

async fn wait_for(ca: &Directory, account: &RegisteredAccount, order: &Order, status: OrderStatus) -> Order {
    eventually("the order gets on", async || {
        let now = ca.order(account, &order.url).await.unwrap();
        assert_eq!(now.error, None);
        (now.status == status).then_some(now)
    })
    .await
}

async fn issue(pebble: &Pebble, ca: &Directory, account: &RegisteredAccount, given: &[&str]) -> Order {
    let order = ca.new_order(account, &new_order(given)).await.unwrap();
    answer_all(pebble, ca, account, &order).await;
    let key = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
    let request = csr(&names(given), &key).unwrap();
    ca.finalize(account, &order.url, &request).await.unwrap();
    let valid = wait_for(ca, account, &order, OrderStatus::Valid).await;
    // Sent again after a crash, it is not refused.
    assert_eq!(ca.finalize(account, &order.url, &request).await.unwrap().status, OrderStatus::Valid);
    valid
}

async fn leaf(ca: &Directory, account: &RegisteredAccount, order: &Order) -> Vec<u8> {
    let chains = ca.certificate(account, &order.url).await.unwrap();
    CertificateDer::from_pem_slice(chains[0].pem.as_bytes()).unwrap().to_vec()
}

#[tokio::test]
async fn a_certificate_is_issued_with_all_its_chains() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let facts = ca.directory().await.unwrap();
    assert!(facts.terms_of_service.unwrap().starts_with("data:"));
    assert!(!facts.external_account_required && !facts.has_renewal_info && facts.date.is_some());
    let account = ca.register(&new_account()).await.unwrap();
    let order = ca.new_order(&account, &new_order(&["shop.test", "www.shop.test", "127.0.0.1"])).await.unwrap();
    assert_eq!((order.status, order.authorizations.len()), (OrderStatus::Pending, 3));
    let not_yet = ca.certificate(&account, &order.url).await.unwrap_err();
    assert!(not_yet.to_string().contains("not valid, it is Pending"), "{not_yet}");

    let order = issue(&pebble, &ca, &account, &["shop.test", "127.0.0.1"]).await;
    let chains = ca.certificate(&account, &order.url).await.unwrap();
    assert_eq!(chains.len(), 3);
    for chain in &chains {
        assert_eq!(chain.pem.matches("BEGIN CERTIFICATE").count(), 3, "{}", chain.pem);
    }
    assert!(chains[0] != chains[1] && chains[1] != chains[2]);
    assert!(pebble.orders() >= 2, "{}", pebble.log());
}

#[tokio::test]
async fn a_key_has_one_account() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let new = new_account();
    let first = ca.register(&new).await.unwrap();
    assert_eq!(ca.register(&new).await.unwrap().url, first.url);
    assert_ne!(ca.register(&new_account()).await.unwrap().url, first.url);
}

#[tokio::test]
async fn an_authorization_tells_the_wildcard_and_the_challenges_that_are_known() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let account = ca.register(&new_account()).await.unwrap();
    let order = ca.new_order(&account, &new_order(&["wild.test", "*.wild.test"])).await.unwrap();
    let mut kinds = Vec::new();
    for url in &order.authorizations {
        let authorization = ca.authorization(&account, url).await.unwrap();
        assert_eq!(authorization.status, AuthorizationStatus::Pending);
        let mut offered: Vec<ChallengeKind> = authorization.challenges.iter().map(|it| it.kind).collect();
        offered.sort();
        kinds.push((authorization.name.to_string(), offered));
    }
    kinds.sort();
    assert_eq!(
        kinds,
        [("*.wild.test".to_owned(), vec![ChallengeKind::Dns01]), ("wild.test".to_owned(), ChallengeKind::ALL.to_vec()),]
    );
}

#[tokio::test]
async fn a_wrong_answer_is_told_in_the_words_of_the_ca() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let account = ca.register(&new_account()).await.unwrap();
    let order = ca.new_order(&account, &new_order(&["wrong.test"])).await.unwrap();
    let url = &order.authorizations[0];
    pebble.set_txt("_acme-challenge.wrong.test", "something else").await;
    ca.answer(&account, url, ChallengeKind::Dns01).await.unwrap();
    let authorization = eventually("the CA has looked", async || {
        let authorization = ca.authorization(&account, url).await.unwrap();
        (authorization.status == AuthorizationStatus::Invalid).then_some(authorization)
    })
    .await;
    let challenge = authorization.challenges.iter().find(|it| it.kind == ChallengeKind::Dns01).unwrap();
    assert_eq!(challenge.status, ChallengeStatus::Invalid);
    let error = challenge.error.as_ref().unwrap();
    assert_eq!(error.word(), "unauthorized");
    assert_eq!(error.detail, "Correct value not found for DNS challenge");
    assert_eq!(ca.order(&account, &order.url).await.unwrap().status, OrderStatus::Invalid);
    // An answer to what has been decided is nothing.
    ca.answer(&account, url, ChallengeKind::Dns01).await.unwrap();
    let key = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
    let finalized = ca.finalize(&account, &order.url, &csr(&names(&["wrong.test"]), &key).unwrap()).await.unwrap();
    assert_eq!(finalized.status, OrderStatus::Invalid);
}

#[tokio::test]
async fn a_txt_record_may_stand_behind_an_alias() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let account = ca.register(&new_account()).await.unwrap();
    let order = ca.new_order(&account, &new_order(&["*.alias.test"])).await.unwrap();
    let url = &order.authorizations[0];
    let authorization = ca.authorization(&account, url).await.unwrap();
    let proof = dns_value(&authorization.challenges[0].key_authorization);
    pebble.set_cname("_acme-challenge.alias.test", "challenges.test").await;
    pebble.set_txt("challenges.test", "old").await;
    pebble.clear_txt("challenges.test").await;
    pebble.set_txt("challenges.test", &proof).await;
    ca.answer(&account, url, ChallengeKind::Dns01).await.unwrap();
    wait_for(&ca, &account, &order, OrderStatus::Ready).await;
}

#[tokio::test]
async fn a_name_server_that_fails_is_told() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let account = ca.register(&new_account()).await.unwrap();
    // An address where nothing listens, and a name server that fails.
    pebble.add_a("away.test", &["127.0.0.2"]).await;
    pebble.set_servfail("_acme-challenge.broken.test").await;
    for (name, kind, expected) in
        [("away.test", ChallengeKind::Http01, "connection"), ("broken.test", ChallengeKind::Dns01, "unauthorized")]
    {
        let order = ca.new_order(&account, &new_order(&[name])).await.unwrap();
        let url = &order.authorizations[0];
        ca.answer(&account, url, kind).await.unwrap();
        let authorization = eventually("the CA has looked", async || {
            let authorization = ca.authorization(&account, url).await.unwrap();
            (authorization.status == AuthorizationStatus::Invalid).then_some(authorization)
        })
        .await;
        let challenge = authorization.challenges.iter().find(|it| it.kind == kind).unwrap();
        assert_eq!(challenge.error.as_ref().unwrap().word(), expected, "{challenge:?}");
    }
}

#[tokio::test]
async fn an_order_that_is_not_ready_is_not_finalized() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let account = ca.register(&new_account()).await.unwrap();
    let order = ca.new_order(&account, &new_order(&["early.test"])).await.unwrap();
    let key = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
    let request = csr(&names(&["early.test"]), &key).unwrap();
    let error = ca.finalize(&account, &order.url, &request).await.unwrap_err();
    assert_eq!(word(&error), "orderNotReady", "{error}");
}

#[tokio::test]
async fn a_name_that_the_ca_will_not_have_is_refused_verbatim() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let account = ca.register(&new_account()).await.unwrap();
    let error = ca.new_order(&account, &new_order(&["www.blocked.test"])).await.unwrap_err();
    assert_eq!((word(&error), error.status), ("rejectedIdentifier", Some(400)));
    let detail = &error.problem().unwrap().detail;
    assert!(detail.contains("www.blocked.test"), "{detail}");
    assert!(error.to_string().starts_with("asking for a new order failed: "), "{error}");
    assert!(!error.is_outage());
}

#[tokio::test]
async fn after_a_roll_over_the_old_key_is_refused() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let old = ca.register(&new_account()).await.unwrap();
    let key = AccountKey::generate().unwrap();
    ca.roll_over(&old, &key).await.unwrap();
    let new = RegisteredAccount { url: old.url.clone(), key: key.clone() };
    ca.new_order(&new, &new_order(&["rolled.test"])).await.unwrap();
    assert!(ca.new_order(&old, &new_order(&["rolled.test"])).await.unwrap_err().problem().is_some());
    // As after a crash between the answer and its record.
    ca.roll_over(&old, &key).await.unwrap();
    // A key that another account has is not taken.
    let other = ca.register(&new_account()).await.unwrap();
    let error = ca.roll_over(&new, &other.key).await.unwrap_err();
    // RFC 8555 wants 409 here; Pebble says 500, and why.
    assert!(error.to_string().contains("already in use"), "{error:?}");
    ca.new_order(&new, &new_order(&["rolled.test"])).await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_revoked_and_that_may_be_asked_twice() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let account = ca.register(&new_account()).await.unwrap();
    let order = issue(&pebble, &ca, &account, &["revoked.test"]).await;
    let leaf = leaf(&ca, &account, &order).await;
    ca.revoke(&account, &leaf, RevocationReason::Superseded).await.unwrap();
    ca.revoke(&account, &leaf, RevocationReason::Superseded).await.unwrap();
    let stranger = ca.revoke(&account, &[0x30, 0], RevocationReason::Unspecified).await.unwrap_err();
    assert_eq!(word(&stranger), "malformed");
    // This Pebble says nothing about renewal.
    let error = ca.renewal_info(&leaf).await.unwrap_err();
    assert!(matches!(error.kind, CaErrorKind::Unsupported(_)), "{error:?}");
    // So the word that names what is replaced is left out, and the order is made.
    let replacing = NewOrder { replaces: Some(leaf.into()), ..new_order(&["revoked.test"]) };
    ca.new_order(&account, &replacing).await.unwrap();
}

#[tokio::test]
async fn an_open_order_is_found_by_its_names() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let account = ca.register(&new_account()).await.unwrap();
    assert_eq!(ca.find_order(&account, &names(&["found.test"])).await.unwrap(), None);
    // Pebble shows three orders a page.
    for name in ["a.found.test", "b.found.test", "c.found.test", "d.found.test"] {
        ca.new_order(&account, &new_order(&[name])).await.unwrap();
    }
    let order = ca.new_order(&account, &new_order(&["found.test", "*.found.test"])).await.unwrap();
    let found = ca.find_order(&account, &names(&["*.found.test", "found.test"])).await.unwrap().unwrap();
    assert_eq!(found.url, order.url);
    assert_eq!(ca.find_order(&account, &names(&["found.test"])).await.unwrap(), None);
    let done = issue(&pebble, &ca, &account, &["done.found.test"]).await;
    assert_eq!(done.status, OrderStatus::Valid);
    assert_eq!(ca.find_order(&account, &names(&["done.found.test"])).await.unwrap(), None);
}

#[tokio::test]
async fn an_open_order_is_found_behind_many_others() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let account = ca.register(&new_account()).await.unwrap();
    // Pebble shows three on a page.
    for number in 0..40 {
        ca.new_order(&account, &new_order(&[&format!("{number}.many.test")])).await.unwrap();
    }
    let last = ca.new_order(&account, &new_order(&["last.many.test"])).await.unwrap();
    for name in ["last.many.test", "0.many.test"] {
        let found = ca.find_order(&account, &names(&[name])).await.unwrap().unwrap();
        assert!(name != "last.many.test" || found.url == last.url, "{found:?}");
    }
}

#[tokio::test]
async fn calls_run_beside_each_other_and_errors_stay_with_their_call() {
    let pebble = shared().await;
    let ca = directory(&pebble);
    let account = ca.register(&new_account()).await.unwrap();
    let (good, bad) = (new_order(&["beside.test"]), new_order(&["blocked.test"]));
    let (one, two, three, four) = tokio::join!(
        ca.new_order(&account, &good),
        ca.new_order(&account, &bad),
        ca.new_order(&account, &good),
        ca.new_order(&account, &bad),
    );
    assert!(one.is_ok() && three.is_ok(), "{one:?} {three:?}");
    assert_eq!(word(&two.unwrap_err()), "rejectedIdentifier");
    assert_eq!(word(&four.unwrap_err()), "rejectedIdentifier");
}

#[tokio::test]
async fn an_external_account_is_bound_with_the_right_key_only() {
    let mac_key = b"0123456789abcdef0123456789abcdef";
    let pebble = Pebble::options().eab("kid-1", &BASE64_URL_SAFE_NO_PAD.encode(mac_key)).start().await;
    let ca = directory(&pebble);
    assert!(ca.directory().await.unwrap().external_account_required);
    let error = ca.register(&new_account()).await.unwrap_err();
    assert_eq!(word(&error), "externalAccountRequired");
    let bound = |mac_key: &[u8]| NewAccount {
        eab: Some(EabKey { key_id: "kid-1".to_owned(), mac_key: mac_key.to_vec().into() }),
        ..new_account()
    };
    let error = ca.register(&bound(b"another key")).await.unwrap_err();
    assert_eq!(word(&error), "unauthorized", "{error}");
    let account = ca.register(&bound(mac_key)).await.unwrap();
    ca.new_order(&account, &new_order(&["bound.test"])).await.unwrap();
}

#[tokio::test]
async fn a_ca_that_refuses_every_other_nonce_and_then_forgets_the_account() {
    let pebble = Pebble::options().nonce_reject(50).always_valid().start().await;
    let ca = directory(&pebble);
    let account = ca.register(&new_account()).await.unwrap();
    let order = ca.new_order(&account, &new_order(&["nonce.test"])).await.unwrap();
    ca.answer(&account, &order.authorizations[0], ChallengeKind::TlsAlpn01).await.unwrap();
    wait_for(&ca, &account, &order, OrderStatus::Ready).await;
    let key = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
    ca.finalize(&account, &order.url, &csr(&names(&["nonce.test"]), &key).unwrap()).await.unwrap();
    wait_for(&ca, &account, &order, OrderStatus::Valid).await;
    assert_eq!(ca.certificate(&account, &order.url).await.unwrap().len(), 1);
    let key = AccountKey::generate().unwrap();
    ca.roll_over(&account, &key).await.unwrap();
    let account = RegisteredAccount { key, ..account };
    assert_eq!(pebble.orders(), 1);

    pebble.restart().await;
    let error = ca.new_order(&account, &new_order(&["nonce.test"])).await.unwrap_err();
    assert_eq!(word(&error), "accountDoesNotExist", "{error}");
    assert_eq!(pebble.orders(), 0);
}
