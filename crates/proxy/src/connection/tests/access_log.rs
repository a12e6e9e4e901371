//! The access log: one line for each request, whatever became of it and whatever it said.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use portward_core::{Upstream, UpstreamHttp};

use super::{
    harness::{Door, SHORT, short, site, snapshot},
    secure::secure,
};
use crate::{
    AccessLog, AccessLogCounts, AccessLogFormat, AccessLogOptions, AccessLogTarget, Limits,
    forward::http2_fixture::App, tls::fixture::certificate,
};

/// 2026-11-20T14:32:07.089Z.
const NOW: Duration = Duration::from_millis(1_795_185_127_089);

fn open(to: AccessLogTarget, format: AccessLogFormat) -> AccessLog {
    AccessLog::open(AccessLogOptions { to, format, clock: Arc::new(|| NOW) }).unwrap()
}

/// A door, and what it has written when it is shut.
struct Written {
    door: Door,
    log: AccessLog,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Written {
    async fn begin(format: AccessLogFormat, limits: Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let log = open(AccessLogTarget::File(path.clone()), format);
        Self { door: Door::open_logging(log.clone(), limits).await, log, path, _directory: directory }
    }

    async fn lines(self) -> Vec<String> {
        self.door.proxy.drain(Duration::from_secs(5)).await;
        self.log.finish(Duration::from_secs(5));
        lines(&self.path)
    }
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// A value of a line of JSON, as it is written.
fn of<'l>(line: &'l str, key: &str) -> &'l str {
    let (_, rest) = line.split_once(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key} in {line}"));
    match rest.strip_prefix('"') {
        Some(text) => text.split("\",\"").next().unwrap(),
        None => rest.split([',', '}']).next().unwrap(),
    }
}

const ANSWER: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_request_is_one_line_with_all_that_is_known() {
    let written = Written::begin(AccessLogFormat::Json, Limits::default()).await;
    let mut client = written
        .door
        .send(
            b"POST /a?b=c HTTP/1.1\r\nHost: shop.test\r\nReferer: http://from.test/\r\nUser-Agent: curl/8\r\n\
              Cookie: secret=1\r\nAuthorization: Bearer secret\r\nContent-Length: 3\r\n\r\nabc",
        )
        .await;
    let from = client.tcp.local_addr().unwrap();
    let mut app = written.door.app.accept().await;
    let head = app.until("abc").await;
    app.write(ANSWER).await;
    client.until("hello").await;
    let app = written.door.app.address;
    let [line] = &written.lines().await[..] else { panic!("more lines, or none") };
    let id = head.split("X-Request-Id: ").nth(1).and_then(|rest| rest.get(..16)).unwrap();
    let (took, upstream) = (of(line, "duration_us"), of(line, "upstream_us"));
    let expected = format!(
        "{{\"time\":\"2026-11-20T14:32:07.089Z\",\"request.id\":\"{id}\",\"client.address\":\"127.0.0.1\",\
         \"client.peer\":\"{from}\",\"binding.id\":\"plain\",\"site.id\":\"shop\",\"host\":\"shop.test\",\
         \"method\":\"POST\",\"target\":\"/a?b=c\",\"protocol\":\"HTTP/1.1\",\"status\":201,\"bytes.received\":3,\
         \"bytes.sent\":5,\"duration_us\":{took},\"upstream_us\":{upstream},\"upstream.url\":\"http://{app}\",\
         \"tls.version\":null,\"tls.cipher\":null,\"tls.sni\":null,\"referer\":\"http://from.test/\",\
         \"user_agent\":\"curl/8\",\"answer.by\":\"upstream\",\"answer.code\":null,\"complete\":true}}"
    );
    assert_eq!(*line, expected);
    assert!(took.parse::<u64>().unwrap() >= upstream.parse().unwrap(), "{line}");
}

