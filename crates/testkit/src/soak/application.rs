//! The application behind the load: answers, echoes, and keeps nothing.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Is an application on a port of its own; dropping it ends it.
///
/// A `GET` is answered with [`page`], one of `/slow/MS` after so many milliseconds, a body with the number of its bytes,
/// and after an upgrade whatever comes goes back.
pub(super) struct Application {
    address: SocketAddr,
    /// How many slow requests have come.
    pub(super) slow: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Application {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slow = Arc::new(AtomicU64::new(0));
        let begun = Arc::clone(&slow);
        let accepting = tokio::spawn(async move {
            loop {
                // Out of descriptors: those that are there go on.
                let Ok((stream, _)) = listener.accept().await else { continue };
                let _ = stream.set_nodelay(true);
                tokio::spawn(answer_each(stream, Arc::clone(&begun)));
            }
        });
        Self { address, slow, accepting }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What a path is answered with: itself, filled up to 1 KiB.
pub(super) fn page(path: &str) -> String {
    format!("{path:x<1024}")
}

async fn answer_each(mut stream: TcpStream, slow: Arc<AtomicU64>) -> Option<()> {
    let mut pending = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            read_more(&mut stream, &mut pending).await?;
        };
        let head: Vec<u8> = pending.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let path = head.split(' ').nth(1)?.to_owned();
        if head.contains("\r\nupgrade: ") {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
                .await
                .ok()?;
            loop {
                stream.write_all(&pending).await.ok()?;
                pending.clear();
                read_more(&mut stream, &mut pending).await?;
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let body = match length {
            Some(length) => {
                let mut left = length;
                loop {
                    let taken = left.min(pending.len());
                    pending.drain(..taken);
                    left -= taken;
                    if left == 0 {
                        break;
                    }
                    read_more(&mut stream, &mut pending).await?;
                }
                length.to_string()
            }
            None => {
                if let Some(wait) = path.strip_prefix("/slow/").and_then(|wait| wait.parse().ok()) {
                    slow.fetch_add(1, Relaxed);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
                page(&path)
            }
        };
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

async fn read_more(stream: &mut TcpStream, pending: &mut Vec<u8>) -> Option<()> {
    matches!(stream.read_buf(pending).await, Ok(1..)).then_some(())
}
