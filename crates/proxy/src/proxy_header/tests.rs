#![allow(clippy::unwrap_used, reason = "tests")]
use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::{ProxyHeaderError as E, *};

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

fn v4() -> Vec<u8> {
    [&[192, 0, 2, 7, 10, 0, 0, 1][..], &50_000_u16.to_be_bytes(), &443_u16.to_be_bytes()].concat()
}

fn v6() -> Vec<u8> {
    let (source, destination): (Ipv6Addr, Ipv6Addr) = ("2001:db8::7".parse().unwrap(), "::1".parse().unwrap());
    [&source.octets()[..], &destination.octets(), &50_000_u16.to_be_bytes(), &443_u16.to_be_bytes()].concat()
}

/// Whole headers, and the client that each names.
fn headers() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let tlv = |rest: Vec<u8>| [rest, vec![0x04, 0, 3, 0, 0, 0]].concat();
    vec![
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 443\r\n".to_vec(), Some("192.0.2.7:50000")),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_vec(), Some("255.255.255.255:65535")),
        (b"PROXY TCP6 2001:DB8::7 ::1 0 443\r\n".to_vec(), Some("[2001:db8::7]:0")),
        (
            format!("PROXY TCP6 {0} {0} 65535 65535\r\n", "ffff:".repeat(7) + "ffff").into_bytes(),
            Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", "ffff:".repeat(7) + "ffff").into_bytes(), None),
        (binary(PROXY, TCP_OVER_IPV4, &v4()), Some("192.0.2.7:50000")),
        (binary(PROXY, TCP_OVER_IPV4, &tlv(v4())), Some("192.0.2.7:50000")),
        (binary(PROXY, TCP_OVER_IPV6, &v6()), Some("[2001:db8::7]:50000")),
        (binary(PROXY, TCP_OVER_IPV6, &tlv(v6())), Some("[2001:db8::7]:50000")),
        (binary(PROXY, 0, &[]), None),
        (binary(PROXY, 0, &[7; 300]), None),
        (binary(PROXY, UDP_OVER_IPV4, &v4()), None),
        (binary(PROXY, UNIX_STREAM, &[7; 216]), None),
        (binary(LOCAL, 0, &[]), None),
        (binary(LOCAL, 0xff, &v4()), None),
        (LOCAL_HEADER.to_vec(), None),
    ]
}

#[test]
fn a_header_is_read_whatever_is_behind_it() {
    for (header, client) in headers() {
        let expected = Ok(Parsed::Complete { client: client.map(|text| text.parse().unwrap()), len: header.len() });
        for behind in [&b""[..], b"GET / HTTP/1.1\r\n", b"\r\n", b"\0", &header] {
            assert_eq!(parse(&[&header, behind].concat()), expected, "{}", header.escape_ascii());
        }
    }
}

#[test]
fn every_beginning_of_a_header_is_one() {
    for (header, _) in headers() {
        for length in 0..header.len() {
            assert_eq!(parse(&header[..length]), Ok(Parsed::Partial), "{}", header[..length].escape_ascii());
        }
    }
}

#[test]
fn what_does_not_match_exactly_is_refused() {
    for line in [
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY tcp4 192.0.2.7 10.0.0.1 50000 443\r\n",
        "PROXY TCP4  192.0.2.7 10.0.0.1 50000 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 50000 443 \r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 50000\r\n",
        "PROXY TCP4 192.0.2.07 10.0.0.1 50000 443\r\n",
        "PROXY TCP4 192.0.2.256 10.0.0.1 50000 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 050000 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 +5000 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 50000 443\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 50000 443\r\r\n",
        "PROXY TCP4 192.0.2.7\r10.0.0.1 50000 443",
        "PROXY TCP4 2001:db8::7 ::1 50000 443\r\n",
        "PROXY TCP6 192.0.2.7 10.0.0.1 50000 443\r\n",
        "PROXY TCP6 [2001:db8::7] ::1 50000 443\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 50000 443\r\n",
        "PROXY UDP4 192.0.2.7 10.0.0.1 50000 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 50000 443\0\r\n",
        "PROXY TCP4 192.0.2.7\t10.0.0.1 50000 443\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(E::Line), "{line:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    assert_eq!(parse(long.as_bytes()), Err(E::LongLine));
    assert_eq!(parse(&long.as_bytes()[..MAX_LINE_BYTES]), Err(E::LongLine));
    for (bytes, expected) in [
        (b"GET / HTTP/1.1\r\n".to_vec(), E::Missing),
        (b"P0".to_vec(), E::Missing),
        (b"PROXYTCP4".to_vec(), E::Missing),
        (vec![22, 3, 1], E::Missing),
        (b"\r\n\r\nG".to_vec(), E::Missing),
        (binary(0x10, 0x11, &v4()), E::Command(0x10)),
        (binary(0x22, 0x11, &v4()), E::Command(0x22)),
        (binary(0x31, 0x11, &v4()), E::Command(0x31)),
        (binary(PROXY, 0x41, &v4()), E::Family(0x41)),
        (binary(PROXY, 0x13, &v4()), E::Family(0x13)),
        (binary(PROXY, TCP_OVER_IPV4, &v4()[1..]), E::Short { given: 11, needed: 12 }),
        (binary(PROXY, TCP_OVER_IPV6, &v4()), E::Short { given: 12, needed: 36 }),
        (binary(PROXY, UNIX_STREAM, &[0; 215]), E::Short { given: 215, needed: 216 }),
        (binary(LOCAL, 0, &vec![0; MAX_REST_BYTES + 1]), E::Long(MAX_REST_BYTES + 1)),
    ] {
        assert_eq!(parse(&bytes), Err(expected), "{}", bytes[..bytes.len().min(40)].escape_ascii());
    }
    assert!(matches!(parse(&binary(PROXY, 0, &vec![0; MAX_REST_BYTES])), Ok(Parsed::Complete { client: None, .. })));
}

#[tokio::test]
async fn no_byte_behind_a_header_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (header, client) in headers() {
        for piece in [1, 7, usize::MAX] {
            let mut sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            sender.set_nodelay(true).unwrap();
            let (mut tcp, _) = listener.accept().await.unwrap();
            let sent = [&header, &b"behind"[..]].concat();
            let sending = async {
                for part in sent.chunks(piece.min(sent.len())) {
                    sender.write_all(part).await.unwrap();
                    tokio::task::yield_now().await;
                }
                sender.shutdown().await.unwrap();
            };
            let (read, ()) = tokio::join!(read(&mut tcp), sending);
            assert_eq!(read.unwrap(), client.map(|text| text.parse().unwrap()), "{}", header.escape_ascii());
            let mut behind = String::new();
            tcp.read_to_string(&mut behind).await.unwrap();
            assert_eq!(behind, "behind");
        }
    }
}
