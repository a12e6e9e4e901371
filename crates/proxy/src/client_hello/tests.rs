#![allow(clippy::unwrap_used, reason = "tests")]
use std::sync::Arc;

use rustls::{ClientConnection, pki_types::ServerName};

use super::*;
use crate::tls::fixture::client;

/// What a real client says first, to `name`.
fn hello(name: &'static str) -> Vec<u8> {
    let config = Arc::new(client(&["h2", "http/1.1"], |_| {}));
    let mut connection = ClientConnection::new(config, ServerName::try_from(name).unwrap()).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

fn named(name: &str) -> FirstWords {
    FirstWords::Hello { server_name: Some(name.to_owned()) }
}

/// The same hello in records of `size` bytes.
fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
    let record = |piece: &[u8]| [&[22, 3, 1][..], &u16::try_from(piece.len()).unwrap().to_be_bytes(), piece].concat();
    hello[HEAD_BYTES..].chunks(size).flat_map(record).collect()
}

/// A hello of which the test has written everything behind the version and the random.
fn written(behind: &[u8]) -> Vec<u8> {
    let body = [&[3, 3][..], &[7; 32], behind].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[1][..], &length[1..], &body].concat();
    in_records(&[&[0; HEAD_BYTES][..], &message].concat(), RECORD_BYTES)
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

fn names(entries: &[(u8, &[u8])]) -> Vec<u8> {
    let entry =
        |(kind, name): &(u8, &[u8])| [&[*kind][..], &u16::try_from(name.len()).unwrap().to_be_bytes(), name].concat();
    let list: Vec<u8> = entries.iter().flat_map(entry).collect();
    extension(0, &[&u16::try_from(list.len()).unwrap().to_be_bytes()[..], &list].concat())
}

fn with_extensions(extensions: &[u8]) -> Vec<u8> {
    let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
    written(&[&[0, 0, 2, 0x13, 0x01, 1, 0][..], &length, extensions].concat())
}

#[test]
fn a_hello_is_known_however_it_is_cut() {
    let whole = hello("shop.test");
    assert_eq!(look(&whole), named("shop.test"));
    for size in [1, 2, 3, 4, 5, 100, 4000] {
        let records = in_records(&whole, size);
        assert_eq!(look(&records), named("shop.test"), "{size}");
        assert_eq!(look(&[&records[..], b"behind"].concat()), named("shop.test"), "{size}");
        for length in 0..records.len() {
            assert_eq!(look(&records[..length]), FirstWords::Partial, "{size} {length}");
        }
    }
}

#[test]
fn a_hello_may_name_nobody() {
    assert_eq!(look(&hello("127.0.0.1")), FirstWords::Hello { server_name: None });
    // TLS 1.0 without extensions.
    assert_eq!(look(&written(&[0, 0, 2, 0, 0x2f, 1, 0])), FirstWords::Hello { server_name: None });
    assert_eq!(look(&with_extensions(&[])), FirstWords::Hello { server_name: None });
    assert_eq!(look(&with_extensions(&names(&[(0, b"a.test")]))), named("a.test"));
}

#[test]
fn what_is_no_hello_is_told_at_once() {
    let two = [names(&[(0, b"a.test")]), names(&[(0, b"b.test")])].concat();
    for (story, bytes) in [
        ("HTTP", b"GET / HTTP/1.1\r\n".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH\r\n".to_vec()),
        ("one byte of anything else", vec![0x80]),
        ("SSL 2", vec![22, 2]),
        ("an empty record", vec![22, 3, 1, 0, 0]),
        ("a record that is too long", vec![22, 3, 1, 0x40, 1]),
        ("another message", vec![22, 3, 1, 0, 1, 2]),
        ("an alert between", [&in_records(&hello("a.test"), 50)[..55], &[21, 3, 1, 0, 2, 2, 0]].concat()),
        ("a hello without end", vec![22, 3, 1, 0x10, 0, 1, 0xff, 0, 0]),
        ("two lists of names", with_extensions(&two)),
        ("two names", with_extensions(&names(&[(0, b"a.test"), (0, b"b.test")]))),
        ("a name of another type", with_extensions(&names(&[(1, b"a.test")]))),
        ("an empty name", with_extensions(&names(&[(0, b"")]))),
        ("an empty list", with_extensions(&extension(0, &[0, 0]))),
        ("a name beyond the list", with_extensions(&extension(0, &[0, 4, 0, 0, 9, b'a']))),
        ("something behind the list", with_extensions(&extension(0, &[0, 4, 0, 0, 1, b'a', 0]))),
        ("something behind the extensions", written(&[0, 0, 2, 0, 0x2f, 1, 0, 0, 0, 9])),
        ("no suites", written(&[0])),
        ("nothing", written(&[])),
    ] {
        assert_eq!(look(&bytes), FirstWords::Other, "{story}");
    }
    // Records of one byte, and many of them.
    let endless = [&[22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 3, 0, 0x40, 0][..], &[22, 3, 1, 0, 1, 0].repeat(6000)].concat();
    assert_eq!(look(&endless), FirstWords::Other);
}

#[test]
fn a_hello_is_in_one_record_if_all_of_it_and_nothing_else_is() {
    let hello = |record: u8, message: u8, bytes: usize| {
        let mut hello = vec![22, 3, 1, 0, record, 1, 0, 0, message];
        hello.resize(bytes, 7);
        hello
    };
    assert!(is_in_one_record(&hello(44, 40, 49)));
    assert!(is_in_one_record(&hello(44, 40, 100)), "something follows it");
    for (what, input) in [
        ("nothing", vec![]),
        ("less than a head", vec![22, 3, 1, 0, 44, 1, 0]),
        ("the last byte is missing", hello(44, 40, 48)),
        ("it goes on in another record", hello(44, 50, 100)),
        ("something is behind it in its record", hello(44, 30, 100)),
        ("no handshake", [&[23], &hello(44, 40, 49)[1..]].concat()),
        ("no ClientHello", [&hello(44, 40, 49)[..5], &[2], &hello(44, 40, 49)[6..]].concat()),
    ] {
        assert!(!is_in_one_record(&input), "{what}");
    }
}
