#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use portward_api::{CertificateFile, CertificateImport, SecretBytes, Severity, SiteCreate};
use portward_core::Timestamp;
use portward_store::memory::TxnFault;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, binding, by, site},
    served::ServedState,
};

#[tokio::test]
async fn what_is_served_stays_while_the_store_is_away() {
    let fixture = Fixture::start().await;
    fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    fixture.store.faults().go_away();
    let away = fixture.served.until(|state| !state.problems.is_empty()).await;
    assert_eq!((away.problems[0].code, away.desired.sites.len()), ("store-unavailable", 1));
    assert!(away.unready()[0].contains("the store cannot be read"), "{:?}", away.unready());
    assert_eq!(fixture.app.list_sites(&by()).len(), 1);
    let error = fixture.app.add_site(&by(), &site(&["b.test"]), Apply::Now).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (503, "store-unavailable"));

    fixture.store.faults().come_back();
    let back = fixture.served.until(|state| state.problems.is_empty()).await;
    assert_eq!(back.unready(), Vec::<String>::new());
    fixture.app.add_site(&by(), &site(&["b.test"]), Apply::Now).await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_of_the_store_does_not_lose_the_change() {
    for fault in [TxnFault::IndeterminateDone, TxnFault::IndeterminateNotDone] {
        let fixture = Fixture::start().await;
        fixture.store.faults().fail_next_txn(fault);
        let added = fixture.app.add_binding(&by(), &binding("http://127.0.0.1:0"), Apply::Now).await.unwrap();
        assert!(added.view.bound, "{fault:?}");
        assert_eq!(fixture.audited().await, 1, "{fault:?}");
    }
}

/// A certificate for shop.test of an authority, from 2026-11-01 to 2027-03-01, both at midnight.
fn issued() -> CertificateImport {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["shop.test".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2026, 11, 1), date_time_ymd(2027, 3, 1));
    let pem = params.signed_by(&key, &issuer).unwrap().pem() + &root.pem() + &key.serialize_pem();
    CertificateImport {
        files: vec![CertificateFile { name: "shop.pem".to_owned(), data: SecretBytes::new(pem.into_bytes()) }],
        password: None,
        name: None,
        replace: None,
        allow_expired: false,
    }
}

/// An application that answers as many requests as that, each on a connection of its own.
fn application(requests: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
        }
    });
    address
}

/// The head of the answer that curl gets for https://shop.test/.
fn head(address: SocketAddr) -> String {
    let port = address.port();
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--insecure", "--http1.1", "--head", "--max-time", "30", "--resolve"])
        .args([format!("shop.test:{port}:127.0.0.1"), format!("https://shop.test:{port}/")])
        .output()
        .unwrap();
    assert!(curl.status.success(), "{curl:?}");
    String::from_utf8(curl.stdout).unwrap().to_ascii_lowercase()
}

/// Lets the time come to `at`: the task looks shortly before, and then has that long to wait.
async fn let_it_be(fixture: &Fixture, at: &str) -> Arc<ServedState> {
    let at = Timestamp::parse(at).unwrap();
    let shortly = Duration::from_secs(6);
    for (now, wait) in [(at.minus(shortly), super::PERIOD), (at, shortly)] {
        let before = fixture.served.now();
        fixture.set_now(now);
        tokio::time::advance(wait).await;
        fixture.served.until(|state| !Arc::ptr_eq(state, &before)).await;
    }
    fixture.served.now()
}

#[tokio::test]
async fn a_certificate_that_expires_while_it_is_served_changes_status_problem_and_hsts() {
    let fixture = Fixture::start().await;
    fixture.app.import_certificate(&by(), issued(), Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let shop = SiteCreate {
        upstreams: vec![format!("http://{}", application(3))],
        hsts: Some("1d".to_owned()),
        ..site(&["shop.test"])
    };
    fixture.app.add_site(&by(), &shop, Apply::Now).await.unwrap();
    let served = fixture.served.now();
    assert_eq!(served.problems, []);
    let address = served.bindings[0].result.clone().unwrap();
    let hsts = "strict-transport-security: max-age=86400\r\n";
    let answer = head(address);
    assert!(answer.contains(hsts), "{answer}");

    // From here on time passes only as the test lets it.
    tokio::time::pause();
    for (at, status, code, severity, has_hsts) in [
        ("2027-01-30T00:00:01Z", "expires-soon", "certificate-expires-soon", Severity::Warning, true),
        ("2027-03-01T00:00:01Z", "expired", "certificate-expired", Severity::Error, false),
    ] {
        let served = let_it_be(&fixture, at).await;
        assert_eq!(served.problems.len(), 1, "{at}: {:?}", served.problems);
        assert_eq!((served.problems[0].code, served.problems[0].severity), (code, severity), "{at}");
        assert_eq!(fixture.app.list_certificates(&by())[0].status.to_string(), status, "{at}");
        let answer = head(address);
        assert_eq!(answer.contains(hsts), has_hsts, "{at}: {answer}");
        assert!(answer.starts_with("http/1.1 204 "), "{at}: {answer}");
    }
}