#[tokio::test]
async fn combined_is_as_apache_has_it() {
    let written = Written::begin(AccessLogFormat::Combined, Limits::default()).await;
    let mut client = written.door.send(b"GET /a HTTP/1.0\r\nHost: shop.test\r\nUser-Agent: a \"b\" \\c\r\n\r\n").await;
    let mut app = written.door.app.accept().await;
    app.head().await;
    app.write(ANSWER).await;
    client.until("hello").await;
    let mut refused = written.door.send(b"nonsense\r\n\r\n").await;
    refused.rest().await;
    let lines = written.lines().await;
    assert_eq!(lines[0], r#"127.0.0.1 - - [20/Nov/2026:14:32:07 +0000] "GET /a HTTP/1.0" 201 5 "-" "a \"b\" \\c""#);
    assert!(lines[1].starts_with(r#"127.0.0.1 - - [20/Nov/2026:14:32:07 +0000] "-" 400 "#), "{lines:?}");
    assert_eq!(lines.len(), 2);
}

#[tokio::test]
async fn nothing_that_is_sent_can_make_a_line_of_its_own() {
    for format in [AccessLogFormat::Json, AccessLogFormat::Combined] {
        let written = Written::begin(format, Limits::default()).await;
        let hostile = [
            &b"User-Agent: \x9b31m\xff\xc3\xa9\t\"},{\"\r\n"[..],
            b"User-Agent: \x1b[2J\r\n",
            b"Referer: \xe2\x80\xa8\xe2\x80\xae\\\" 200 - \"\r\n",
            b"User-Agent: x\ny\r\n",
            b"User-Agent: x\ry\r\n",
            b"User-Agent: x\x00y\r\n",
        ];
        for header in hostile {
            let request =
                [b"GET /\"\\ HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n", header, b"\r\n"].concat();
            written.door.send(&request).await.rest().await;
            let request = [b"GET /x HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n", header, b"\r\n"].concat();
            written.door.send(&request).await.rest().await;
        }
        let lines = written.lines().await;
        for line in &lines {
            assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
        }
        assert_eq!(lines.len(), 2 * hostile.len(), "{lines:?}");
        if format == AccessLogFormat::Json {
            let agents: Vec<_> = lines.iter().map(|line| of(line, "user_agent")).collect();
            assert!(agents.contains(&r##"\ufffd31m\ufffd\u00e9\u0009\"},{\""##), "{agents:?}");
        }
    }
}

#[tokio::test]
async fn whatever_becomes_of_a_request_it_has_its_line() {
    let limits = short(|limits| (limits.head, limits.upstream_response) = (SHORT, SHORT));
    let written = Written::begin(AccessLogFormat::Json, limits).await;
    let door = &written.door;
    let get = |host: &str, more: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n{more}\r\n").into_bytes();
    // Refused, unknown, late.
    door.send(&get("shop.test", "Transfer-Encoding: x\r\n")).await.rest().await;
    door.send(&get("nobody.test", "Connection: close\r\n")).await.rest().await;
    door.send(b"GET / HT").await.rest().await;
    // An application that says nothing.
    let mut client = door.send(&get("shop.test", "Connection: close\r\n")).await;
    let mut app = door.app.accept().await;
    app.head().await;
    client.rest().await;
    // One that breaks off.
    let mut client = door.send(&get("shop.test", "")).await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
    client.until("half").await;
    drop(app);
    client.rest().await;
    // A client that goes before there is an answer.
    let client = door.send(&get("shop.test", "")).await;
    let mut app = door.app.accept().await;
    app.head().await;
    client.reset();
    app.closed().await;
    // A tunnel.
    let mut client = door.send(&get("shop.test", "Connection: Upgrade\r\nUpgrade: websocket\r\n")).await;
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nyes").await;
    client.until("yes").await;
    client.write(b"bye").await;
    app.until("bye").await;
    client.finish().await;
    app.rest().await;
    drop(app);
    client.rest().await;
    let lines = written.lines().await;
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            let numbers = ["status", "answer.code", "bytes.received", "bytes.sent", "complete"];
            let [status, code, received, sent, complete] = numbers.map(|key| of(line, key));
            match of(line, "answer.by") {
                // How long a page is does not matter here.
                "portward" => format!("{status} {code} {complete}"),
                by => format!("{status} {by} {received} {sent} {complete}"),
            }
        })
        .collect();
    assert_eq!(
        seen,
        [
            "501 unknown-transfer-coding true",
            "404 unknown-host true",
            "408 request-timeout true",
            "504 upstream-timeout true",
            "200 upstream 0 4 false",
            "null null 0 0 false",
            "101 upstream 3 3 true",
        ]
    );
}

/// A stream to an HTTP/2 upstream told what it had passed on when it had ended, and a client that is cut off ends nothing.
#[tokio::test]
async fn a_client_that_is_cut_off_has_a_line_with_what_it_was_sent() {
    let written = Written::begin(AccessLogFormat::Json, Limits::default()).await;
    let app = App::listen().await;
    let mut site = site(&[app.address]);
    std::sync::Arc::make_mut(&mut site.forwarding).http = UpstreamHttp::Two;
    written.door.proxy.publish(snapshot(site)).await;
    let mut client = written.door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut talk = app.accept().await;
    let mut send = talk.next().await.head(200, &[("content-length", "9")], false);
    send.send_data("half".into(), false).unwrap();
    client.until("half").await;
    written.door.proxy.drain(SHORT).await;
    let [line] = &written.lines().await[..] else { panic!("more lines, or none") };
    for (key, value) in [("status", "200"), ("bytes.sent", "4"), ("complete", "false")] {
        assert_eq!(of(line, key), value, "{line}");
    }
}

#[tokio::test]
async fn the_portal_has_no_query_in_its_lines_and_tls_is_told_of() {
    let written = Written::begin(AccessLogFormat::Json, Limits::default()).await;
    let mut site = site(&[written.door.app.address]);
    site.upstreams = vec![Upstream::Portal].into();
    let address = secure(&written.door, site, Some(&certificate("only", &["shop.test"]))).await;
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut client = super::harness::Peer::<tokio::net::TcpStream>::secured(tcp).await;
    client
        .write(
            b"GET /sign-in/oidc/callback?code=secret HTTP/1.1\r\nHost: shop.test\r\n\
              Referer: https://shop.test/x?state=secret\r\nConnection: close\r\n\r\n",
        )
        .await;
    let portal = written.door.proxy.accept_portal().await.unwrap();
    portal.set_nonblocking(true).unwrap();
    let mut portal = super::harness::Peer::of(tokio::net::UnixStream::from_std(portal).unwrap());
    let head = portal.head().await;
    assert!(head.starts_with("GET /sign-in/oidc/callback?code=secret "), "{head}");
    portal.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    client.head().await;
    let [line] = &written.lines().await[..] else { panic!("more lines, or none") };
    assert!(!line.contains("secret"), "{line}");
    for (key, value) in [
        ("target", "/sign-in/oidc/callback"),
        ("referer", "https://shop.test/x"),
        ("upstream.url", "portal"),
        ("tls.version", "TLS 1.3"),
        ("tls.sni", "shop.test"),
    ] {
        assert_eq!(of(line, key), value, "{line}");
    }
    assert!(of(line, "tls.cipher").starts_with("TLS_"), "{line}");
}

#[tokio::test]
async fn a_request_whose_site_is_not_known_has_no_query_in_its_line() {
    let written = Written::begin(AccessLogFormat::Json, Limits::default()).await;
    for request in [
        "GET /sign-in/oidc/callback?code=secret HTTP/1.1\r\nHost: nobody.test\r\n",
        "GET /sign-in/oidc/callback?code=secret HTTP/1.1\r\nHost: nobody.test\r\nReferer: https://shop.test/x?state=secret\r\n",
    ] {
        let request = format!("{request}Connection: close\r\n\r\n");
        written.door.send(request.as_bytes()).await.rest().await;
    }
    let lines = written.lines().await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in lines {
        assert_eq!(of(&line, "target"), "/sign-in/oidc/callback", "{line}");
        assert!(!line.contains("secret"), "{line}");
    }
}

#[tokio::test]
async fn a_log_that_was_moved_away_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let log = open(AccessLogTarget::File(path.clone()), AccessLogFormat::Json);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
    let door = Door::open_logging(log.clone(), Limits::default()).await;
    let ask = |name: &'static str| {
        let request = format!("GET /{name} HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n");
        async { door.send(&request.into_bytes()).await.rest().await }
    };
    ask("first").await;
    let old = directory.path().join("access.log.1");
    while lines(&path).is_empty() {
        tokio::task::yield_now().await;
    }
    std::fs::rename(&path, &old).unwrap();
    log.reopen();
    while !path.exists() {
        tokio::task::yield_now().await;
    }
    ask("second").await;
    door.proxy.drain(Duration::from_secs(5)).await;
    log.finish(Duration::from_secs(5));
    for (path, target) in [(&old, "/first"), (&path, "/second")] {
        let lines = lines(path);
        assert!(lines.len() == 1 && of(&lines[0], "target") == target, "{lines:?}");
    }
    assert_eq!(log.counts(), AccessLogCounts { written: 2, dropped: 0 });
}

#[tokio::test]
async fn what_cannot_be_written_is_dropped_and_counted_and_nobody_waits() {
    // A disk that is full, and a reader that does not read.
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let _reader = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    for (to, requests) in [(PathBuf::from("/dev/full"), 3), (pipe, 5_000)] {
        let log = open(AccessLogTarget::File(to), AccessLogFormat::Json);
        let door = Door::open_logging(log.clone(), Limits::default()).await;
        let mut client = door.connect().await;
        let name = "x".repeat(1000);
        for _ in 0..requests {
            let request = format!("GET / HTTP/1.1\r\nHost: nobody.test\r\nUser-Agent: {name}\r\n\r\n");
            client.write(request.as_bytes()).await;
            client.until("unknown-host").await;
        }
        drop(client);
        door.proxy.drain(Duration::from_secs(5)).await;
        log.finish(Duration::from_millis(100));
        let AccessLogCounts { written, dropped } = log.counts();
        assert!(dropped > 0 && written + dropped <= requests, "{written} {dropped}");
    }
}
