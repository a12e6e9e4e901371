#![allow(clippy::unwrap_used, reason = "tests")]
use std::net::SocketAddr;

use portward_certs::{Bundle, self_signed, self_signed_validity};
use portward_core::{HostPattern, Timestamp};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::oneshot};
use tokio_rustls::TlsAcceptor;

use super::*;

fn bundle() -> Bundle {
    // Long ago: dates are not looked at.
    let validity = self_signed_validity(Timestamp::EPOCH.plus(Duration::from_secs(1_000_000_000)), 1);
    self_signed(&[HostPattern::parse("shop.test").unwrap()], validity).unwrap()
}

/// Takes one connection, and gives the name that was asked for.
async fn server(
    bundle: &Bundle,
    version: &'static SupportedProtocolVersion,
    wants_client: bool,
) -> (DialAddress, oneshot::Receiver<Option<String>>) {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[version]).unwrap();
    let config = if wants_client {
        let mut roots = RootCertStore::empty();
        roots.add(bundle.tls_chain()[0].clone()).unwrap();
        config.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
        )
    } else {
        config.with_no_client_auth()
    };
    let config = config.with_single_cert(bundle.tls_chain(), bundle.tls_key()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = address(listener.local_addr().unwrap());
    let (asked, asked_for) = oneshot::channel();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let shaken = TlsAcceptor::from(Arc::new(config)).accept(tcp).await;
        let _ = asked.send(shaken.ok().and_then(|tls| tls.get_ref().1.server_name().map(str::to_owned)));
    });
    (address, asked_for)
}

fn address(address: SocketAddr) -> DialAddress {
    DialAddress::parse(&address.to_string(), None).unwrap()
}

#[tokio::test]
async fn the_leaf_is_seen_whoever_signed_it_and_whenever() {
    let bundle = bundle();
    for version in [&TLS12, &TLS13] {
        let (address, asked_for) = server(&bundle, version, false).await;
        let seen = peek(&address, &Host::parse("other.test").unwrap()).await.unwrap();
        assert_eq!(seen.thumbprint, bundle.facts.thumbprint);
        assert_eq!(seen.subject, "CN=shop.test");
        assert_eq!(asked_for.await.unwrap().as_deref(), Some("other.test"));
    }
}

#[tokio::test]
async fn an_address_is_not_asked_for() {
    let bundle = bundle();
    for ip in ["127.0.0.1", "::1"] {
        let (address, asked_for) = server(&bundle, &TLS13, false).await;
        peek(&address, &Host::parse(ip).unwrap()).await.unwrap();
        assert_eq!(asked_for.await.unwrap(), None, "{ip}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_of_the_client_shows_its_own() {
    let bundle = bundle();
    for version in [&TLS12, &TLS13] {
        let (address, _asked_for) = server(&bundle, version, true).await;
        let seen = peek(&address, &Host::parse("shop.test").unwrap()).await.unwrap();
        assert_eq!(seen.thumbprint, bundle.facts.thumbprint);
    }
}

#[tokio::test]
async fn what_shows_nothing_is_told() {
    let name = Host::parse("shop.test").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = address(listener.local_addr().unwrap());
    let plain = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        // The next one is taken and never answered.
        (listener.accept().await.unwrap(), listener)
    });
    let why = peek(&address, &name).await.unwrap_err();
    assert!(why.starts_with(&format!("{address} shows no certificate: ")), "{why}");
    let why = peek(&address, &name).await.unwrap_err();
    assert_eq!(why, format!("{address} does not answer within 5 seconds"));
    drop(plain.await.unwrap());
    let why = peek(&address, &name).await.unwrap_err();
    assert!(why.starts_with(&format!("{address} cannot be connected to: ")), "{why}");
}
