//! Handshakes with upstreams: who is believed, and what is said of the others.

use std::sync::Arc;

use portward_core::{CertificateId, CertificateStatus, Thumbprint, Upstream, UpstreamTrust};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rustls::{crypto::aws_lc_rs::sign::any_supported_type, sign::CertifiedKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{TlsServer, sockets};
use crate::{
    snapshot::ServedCertificate,
    tls::ServedKey,
    tls::{
        Offer, TlsClient,
        client::UpstreamTlsCause,
        fixture::{Authority, Issued, binding},
    },
};

/// The handshake of an upstream that shows `served` with one that trusts `trust`.
async fn ask(
    client: &TlsClient,
    served: &Arc<ServedCertificate>,
    url: &str,
    trust: &UpstreamTrust,
) -> Result<(), UpstreamTlsCause> {
    let (tcp, peer) = sockets().await;
    let (server, binding, snapshot) = (TlsServer::new().unwrap(), binding(Some(served)), Arc::default());
    let upstream = Upstream::parse(url).unwrap();
    let (_, connected) = tokio::join!(
        server.accept_from(tcp, &snapshot, &binding),
        client.connect(peer, upstream.address().unwrap(), trust, Offer::Http1)
    );
    match connected {
        Ok((stream, _)) => {
            assert!(stream.is_tls());
            Ok(())
        }
        Err(error) => {
            assert_eq!(error.to_string(), format!("could not make a TLS connection to {upstream}"));
            Err(error.cause)
        }
    }
}

fn authorities(of: &[&Arc<[u8]>]) -> UpstreamTrust {
    UpstreamTrust::Authorities(of.iter().map(|der| Arc::clone(der)).collect())
}

fn past(params: &mut rcgen::CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
}

#[tokio::test]
async fn trust_decides_and_each_refusal_says_why() {
    let client = TlsClient::new();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let good = authority.issue(&["app.test", "127.0.0.1"], |_| {});
    let expired = authority.issue(&["app.test"], past);
    let future = authority.issue(&["app.test"], |params| {
        params.not_before = rcgen::date_time_ymd(4000, 1, 1);
        params.not_after = rcgen::date_time_ymd(4001, 1, 1);
    });
    let own = Issued::new(&["app.test"], &PKCS_ECDSA_P256_SHA256);
    let old = Issued::with(&["elsewhere.test"], &PKCS_RSA_SHA256, past);
    let ours = authorities(&[&stranger.der, &authority.der]);
    let pin = |issued: &Issued| UpstreamTrust::Pin(Arc::new(issued.thumbprint()));
    use UpstreamTlsCause as C;
    type Expected = Option<fn(&C) -> bool>;
    let table: [(&str, &Issued, &str, UpstreamTrust, Expected); 15] = [
        ("given authority", &good, "https://app.test", ours.clone(), None),
        ("given authority, address", &good, "https://127.0.0.1", ours.clone(), None),
        ("own root", &own, "https://app.test", authorities(&[&own.chain.leaf]), None),
        (
            "other name",
            &good,
            "https://other.test",
            ours.clone(),
            Some(|c| matches!(c, C::Name { names, .. } if names.len() == 2)),
        ),
        ("other address", &good, "https://127.0.0.2", ours.clone(), Some(|c| matches!(c, C::Name { .. }))),
        ("expired", &expired, "https://app.test", ours.clone(), Some(|c| matches!(c, C::Expired { .. }))),
        ("not yet valid", &future, "https://app.test", ours.clone(), Some(|c| matches!(c, C::NotYetValid { .. }))),
        (
            "unknown",
            &good,
            "https://app.test",
            authorities(&[&stranger.der]),
            Some(|c| matches!(c, C::UnknownIssuer { .. })),
        ),
        (
            "unknown to the system",
            &own,
            "https://app.test",
            UpstreamTrust::System,
            Some(|c| matches!(c, C::UnknownIssuer { .. } | C::NoAuthorities { .. })),
        ),
        ("no authority", &own, "https://app.test", authorities(&[]), Some(|c| matches!(c, C::NoAuthorities { .. }))),
        ("pin", &own, "https://app.test", pin(&own), None),
        ("pin in spite of dates and name", &old, "https://app.test", pin(&old), None),
        ("other pin", &own, "https://app.test", pin(&good), Some(|c| matches!(c, C::Pin { .. }))),
        (
            "pin of the authority",
            &good,
            "https://app.test",
            UpstreamTrust::Pin(Arc::new(Thumbprint::of(&authority.der))),
            Some(|c| matches!(c, C::Pin { .. })),
        ),
        ("anything", &old, "https://app.test", UpstreamTrust::DangerInsecure, None),
    ];
    for (what, issued, url, trust, expected) in table {
        // Twice: the second time the configuration comes from the cache.
        for _ in 0..2 {
            match (ask(&client, &issued.served("app"), url, &trust).await, expected) {
                (Ok(()), None) => {}
                (Err(cause), Some(expected)) => assert!(expected(&cause), "{what}: {cause:?}"),
                (outcome, _) => panic!("{what}: {outcome:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    let (pinned, thief) =
        (Issued::new(&["app.test"], &PKCS_ECDSA_P256_SHA256), Issued::new(&["app.test"], &PKCS_ECDSA_P256_SHA256));
    let stolen = Arc::new(ServedCertificate {
        id: CertificateId::parse("stolen").unwrap(),
        thumbprint: pinned.thumbprint(),
        self_signed: true,
        status: CertificateStatus::Valid,
        key: ServedKey::ready(Arc::new(CertifiedKey::new(
            vec![pinned.chain.leaf.to_vec().into()],
            any_supported_type(&rustls::pki_types::PrivatePkcs8KeyDer::from(thief.key.clone()).into()).unwrap(),
        ))),
    });
    let trust = UpstreamTrust::Pin(Arc::new(pinned.thumbprint()));
    let cause = ask(&TlsClient::new(), &stolen, "https://app.test", &trust).await.unwrap_err();
    assert!(matches!(cause, UpstreamTlsCause::Tls(rustls::Error::InvalidCertificate(_))), "{cause:?}");
}

#[test]
fn operators_read_what_is_wrong_and_what_to_do() {
    let (expected, got) = (Thumbprint::of(b"expected"), Thumbprint::of(b"got"));
    assert_eq!(
        UpstreamTlsCause::Pin { expected, got }.to_string(),
        format!(
            "its certificate is not the pinned one: expected {expected}, got {got}; \
             if it was replaced on purpose, trust the new one with --upstream-pin {got}"
        )
    );
    assert_eq!(
        UpstreamTlsCause::Name { got, names: vec!["a.test".to_owned(), "b.test".to_owned()] }.to_string(),
        format!(
            "its certificate {got} is for other names (a.test, b.test); use one of them in the upstream's URL, \
             or trust the certificate itself with --upstream-pin {got}"
        )
    );
    assert_eq!(
        UpstreamTlsCause::NotTls.to_string(),
        "it does not speak TLS on this port; if it is plain HTTP, begin the upstream's URL with http://"
    );
}

#[tokio::test]
async fn an_upstream_that_speaks_http_or_nothing_is_recognised() {
    let client = TlsClient::new();
    let upstream = Upstream::parse("https://app.test").unwrap();
    for (said, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "NotTls"),
        (b"", "Closed"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "Alert(HandshakeFailure)"),
    ] {
        let (mut tcp, peer) = sockets().await;
        let (_, connected) = tokio::join!(
            async {
                let mut hello = [0; 5];
                tcp.read_exact(&mut hello).await.unwrap();
                let mut rest = vec![0; usize::from(u16::from_be_bytes([hello[3], hello[4]]))];
                tcp.read_exact(&mut rest).await.unwrap();
                tcp.write_all(said).await.unwrap();
                tcp.shutdown().await.unwrap();
            },
            client.connect(peer, upstream.address().unwrap(), &UpstreamTrust::System, Offer::Http1)
        );
        let Err(error) = connected else { panic!("connected to {said:?}") };
        assert_eq!(format!("{:?}", error.cause), expected);
    }
}
