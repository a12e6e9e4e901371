#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::h1::request::tests::{rewritten, stranger};

/// The lines of the forwarded family in what the upstream gets.
fn family(headers: &str, forwarded: &Forwarded<'_>) -> Vec<String> {
    let input = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{headers}\r\n");
    rewritten(input.as_bytes(), forwarded)
        .lines()
        .skip(2)
        .filter(|line| !line.is_empty() && !line.starts_with("X-Request-Id: "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_strangers_word_is_dropped_in_every_spelling() {
    let forged = "X-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\nX_Forwarded_For: 3.3.3.3\r\n\
        X-Forwarded_For: 3.3.3.3\r\nX-FORWARDED-PROTO: ftp\r\nX_forwarded_proto: ftp\r\nx-forwarded-host: evil\r\n\
        X_Forwarded_Host: evil\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /admin\r\nX-Forwarded-Server: evil\r\n\
        Forwarded: for=1.1.1.1\r\nFORWARDED: for=1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nX_Real_IP: 1.1.1.1\r\n\
        X-Request-Id: forged\r\nx_request_id: forged\r\n\
        Connection: X-Forwarded-For\r\nConnection: forwarded, x-forwarded-host\r\n";
    assert_eq!(
        family(forged, &stranger()),
        [
            "X-Forwarded-For: 192.0.2.7",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: a.test",
            "X-Forwarded-Port: 8443",
            "Forwarded: for=192.0.2.7;host=a.test;proto=https",
        ]
    );
}

#[test]
fn an_ipv6_peer_is_bare_in_one_list_and_quoted_in_the_other() {
    for (peer, bare, node) in [
        ("2001:db8::7", "2001:db8::7", "\"[2001:db8::7]\""),
        ("::ffff:192.0.2.9", "192.0.2.9", "192.0.2.9"),
        ("10.0.100.255", "10.0.100.255", "10.0.100.255"),
    ] {
        let forwarded = Forwarded { peer: peer.parse().unwrap(), ..stranger() };
        let lines = family("", &forwarded);
        assert_eq!(lines[0], format!("X-Forwarded-For: {bare}"));
        assert_eq!(lines[4], format!("Forwarded: for={node};host=a.test;proto=https"));
    }
}

#[test]
fn a_host_with_a_port_is_quoted_in_forwarded() {
    let text = rewritten(b"GET / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", &stranger());
    assert!(text.contains("\r\nForwarded: for=192.0.2.7;host=\"[::1]:8443\";proto=https\r\n"), "{text}");
    assert!(text.contains("\r\nX-Forwarded-Host: [::1]:8443\r\n"), "{text}");
}

#[test]
fn a_trusted_proxys_lists_are_kept_and_appended_to() {
    let proxy = Forwarded { proto: Proto::Http, port: 8080, trust: Trust::Proxy, ..stranger() };
    let table: &[(&str, [&str; 5])] = &[
        (
            "",
            [
                "X-Forwarded-For: 192.0.2.7",
                "X-Forwarded-Proto: http",
                "X-Forwarded-Host: a.test",
                "X-Forwarded-Port: 8080",
                "Forwarded: for=192.0.2.7;host=a.test;proto=http",
            ],
        ),
        // Both lists tell the same, whichever came; the port follows from the scheme.
        (
            "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2001:db8::1 , _x\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.test\r\n",
            [
                "X-Forwarded-For: 1.1.1.1, 2001:db8::1, _x, 192.0.2.7",
                "X-Forwarded-Proto: https",
                "X-Forwarded-Host: b.test",
                "X-Forwarded-Port: 443",
                "Forwarded: for=1.1.1.1, for=\"[2001:db8::1]\", for=unknown, for=192.0.2.7;host=b.test;proto=https",
            ],
        ),
        (
            "Forwarded: for=1.1.1.1, for=\"[2001:db8::1]:99\";proto=https;host=\"b.test:444\"\r\n",
            [
                "X-Forwarded-For: 1.1.1.1, 2001:db8::1, 192.0.2.7",
                "X-Forwarded-Proto: https",
                "X-Forwarded-Host: b.test:444",
                "X-Forwarded-Port: 444",
                "Forwarded: for=1.1.1.1, for=\"[2001:db8::1]:99\";proto=https;host=\"b.test:444\", \
             for=192.0.2.7;host=\"b.test:444\";proto=https",
            ],
        ),
        // Of a list, the last element is the proxy's own word. What is no scheme, host or port is not believed.
        (
            "X-Forwarded-Proto: ftp, https\r\nX-Forwarded-Host: evil, b.test\r\nX-Forwarded-Port: 1, 444\r\n",
            [
                "X-Forwarded-For: 192.0.2.7",
                "X-Forwarded-Proto: https",
                "X-Forwarded-Host: b.test",
                "X-Forwarded-Port: 444",
                "Forwarded: for=192.0.2.7;host=b.test;proto=https",
            ],
        ),
        (
            "X-Forwarded-Proto: javascript\r\nX-Forwarded-Host: a/b\r\nX-Forwarded-Port: +1\r\nX_Forwarded_Proto: https\r\n",
            [
                "X-Forwarded-For: 192.0.2.7",
                "X-Forwarded-Proto: http",
                "X-Forwarded-Host: a.test",
                "X-Forwarded-Port: 8080",
                "Forwarded: for=192.0.2.7;host=a.test;proto=http",
            ],
        ),
        // Who writes X-Forwarded-For and not Forwarded lets a stranger's Forwarded through.
        (
            "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=9.9.9.9;host=evil;proto=https\r\n",
            [
                "X-Forwarded-For: 1.1.1.1, 192.0.2.7",
                "X-Forwarded-Proto: http",
                "X-Forwarded-Host: a.test",
                "X-Forwarded-Port: 8080",
                "Forwarded: for=1.1.1.1, for=192.0.2.7;host=a.test;proto=http",
            ],
        ),
        // An open quote would swallow what we append.
        (
            "Forwarded: for=\"1.1.1.1\r\n",
            [
                "X-Forwarded-For: 192.0.2.7",
                "X-Forwarded-Proto: http",
                "X-Forwarded-Host: a.test",
                "X-Forwarded-Port: 8080",
                "Forwarded: for=192.0.2.7;host=a.test;proto=http",
            ],
        ),
    ];
    for (headers, expected) in table {
        assert_eq!(family(headers, &proxy), expected, "{headers}");
    }
}

#[test]
fn a_trusted_proxys_other_headers_stay_unless_they_are_look_alikes() {
    let proxy = Forwarded { trust: Trust::Proxy, ..stranger() };
    let lines = family("X-Forwarded-Prefix: /app\r\nX-Real-Ip: 1.1.1.1\r\nX_Forwarded_Prefix: /no\r\n", &proxy);
    assert_eq!(lines[..2], ["X-Forwarded-Prefix: /app", "X-Real-Ip: 1.1.1.1"]);
    assert_eq!(lines.len(), 7);
}

#[test]
fn the_client_is_the_last_one_who_is_not_trusted() {
    let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|text| portward_core::Network::parse(text).unwrap());
    let is_trusted = |address: IpAddr| networks.iter().any(|network| network.contains(address));
    for (peer, list, expected) in [
        // A stranger is not asked.
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        // What the client has made up is before itself.
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "10.9.9.9, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.9.9.9, 2001:db8::5", "10.9.9.9"),
        ("10.0.0.1", "[2001:db8::5]:80, 10.0.0.2:443", "2001:db8::5"),
        ("10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"),
    ] {
        let addresses: Vec<&[u8]> = list.split(',').filter(|part| !part.is_empty()).map(str::as_bytes).collect();
        let client = client_of(addresses.into_iter(), peer.parse().unwrap(), is_trusted);
        assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {list:?}");
    }
}
