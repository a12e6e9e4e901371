//! Applications for tests.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Is an application that answers each request with the request's own head as text; dropping it ends it.
///
/// Its answers carry `upstream: NAME`, so that a test sees who answered, and it keeps each byte that it received.
pub struct Upstream {
    address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
    accepting: JoinHandle<()>,
}

impl Upstream {
    /// Starts an application of that name.
    pub async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (record, name) = (Arc::clone(&received), name.to_owned());
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (record, name) = (Arc::clone(&record), name.clone());
                connections.spawn(async move { answer_each(stream, &name, &record).await });
            }
        });
        Self { address, received, accepting }
    }

    /// Where it listens, as a site's upstream.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every byte that it received, of all connections in the order of arrival.
    pub fn received(&self) -> Vec<u8> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer_each(mut stream: TcpStream, name: &str, record: &Mutex<Vec<u8>>) {
    let mut pending = Vec::new();
    while let Some(head) = read_head(&mut stream, &mut pending, record).await {
        let length = content_length(&head);
        while pending.len() < length {
            if !read_more(&mut stream, &mut pending, record).await {
                return;
            }
        }
        pending.drain(..length);
        let answer = format!("HTTP/1.1 200 OK\r\nupstream: {name}\r\ncontent-length: {}\r\n\r\n{head}", head.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_head(stream: &mut TcpStream, pending: &mut Vec<u8>, record: &Mutex<Vec<u8>>) -> Option<String> {
    loop {
        if let Some(end) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = pending.drain(..end + 4).collect();
            return Some(String::from_utf8_lossy(&head).into_owned());
        }
        if !read_more(stream, pending, record).await {
            return None;
        }
    }
}

async fn read_more(stream: &mut TcpStream, pending: &mut Vec<u8>, record: &Mutex<Vec<u8>>) -> bool {
    let begun = pending.len();
    match stream.read_buf(pending).await {
        Ok(0) | Err(_) => false,
        Ok(_) => {
            record.lock().unwrap().extend_from_slice(&pending[begun..]);
            true
        }
    }
}

fn content_length(head: &str) -> usize {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}
