//! tls-alpn-01: who sees the answer to a challenge, and who does not notice that there is one.

use super::*;
use crate::tls::{
    KeyError, challenge_key,
    fixture::{challenge, issued_for_challenge},
};

const V6: &str = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
const ONLY_ACME: &[&str] = &["acme-tls/1"];

/// A snapshot with a certificate for `shop.test`, and challenges for these hosts.
fn challenged(shop: &Arc<ServedCertificate>, hosts: &[&str]) -> Arc<Snapshot> {
    let mut snapshot = snapshot(&[("shop.test", shop)]);
    let challenges = &mut Arc::get_mut(&mut snapshot).unwrap().tls_challenges;
    for host in hosts {
        challenges.insert(Host::parse(host).unwrap(), challenge(host));
    }
    snapshot
}

/// What is presented in answer to the challenge for a host.
fn answer(snapshot: &Snapshot, host: &str) -> Thumbprint {
    Thumbprint::of(&snapshot.tls_challenges[&Host::parse(host).unwrap()].cert[0])
}

/// A client that speaks one version alone.
fn client_of(version: &'static rustls::SupportedProtocolVersion, alpn: &[&str]) -> Arc<ClientConfig> {
    let config = client(alpn, |provider| {
        provider.cipher_suites.retain(|suite| suite.version().version == version.version);
    });
    Arc::new(config)
}

#[tokio::test]
async fn who_asks_for_a_challenge_alone_is_shown_it_and_everybody_else_what_was_shown_before() {
    let (shop, default) = (certificate("shop", &["shop.test"]), certificate("default", &["other.test"]));
    let snapshot = challenged(&shop, &["shop.test", "new.test", "192.0.2.1", "2001:db8::1"]);
    let (server, binding) = (TlsServer::new().unwrap(), binding(Some(&default)));
    for version in [&TLS13, &TLS12] {
        for (alpn, name, expected, protocol) in [
            (ONLY_ACME, "shop.test", answer(&snapshot, "shop.test"), Protocol::Challenge),
            (ONLY_ACME, "NEW.test", answer(&snapshot, "new.test"), Protocol::Challenge),
            (ONLY_ACME, "1.2.0.192.in-addr.arpa", answer(&snapshot, "192.0.2.1"), Protocol::Challenge),
            (ONLY_ACME, "1.2.0.192.IN-ADDR.arpa", answer(&snapshot, "192.0.2.1"), Protocol::Challenge),
            (ONLY_ACME, V6, answer(&snapshot, "2001:db8::1"), Protocol::Challenge),
            (ONLY_ACME, &V6.to_ascii_uppercase(), answer(&snapshot, "2001:db8::1"), Protocol::Challenge),
            (&["h2", "http/1.1"], "shop.test", shop.thumbprint, Protocol::Http2),
            (&["http/1.1"], "shop.test", shop.thumbprint, Protocol::Http1),
            (&[], "shop.test", shop.thumbprint, Protocol::Http1),
            (&["acme-tls/1", "h2"], "shop.test", shop.thumbprint, Protocol::Http2),
            (&["http/1.1", "acme-tls/1"], "shop.test", shop.thumbprint, Protocol::Http1),
            (&["h2"], "new.test", default.thumbprint, Protocol::Http2),
            (&["acme-tls/1", "http/1.1"], V6, default.thumbprint, Protocol::Http1),
        ] {
            let (accepted, connected) = meet(&server, &snapshot, &binding, &client_of(version, alpn), name).await;
            let what = format!("{alpn:?} {name} {:?}", version.version);
            let facts = accepted.unwrap_or_else(|error| panic!("{what}: {error}")).tls.unwrap();
            let connected = connected.unwrap();
            assert_eq!((presented(&connected), facts.protocol), (expected, protocol), "{what}");
            let session = connected.get_ref().1;
            assert_eq!(session.protocol_version(), Some(version.version), "{what}");
            if protocol == Protocol::Challenge {
                assert_eq!(session.alpn_protocol(), Some(&b"acme-tls/1"[..]), "{what}");
                assert!(facts.certificate.is_none(), "{what}");
            }
        }
    }
    assert_eq!(Arc::strong_count(&snapshot), 1, "an open connection keeps an old snapshot in memory");
}

