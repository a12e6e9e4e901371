//! Through an HTTP proxy.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::{
    polling::introduce,
    program::{Home, eventually, identity},
    server::Server,
};

/// Starts a proxy that wants `web:secret`; gives its address, and what it was asked.
async fn start() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let heads = Arc::clone(&heads);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(tcp.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.split(' ').nth(1).unwrap().to_owned();
                heads.lock().unwrap().push(head.clone());
                // web:secret
                if !head.contains("Proxy-Authorization: Basic d2ViOnNlY3JldA==\r\n") {
                    let _ = tcp.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
                    return;
                }
                let mut there = TcpStream::connect(target).await.unwrap();
                tcp.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut tcp, &mut there).await;
            });
        }
    });
    (address, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_dialled_through_a_proxy() {
    let (proxy, asked) = start().await;
    let server_identity = identity("server");
    let mut server = Server::start(&server_identity).await;
    let home = Home::new();
    let _running = home.start_with(&["run", "--no-listen"]);
    home.done(&["configure", "--proxy", &format!("http://{proxy}")]);
    introduce(&home, &server, server_identity.thumbprint());
    let problem = eventually("a reason", || home.status().servers[0].problem.clone()).await;
    assert!(problem.contains("407") && problem.contains("it wants a user name and a password"), "{problem}");
    home.done(&["configure", "--proxy", &format!("http://web:secret@{proxy}")]);
    let link = server.next().await;
    link.health().await;
    let head = asked.lock().unwrap().last().unwrap().clone();
    assert!(head.starts_with(&format!("CONNECT {} HTTP/1.1\r\n", server.address)), "{head}");
    // Without it there is another link, before the one through the proxy ends.
    home.done(&["configure", "--proxy", "none"]);
    let direct = server.next().await;
    link.ended(crate::server::PATIENCE).await;
    direct.health().await;
    // Joining goes through it too.
    home.done(&["configure", "--proxy", &format!("http://web:secret@{proxy}")]);
    let before = asked.lock().unwrap().len();
    home.done(&["join", &server.join_string()]);
    assert!(asked.lock().unwrap().len() > before);
}
