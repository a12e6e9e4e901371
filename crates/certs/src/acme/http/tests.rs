#![allow(clippy::unwrap_used, reason = "tests")]
use http::StatusCode;

use super::{
    test_server::{Reply, TestServer},
    *,
};

fn client(trust: &DirectoryTrust) -> HttpsClient {
    HttpsClient::new(trust, HttpTimeouts::default()).unwrap()
}

async fn get(client: &HttpsClient, url: &str) -> Result<Answer, Failure> {
    client.send(Request::get(url).body(Bytes::new()).unwrap()).await
}

fn told(outcome: Result<Answer, Failure>) -> String {
    match outcome.unwrap_err() {
        Failure::Unreachable(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_is_read_whole_and_the_connection_is_used_again() {
    let server = TestServer::start().await;
    server.always(Reply::json(201, "{}").header("Retry-After", "5").header("Location", "/made"));
    let client = client(&server.trust());
    for _ in 0..3 {
        let answer = get(&client, &server.url("/a?b=c")).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::CREATED, &b"{}"[..]));
        assert_eq!(answer.retry_after(), Some(Duration::from_secs(5)));
        assert_eq!(answer.location(), Some(server.url("/made")));
    }
    let request = Request::post(server.url("/b")).header("User-Agent", "instant-acme/1");
    client.send(request.body(Bytes::from_static(b"content")).unwrap()).await.unwrap();
    assert_eq!(server.connections(), 1);
    let seen = server.seen();
    assert!(seen[0].starts_with("GET /a?b=c HTTP/1.1\r\n"), "{}", seen[0]);
    let (ours, host) =
        (format!("\r\nuser-agent: {USER_AGENT}\r\n"), format!("\r\nhost: localhost:{}\r\n", server.port()));
    assert!(seen[0].contains(&ours) && seen[0].contains(&host), "{}", seen[0]);
    let both = format!("\r\nuser-agent: {USER_AGENT} instant-acme/1\r\n");
    assert!(seen[3].contains(&both) && seen[3].ends_with("content"), "{}", seen[3]);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_not_used_again() {
    let server = TestServer::start().await;
    server.always(Reply::json(200, "{}").header("Connection", "close"));
    let client = client(&server.trust());
    for _ in 0..2 {
        get(&client, &server.url("/")).await.unwrap();
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn plain_http_is_refused() {
    let server = TestServer::start().await;
    let client = client(&server.trust());
    let url = server.url("/").replace("https:", "http:");
    assert_eq!(get(&client, &url).await.unwrap_err(), Failure::NotHttps);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_is_told_with_the_way_to_trust_it() {
    let (server, other) = (TestServer::start().await, TestServer::start().await);
    let why = told(get(&client(&other.trust()), &server.url("/")).await);
    assert_eq!(
        why,
        format!(
            "the certificate of localhost:{} is not trusted: it was issued by CN=Test Root; if that is right, \
             --directory-ca FILE names its root certificate",
            server.port()
        )
    );
}

#[tokio::test]
async fn a_certificate_for_another_name_is_told() {
    let server = TestServer::start().await;
    let why = told(get(&client(&server.trust()), &format!("https://127.0.0.1:{}/", server.port())).await);
    assert!(why.contains("is for other names than 127.0.0.1"), "{why}");
}

#[tokio::test]
async fn a_refused_connection_and_a_name_without_address_are_told() {
    let server = TestServer::start().await;
    let client = client(&server.trust());
    // Bound, so that nobody else listens there, and not listening.
    let bound = tokio::net::TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = bound.local_addr().unwrap().port();
    let why = told(get(&client, &format!("https://127.0.0.1:{port}/")).await);
    assert_eq!(why, format!("127.0.0.1:{port} refuses the connection"));
    // No label is that long (RFC 1035 section 2.3.4), so that no name server has to be asked.
    let name = format!("{}.test", "a".repeat(64));
    let why = told(get(&client, &format!("https://{name}/")).await);
    assert!(why.starts_with(&format!("the name {name} does not resolve: ")), "{why}");
}

#[tokio::test]
async fn a_port_that_speaks_no_tls_is_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    });
    let server = TestServer::start().await;
    let why = told(get(&client(&server.trust()), &format!("https://127.0.0.1:{port}/")).await);
    assert!(why.contains("does not speak TLS"), "{why}");
    drop(plain.await);
}

#[tokio::test]
async fn silence_ends_by_the_time_outs() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = TestServer::start().await;
    let impatient = |connect, request| {
        let timeouts =
            HttpTimeouts { connect: Duration::from_millis(connect), request: Duration::from_millis(request) };
        HttpsClient::new(&server.trust(), timeouts).unwrap()
    };
    let client = impatient(300, 60_000);
    let port = silent.local_addr().unwrap().port();
    let why = told(get(&client, &format!("https://127.0.0.1:{port}/")).await);
    assert_eq!(why, format!("nobody answers at 127.0.0.1:{port} within 300ms"));
    let client = impatient(60_000, 600);
    server.always(Reply::hang());
    assert_eq!(get(&client, &server.url("/")).await.unwrap_err(), Failure::TimedOut);
    server.always(Reply::json(200, "{}").broken_after(1).hanging());
    assert_eq!(get(&client, &server.url("/")).await.unwrap_err(), Failure::TimedOut);
}

#[tokio::test]
async fn bodies_that_break_off_or_never_end_are_told() {
    let server = TestServer::start().await;
    let client = client(&server.trust());
    server.always(Reply::json(200, "{}").broken_after(1));
    let broken = get(&client, &server.url("/")).await.unwrap_err();
    assert_eq!(broken, Failure::Unreadable("the body breaks off".to_owned()));
    server.always(Reply::json(200, &"x".repeat(MAX_BODY_BYTES + 1)));
    let large = get(&client, &server.url("/")).await.unwrap_err();
    assert_eq!(large, Failure::Unreadable("the body is larger than 1048576 bytes".to_owned()));
    server.always(Reply::json(200, &"x".repeat(MAX_BODY_BYTES)));
    assert_eq!(get(&client, &server.url("/")).await.unwrap().body.len(), MAX_BODY_BYTES);
    server.always(Reply::raw("220 mail.test ESMTP\r\n"));
    let other = get(&client, &server.url("/")).await.unwrap_err();
    assert!(matches!(&other, Failure::Unreadable(why) if why.contains("not HTTP/1.1")), "{other:?}");
    server.always(Reply::raw(""));
    let why = told(get(&client, &server.url("/")).await);
    assert_eq!(why, "the connection was closed before an answer came");
}

#[test]
fn trust_in_nobody_is_refused() {
    let none = DirectoryTrust::Authorities(Vec::new());
    assert!(matches!(HttpsClient::new(&none, HttpTimeouts::default()), Err(TrustError::NoAuthorities)));
    let broken = DirectoryTrust::Authorities(vec![[0x30, 0].into()]);
    assert!(matches!(
        HttpsClient::new(&broken, HttpTimeouts::default()),
        Err(TrustError::BadAuthority { number: 1, .. })
    ));
}
