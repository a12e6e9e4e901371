#![allow(clippy::unwrap_used, reason = "tests")]
use instant_acme::HttpClient;
use portward_core::acme::CaErrorKind;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyIdMethod, KeyPair, SerialNumber};
use serde_json::json;

use super::{super::OrderStatus, *};
use crate::acme::http::test_server::{Reply, TestServer};

async fn start() -> (TestServer, Directory, RegisteredAccount) {
    let server = TestServer::start().await;
    let ca = Directory::new(DirectoryOptions::new(server.url("/dir"), server.trust())).unwrap();
    let account = RegisteredAccount { url: server.url("/account/1"), key: AccountKey::generate().unwrap() };
    (server, ca, account)
}

/// The directory, and the answers after it.
fn after_directory(server: &TestServer, replies: impl IntoIterator<Item = Reply>) {
    let directory = json!({
        "newNonce": server.url("/nonce"),
        "newAccount": server.url("/new-account"),
        "newOrder": server.url("/new-order"),
        "revokeCert": server.url("/revoke"), "keyChange": server.url("/key"), "renewalInfo": server.url("/renewal/"),
        "meta": { "profiles": { "short": "six days", "odd": 7 }, "caaIdentities": ["ca.test"] },
    });
    server.next([Reply::json(200, &directory.to_string())]);
    server.next(replies);
}

fn order() -> NewOrder {
    NewOrder { names: vec![HostPattern::parse("shop.test").unwrap()], profile: None, replaces: None }
}

fn order_body(server: &TestServer, status: &str) -> String {
    json!({
        "status": status, "identifiers": [{ "type": "dns", "value": "shop.test" }],
        "authorizations": [server.url("/authz/1")], "finalize": server.url("/finalize/1"),
        "certificate": server.url("/chain/0"),
    })
    .to_string()
}

fn problem(word: &str) -> String {
    json!({ "type": format!("urn:ietf:params:acme:error:{word}"), "detail": "told" }).to_string()
}

