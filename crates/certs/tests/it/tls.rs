//! Handshakes with what was read and made: rustls takes it, and a client that trusts its root accepts it.

use std::sync::Arc;

use portward_certs::{Bundle, self_signed, self_signed_validity};
use portward_core::HostPattern;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName},
};

use crate::workbench::{P256, RSA, Workbench, now};

/// Lets a client that trusts `root` talk to a server with the bundle; gives the certificates that it saw.
fn handshake(bundle: &Bundle, root: &[u8], name: &str) -> Result<Vec<Vec<u8>>, rustls::Error> {
    let provider = Arc::new(default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(bundle.tls_chain(), bundle.tls_key())?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(root.to_vec()))?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut server = ServerConnection::new(Arc::new(server))?;
    let mut client = ClientConnection::new(Arc::new(client), ServerName::try_from(name.to_owned()).unwrap())?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            server.read_tls(&mut wire).unwrap();
        }
        server.process_new_packets()?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            client.read_tls(&mut wire).unwrap();
        }
        client.process_new_packets()?;
    }
    Ok(client.peer_certificates().unwrap_or_default().iter().map(|der| der.to_vec()).collect())
}

#[test]
fn every_type_of_key_serves_its_chain() {
    for genpkey in [
        RSA,
        P256,
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-521",
        "-algorithm ED25519",
    ] {
        let bench = Workbench::with_chain(genpkey);
        let bundle = bench.read(&["chain.pem", "leaf.key"], None).unwrap();
        let seen = handshake(&bundle, &bench.der("root.pem"), "shop.test").unwrap_or_else(|e| panic!("{genpkey}: {e}"));
        assert_eq!(seen, [bench.der("leaf.pem"), bench.der("middle.pem")], "{genpkey}");
    }
}

#[test]
fn a_client_that_trusts_a_self_signed_certificate_accepts_it() {
    let names = ["shop.test", "127.0.0.1"].map(|name| HostPattern::parse(name).unwrap());
    let bundle = self_signed(&names, self_signed_validity(now(), 9)).unwrap();
    for name in ["shop.test", "127.0.0.1"] {
        assert_eq!(handshake(&bundle, &bundle.chain.leaf, name).unwrap(), [bundle.chain.leaf.to_vec()]);
    }
    assert!(handshake(&bundle, &bundle.chain.leaf, "other.test").is_err());
    let stranger = self_signed(&names, self_signed_validity(now(), 9)).unwrap();
    assert!(handshake(&bundle, &stranger.chain.leaf, "shop.test").is_err());
}
