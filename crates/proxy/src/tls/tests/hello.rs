//! ClientHellos as they should not come: in many records, cut short, spoilt.

use std::{io::Read, sync::Arc};

use portward_core::{Host, HostPattern};
use rustls::{ClientConnection, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{HandshakeError, Protocol, TlsServer, sockets};
use crate::{
    snapshot::Snapshot,
    tls::fixture::{binding, certificate, challenge, client},
};

/// What the client says first: one record.
fn hello(client: &mut ClientConnection) -> Vec<u8> {
    let mut record = Vec::new();
    client.write_tls(&mut record).unwrap();
    assert_eq!(record.len(), 5 + usize::from(u16::from_be_bytes([record[3], record[4]])));
    record
}

fn shop() -> ClientConnection {
    let name = ServerName::try_from("shop.test").unwrap();
    ClientConnection::new(Arc::new(client(&["h2"], |_| {})), name).unwrap()
}

/// Without challenges, and with one, when a hello is looked at before there is a session.
fn snapshots() -> [Arc<Snapshot>; 2] {
    let mut challenged = Snapshot::default();
    challenged.tls_challenges.insert(Host::parse("new.test").unwrap(), challenge("new.test"));
    [Arc::default(), Arc::new(challenged)]
}

/// The same message in records of one byte each.
fn in_pieces(record: &[u8]) -> Vec<u8> {
    record[5..].iter().flat_map(|byte| [record[0], record[1], record[2], 0, 1, *byte]).collect()
}

/// Carries the client's side on until it is through.
async fn drive(client: &mut ClientConnection, tcp: &mut TcpStream) {
    while client.is_handshaking() {
        let mut bytes = [0; 4096];
        let came = tcp.read(&mut bytes).await.unwrap();
        assert_ne!(came, 0, "the server gave up");
        let mut rest = &bytes[..came];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
        let mut answer = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut answer).unwrap();
        }
        tcp.write_all(&answer).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_hello_in_records_of_one_byte_gets_the_certificate_of_its_name() {
    let (shop_certificate, default) = (certificate("shop", &["shop.test"]), certificate("default", &["other.test"]));
    let (server, binding) = (TlsServer::new().unwrap(), binding(Some(&default)));
    for mut snapshot in snapshots() {
        let pattern = HostPattern::parse("shop.test").unwrap();
        Arc::get_mut(&mut snapshot).unwrap().certificates.insert(&pattern, Arc::clone(&shop_certificate));
        let (tcp, mut peer) = sockets().await;
        let (accepted, ()) = tokio::join!(server.accept_from(tcp, &snapshot, &binding), async {
            let mut client = shop();
            peer.write_all(&in_pieces(&hello(&mut client))).await.unwrap();
            drive(&mut client, &mut peer).await;
        });
        let facts = accepted.unwrap().tls.unwrap();
        assert_eq!(facts.certificate.unwrap().id.as_str(), "shop");
        assert_eq!(facts.protocol, Protocol::Http2);
    }
}

#[tokio::test]
async fn a_client_hello_in_records_of_one_byte_gets_the_challenge_of_its_name() {
    let (server, binding) = (TlsServer::new().unwrap(), binding(Some(&certificate("only", &["shop.test"]))));
    let [_, snapshot] = snapshots();
    let (tcp, mut peer) = sockets().await;
    peer.set_nodelay(true).unwrap();
    let name = ServerName::try_from("new.test").unwrap();
    let mut client = ClientConnection::new(Arc::new(client(&["acme-tls/1"], |_| {})), name).unwrap();
    let (accepted, ()) = tokio::join!(server.accept_from(tcp, &snapshot, &binding), async {
        for part in in_pieces(&hello(&mut client)).chunks(7) {
            peer.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
        drive(&mut client, &mut peer).await;
    });
    assert_eq!(accepted.unwrap().tls.unwrap().protocol, Protocol::Challenge);
    let shown = &client.peer_certificates().unwrap()[0];
    assert_eq!(*shown, snapshot.tls_challenges.values().next().unwrap().cert[0]);
}

#[tokio::test]
async fn a_client_hello_byte_by_byte_is_waited_for() {
    let (server, binding) = (TlsServer::new().unwrap(), binding(Some(&certificate("only", &["shop.test"]))));
    for snapshot in snapshots() {
        let (tcp, mut peer) = sockets().await;
        peer.set_nodelay(true).unwrap();
        let (accepted, ()) = tokio::join!(server.accept_from(tcp, &snapshot, &binding), async {
            let mut client = shop();
            for byte in hello(&mut client) {
                peer.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            drive(&mut client, &mut peer).await;
        });
        assert!(accepted.is_ok());
    }
}

#[tokio::test]
async fn every_part_of_a_client_hello_that_ends_is_a_closed_connection() {
    let (server, binding) = (TlsServer::new().unwrap(), binding(Some(&certificate("only", &["shop.test"]))));
    let record = hello(&mut shop());
    let ends = (0..record.len()).flat_map(|end| snapshots().map(|snapshot| (end, snapshot)));
    for (end, snapshot) in ends {
        let (tcp, mut peer) = sockets().await;
        peer.write_all(&record[..end]).await.unwrap();
        peer.shutdown().await.unwrap();
        let accepted = server.accept_from(tcp, &snapshot, &binding).await;
        assert!(matches!(accepted, Err(HandshakeError::Closed)), "{end} bytes");
    }
}

#[tokio::test]
async fn a_spoilt_client_hello_gets_an_alert() {
    let (server, binding) = (TlsServer::new().unwrap(), binding(Some(&certificate("only", &["shop.test"]))));
    let record = hello(&mut shop());
    let mut endless = vec![22, 3, 1, 0x40, 0];
    endless.extend_from_slice(&[1, 0xff, 0xff, 0xff]);
    endless.resize(5 + 0x4000, 0);
    let (mut length, mut version, mut kind) = (record.clone(), record.clone(), record.clone());
    length[7] ^= 1;
    (version[9], version[10]) = (3, 0);
    kind[0] = 23;
    for (what, bytes) in [
        ("length", &length),
        ("kind of record", &kind),
        ("no TLS", &b"\0\0\0\0\0\0\0\0\0".to_vec()),
        ("larger than any", &endless),
        ("ssh", &b"ssh-2.0-x\r\n".to_vec()),
    ] {
        let mut errors = Vec::new();
        for snapshot in snapshots() {
            let (tcp, mut peer) = sockets().await;
            let (accepted, answer) = tokio::join!(server.accept_from(tcp, &snapshot, &binding), async {
                peer.write_all(bytes).await.unwrap();
                peer.shutdown().await.unwrap();
                let mut answer = Vec::new();
                // A reset is a way to be refused too.
                let _ = peer.read_to_end(&mut answer).await;
                answer
            });
            let Err(error) = accepted else { panic!("{what}") };
            if matches!(error, HandshakeError::Tls(_)) {
                assert!(answer.is_empty() || answer[0] == 21, "{what}: {answer:?}");
            }
            errors.push(format!("{error:?}"));
        }
        assert_eq!(errors[0], errors[1], "{what}");
    }
}

#[test]
fn nothing_but_whole_records_is_in_a_hello() {
    let mut client = shop();
    let record = hello(&mut client);
    let mut rest = Vec::new();
    Read::read_to_end(&mut &record[5..], &mut rest).unwrap();
    assert_eq!(rest[0], 1, "a handshake message of type ClientHello");
}
