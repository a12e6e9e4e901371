//! The kinds that ask a web server of the operator's.

use std::sync::Arc;

use portward_core::{HostPattern, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, rustls};

use super::{add_fails, opened, record, stub::Stub};

#[tokio::test]
async fn httpreq_sends_what_lego_sends() {
    let server = Stub::start(|_| (200, String::new())).await;
    let endpoint = format!("{}/hook/", server.url());
    let writer = opened(
        "httpreq",
        &[("endpoint", endpoint.as_str()), ("username", "portward"), ("password", "canary-password")],
    );
    writer.add(&record("value-1")).await.unwrap();
    writer.remove(&record("value-1")).await.unwrap();
    let asked = server.asked();
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
    assert_eq!(lines, ["POST /hook/present", "POST /hook/cleanup"]);
    for asked in &asked {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!(body, json!({ "fqdn": "_acme-challenge.www.shop.test.", "value": "value-1" }));
        assert_eq!(asked.header("content-type"), "application/json");
        // "portward:canary-password"
        assert_eq!(asked.header("authorization"), "Basic cG9ydHdhcmQ6Y2FuYXJ5LXBhc3N3b3Jk");
    }
    let plain = opened("httpreq", &[("endpoint", &server.url())]);
    plain.add(&record("value-2")).await.unwrap();
    assert_eq!(server.asked()[2].line, "POST /present");
    assert_eq!(server.asked()[2].header("authorization"), "");
}

#[tokio::test]
async fn failures_of_a_web_hook_are_told_without_its_secrets() {
    let server = Stub::start(|asked| match asked.line.as_str() {
        "POST /401/present" => (401, String::new()),
        "POST /403/present" => (403, "not you".to_owned()),
        // It repeats what it was sent.
        _ => (500, format!("oops: {} canary-password", asked.header("authorization"))),
    })
    .await;
    let url = server.url();
    for (path, expected) in [
        ("/401", "/401 refuses the credentials: it answers with status 401"),
        ("/403", "/403 refuses the credentials: HTTP 403: not you"),
        ("/500", "/500 failed: HTTP 500: oops: Basic (hidden) (hidden)"),
    ] {
        let endpoint = format!("{url}{path}");
        let writer = opened("httpreq", &[("endpoint", &endpoint), ("username", "u"), ("password", "canary-password")]);
        assert_eq!(add_fails(&*writer).await.to_string(), format!("{url}{expected}"));
    }
    drop(server);
    let writer = opened("httpreq", &[("endpoint", &url)]);
    let error = add_fails(&*writer).await.to_string();
    assert!(error.starts_with(&format!("{url} cannot be reached: ")), "{error}");
}

#[tokio::test]
async fn acme_dns_is_given_its_own_name_and_the_value() {
    let server = Stub::start(|_| (200, r#"{"txt":"value-1"}"#.to_owned())).await;
    let settings = [("username", "user"), ("password", "canary"), ("subdomain", "sub"), ("endpoint", &server.url())];
    let writer = opened("acme-dns", &settings);
    writer.add(&record("value-1")).await.unwrap();
    writer.remove(&record("value-1")).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "POST /update");
    assert_eq!((asked[0].header("x-api-user"), asked[0].header("x-api-key")), ("user", "canary"));
    assert_eq!(serde_json::from_str::<Value>(&asked[0].body).unwrap(), json!({ "subdomain": "sub", "txt": "value-1" }));
}

#[tokio::test]
async fn a_web_hook_whose_certificate_nobody_vouches_for_gets_nothing() {
    let validity = crate::self_signed_validity(Timestamp::from_unix(1_700_000_000).unwrap(), 36_500);
    let made = crate::self_signed(&[HostPattern::parse("localhost").unwrap()], validity).unwrap();
    let chain = vec![made.chain.leaf.to_vec().into()];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, made.key.to_pki_types()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let handshake = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(stream).await.is_ok()
    });
    let endpoint = format!("https://localhost:{port}");
    let error = add_fails(&*opened("httpreq", &[("endpoint", &endpoint)])).await.to_string();
    assert!(error.starts_with(&format!("{endpoint} cannot be reached: ")), "{error}");
    assert!(!handshake.await.unwrap(), "the client accepted the certificate");
}
