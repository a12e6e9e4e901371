//! Commands that ask a server elsewhere, over TLS and with a token.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    sync::Arc,
    thread::JoinHandle,
};

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs, pki_types::PrivateKeyDer};

use crate::program::{Ran, program, run_with};

/// Makes an authority of that name, and a certificate of it for localhost.
fn authority(name: &str) -> (String, ServerConfig) {
    let issuer = CertifiedIssuer::self_signed(
        {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params
        },
        KeyPair::generate().unwrap(),
    )
    .unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (issuer.pem(), config)
}

/// Answers one connection with an empty list, and gives what was asked; nothing if the handshake failed.
fn answer_once(config: ServerConfig) -> (u16, JoinHandle<Option<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), tcp);
        let mut asked = Vec::new();
        let mut byte = [0];
        while !asked.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte).ok()? == 0 {
                return None;
            }
            asked.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 31\r\n\r\n{\"items\":[],\"next_cursor\":null}").unwrap();
        Some(String::from_utf8(asked).unwrap())
    });
    (port, server)
}

fn list(directory: &Path, port: u16, authorities: &str) -> Ran {
    fs::write(directory.join("ca.pem"), authorities).unwrap();
    let mut command = program(directory);
    command.env("SSL_CERT_FILE", directory.join("ca.pem")).env("PORTWARD_TOKEN", "ptw_marker");
    run_with(command.args(["binding", "list", "-o", "json", "--url"]).arg(format!("https://localhost:{port}")), "")
}

#[test]
fn a_token_goes_to_a_server_whose_authority_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let (authorities, config) = authority("one");
    let (port, server) = answer_once(config);
    let ran = list(directory.path(), port, &authorities);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "[]\n", ""));
    let asked = server.join().unwrap().unwrap();
    assert!(asked.starts_with("GET /api/v1/bindings?limit=1000 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("\r\nauthorization: Bearer ptw_marker\r\n"), "{asked}");
}

#[test]
fn no_token_goes_to_a_server_of_another_authority() {
    let directory = tempfile::tempdir().unwrap();
    let ((_, config), (others, _)) = (authority("one"), authority("other"));
    let (port, server) = answer_once(config);
    let ran = list(directory.path(), port, &others);
    assert_eq!(ran.code, 1);
    let told = format!("portward: the TLS handshake with https://localhost:{port} failed.");
    assert!(ran.stderr.starts_with(&told) && ran.stderr.contains("SSL_CERT_FILE"), "{ran:?}");
    assert!(ran.stderr.contains("PORTWARD_THUMBPRINT"), "{ran:?}");
    assert!(ran.stderr.contains("UnknownIssuer") && !ran.stderr.contains("ptw_marker"), "{ran:?}");
    assert_eq!(server.join().unwrap(), None);
}

/// A certificate that nobody vouches for, with its SHA-256.
fn self_signed() -> (String, ServerConfig) {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["front.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (portward_core::Thumbprint::of(leaf.der()).to_string(), config)
}

#[test]
fn a_server_is_known_by_its_thumbprint_whatever_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let (thumbprint, config) = self_signed();
    let (port, server) = answer_once(config);
    let mut command = program(directory.path());
    command.env("PORTWARD_TOKEN", "ptw_marker").env("PORTWARD_THUMBPRINT", &thumbprint);
    command.env("PORTWARD_URL", format!("https://localhost:{port}"));
    let ran = run_with(command.args(["binding", "list", "-o", "json"]), "");
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "[]\n", ""));
    assert!(server.join().unwrap().unwrap().contains("\r\nauthorization: Bearer ptw_marker\r\n"));
}

#[test]
fn no_token_goes_to_a_server_of_another_thumbprint() {
    let directory = tempfile::tempdir().unwrap();
    let ((got, config), (expected, _)) = (self_signed(), self_signed());
    let (port, server) = answer_once(config);
    let mut command = program(directory.path());
    command.env("PORTWARD_TOKEN", "ptw_marker").env("PORTWARD_THUMBPRINT", &expected);
    let ran = run_with(command.args(["binding", "list", "--url"]).arg(format!("https://localhost:{port}")), "");
    assert_eq!(ran.code, 1);
    let told = format!(
        "portward: https://localhost:{port} presents the certificate {got}, and {expected} is the one that was named."
    );
    assert!(ran.stderr.starts_with(&told) && ran.stderr.contains("PORTWARD_THUMBPRINT"), "{ran:?}");
    // What would not help, and what rustls calls it.
    for part in ["SSL_CERT_FILE", "AnotherCertificate", "ptw_marker"] {
        assert!(!ran.stderr.contains(part), "{part}: {ran:?}");
    }
    assert_eq!(server.join().unwrap(), None);
}
