//! Handshakes that are not those of a link: older TLS, other protocols, resumption, early data, no certificate.

use std::sync::Arc;

use portward_link::{
    Guest, Identity, LinkError, Session, Stage, Wire,
    opening::{Hello, Opening},
    tls::{Dialled, ENROL, LINK, Purpose},
};
use rustls::{
    ClientConfig, HandshakeKind, ServerConfig,
    client::{Resumption, Tls12Resumption},
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{
    certificates::{Key, pin},
    peers::{
        connect, dial_false_server, dialled, false_client, false_client_of, false_server, false_server_of, hear,
        hear_anything, hello, say, sni, tcp, welcome_false_client,
    },
};

#[tokio::test]
async fn tls12_is_refused_by_both() {
    let (key, us) = (Key::new(), Key::new().identity());
    let identity = key.identity();
    let server = false_server_of(identity.certified_key(), &[&TLS12]);
    let client = false_client_of(identity.certified_key(), &[&TLS12]);
    let dialler = dial_false_server(server, &pin(&identity)).await.unwrap_err();
    let dialled = welcome_false_client(client, &dialled(&us)).await.unwrap_err();
    for error in [&dialler, &dialled] {
        assert!(matches!(error, LinkError::Tls(_)) && error.to_string().contains("TLS"), "{error}");
        assert_eq!(error.stage(), Stage::Tls);
    }
}

#[tokio::test]
async fn who_speaks_no_protocol_of_agents_is_refused() {
    let identity = Key::new().identity();
    for alpn in [Vec::new(), vec![b"h2".to_vec()], vec![b"portward-agent/2".to_vec(), b"http/1.1".to_vec()]] {
        let (mut server, mut client) = (false_server(identity.certified_key()), false_client(identity.certified_key()));
        server.alpn_protocols.clone_from(&alpn);
        client.alpn_protocols.clone_from(&alpn);
        let dialler = dial_false_server(server, &pin(&identity)).await.unwrap_err();
        let dialled = welcome_false_client(client, &dialled(&Key::new().identity())).await.unwrap_err();
        for error in [dialler, dialled] {
            assert!(matches!(error, LinkError::Alpn(_)), "{alpn:?}: {error}");
            assert!(error.to_string().contains("not the protocol of agents"), "{error}");
        }
    }
}

#[tokio::test]
async fn who_joins_gets_no_link_and_who_links_does_not_join() {
    let us = Key::new().identity();
    for (alpn, purpose) in [(LINK, Purpose::Link), (ENROL, Purpose::Enrol)] {
        let mut client = false_client(Key::new().identity().certified_key());
        client.alpn_protocols = vec![alpn.to_vec()];
        let (theirs, ours) = tcp().await;
        let client = tokio::spawn(connect(client, "peer.invalid", theirs));
        let guest = Guest::welcome(Wire::new(ours), &dialled(&us)).await.unwrap();
        assert_eq!(guest.purpose(), purpose);
        client.await.unwrap().unwrap();
    }
    // Where nobody joins, it is not even begun.
    let mut client = false_client(Key::new().identity().certified_key());
    client.alpn_protocols = vec![ENROL.to_vec()];
    let only_links = Dialled::new(&us, &[], &[Purpose::Link]).unwrap();
    assert!(matches!(welcome_false_client(client, &only_links).await, Err(LinkError::Alpn(_))));
}

#[tokio::test]
async fn a_version_that_is_not_known_is_refused_by_both() {
    for protocols in [(0, 0), (2, 9), (u16::MAX, u16::MAX), (3, 1)] {
        let odd = Opening::Hello(Hello { protocols, ..hello() });
        let identity = Key::new().identity();
        let (ours, theirs) = tcp().await;
        let (server, says) = (false_server(identity.certified_key()), odd.clone());
        let server = tokio::spawn(async move {
            let mut stream = TlsAcceptor::from(Arc::new(server)).accept(theirs).await.unwrap();
            say(&mut stream, &says).await;
            let _: Opening = hear(&mut stream).await;
        });
        let dialler = Session::dial(ours, &Key::new().identity(), &pin(&identity), hello(), None).await.unwrap_err();
        server.await.unwrap();
        let (theirs, ours) = tcp().await;
        let client = false_client(identity.certified_key());
        let client = tokio::spawn(async move {
            let mut stream = connect(client, "peer.invalid", theirs).await.unwrap();
            say(&mut stream, &odd).await;
            hear_anything(&mut stream).await;
        });
        let guest = Guest::welcome(Wire::new(ours), &dialled(&Key::new().identity())).await.unwrap();
        let dialled = guest.open(hello(), None).await.unwrap_err();
        client.await.unwrap();
        for error in [dialler, dialled] {
            assert!(matches!(error, LinkError::Version { .. }), "{error}");
            assert!(error.to_string().contains("update the older of the two"), "{error}");
        }
    }
}

#[tokio::test]
async fn who_shows_no_certificate_is_refused() {
    let mut client = false_client(Key::new().identity().certified_key());
    client.client_auth_cert_resolver = Arc::new(Nothing);
    let error = welcome_false_client(client, &dialled(&Key::new().identity())).await.unwrap_err();
    assert!(matches!(error, LinkError::NoCertificate), "{error}");
}

/// A client that keeps what it is given for the next time.
fn keeping(identity: &Identity) -> ClientConfig {
    let mut config = false_client(identity.certified_key());
    config.resumption = Resumption::in_memory_sessions(16).tls12_resumption(Tls12Resumption::Disabled);
    config.enable_early_data = true;
    config
}

/// A server that gives what it can.
fn giving(identity: &Identity) -> ServerConfig {
    let mut config = false_server(identity.certified_key());
    config.send_tls13_tickets = 4;
    config.max_early_data_size = 1024;
    config
}

#[tokio::test]
async fn no_ticket_is_ever_given() {
    let us = dialled(&Key::new().identity());
    let config = Arc::new(keeping(&Key::new().identity()));
    for _ in 0..3 {
        let (theirs, ours) = tcp().await;
        let config = Arc::clone(&config);
        let client = tokio::spawn(async move {
            let mut stream =
                TlsConnector::from(config).connect("peer.invalid".try_into().unwrap(), theirs).await.unwrap();
            say(&mut stream, &Opening::Hello(hello())).await;
            hear_anything(&mut stream).await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            let tls = stream.get_ref().1;
            assert_eq!((tls.tls13_tickets_received(), tls.handshake_kind()), (0, Some(HandshakeKind::Full)));
        });
        let session = Guest::welcome(Wire::new(ours), &us).await.unwrap().open(hello(), None).await.unwrap();
        drop(session);
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_ticket_of_another_server_with_early_data_is_not_taken() {
    // The ticket is of a server that gives some; with it the client sends early data to ours.
    let ours_identity = Key::new().identity();
    let config = Arc::new(keeping(&Key::new().identity()));
    let giving = Arc::new(giving(&ours_identity));
    for is_first in [true, false] {
        let (theirs, ours) = tcp().await;
        let config = Arc::clone(&config);
        let theirs = theirs.into_std().unwrap();
        let client = tokio::task::spawn_blocking(move || early(config, theirs));
        if is_first {
            let mut stream = TlsAcceptor::from(Arc::clone(&giving)).accept(ours).await.unwrap();
            say(&mut stream, &Opening::Hello(hello())).await;
            let _: Opening = hear(&mut stream).await;
            assert_eq!(client.await.unwrap(), (false, Some(HandshakeKind::Full), false));
        } else {
            let guest = Guest::welcome(Wire::new(ours), &dialled(&ours_identity)).await.unwrap();
            let session = guest.open(hello(), None).await.unwrap();
            assert_eq!(client.await.unwrap(), (true, Some(HandshakeKind::Full), false));
            drop(session);
        }
    }
}

/// Sends early data if it has a ticket; whether it had one, what came of it, and whether the data was taken.
fn early(config: Arc<ClientConfig>, mut tcp: std::net::TcpStream) -> (bool, Option<HandshakeKind>, bool) {
    use std::io::{Read, Write};
    tcp.set_nonblocking(false).unwrap();
    let mut tls = rustls::ClientConnection::new(config, "peer.invalid".try_into().unwrap()).unwrap();
    let has_ticket = tls.early_data().map(|mut data| data.write_all(b"early").unwrap()).is_some();
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp).unwrap();
    }
    let json = serde_json::to_vec(&Opening::Hello(hello())).unwrap();
    let length = u16::try_from(json.len()).unwrap().to_be_bytes();
    let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
    stream.write_all(&[b"PWA1", &length[..], &json].concat()).unwrap();
    // With what is read the tickets come.
    stream.read_exact(&mut [0; 6]).unwrap();
    (has_ticket, tls.handshake_kind(), tls.is_early_data_accepted())
}

#[tokio::test]
async fn a_dialler_keeps_no_ticket() {
    let (server, us) = (Key::new().identity(), Key::new().identity());
    let giving = Arc::new(giving(&server));
    for _ in 0..3 {
        let (ours, theirs) = tcp().await;
        let acceptor = TlsAcceptor::from(Arc::clone(&giving));
        let accepted = tokio::spawn(async move {
            let mut stream = acceptor.accept(theirs).await.unwrap();
            say(&mut stream, &Opening::Hello(hello())).await;
            let _: Opening = hear(&mut stream).await;
            let kind = stream.get_ref().1.handshake_kind();
            let _ = stream.shutdown().await;
            kind
        });
        let session = Session::dial(ours, &us, &pin(&server), hello(), None).await.unwrap();
        assert_eq!(accepted.await.unwrap(), Some(HandshakeKind::Full));
        drop(session);
    }
}

#[tokio::test]
async fn the_identity_that_is_asked_for_is_shown_and_otherwise_the_usual_one() {
    let [usual, next, old, stranger] = [(); 4].map(|()| Key::new().identity());
    let others = [next.clone(), old.clone()];
    let us = Dialled::new(&usual, &others, &[Purpose::Link]).unwrap();
    for (name, expected) in [
        (sni(&usual), &usual),
        (sni(&next), &next),
        (sni(&old), &old),
        (sni(&old).to_uppercase(), &old),
        (sni(&stranger), &usual),
        ("portward.example".to_owned(), &usual),
        ("192.0.2.1".to_owned(), &usual),
    ] {
        let (theirs, ours) = tcp().await;
        let client = false_client(stranger.certified_key());
        let asked = name.clone();
        let client = tokio::spawn(async move {
            let mut stream = connect(client, &asked, theirs).await.unwrap();
            say(&mut stream, &Opening::Hello(hello())).await;
            hear_anything(&mut stream).await;
            stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
        });
        let guest = Guest::welcome(Wire::new(ours), &us).await.unwrap();
        let session = guest.open(hello(), None).await.unwrap();
        assert!(client.await.unwrap() == expected.certificate(), "{name}");
        assert_eq!(session.peer.ours, expected.thumbprint(), "{name}");
    }
    // A dialler that knows only the old one gets in, whatever it trusts besides.
    for (pins, shown) in [
        (vec![old.thumbprint()], &old),
        (vec![next.thumbprint(), usual.thumbprint()], &next),
        (vec![stranger.thumbprint(), usual.thumbprint()], &usual),
    ] {
        let (theirs, ours) = tcp().await;
        let us = us.clone();
        let opened =
            tokio::spawn(async move { Guest::welcome(Wire::new(ours), &us).await.unwrap().open(hello(), None).await });
        let session = Session::dial(theirs, &stranger, &pins, hello(), None).await.unwrap();
        assert_eq!(session.peer.shown.thumbprint, shown.thumbprint());
        assert_eq!(opened.await.unwrap().unwrap().peer.ours, shown.thumbprint());
    }
}

#[tokio::test]
async fn tls13_between_honest_peers_is_what_is_spoken() {
    let identity = Key::new().identity();
    let config = false_server_of(identity.certified_key(), &[&TLS12, &TLS13]);
    assert!(dial_false_server(config, &pin(&identity)).await.is_ok());
    let config = false_client_of(identity.certified_key(), &[&TLS12, &TLS13]);
    assert!(welcome_false_client(config, &dialled(&Key::new().identity())).await.is_ok());
}

/// OpenSSL keeps every ticket that it gets, and begins anew with it five times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_gets_no_ticket_either() {
    let (server, client) = (Key::new().identity(), Key::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let us = dialled(&server);
    let seen = std::env::temp_dir().join(format!(
        "portward-link-{}-{}",
        std::process::id(),
        listener.local_addr().unwrap().port()
    ));
    std::fs::create_dir(&seen).unwrap();
    std::fs::write(seen.join("certificate"), client.identity().certificate()).unwrap();
    std::fs::write(seen.join("key"), &client.pkcs8).unwrap();
    let welcomed = tokio::spawn(async move {
        let mut guests = Vec::new();
        loop {
            let Ok((tcp, _)) = listener.accept().await else { return };
            if let Ok(guest) = Guest::welcome(Wire::new(tcp), &us).await {
                guests.push(guest);
            }
        }
    });
    let run = std::process::Command::new("openssl")
        .current_dir(&seen)
        .args(["s_client", "-connect", &address, "-alpn", "portward-agent/1", "-tls1_3", "-reconnect", "-msg"])
        .args(["-cert", "certificate", "-certform", "DER", "-key", "key", "-keyform", "DER", "-sess_out", "session"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let mut run = run.unwrap_or_else(|error| panic!("openssl is needed: {error}"));
    // It goes on for as long as something may come in.
    let stdin = run.stdin.take();
    let waiting = tokio::task::spawn_blocking(move || run.wait_with_output().unwrap());
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    drop(stdin);
    let output = waiting.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let has_session = seen.join("session").exists();
    std::fs::remove_dir_all(&seen).unwrap();
    welcomed.abort();
    assert!(text.contains("ALPN protocol: portward-agent/1") && text.contains("CertificateVerify"), "{text}");
    assert!(!has_session && !text.contains("NewSessionTicket") && !text.contains("Reused, TLS"), "{text}");
    println!("{} new, 0 reused", text.matches("New, TLSv1.3").count());
}

/// Shows nothing.
#[derive(Debug)]
struct Nothing;

impl rustls::client::ResolvesClientCert for Nothing {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