fn malformed(error: &CaError) -> (&str, &str) {
    match &error.kind {
        CaErrorKind::Malformed { why, body } => (why, body),
        _ => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn what_is_no_directory_is_told_with_its_beginning() {
    let (server, ca, _) = start().await;
    let cases = [
        (Reply::json(200, "<html>welcome"), "expected value", 200),
        (Reply::json(200, "{\"newNonce\": \"htt"), "EOF while parsing", 200),
        (Reply::json(200, "{\"newNonce\": \"x\"}"), "missing field `newAccount`", 200),
        (Reply::json(404, "<html>nothing here"), "a page of HTML", 404),
        (Reply::json(301, "").header("Location", "/directory"), "it redirects to https://localhost", 301),
    ];
    for (reply, expected, status) in cases {
        server.next([reply]);
        let error = ca.directory().await.unwrap_err();
        assert!(malformed(&error).0.contains(expected), "{error:?}");
        assert_eq!((error.status, error.url.clone()), (Some(status), server.url("/dir")));
        assert!(error.is_outage() && error.to_string().starts_with("reading the directory failed: "), "{error}");
    }
    server.next([Reply::json(200, "<html>welcome")]);
    assert_eq!(malformed(&ca.directory().await.unwrap_err()).1, "<html>welcome");
}

#[tokio::test]
async fn the_directory_is_kept_but_asked_anew_when_it_is_meant() {
    let (server, ca, account) = start().await;
    let replies = [Reply::json(201, &order_body(&server, "pending")).header("Location", "/order/1")];
    after_directory(&server, replies.into_iter().chain([Reply::json(200, &order_body(&server, "ready"))]));
    let made = ca.new_order(&account, &order()).await.unwrap();
    assert_eq!((made.url.as_str(), made.status), (server.url("/order/1").as_str(), OrderStatus::Pending));
    assert_eq!(ca.order(&account, &made.url).await.unwrap().status, OrderStatus::Ready);
    after_directory(&server, []);
    let facts = ca.directory().await.unwrap();
    assert_eq!(facts.profiles, [("odd", "7"), ("short", "six days")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert!(facts.has_renewal_info && facts.caa_identities == ["ca.test"]);
    let seen = server.seen();
    assert_eq!(seen.iter().filter(|request| request.starts_with("GET /dir ")).count(), 2);
}

#[tokio::test]
async fn a_server_in_trouble_is_told_with_status_and_retry_after() {
    let (server, ca, account) = start().await;
    after_directory(&server, [Reply::json(503, "<html>busy").header("Retry-After", "120")]);
    let error = ca.new_order(&account, &order()).await.unwrap_err();
    assert_eq!((error.status, error.retry_after), (Some(503), Some(Duration::from_secs(120))));
    assert_eq!(malformed(&error), ("it is a page of HTML instead of a problem document", "<html>busy"));
    assert_eq!(error.url, server.url("/new-order"));

    server.next([Reply::json(429, &problem("rateLimited")).header("Retry-After", "30")]);
    let error = ca.new_order(&account, &order()).await.unwrap_err();
    assert!(error.is_rate_limit() && !error.is_outage());
    assert_eq!((error.retry_after, error.problem().unwrap().detail.as_str()), (Some(Duration::from_secs(30)), "told"));

    server.next([Reply::json(201, "{\"status\": \"pend").header("Location", "/order/1"), Reply::json(200, "{}")]);
    let error = ca.new_order(&account, &order()).await.unwrap_err();
    assert!(malformed(&error).0.contains("missing field"), "{error:?}");
    server.next([Reply::json(201, &order_body(&server, "pending"))]);
    let error = ca.new_order(&account, &order()).await.unwrap_err();
    assert!(malformed(&error).0.contains("no order URL"), "{error:?}");

    server.next([Reply::raw("")]);
    let error = ca.order(&account, &server.url("/order/1")).await.unwrap_err();
    assert!(matches!(error.kind, CaErrorKind::Unreachable(_)), "{error:?}");

    let timeouts = HttpTimeouts { request: Duration::from_secs(2), ..HttpTimeouts::default() };
    let options = DirectoryOptions::new(server.url("/dir"), server.trust());
    let ca = Directory::new(DirectoryOptions { timeouts, ..options }).unwrap();
    after_directory(&server, [Reply::hang()]);
    assert_eq!(ca.order(&account, &server.url("/order/1")).await.unwrap_err().kind, CaErrorKind::TimedOut);
}

#[tokio::test]
async fn nonces_come_with_answers_and_a_ca_that_refuses_all_is_left() {
    let (server, ca, account) = start().await;
    let heads = || server.seen().iter().filter(|request| request.starts_with("HEAD /nonce ")).count();
    let fresh = |reply: Reply, nonce| reply.header("Replay-Nonce", nonce);
    let order = server.url("/order/1");
    let body = order_body(&server, "pending");
    let refused = Reply::json(400, &problem("badNonce"));
    let replies = [fresh(refused.clone(), "n1"), fresh(Reply::json(200, &body), "n2"), Reply::json(200, &body)];
    after_directory(&server, replies);
    ca.order(&account, &order).await.unwrap();
    assert_eq!(heads(), 1);
    ca.order(&account, &order).await.unwrap();
    assert_eq!(heads(), 1);
    server.always(refused);
    let error = ca.order(&account, &order).await.unwrap_err();
    assert!(error.problem().unwrap().word() == "badNonce" && error.is_outage());
    let before = server.seen().len();
    ca.authorization(&account, &order).await.unwrap_err();
    // A request for a nonce and one with it.
    assert_eq!(server.seen().len() - before, 2 * 20);
}

#[tokio::test]
async fn an_order_that_replaces_is_taken_without_the_echo() {
    let (server, ca, account) = start().await;
    let made = Reply::json(201, &order_body(&server, "pending")).header("Location", "/order/9");
    let read = Reply::json(200, &order_body(&server, "pending")).header("Retry-After", "3");
    after_directory(&server, [made, read]);
    let new = NewOrder { replaces: Some(certificate().into()), ..order() };
    let order = ca.new_order(&account, &new).await.unwrap();
    assert_eq!((order.url, order.retry_after), (server.url("/order/9"), Some(Duration::from_secs(3))));
    assert_eq!(order.authorizations, [server.url("/authz/1")]);
}

#[tokio::test]
async fn the_window_of_a_renewal_is_read_with_and_without_retry_after() {
    let (server, ca, _) = start().await;
    let window = |start: &str, end: &str| {
        let window = json!({ "start": start, "end": end });
        Reply::json(200, &json!({ "suggestedWindow": window, "explanationURL": "https://ca.test/why" }).to_string())
    };
    let good = || window("2026-11-20T04:00:00Z", "2026-11-21T04:00:00Z");
    after_directory(&server, [good(), good().header("Retry-After", "21600")]);
    let answer = ca.renewal_info(&certificate()).await.unwrap();
    assert_eq!((answer.start.to_string(), answer.retry_after), ("2026-11-20T04:00:00Z".to_owned(), None));
    assert_eq!(answer.explanation_url.as_deref(), Some("https://ca.test/why"));
    // RFC 9773 section 4.1: the octet that keeps the number positive belongs to it.
    assert!(server.seen()[1].starts_with("GET /renewal/wP_u.AMr- HTTP/1.1"), "{}", server.seen()[1]);
    assert_eq!(ca.renewal_info(&certificate()).await.unwrap().retry_after, Some(Duration::from_secs(21600)));
    server.next([window("2026-11-21T04:00:00Z", "2026-11-20T04:00:00Z")]);
    assert!(malformed(&ca.renewal_info(&certificate()).await.unwrap_err()).0.contains("ends at"));
    server.next([Reply::json(404, &problem("malformed"))]);
    assert!(ca.renewal_info(&certificate()).await.unwrap_err().problem().is_some());
}

#[tokio::test]
async fn a_list_of_orders_may_be_missing_but_not_the_ca() {
    let (server, ca, account) = start().await;
    let names = order().names;
    let with_orders = || Reply::json(200, &json!({ "orders": server.url("/orders") }).to_string());
    after_directory(&server, [Reply::json(200, "{\"status\": \"valid\"}")]);
    assert_eq!(ca.find_order(&account, &names).await.unwrap(), None);
    for nothing in [Reply::json(404, "<html>"), Reply::json(501, ""), Reply::json(403, &problem("unauthorized"))] {
        server.next([with_orders(), nothing]);
        assert_eq!(ca.find_order(&account, &names).await.unwrap(), None);
    }
    for trouble in [Reply::json(503, "<html>"), Reply::json(429, ""), Reply::json(500, &problem("serverInternal"))] {
        server.next([with_orders(), trouble]);
        ca.find_order(&account, &names).await.unwrap_err();
    }
    let page = |order: &str, next: &str| {
        Reply::json(200, &json!({ "orders": [server.url(order)] }).to_string()).header("Link", next)
    };
    let expired = order_body(&server, "pending").replacen('{', "{\"expires\": \"2026-11-20T12:00:00Z\",", 1);
    let expired = Reply::json(200, &expired).header("Date", "Fri, 20 Nov 2026 12:00:01 GMT");
    let open = Reply::json(200, &order_body(&server, "ready"));
    // The last one of the list is read first, then the first one.
    server.next([with_orders(), page("/order/2", "</orders?2>;rel=\"next\"")]);
    server.next([page("/order/1", "</orders>;rel=\"index\""), expired, open.clone(), open]);
    let found = ca.find_order(&account, &names).await.unwrap().unwrap();
    assert_eq!((found.url, found.status), (server.url("/order/2"), OrderStatus::Ready));
}

#[tokio::test]
async fn a_broken_alternate_chain_does_not_hold_back_the_certificate() {
    let (server, ca, account) = start().await;
    let pem = |name: &str| format!("-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n");
    let chain = Reply::json(200, &pem("zero"));
    let chain = chain.header("Link", "</chain/1>;rel=\"alternate\"").header("Link", "</chain/2>;rel=\"alternate\"");
    let key = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n";
    let valid = || Reply::json(200, &order_body(&server, "valid"));
    after_directory(&server, [valid(), chain, Reply::json(500, ""), Reply::json(200, &pem("two"))]);
    let url = server.url("/order/1");
    let chains = ca.certificate(&account, &url).await.unwrap();
    assert_eq!(chains, ["zero", "two"].map(|name| IssuedChain { pem: pem(name) }));
    for other in ["<html>", key] {
        server.next([valid(), Reply::json(200, other)]);
        let error = ca.certificate(&account, &url).await.unwrap_err();
        assert_eq!(malformed(&error), ("it is not a chain of certificates in PEM", other));
    }
    let failed = order_body(&server, "invalid").replacen('{', &format!("{{\"error\":{},", problem("unauthorized")), 1);
    server.next([Reply::json(200, &failed)]);
    assert_eq!(ca.certificate(&account, &url).await.unwrap_err().problem().unwrap().word(), "unauthorized");
}

#[tokio::test]
async fn challenges_that_are_not_known_are_left_out() {
    let (server, ca, account) = start().await;
    let (url, http) = (server.url("/authz/1"), server.url("/challenge/1"));
    let authorization = |wildcard: bool, token: &str, error: serde_json::Value| {
        let body = json!({
            "identifier": { "type": "dns", "value": "shop.test" }, "status": "pending", "wildcard": wildcard,
            "challenges": [
                { "type": "dns-persist-01", "issuer-domain-names": ["ca.test"], "accounturi": 7 },
                { "type": "http-01", "url": http, "status": "pending", "token": token, "error": error },
            ],
        });
        Reply::json(200, &body.to_string()).header("Retry-After", "4")
    };
    let told = json!({ "type": "urn:ietf:params:acme:error:dns", "detail": "no such name" });
    after_directory(&server, [authorization(true, "tok-_1", told)]);
    let read = ca.authorization(&account, &url).await.unwrap();
    assert_eq!((read.name.to_string(), read.retry_after), ("*.shop.test".to_owned(), Some(Duration::from_secs(4))));
    let [challenge] = read.challenges.as_slice() else { panic!("{read:?}") };
    let thumbprint = Signer::new(&account.key).unwrap().thumbprint();
    assert_eq!(challenge.key_authorization, format!("tok-_1.{thumbprint}"));
    assert_eq!(challenge.error.as_ref().unwrap().detail, "no such name");
    for token in ["../secret", "", "a b"] {
        server.next([authorization(false, token, json!(null))]);
        assert!(malformed(&ca.authorization(&account, &url).await.unwrap_err()).0.contains("token"));
    }
    server.next([authorization(false, "t", json!(null)), Reply::json(200, "{}")]);
    ca.answer(&account, &url, ChallengeKind::Http01).await.unwrap();
    assert!(server.seen().last().unwrap().starts_with("POST /challenge/1 "));
    server.next([authorization(false, "t", json!(null))]);
    let error = ca.answer(&account, &url, ChallengeKind::TlsAlpn01).await.unwrap_err();
    assert!(error.to_string().contains("does not offer tls-alpn-01"), "{error}");
}

#[tokio::test]
async fn an_answer_that_the_ca_has_meanwhile_is_not_refused() {
    let (server, ca, account) = start().await;
    let authorization = |status: &str| {
        let challenge = json!({ "type": "http-01", "url": server.url("/challenge/1"), "status": status, "token": "t" });
        let identifier = json!({ "type": "dns", "value": "shop.test" });
        let body = json!({ "identifier": identifier, "status": status, "challenges": [challenge] });
        Reply::json(200, &body.to_string())
    };
    let refused = || Reply::json(400, &problem("malformed"));
    let answer = async || ca.answer(&account, &server.url("/authz/1"), ChallengeKind::Http01).await;

    after_directory(&server, [authorization("pending"), refused(), authorization("valid")]);
    answer().await.unwrap();

    server.next([authorization("pending"), refused(), authorization("pending")]);
    assert_eq!(answer().await.unwrap_err().problem().unwrap().word(), "malformed");

    server.next([authorization("pending"), refused(), Reply::json(503, "<html>busy")]);
    assert_eq!(answer().await.unwrap_err().problem().unwrap().word(), "malformed");

    server.next([authorization("pending"), Reply::json(429, &problem("rateLimited"))]);
    assert!(answer().await.unwrap_err().is_rate_limit());
}

#[tokio::test]
async fn an_account_without_a_url_is_malformed() {
    let (server, ca, account) = start().await;
    after_directory(&server, [Reply::json(201, "{\"status\": \"valid\"}")]);
    let new = NewAccount { key: account.key, contacts: Vec::new(), terms_agreed: true, eab: None };
    assert!(malformed(&ca.register(&new).await.unwrap_err()).0.contains("Location"));
}

#[tokio::test]
async fn the_library_and_we_give_a_key_the_same_name() {
    let (server, ca, account) = start().await;
    after_directory(&server, []);
    let urls = ca.urls().await.unwrap();
    let call = ca.call("testing", &urls);
    let library = Directory::library_account(&call, &urls, &account).await.unwrap();
    assert_eq!(library.key_thumbprint(), Signer::new(&account.key).unwrap().thumbprint());
    assert_eq!(library.id(), account.url);
    // The directory alone was asked.
    assert_eq!(server.seen().len(), 1);
    let _: Box<dyn HttpClient> = call.http_client();
}

#[tokio::test]
async fn a_key_of_another_kind_is_told_and_nothing_is_sent() {
    let (server, ca, account) = start().await;
    after_directory(&server, []);
    let rsa = RegisteredAccount { key: AccountKey::from_pkcs8_der(Zeroizing::new(vec![0x30, 0])), ..account };
    let by_library = ca.new_order(&rsa, &order()).await.unwrap_err();
    let by_us = ca.authorization(&rsa, &server.url("/authz/1")).await.unwrap_err();
    for error in [by_library, by_us] {
        assert!(error.to_string().ends_with("it is not an ECDSA key on P-256"), "{error}");
        assert!(matches!(error.kind, CaErrorKind::Unsupported(_)));
    }
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn only_https_urls_are_directories() {
    for url in ["http://ca.test/dir", "ca.test/dir", "https:///dir", "", "https://"] {
        let error = Directory::new(DirectoryOptions::new(url, DirectoryTrust::System)).unwrap_err();
        assert!(matches!(error, DirectoryError::Url(_)), "{url}: {error}");
    }
}

/// A certificate whose issuer has the key identifier C0FFEE, with the serial number CAFE.
fn certificate() -> Vec<u8> {
    let mut issuer = CertificateParams::default();
    issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    issuer.key_identifier_method = KeyIdMethod::PreSpecified(vec![0xC0, 0xFF, 0xEE]);
    let issuer = CertifiedIssuer::self_signed(issuer, KeyPair::generate().unwrap()).unwrap();
    let mut leaf = CertificateParams::new(["shop.test".to_owned()]).unwrap();
    leaf.serial_number = Some(SerialNumber::from_slice(&[0xCA, 0xFE]));
    leaf.use_authority_key_identifier_extension = true;
    leaf.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().to_vec()
}
