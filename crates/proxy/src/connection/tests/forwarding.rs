use super::harness::Door;

#[tokio::test]
async fn a_request_goes_to_the_application_and_its_response_back() {
    let door = Door::open().await;
    let mut client = door
        .send(b"GET /a?b HTTP/1.1\r\nHost: Shop.test\r\nAccept: */*\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n")
        .await;
    let mut app = door.app.accept().await;
    let head = app.head().await;
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\nHost: Shop.test\r\nAccept: */*\r\n"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("x-hop"), "{head}");
    for expected in ["X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Proto: http\r\n", "X-Request-Id: "] {
        assert!(head.contains(expected), "{head}");
    }
    app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello").await;
    assert_eq!(client.head().await, "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.take(5).await, b"hello");
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_one_after_another() {
    let door = Door::open().await;
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n").into_bytes();
    let post = b"POST /two HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\n\r\nabc";
    let mut client = door.send(&[&request("/one")[..], post, &request("/three")].concat()).await;
    let mut app = door.app.accept().await;
    for (path, body) in [("/one", ""), ("/two", "abc"), ("/three", "")] {
        let head = app.head().await;
        assert!(head.contains(&format!(" {path} HTTP/1.1\r\n")), "{head}");
        assert_eq!(app.take(body.len()).await, body.as_bytes());
        app.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()).as_bytes()).await;
        client.head().await;
        assert_eq!(client.take(path.len()).await, path.as_bytes());
    }
}

/// What curl prints, and what the application heard of its request.
async fn curl(door: &Door, arguments: &[&str], response: &'static [u8], body: usize) -> (String, String, Vec<u8>) {
    let address = door.address.to_string();
    let mut command = std::process::Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--connect-to", &format!("::{address}")]);
    command.args(arguments).arg("http://shop.test/path?query");
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    let mut app = door.app.accept().await;
    let head = app.head().await;
    let body = app.take(body).await;
    app.write(response).await;
    drop(app);
    let output = running.await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).unwrap(), head, body)
}

#[tokio::test]
async fn curl_is_served() {
    let door = Door::open().await;
    let chunked = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let large = "x".repeat(2_000_000);
    let file = std::env::temp_dir().join(format!("portward-upload-{}", std::process::id()));
    std::fs::write(&file, &large).unwrap();
    let upload = file.to_str().unwrap();
    for (arguments, body, begins) in [
        (&["--http1.1"][..], 0, "GET /path?query HTTP/1.1\r\nHost: shop.test\r\n"),
        (&["--http1.0"], 0, "GET /path?query HTTP/1.1\r\nHost: shop.test\r\n"),
        (&["--data", "a=b"], 3, "POST /path?query HTTP/1.1\r\nHost: shop.test\r\n"),
        // So large a body makes curl wait for 100 Continue.
        (&["--expect100-timeout", "20", "--upload-file", upload], large.len(), "PUT /path?query HTTP/1.1\r\n"),
    ] {
        let (printed, head, heard) = curl(&door, arguments, chunked, body).await;
        assert_eq!(printed, "ok", "{arguments:?}");
        assert!(head.starts_with(begins), "{arguments:?}: {head}");
        assert!(heard.len() < large.len() || heard == large.as_bytes(), "{arguments:?}");
    }
    std::fs::remove_file(file).unwrap();
}
