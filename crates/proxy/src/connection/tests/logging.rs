//! What the log says, found as the pages tell people to find it: by the request ID.

use std::{
    io,
    sync::{Arc, Mutex, Once, PoisonError},
};

use portward_core::{Host, Thumbprint, Upstream, UpstreamTrust};
use rustls::pki_types::ServerName;
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::TlsConnector;

use super::{
    harness::{Door, Nobody, Peer, SHORT, short, site, snapshot},
    secure::secure,
};
use crate::{
    ServedSite, Snapshot,
    tls::fixture::{certificate, challenge, client},
};

/// What all tests of this process have logged; workers have threads of their own, so it is one for all.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Append;

impl io::Write for Append {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn listen() {
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| {
        let log = tracing_subscriber::fmt().with_writer(|| Append).with_ansi(false).without_time();
        log.with_max_level(tracing::Level::DEBUG).init();
    });
}

/// The lines that have it.
fn lines(with: &str) -> Vec<String> {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    let log = String::from_utf8_lossy(&log);
    log.lines().filter(|line| line.contains(with)).map(|line| line.trim_start().to_owned()).collect()
}

/// The one line about the request that was answered so.
fn line_of(answer: &str) -> String {
    let id = answer.split("X-Request-Id: ").nth(1).and_then(|rest| rest.get(..16)).expect(answer);
    let [line] = &lines(id)[..] else { panic!("{:?} for {answer}", lines(id)) };
    line.clone()
}

const GET: &[u8] =
    b"GET /secret?token=secret HTTP/1.1\r\nHost: shop.test\r\nCookie: secret\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn the_request_id_of_a_page_leads_to_upstream_and_cause() {
    listen();
    let pin = Thumbprint::of(b"another one");
    let door = Door::open_with(short(|limits| limits.upstream_response = SHORT), |_| {}).await;
    let app = format!("http://{}", door.app.address);
    let (nobody, own) = (Nobody::new(), certificate("own", &["app.test"]));
    let gone = format!("http://{}", nobody.address);
    for (upstream, response, code, retry, cause) in [
        (&gone, None, "upstream-refused", "allowed", "nobody listens at 127.0.0.1:"),
        (&gone, None, "upstream-refused", "allowed", "(os error 111)"),
        (
            &"http://nobody.invalid:80".to_owned(),
            None,
            "upstream-dns",
            "allowed",
            "the name nobody.invalid was not found",
        ),
        (&app, Some(""), "upstream-closed", "useless", "closed the connection before it answered"),
        (&app, Some("HTTP/1.1 200 O"), "upstream-closed", "useless", "in the middle of its response"),
        (&app, Some("SSH-2.0-x\r\n"), "upstream-bad-response", "useless", "invalid-status-line: "),
        (&app, None, "upstream-timeout", "useless", "did not go on within 0.05 s"),
    ] {
        let mut site = site(&[door.app.address]);
        site.upstreams = vec![Upstream::parse(upstream).unwrap()].into();
        door.proxy.publish(snapshot(site)).await;
        let mut client = door.send(GET).await;
        let from = client.tcp.local_addr().unwrap();
        if *upstream == app {
            let mut peer = door.app.accept().await;
            peer.head().await;
            if let Some(response) = response {
                peer.write(response.as_bytes()).await;
                peer.finish().await;
            }
            peer.rest_or_head().await;
        }
        let line = line_of(&client.rest().await);
        let status = if code == "upstream-timeout" { 504 } else { 502 };
        assert!(line.starts_with("WARN "), "{line}");
        for expected in [
            &format!("client.peer={from} host=shop.test site.id=shop upstream.url={upstream} "),
            &format!("answer.code=\"{code}\" answer.status={status} answer.retry=\"{retry}\" cause=\""),
            cause,
        ] {
            assert!(line.contains(expected), "{expected} is not in {line}");
        }
        assert!(!line.contains("secret"), "{line}");
    }
    let mut secure = site(&[door.app.address]);
    secure.upstreams = vec![Upstream::parse(&format!("https://{}", door.app.address)).unwrap()].into();
    secure.upstream_trust = UpstreamTrust::Pin(Arc::new(pin));
    door.proxy.publish(snapshot(secure)).await;
    let mut client = door.send(GET).await;
    let refused = door.app.accept().await.securing(&own).await;
    assert!(refused.is_err());
    let line = line_of(&client.rest().await);
    for expected in ["answer.code=\"upstream-tls\"", &format!("expected {pin}, got {}", own.thumbprint)] {
        assert!(line.contains(expected), "{expected} is not in {line}");
    }
}