#[tokio::test]
async fn without_a_challenge_for_the_name_the_protocol_is_not_known() {
    let shop = certificate("shop", &["shop.test"]);
    let (server, binding) = (TlsServer::new().unwrap(), binding(Some(&shop)));
    for snapshot in [challenged(&shop, &[]), challenged(&shop, &["new.test", "192.0.2.1"])] {
        for version in [&TLS13, &TLS12] {
            // A mixed list without anything else that is known is refused as ever.
            for alpn in [ONLY_ACME, &["acme-tls/1", "spdy/3"]] {
                // An address is not sent as SNI.
                for (name, host) in [
                    ("shop.test", Some("shop.test")),
                    ("nobody.test", Some("nobody.test")),
                    ("127.0.0.1", None),
                    ("2.2.0.192.in-addr.arpa", Some("192.0.2.2")),
                    ("2.0.192.in-addr.arpa", Some("2.0.192.in-addr.arpa")),
                ] {
                    let (accepted, connected) =
                        meet(&server, &snapshot, &binding, &client_of(version, alpn), name).await;
                    let told = connected.unwrap_err().to_string();
                    assert!(told.contains("NoApplicationProtocol"), "{alpn:?} {name}: {told}");
                    let is_expected = match accepted {
                        Err(HandshakeError::NoChallenge { host: asked }) => {
                            assert_eq!(asked, host.map(|host| Host::parse(host).unwrap()));
                            !snapshot.tls_challenges.is_empty() && alpn == ONLY_ACME
                        }
                        Err(HandshakeError::Tls(rustls::Error::NoApplicationProtocol)) => true,
                        Err(error) => panic!("{alpn:?} {name}: {error}"),
                        Ok(_) => false,
                    };
                    assert!(is_expected, "{alpn:?} {name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_challenge_that_is_not_there_is_no_missing_certificate() {
    let server = TlsServer::new().unwrap();
    let config = Arc::new(client(ONLY_ACME, |_| {}));
    let (accepted, connected) = meet(&server, &Arc::default(), &binding(None), &config, "shop.test").await;
    let Err(error) = accepted else { panic!("a handshake without a certificate") };
    assert_eq!(error.to_string(), "there is no tls-alpn-01 challenge for shop.test");
    assert!(connected.is_err());
}

#[tokio::test]
async fn sessions_of_sites_resume_while_challenges_are_answered_and_those_of_challenges_never() {
    use HandshakeKind::{Full, Resumed};
    let shop = certificate("shop", &["shop.test"]);
    let (server, binding) = (TlsServer::new().unwrap(), binding(None));
    let without = challenged(&shop, &[]);
    let with = challenged(&shop, &["shop.test"]);
    for (version, one_cache) in [(&TLS13, false), (&TLS12, false), (&TLS13, true), (&TLS12, true)] {
        let (for_site, for_challenge) = (client_of(version, &["http/1.1"]), client_of(version, ONLY_ACME));
        let mut for_challenge = ClientConfig::clone(&for_challenge);
        if one_cache {
            for_challenge.resumption = for_site.resumption.clone();
        }
        let for_challenge = Arc::new(for_challenge);
        let mut kinds = Vec::new();
        for (snapshot, config) in [
            (&without, &for_site),
            (&with, &for_site),
            (&with, &for_challenge),
            (&with, &for_challenge),
            (&with, &for_site),
            (&without, &for_site),
        ] {
            let (accepted, connected) = meet(&server, snapshot, &binding, config, "shop.test").await;
            let (mut accepted, mut connected) = (accepted.unwrap(), connected.unwrap());
            // A byte each way, so that the client has seen the ticket.
            accepted.stream.fill(&mut Vec::new(), 10).await.unwrap();
            accepted.stream.write_all(b"y").await.unwrap();
            accepted.stream.flush().await.unwrap();
            assert_eq!(connected.read_u8().await.unwrap(), b'y');
            let session = connected.get_ref().1;
            kinds.push(session.handshake_kind().unwrap());
            if Arc::ptr_eq(config, &for_challenge) {
                assert_eq!(session.tls13_tickets_received(), 0, "{version:?}");
                assert_eq!(presented(&connected), answer(snapshot, "shop.test"), "{version:?}");
            }
        }
        // A client that offers the ticket of a site for a challenge does so in vain, and has it no more.
        let after = if one_cache { kinds[4] } else { Resumed };
        assert_eq!(kinds, [Full, Resumed, Full, Full, after, Resumed], "{version:?}");
    }
}

#[tokio::test]
async fn openssl_is_shown_a_challenge_for_a_name_with_a_final_dot() {
    let shop = certificate("shop", &["shop.test"]);
    let snapshot = challenged(&shop, &["shop.test", "192.0.2.1", "2001:db8::1"]);
    let (server, binding) = (TlsServer::new().unwrap(), binding(Some(&shop)));
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let at = listener.local_addr().unwrap();
    for (flag, name, host) in [
        ("-tls1_3", "Shop.Test.".to_owned(), "shop.test"),
        ("-tls1_2", "Shop.Test.".to_owned(), "shop.test"),
        ("-tls1_3", "1.2.0.192.in-addr.arpa.".to_owned(), "192.0.2.1"),
        ("-tls1_3", format!("{V6}."), "2001:db8::1"),
    ] {
        let arguments = ["s_client", "-connect", &at.to_string(), "-servername", &name, "-alpn", "acme-tls/1", flag];
        let arguments = arguments.map(ToOwned::to_owned);
        let openssl = tokio::task::spawn_blocking(move || {
            std::process::Command::new("openssl").args(arguments).stdin(std::process::Stdio::null()).output().unwrap()
        });
        let tcp = listener.accept().await.unwrap().0;
        let accepted = server.accept_from(tcp, &snapshot, &binding).await;
        let mut accepted = accepted.unwrap();
        let facts = accepted.tls.take().unwrap();
        assert_eq!((facts.protocol, facts.sni), (Protocol::Challenge, Some(Host::parse(host).unwrap())), "{name}");
        accepted.stream.close().await.unwrap();
        drop(accepted);
        let said = String::from_utf8(openssl.await.unwrap().stdout).unwrap();
        assert!(said.contains("ALPN protocol: acme-tls/1"), "{name}: {said}");
    }
}

#[test]
fn the_key_of_a_challenge_must_fit_and_its_critical_extension_is_no_obstacle() {
    for host in ["shop.test", "192.0.2.1", "2001:db8::1"] {
        let (one, other) = (issued_for_challenge(host), issued_for_challenge(host));
        let leaf = &one.chain.leaf;
        let made = challenge_key(leaf, &one.key).unwrap();
        assert_eq!(made.cert.len(), 1);
        assert_eq!(*made.cert[0], **leaf);
        let error = |leaf: &[u8], key: &[u8]| challenge_key(leaf, key).unwrap_err();
        assert_eq!(error(leaf, &other.key), KeyError::DoesNotFit { thumbprint: one.thumbprint() });
        assert_eq!(error(leaf, b"no key"), KeyError::Unusable);
        assert_eq!(error(b"no certificate", &one.key), KeyError::Certificate);
        for end in 0..leaf.len() {
            assert_eq!(error(&leaf[..end], &one.key), KeyError::Certificate, "{end} bytes of the certificate");
        }
    }
    let rsa = Issued::new(&["shop.test"], &rcgen::PKCS_RSA_SHA256);
    assert!(challenge_key(&rsa.chain.leaf, &rsa.key).is_ok());
}
