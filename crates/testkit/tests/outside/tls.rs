//! TLS as it is offered: sslyze's judgement of every binding, and what it does not look at.

use std::{net::SocketAddr, process::Command, sync::Arc};

use portward_link::tls::LINK;
use portward_testkit::{Authority, Program, StartedProgram, run};
use rustls::{
    ClientConfig, HandshakeKind, NamedGroup, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{imports::now, python};

/// A server with a certificate of an authority, at a binding for sites, at one more, and at one for agents alone.
struct Scene {
    server: StartedProgram,
    authority: Authority,
    bindings: [SocketAddr; 2],
}

fn begin() -> Scene {
    let server = Program::new().start();
    let (authority, files) = (Authority::new(), server.files().to_owned());
    let issued = authority.issue(&["localhost", "shop.test"], now());
    std::fs::write(files.join("shop.pem"), issued.chain_pem + &issued.key_pem).unwrap();
    std::fs::write(files.join("ca.pem"), authority.root_pem()).unwrap();
    server.portward(&["certificate", "import", "shop.pem"]);
    server.portward(&["site", "add", "shop.test", "localhost", "--upstream", "http://127.0.0.1:1"]);
    let port = portward_testkit::free_port();
    server.portward(&["binding", "add", &format!("https://127.0.0.1:{port}")]);
    let bindings = [server.https, SocketAddr::from(([127, 0, 0, 1], port))];
    Scene { server, authority, bindings }
}

#[test]
fn mozillas_intermediate_profile_holds_at_every_https_binding() {
    let Scene { server, bindings, .. } = begin();
    for binding in bindings {
        let report = run(Command::new(python::program("sslyze", &["sslyze==6.*"], "sslyze"))
            .args(["--mozilla_config=intermediate", "--certinfo_ca_file"])
            .arg(server.files().join("ca.pem"))
            .arg(format!("localhost:{}", binding.port())));
        let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
        for fine in ["Client Renegotiation DoS Attack: OK - Not vulnerable", "OK - Compression disabled"] {
            assert!(report.contains(fine), "{fine}: {report}");
        }
    }
}

fn config(authority: &Authority, versions: &[&'static SupportedProtocolVersion], protocols: &[&[u8]]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.root_der())).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config.enable_early_data = true;
    config
}

/// A handshake, and a request, behind whose answer the ticket is known; gives what kind of handshake it was.
async fn shake(config: &Arc<ClientConfig>, at: SocketAddr, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(at).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut tls = TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?;
    tls.write_all(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    tls.read_to_end(&mut answer).await?;
    assert!(answer.starts_with(b"HTTP/1.1 502 "), "{}", String::from_utf8_lossy(&answer));
    Ok(tls)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hybrid_group_is_taken_and_early_data_is_not() {
    let scene = begin();
    let config = Arc::new(config(&scene.authority, &[&TLS13], &[b"http/1.1"]));
    for binding in scene.bindings {
        for _ in 0..2 {
            let tls = shake(&config, binding, "shop.test").await.unwrap();
            let group = tls.get_ref().1.negotiated_key_exchange_group().map(|group| group.name());
            if tls.get_ref().1.handshake_kind() == Some(HandshakeKind::Full) {
                assert_eq!(group, Some(NamedGroup::X25519MLKEM768));
            }
            assert!(!tls.get_ref().1.is_early_data_accepted(), "a request that can be replayed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_one_binding_resumes_at_no_other_one() {
    let scene = begin();
    let [one, other] = scene.bindings;
    for version in [&TLS13, &TLS12] {
        let config = Arc::new(config(&scene.authority, &[version], &[b"http/1.1"]));
        let mut kinds = Vec::new();
        for (at, name) in
            [(one, "shop.test"), (one, "shop.test"), (other, "shop.test"), (other, "shop.test"), (other, "localhost")]
        {
            let tls = shake(&config, at, name).await.unwrap();
            kinds.push(tls.get_ref().1.handshake_kind().unwrap());
        }
        use HandshakeKind::{Full, Resumed};
        assert_eq!(kinds, [Full, Resumed, Full, Resumed, Full], "{version:?}");
    }
}

/// Agents show certificates, and are believed by them: a session of a site is none of theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_site_is_of_no_use_to_who_says_to_be_an_agent() {
    let scene = begin();
    let of_site = config(&scene.authority, &[&TLS13], &[b"http/1.1"]);
    let mut of_agent = config(&scene.authority, &[&TLS13], &[LINK]);
    of_agent.resumption = of_site.resumption.clone();
    let of_site = Arc::new(of_site);
    shake(&of_site, scene.server.https, "shop.test").await.unwrap();
    let resumed = shake(&of_site, scene.server.https, "shop.test").await.unwrap();
    assert_eq!(resumed.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
    let refused = shake(&Arc::new(of_agent), scene.server.https, "shop.test").await;
    assert!(refused.is_err(), "an agent without a certificate was let in");
}

/// A binding without a certificate for a name shows its default one, and never that of another site.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_has_is_shown_the_default_certificate_alone() {
    let scene = begin();
    for binding in scene.bindings {
        let shown = portward_testkit::handshake(binding, "nobody.test").await;
        let without = portward_testkit::handshake_without_name(binding).await;
        let of_site = portward_testkit::handshake(binding, "shop.test").await;
        assert_eq!(shown, without);
        assert_ne!(shown, of_site, "the certificate of a site for a name that it does not have");
    }
}
