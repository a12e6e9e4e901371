//! The refusals, by exact bytes.

use super::outcome;

#[test]
fn each_ambiguous_or_malformed_head_has_its_refusal() {
    let table: &[(&[u8], &str)] = &[
        // The authority.
        (b"GET / HTTP/1.1\r\n\r\n", "missing-host"),
        (b"GET / HTTP/1.0\r\n\r\n", "missing-host"),
        (b"GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", "duplicate-host"),
        (b"GET / HTTP/1.1\r\nHost: a.test\r\nhOST: a.test\r\n\r\n", "duplicate-host"),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: a.test b.test\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: a.test/\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: a.test?x\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: a.test#x\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: a.test\\x\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: user@a.test\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: http://a.test\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: a%2etest\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: a..test\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: .a.test\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: b\xc3\xbccher.test\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: a.test:\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: a.test:+80\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: a.test:80:80\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: a.test:65536\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: [a.test]\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", "invalid-host"),
        (b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", "invalid-host"),
        (b"GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "host-mismatch"),
        (b"GET http://a.test:81/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "host-mismatch"),
        (b"GET http://a.test@b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n", "invalid-host"),
        (b"GET http:/// HTTP/1.1\r\nHost: a.test\r\n\r\n", "invalid-host"),
        // Both lengths, wrong lengths.
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "length-and-encoding",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n",
            "length-and-encoding",
        ),
        (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer-encoding-in-http-1-0"),
        (
            b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            "transfer-encoding-in-http-1-0",
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "repeated-content-length"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "repeated-content-length"),
        // Transfer-Encoding other than one `chunked`.
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "repeated-transfer-encoding",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
            "repeated-transfer-encoding",
        ),
        // Look-alikes of the framing headers.
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n", "framing-look-alike"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTRANSFER_encoding: chunked\r\n\r\n", "framing-look-alike"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n", "space-before-colon"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n", "space-before-colon"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\x0b: chunked\r\n\r\n", "invalid-header-name"),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\xefContent-Length: 5\r\n\r\n", "invalid-header-name"),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\"Content-Length\": 5\r\n\r\n", "invalid-header-name"),
        // Line ends.
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", "bare-lf"),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", "bare-lf"),
        (b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "bare-lf"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX:\n\r\n", "bare-lf"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \n\r\n", "bare-lf"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\n\n", "bare-lf"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\n", "bare-lf"),
        (b"GET / HTTP/1.1\n\n", "bare-lf"),
        (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bare-lf"),
        (b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bare-lf"),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-request-line"),
        (b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bare-cr"),
        (b"GET / HTTP/1.1\rHost: a\r\n\r\n", "bare-cr"),
        (b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", "bare-cr"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\r\n\r\n", "bare-cr"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", "bare-cr"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\r: b\r\n\r\n", "bare-cr"),
        (b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", "bare-cr"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", "nul"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", "nul"),
        (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", "nul"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", "folded-line"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc: d\r\n\r\n", "folded-line"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n c\r\n\r\n", "folded-line"),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "folded-line"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", "folded-line"),
        // Header lines.
        (b"GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", "invalid-header-name"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "invalid-header-name"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", "invalid-header-name"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n", "invalid-header-name"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", "invalid-header-value"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\x7f\r\n\r\n", "invalid-header-value"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nX: a long enough value \x1b[31m for wide reads\r\n\r\n",
            "invalid-header-value",
        ),
        // The request line.
        (b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-method"),
        (b"G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-method"),
        (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-method"),
        (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-method"),
        (b"ABCDEFGHIJABCDEFGHIJABCDEFGHIJABC / HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-method"),
        (b"ABCDEFGHIJABCDEFGHIJABCDEFGHIJABC", "invalid-method"),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-request-line"),
        (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-request-line"),
        (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "invalid-request-line"),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-request-line"),
        (b"GET /\t HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", "invalid-target"),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "connect-not-supported"),
        (b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", "connect-not-supported"),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "trace-not-supported"),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "unsupported-version"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "unsupported-version"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "unsupported-version"),
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", "unsupported-version"),
        (b"GET / http/1.1\r\nHost: a\r\n\r\n", "invalid-request-line"),
        (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", "invalid-request-line"),
        (b"GET / HTTP/11\r\nHost: a\r\n\r\n", "invalid-request-line"),
        (b"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", "invalid-request-line"),
        (b"GET /\r\n\r\n", "invalid-request-line"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "nul"),
        // What belongs to the connection.
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n", "invalid-connection"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: a,b,c,d,e,f,g,h,i\r\n\r\n", "invalid-connection"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n", "invalid-upgrade"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a b\r\n\r\n", "invalid-upgrade"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade:\r\n\r\n", "invalid-upgrade"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", "unknown-expectation"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\n\r\n", "unknown-expectation"),
    ];
    for (input, expected) in table {
        let shown = String::from_utf8_lossy(input);
        assert_eq!(outcome(input), *expected, "{shown:?}");
    }
}

#[test]
fn only_digits_are_a_content_length() {
    let invalid = [
        "",
        "+5",
        "-5",
        "5 5",
        "5, 5",
        "5,5",
        "0x5",
        "5a",
        "5.0",
        "1e3",
        "\u{664}",
        "5;",
        "\"5\"",
        "5\t5",
        "18446744073709551616",
        "99999999999999999999",
        "340282366920938463463374607431768211461",
    ];
    for value in invalid {
        let input = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {value}\r\n\r\n");
        assert_eq!(outcome(input.as_bytes()), "invalid-content-length", "{value:?}");
    }
    for (value, bytes) in [("0", 0), ("00", 0), ("007", 7), (" 12 ", 12), ("18446744073709551615", u64::MAX)] {
        let input = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:{value}\r\n\r\n");
        let expected = format!("POST a / Exact({bytes}) {}", input.len());
        assert_eq!(outcome(input.as_bytes()), expected);
    }
}

#[test]
fn only_chunked_alone_is_a_transfer_encoding() {
    let table = [
        ("", "invalid-transfer-encoding"),
        (",", "invalid-transfer-encoding"),
        ("chunked,", "invalid-transfer-encoding"),
        (",chunked", "invalid-transfer-encoding"),
        ("chunked, chunked", "invalid-transfer-encoding"),
        ("chunked, gzip", "invalid-transfer-encoding"),
        ("chunked, identity", "invalid-transfer-encoding"),
        ("chunked;q=1", "invalid-transfer-encoding"),
        ("chunked x", "invalid-transfer-encoding"),
        ("\"chunked\"", "invalid-transfer-encoding"),
        ("\u{a0}chunked", "invalid-transfer-encoding"),
        ("gzip, chunked", "unknown-transfer-coding"),
        ("identity, chunked", "unknown-transfer-coding"),
        ("gzip", "unknown-transfer-coding"),
        ("identity", "unknown-transfer-coding"),
        ("xchunked", "unknown-transfer-coding"),
        ("chunkedx", "unknown-transfer-coding"),
        ("chunke", "unknown-transfer-coding"),
        ("cow", "unknown-transfer-coding"),
    ];
    for (value, expected) in table {
        let input = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {value}\r\n\r\n");
        assert_eq!(outcome(input.as_bytes()), expected, "{value:?}");
    }
    for value in ["chunked", "Chunked", "CHUNKED", "chunked ", "\tchunked"] {
        let input = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {value}\r\n\r\n");
        assert_eq!(outcome(input.as_bytes()), format!("POST a / Chunked {}", input.len()));
    }
}
