use std::{io::ErrorKind, sync::Arc};

use portward_core::{
    BindingId, BindingProtocol, CertificateId, CertificateStatus, HostPattern, Hsts, Upstream, UpstreamTrust,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::harness::{Door, Peer, site, snapshot};
use crate::{
    ServedBinding, ServedCertificate, ServedSite,
    tls::fixture::{Issued, certificate},
};

/// Adds an https binding that presents the certificate, and connects to it.
async fn secured(door: &Door, site: ServedSite, certificate: &Arc<ServedCertificate>) -> Peer<TlsStream<TcpStream>> {
    Peer::secured(TcpStream::connect(secure(door, site, Some(certificate)).await).await.unwrap()).await
}

/// Adds an https binding that presents the certificate, if there is one, for `shop.test`.
pub(super) async fn secure(
    door: &Door,
    site: ServedSite,
    certificate: Option<&Arc<ServedCertificate>>,
) -> std::net::SocketAddr {
    let mut snapshot = snapshot(site);
    snapshot.bindings.push(Arc::new(ServedBinding::new(
        BindingId::parse("tls").unwrap(),
        BindingProtocol::Https,
        "127.0.0.1:0".parse().unwrap(),
    )));
    if let Some(certificate) = certificate {
        snapshot.certificates.insert(&HostPattern::parse("shop.test").unwrap(), Arc::clone(certificate));
    }
    let reports = door.proxy.publish(snapshot).await;
    *reports.last().unwrap().result.as_ref().unwrap()
}

#[tokio::test]
async fn over_tls_the_application_hears_https_and_hsts_follows_the_certificate() {
    let issued = Issued::new(&["shop.test"], &rcgen::PKCS_ECDSA_P256_SHA256);
    let shown = |self_signed, status| {
        let id = CertificateId::parse("c").unwrap();
        Arc::new(ServedCertificate::new(id, &issued.chain, &issued.key, self_signed, status).unwrap())
    };
    let minute = Hsts::parse("60").unwrap();
    let (own, of_the_app) = ("Strict-Transport-Security: max-age=60\r\n", "strict-transport-security: max-age=7\r\n");
    for (certificate, hsts, expected) in [
        (shown(false, CertificateStatus::Valid), minute, own),
        (shown(false, CertificateStatus::ExpiresSoon), minute, own),
        (shown(false, CertificateStatus::Valid), Hsts::Off, of_the_app),
        (shown(true, CertificateStatus::Valid), minute, ""),
        (shown(false, CertificateStatus::Expired), minute, ""),
        (shown(true, CertificateStatus::Valid), Hsts::Off, ""),
    ] {
        let door = Door::open().await;
        let site = ServedSite { hsts, ..site(&[door.app.address]) };
        let mut client = secured(&door, site, &certificate).await;
        client.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        let mut app = door.app.accept().await;
        let head = app.head().await;
        assert!(head.contains("X-Forwarded-Proto: https\r\n") && head.contains("proto=https"), "{head}");
        app.write(format!("HTTP/1.1 204 No Content\r\n{of_the_app}\r\n").as_bytes()).await;
        assert_eq!(client.head().await, format!("HTTP/1.1 204 No Content\r\n{expected}\r\n"), "{hsts} {certificate:?}");
    }
}

#[tokio::test]
async fn over_tls_bodies_and_tunnels_arrive_whole() {
    let door = Door::open().await;
    let mut client = secured(&door, site(&[door.app.address]), &certificate("c", &["shop.test"])).await;
    let body = vec![b'x'; 3_000_000];
    client
        .write(format!("PUT / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes())
        .await;
    let sending = tokio::spawn(async move {
        client.write(&vec![b'x'; 3_000_000]).await;
        client
    });
    let mut app = door.app.accept().await;
    app.head().await;
    assert!(app.take(body.len()).await == body);
    let mut client = sending.await.unwrap();
    let responding = tokio::spawn(async move {
        app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n").await;
        app.write(&vec![b'x'; 3_000_000]).await;
        app
    });
    client.head().await;
    assert!(client.take(body.len()).await == body);
    let mut app = responding.await.unwrap();
    client.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    app.head().await;
    app.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello").await;
    client.head().await;
    client.until("hello").await;
    client.write(b"hello back").await;
    app.until("hello back").await;
    drop(app);
    assert_eq!(client.rest().await, "", "the end of the tunnel is told by TLS");
}

#[tokio::test]
async fn over_tls_a_response_that_is_cut_short_does_not_end_in_order() {
    let door = Door::open().await;
    let mut client = secured(&door, site(&[door.app.address]), &certificate("c", &["shop.test"])).await;
    // Only the end of TLS tells this client that the body is complete.
    client.write(b"GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    client.until("hello").await;
    drop(app);
    let mut rest = Vec::new();
    let error = client.tcp.read_to_end(&mut rest).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error:?}");
}

#[tokio::test]
async fn a_tls_client_that_vanishes_takes_its_request_back() {
    let door = Door::open().await;
    let mut client = secured(&door, site(&[door.app.address]), &certificate("c", &["shop.test"])).await;
    client.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    app.head().await;
    drop(client);
    assert_eq!(app.rest().await, "");
}

#[tokio::test]
async fn an_application_behind_tls_is_reached_by_its_pin_and_its_connection_is_kept_for_that_trust_alone() {
    let door = Door::open().await;
    let certificate = certificate("app", &["app.test"]);
    let with = |upstream_trust| {
        let upstreams = vec![Upstream::parse(&format!("https://{}", door.app.address)).unwrap()];
        snapshot(ServedSite { upstreams: upstreams.into(), upstream_trust, ..site(&[]) })
    };
    door.proxy.publish(with(UpstreamTrust::Pin(Arc::new(certificate.thumbprint)))).await;
    let mut client = door.send(b"GET /1 HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await.securing(&certificate).await.unwrap();
    for turn in ["/1", "/2"] {
        assert!(app.head().await.starts_with(&format!("GET {turn} ")));
        app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        app.tcp.flush().await.unwrap();
        client.head().await;
        assert_eq!(client.take(2).await, b"ok");
        client.write(b"GET /2 HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    }
    app.head().await;
    app.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    client.head().await;
    door.proxy.publish(with(UpstreamTrust::System)).await;
    client.write(b"GET /3 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").await;
    let other = door.app.accept().await;
    let refused = tokio::spawn(async move { other.securing(&certificate).await.is_err() });
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("upstream-tls"), "{answer}");
    assert!(refused.await.unwrap(), "the handshake was broken off");
}
