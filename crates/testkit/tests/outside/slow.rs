//! A thousand slow clients of each kind against the program as it runs: everybody else is served throughout.

use std::{net::SocketAddr, time::Duration};

use portward_testkit::{Connection, Program, StartedProgram, Upstream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// Is one way to be slow.
#[derive(Clone, Copy, Debug)]
enum Slow {
    /// A head byte by byte.
    Headers,
    /// A body byte by byte.
    Body,
    /// A large response that is not read.
    Read,
    /// A ClientHello byte by byte.
    Handshake,
}

const SLOW: usize = 1_000;

async fn be_slow(kind: Slow, server: &StartedProgram) -> std::io::Result<TcpStream> {
    let to: SocketAddr = if matches!(kind, Slow::Handshake) { server.https } else { server.http };
    let mut tcp = TcpStream::connect(to).await?;
    let begin: &[u8] = match kind {
        Slow::Headers => b"GET / HTTP/1.1\r\nHost: shop.test\r\nX-a: ",
        Slow::Body => b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 100000\r\n\r\n",
        Slow::Read => b"GET / HTTP/1.1\r\nHost: large.test\r\n\r\n",
        Slow::Handshake => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    tcp.write_all(begin).await?;
    Ok(tcp)
}

/// Says that some bytes more are sent, or read, of each.
async fn crawl(kind: Slow, tcp: &mut TcpStream) {
    // Whoever was cut already stays so.
    let _ = match kind {
        Slow::Read => tcp.read(&mut [0; 16]).await,
        _ => tcp.write(b"x").await,
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_slow_clients_of_each_kind_keep_nobody_out() {
    portward_testkit::raise_open_files().unwrap();
    {
        let upstream = Upstream::start("app").await;
        let server = Program::new().start();
        server.portward(&["site", "add", "shop.test", "--upstream", &upstream.url()]);
        let large = large_application().await;
        server.portward(&["site", "add", "large.test", "--upstream", &format!("http://{large}")]);
        for kind in [Slow::Headers, Slow::Body, Slow::Read, Slow::Handshake] {
            let mut begun = Vec::new();
            for _ in 0..SLOW {
                begun.push(be_slow(kind, &server).await.unwrap());
            }
            for _ in 0..3 {
                for tcp in &mut begun {
                    crawl(kind, tcp).await;
                }
                for address in [server.http, server.https] {
                    let asked = async {
                        let mut new = match address == server.https {
                            true => Connection::tls(address, "shop.test").await.unwrap(),
                            false => Connection::plain(address).await.unwrap(),
                        };
                        new.request("GET", "shop.test", "/", "").await.unwrap().status
                    };
                    let status = tokio::time::timeout(Duration::from_secs(20), asked).await;
                    assert_eq!(status, Ok(200), "{kind:?}");
                }
            }
            let cost = server.cost();
            println!("{kind:?}: {} ms and {} KiB so far", cost.cpu_ms, cost.memory_kib);
            drop(begun);
        }
    }
}

/// Answers every request with more than any socket holds.
async fn large_application() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut all = JoinSet::new();
        while let Ok((mut tcp, _)) = listener.accept().await {
            all.spawn(async move {
                let mut head = [0; 4096];
                let _ = tcp.read(&mut head).await;
                let _ = tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
                let some = [b'x'; 16 * 1024];
                while tcp.write_all(&some).await.is_ok() {}
            });
        }
    });
    address
}
