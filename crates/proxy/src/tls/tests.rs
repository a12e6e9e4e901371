//! Handshakes over real sockets: with clients here, with upstreams in [`upstream`].

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod challenges;
mod hello;
mod upstream;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portward_core::{BindingId, Host, HostPattern, SiteId, Thumbprint, Upstream, UpstreamTrust};
use rustls::{
    ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion,
    crypto::aws_lc_rs::{cipher_suite, kx_group},
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Accepted, Protocol, TlsServer,
    fixture::{Issued, alone, binding, certificate, client, snapshot},
    server::HandshakeError,
};
use crate::{
    limits::Limits,
    snapshot::{ServedBinding, ServedCertificate, ServedSite, Snapshot},
};

/// One connection: what each side says of it.
async fn meet(
    server: &TlsServer,
    snapshot: &Arc<Snapshot>,
    binding: &Arc<ServedBinding>,
    config: &Arc<ClientConfig>,
    name: &str,
) -> (Result<Accepted, HandshakeError>, std::io::Result<TlsStream<TcpStream>>) {
    let (tcp, peer) = sockets().await;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    tokio::join!(server.accept_from(tcp, snapshot, binding), async {
        let mut stream = TlsConnector::from(Arc::clone(config)).connect(name, peer).await?;
        // Tickets come behind the handshake.
        stream.write_all(b"x").await?;
        Ok(stream)
    })
}

/// A connected pair on loopback.
pub(super) async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let (one, other) = tokio::join!(listener.accept(), TcpStream::connect(listener.local_addr().unwrap()));
    (one.unwrap().0, other.unwrap())
}

fn presented(client: &TlsStream<TcpStream>) -> Thumbprint {
    Thumbprint::of(&client.get_ref().1.peer_certificates().unwrap()[0])
}

fn site(id: &str, certificate: Option<&Arc<ServedCertificate>>) -> Arc<ServedSite> {
    Arc::new(ServedSite {
        id: SiteId::parse(id).unwrap(),
        upstreams: vec![Upstream::parse("http://127.0.0.1:1").unwrap()].into(),
        upstream_trust: UpstreamTrust::System,
        force_https: portward_core::ForceHttps::Off,
        hsts: portward_core::Hsts::Off,
        certificate: certificate.cloned(),
        forwarding: Arc::default(),
        limits: portward_core::SiteLimits::default(),
        headers: None,
        traffic: Arc::new(crate::Traffic::since(portward_core::Timestamp::EPOCH)),
    })
}

#[tokio::test]
async fn the_name_decides_which_certificate_is_presented() {
    let [exact, wild, fixed, any, default, address] =
        ["exact", "wild", "fixed", "any", "default", "address"].map(|id| certificate(id, &["x.test"]));
    let mut snapshot = Snapshot::default();
    for (pattern, certificate) in
        [("a.shop.test", &exact), ("*.shop.test", &wild), ("fixed.shop.test", &exact), ("127.0.0.1", &address)]
    {
        snapshot.certificates.insert(&HostPattern::parse(pattern).unwrap(), Arc::clone(certificate));
    }
    for (pattern, certificate) in [("fixed.shop.test", Some(&fixed)), ("a.shop.test", None), ("b.any.test", Some(&any))]
    {
        snapshot.sites.insert(&HostPattern::parse(pattern).unwrap(), site("site", certificate));
    }
    let (snapshot, binding) = (Arc::new(snapshot), binding(Some(&default)));
    let server = TlsServer::new().unwrap();
    let config = Arc::new(client(&["h2", "http/1.1"], |_| {}));
    for (name, sni, expected) in [
        ("a.shop.test", Some("a.shop.test"), &exact),
        ("A.Shop.TEST", Some("a.shop.test"), &exact),
        ("b.shop.test", Some("b.shop.test"), &wild),
        ("c.b.shop.test", Some("c.b.shop.test"), &default),
        ("shop.test", Some("shop.test"), &default),
        ("fixed.shop.test", Some("fixed.shop.test"), &fixed),
        ("b.any.test", Some("b.any.test"), &any),
        ("unknown.test", Some("unknown.test"), &default),
        // An address is not sent as SNI.
        ("127.0.0.1", None, &address),
        ("127.0.0.2", None, &address),
    ] {
        let (accepted, connected) = meet(&server, &snapshot, &binding, &config, name).await;
        let facts = accepted.unwrap().tls.unwrap();
        assert_eq!(presented(&connected.unwrap()), expected.thumbprint, "{name}");
        assert_eq!(facts.certificate.unwrap().id, expected.id, "{name}");
        assert_eq!(facts.sni, sni.map(|sni| Host::parse(sni).unwrap()), "{name}");
        assert_eq!(facts.protocol, Protocol::Http2, "{name}");
    }
    let (accepted, _client) = meet(&server, &snapshot, &binding, &config, "a.shop.test").await;
    assert!(accepted.is_ok());
    assert_eq!(Arc::strong_count(&snapshot), 1, "an open connection keeps an old snapshot in memory");
}