#[tokio::test]
async fn a_response_that_is_cut_short_is_in_the_log_with_its_upstream() {
    listen();
    let door = Door::open().await;
    let mut client = door.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let from = client.tcp.local_addr().unwrap();
    let mut app = door.app.accept().await;
    app.head().await;
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345").await;
    app.finish().await;
    assert!(client.rest().await.ends_with("12345"));
    let [line] = &lines(&format!("client.peer={from} "))[..] else { panic!("no line, or more than one") };
    for expected in ["WARN ", "response cut short", "site.id=shop upstream.url=http://", "cause=\"the upstream closed"]
    {
        assert!(line.contains(expected), "{expected} is not in {line}");
    }
}

#[tokio::test]
async fn what_clients_bring_about_by_themselves_is_no_warning() {
    listen();
    let door = Door::open().await;
    for (request, code, cause) in [
        (&b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"[..], "duplicate-host", "more than one Host"),
        (b"GET / HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n", "unknown-host", "host=nobody.test "),
    ] {
        let mut client = door.send(request).await;
        client.finish().await;
        let line = line_of(&client.rest().await);
        assert!(line.starts_with("DEBUG ") && line.contains(&format!("answer.code=\"{code}\"")), "{line}");
        assert!(line.contains(cause), "{line}");
    }
}

#[tokio::test]
async fn a_binding_without_a_certificate_is_warned_of_once_a_minute() {
    listen();
    let door = Door::open().await;
    let address = secure(&door, site(&[door.app.address]), None).await;
    let mut peers = Vec::new();
    for _ in 0..3 {
        let tcp = TcpStream::connect(address).await.unwrap();
        peers.push(tcp.local_addr().unwrap());
        let name = rustls::pki_types::ServerName::try_from("shop.test").unwrap();
        let config = crate::tls::fixture::client(&[], |_| {});
        assert!(tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect(name, tcp).await.is_err());
    }
    // The client is told first; when the connections have ended, the log has been told too.
    door.proxy.drain(std::time::Duration::MAX).await;
    let logged: Vec<String> = peers.iter().flat_map(|peer| lines(&format!("client.peer={peer} "))).collect();
    let levels: Vec<&str> = logged.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(levels, ["WARN", "DEBUG", "DEBUG"], "{logged:?}");
    assert!(logged[0].contains("binding.id=tls") && logged[0].contains("--default-certificate"), "{}", logged[0]);
}

#[tokio::test]
async fn plain_http_at_an_https_binding_is_told_so_with_a_request_id() {
    listen();
    let door = Door::open().await;
    let own = certificate("own", &["shop.test"]);
    let address = secure(&door, ServedSite { ..site(&[door.app.address]) }, Some(&own)).await;
    for request in [&b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut client = Peer::new(TcpStream::connect(address).await.unwrap());
        client.write(request).await;
        let answer = client.rest().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        assert!(head.contains("\r\nConnection: close"), "{head}");
        assert!(body.starts_with("400 http-on-https\n") && body.contains("https://"), "{body}");
        let line = line_of(&answer);
        assert!(line.starts_with("DEBUG ") && line.contains("answer.code=\"http-on-https\""), "{line}");
    }
}

#[tokio::test]
async fn a_challenge_in_a_handshake_is_a_line_for_who_looks_closely() {
    listen();
    let door = Door::open().await;
    let address = secure(&door, site(&[door.app.address]), None).await;
    let mut with = Snapshot { bindings: door.proxy.snapshot().bindings.clone(), ..Snapshot::default() };
    let host = Host::parse("logged-challenge.test").unwrap();
    with.tls_challenges.insert(host, challenge("logged-challenge.test"));
    door.proxy.publish(with).await;
    for name in ["logged-challenge.test", "no-challenge.test"] {
        let tcp = TcpStream::connect(address).await.unwrap();
        let config = Arc::new(client(&["acme-tls/1"], |_| {}));
        let connected = TlsConnector::from(config).connect(ServerName::try_from(name).unwrap(), tcp).await;
        if let Ok(mut connected) = connected {
            connected.read_to_end(&mut Vec::new()).await.unwrap();
        }
    }
    // The client may see the end of the connection before we have written of it.
    let mut looks = 0;
    while lines("no-challenge.test").is_empty() || lines("logged-challenge.test").is_empty() {
        looks += 1;
        assert!(looks < 500, "nothing is logged");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let answered = lines("logged-challenge.test");
    assert!(matches!(&answered[..], [line] if line.starts_with("DEBUG ")), "{answered:?}");
    let refused = lines("no-challenge.test");
    assert!(matches!(&refused[..], [line] if line.starts_with("DEBUG ")), "{refused:?}");
}