#[tokio::test]
async fn without_any_certificate_the_client_gets_an_alert_and_the_log_the_remedy() {
    let server = TlsServer::new().unwrap();
    let config = Arc::new(client(&[], |_| {}));
    let (accepted, connected) = meet(&server, &Arc::default(), &binding(None), &config, "shop.test").await;
    let Err(error) = accepted else { panic!("a handshake without a certificate") };
    assert_eq!(
        error.to_string(),
        "there is no certificate for shop.test and the binding front has no default certificate; \
         import one, or set the binding's --default-certificate"
    );
    assert!(connected.unwrap_err().to_string().contains("AccessDenied"));
}

#[tokio::test]
async fn every_kind_of_key_serves_tls_1_3_and_1_2() {
    let server = TlsServer::new().unwrap();
    for (kind, algorithm) in [
        ("rsa", &rcgen::PKCS_RSA_SHA256),
        ("p256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("p384", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("p521", &rcgen::PKCS_ECDSA_P521_SHA512),
        ("ed25519", &rcgen::PKCS_ED25519),
    ] {
        let issued = Issued::new(&["shop.test"], algorithm);
        let binding = binding(Some(&issued.served("only")));
        for version in [&TLS13, &TLS12] {
            let everything = client(&["http/1.1"], |_| {});
            let mut config = ClientConfig::builder_with_provider(Arc::clone(everything.crypto_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates({
                    let mut roots = rustls::RootCertStore::empty();
                    roots.add(issued.chain.leaf.to_vec().into()).unwrap();
                    roots
                })
                .with_no_client_auth();
            config.alpn_protocols = everything.alpn_protocols.clone();
            let (accepted, connected) = meet(&server, &Arc::default(), &binding, &Arc::new(config), "shop.test").await;
            let connected = connected.unwrap_or_else(|error| panic!("{kind} {version:?}: {error}"));
            assert_eq!(connected.get_ref().1.protocol_version(), Some(version.version), "{kind}");
            assert_eq!(accepted.unwrap().tls.unwrap().protocol, Protocol::Http1, "{kind}");
        }
    }
}

#[tokio::test]
async fn groups_and_suites_are_mozillas_intermediate_ones() {
    let server = TlsServer::new().unwrap();
    let binding = binding(Some(&certificate("only", &["shop.test"])));
    type Change = fn(&mut rustls::crypto::CryptoProvider);
    let changes: [(&str, Change, Option<NamedGroup>); 6] = [
        // rustls offers X25519MLKEM768 first, as browsers do.
        ("everything", |_| {}, Some(NamedGroup::X25519MLKEM768)),
        ("x25519", |p| p.kx_groups = vec![kx_group::X25519], Some(NamedGroup::X25519)),
        ("p256", |p| p.kx_groups = vec![kx_group::SECP256R1], Some(NamedGroup::secp256r1)),
        ("p384", |p| p.kx_groups = vec![kx_group::SECP384R1], Some(NamedGroup::secp384r1)),
        ("mlkem alone", |p| p.kx_groups = vec![kx_group::MLKEM768], None),
        ("p256 with mlkem", |p| p.kx_groups = vec![kx_group::SECP256R1MLKEM768], None),
    ];
    for (what, change, group) in changes {
        let config = Arc::new(client(&[], change));
        let (_accepted, connected) = meet(&server, &Arc::default(), &binding, &config, "shop.test").await;
        let agreed = connected.ok().map(|stream| stream.get_ref().1.negotiated_key_exchange_group().unwrap().name());
        assert_eq!(agreed, group, "{what}");
    }
    // The client would rather have AES-256.
    let config = Arc::new(client(&[], |p| {
        p.cipher_suites = vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
        ];
    }));
    let (accepted, connected) = meet(&server, &Arc::default(), &binding, &config, "shop.test").await;
    accepted.unwrap();
    let suite = connected.unwrap().get_ref().1.negotiated_cipher_suite().unwrap();
    assert_eq!(suite, cipher_suite::TLS13_AES_128_GCM_SHA256);
    assert_eq!(suite.version().version, ProtocolVersion::TLSv1_3);
}

#[tokio::test]
async fn an_unknown_protocol_alone_is_refused() {
    let server = TlsServer::new().unwrap();
    let binding = binding(Some(&certificate("only", &["shop.test"])));
    let config = Arc::new(client(&["spdy/3"], |_| {}));
    let (accepted, connected) = meet(&server, &Arc::default(), &binding, &config, "shop.test").await;
    assert!(matches!(accepted, Err(HandshakeError::Tls(rustls::Error::NoApplicationProtocol))));
    assert!(connected.is_err());
}

#[tokio::test]
async fn a_session_is_resumed_only_at_its_binding_and_where_the_same_certificate_would_be_presented() {
    let (one, two) = (certificate("one", &["shop.test"]), certificate("two", &["shop.test"]));
    for version in [&TLS13, &TLS12] {
        let server = TlsServer::new().unwrap();
        let everything = client(&[], |_| {});
        let config = ClientConfig::builder_with_provider(Arc::clone(everything.crypto_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier({
                let mut roots = rustls::RootCertStore::empty();
                roots.add(one.key.get().unwrap().cert[0].clone()).unwrap();
                roots.add(two.key.get().unwrap().cert[0].clone()).unwrap();
                rustls::client::WebPkiServerVerifier::builder_with_provider(
                    Arc::new(roots),
                    Arc::clone(everything.crypto_provider()),
                )
                .build()
                .unwrap()
            })
            .with_no_client_auth();
        let config = Arc::new(config);
        let mut kinds = Vec::new();
        let elsewhere = Arc::new(ServedBinding {
            id: BindingId::parse("elsewhere").unwrap(),
            ..ServedBinding::clone(&binding(None))
        });
        for (served, at, other_server) in [
            (&one, &binding(None), false),
            (&one, &binding(None), false),
            (&two, &binding(None), false),
            (&two, &binding(None), false),
            (&two, &elsewhere, false),
            (&two, &elsewhere, false),
            (&two, &elsewhere, true),
        ] {
            let stranger = TlsServer::new().unwrap();
            let server = if other_server { &stranger } else { &server };
            let (accepted, connected) =
                meet(server, &snapshot(&[("shop.test", served)]), at, &config, "shop.test").await;
            let mut accepted = accepted.unwrap();
            assert_eq!(accepted.tls.unwrap().certificate.unwrap().id, served.id);
            let mut connected = connected.unwrap();
            // A byte each way, so that the client has seen the ticket.
            let mut buffer = Vec::new();
            accepted.stream.fill(&mut buffer, 10).await.unwrap();
            accepted.stream.write_all(b"y").await.unwrap();
            accepted.stream.flush().await.unwrap();
            assert_eq!(connected.read_u8().await.unwrap(), b'y');
            kinds.push(connected.get_ref().1.handshake_kind().unwrap());
            assert!(connected.get_mut().1.early_data().is_none(), "early data is never offered");
        }
        use HandshakeKind::{Full, Resumed};
        assert_eq!(kinds, [Full, Resumed, Full, Resumed, Full, Resumed, Full], "{version:?}");
    }
}

#[tokio::test]
async fn http_in_the_clear_is_recognised_by_its_first_byte() {
    let server = TlsServer::new().unwrap();
    let binding = binding(Some(&certificate("only", &["shop.test"])));
    for request in [&b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let (tcp, mut peer) = sockets().await;
        let snapshot = Arc::default();
        peer.write_all(request).await.unwrap();
        let accepted = server.accept_from(tcp, &snapshot, &binding).await;
        let Err(HandshakeError::Http(tcp)) = accepted else { panic!("{:?}", accepted.err()) };
        drop(tcp);
        assert_eq!(peer.read(&mut [0; 10]).await.unwrap_or_default(), 0, "nothing was said yet");
    }
}

#[tokio::test]
async fn a_client_that_falls_silent_is_given_up() {
    let (server, short) = (TlsServer::new().unwrap(), Duration::from_millis(20));
    let (tcp, _peer) = sockets().await;
    assert!(matches!(TlsServer::listen(tcp, short).await, Err(HandshakeError::TimedOut)));

    let (tcp, mut peer) = sockets().await;
    let local = tcp.local_addr().unwrap();
    // The head of a record, and nothing of it.
    peer.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
    let caller = TlsServer::listen(tcp, Limits::default().handshake).await.unwrap();
    let accepted = server.accept(caller, &Arc::default(), &binding(None), local, short, alone()).await;
    assert!(matches!(accepted, Err(HandshakeError::TimedOut)));
}

#[tokio::test]
async fn openssl_agrees() {
    let server = TlsServer::new().unwrap();
    let only = certificate("only", &["shop.test"]);
    let binding = binding(Some(&only));
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let at = listener.local_addr().unwrap();
    for (flag, version, name, sni) in [
        ("-tls1_3", "TLSv1.3", "shop.test", Some("shop.test")),
        ("-tls1_2", "TLSv1.2", "shop.test", Some("shop.test")),
        // RFC 6066 section 3 allows no addresses; some clients send them.
        ("-tls1_3", "TLSv1.3", "127.0.0.1", None),
    ] {
        let openssl = tokio::task::spawn_blocking(move || {
            std::process::Command::new("openssl")
                .args(["s_client", "-connect", &at.to_string(), "-servername", name, "-alpn", "h2,http/1.1", flag])
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap()
        });
        let tcp = listener.accept().await.unwrap().0;
        let accepted = server.accept_from(tcp, &Arc::default(), &binding).await;
        let mut accepted = accepted.unwrap();
        assert_eq!(accepted.tls.as_ref().unwrap().sni, sni.map(|sni| Host::parse(sni).unwrap()));
        // `openssl s_client` says goodbye when its input ends.
        assert_eq!(accepted.stream.fill(&mut Vec::new(), 10).await.unwrap(), 0, "{flag}");
        accepted.stream.close().await.unwrap();
        drop(accepted);
        let said = String::from_utf8(openssl.await.unwrap().stdout).unwrap();
        for expected in ["ALPN protocol: h2", "Secure Renegotiation IS", version] {
            assert!(said.contains(expected), "{flag} {expected}: {said}");
        }
    }
}

#[test]
fn a_key_must_fit_its_certificate() {
    use super::KeyError;
    use portward_core::{CertificateId, CertificateStatus};
    let (one, other) = (
        Issued::new(&["shop.test"], &rcgen::PKCS_ECDSA_P256_SHA256),
        Issued::new(&["shop.test"], &rcgen::PKCS_ECDSA_P256_SHA256),
    );
    let make = |chain, key: &[u8]| {
        let id = CertificateId::parse("only").unwrap();
        ServedCertificate::new(id, chain, key, true, CertificateStatus::Valid).map(|served| served.thumbprint)
    };
    assert_eq!(make(&one.chain, &one.key), Ok(one.thumbprint()));
    assert_eq!(make(&one.chain, &other.key), Err(KeyError::DoesNotFit { thumbprint: one.thumbprint() }));
    assert_eq!(make(&one.chain, b"no key"), Err(KeyError::Unusable));
    let no_leaf = portward_core::Chain::of_leaf(Arc::from(&b"no certificate"[..]));
    assert_eq!(make(&no_leaf, &one.key), Err(KeyError::Certificate));
    for end in 0..one.key.len() {
        assert_eq!(make(&one.chain, &one.key[..end]), Err(KeyError::Unusable), "{end} bytes of the key");
    }
}
