//! How responses are put into records of TLS.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::harness::Door;
use crate::tls::fixture::client;

/// Is a socket that counts the records that come in.
struct Counting {
    tcp: TcpStream,
    header: Vec<u8>,
    skip: usize,
    records: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(&mut me.tcp).poll_read(cx, into))?;
        for byte in &into.filled()[before..] {
            if me.skip > 0 {
                me.skip -= 1;
                continue;
            }
            me.header.push(*byte);
            if let [_, _, _, high, low] = me.header[..] {
                me.skip = usize::from(u16::from_be_bytes([high, low]));
                me.header.clear();
                me.records.fetch_add(1, Relaxed);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counting {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

/// Each frame of data above 1 KiB had a record and a write of its own, because the h2 crate flushes behind it.
#[tokio::test]
async fn responses_that_are_ready_together_leave_together() {
    let door = Door::open().await;
    let records = Arc::new(AtomicUsize::new(0));
    let tcp = TcpStream::connect(door.address).await.unwrap();
    let tcp = Counting { tcp, header: Vec::new(), skip: 0, records: Arc::clone(&records) };
    let connector = TlsConnector::from(Arc::new(client(&["h2"], |_| {})));
    let tls = connector.connect(ServerName::try_from("shop.test").unwrap(), tcp).await.unwrap();
    let (mut client, connection) = h2::client::handshake(tls).await.unwrap();
    tokio::spawn(connection);
    let mut take = async |requests: usize| {
        let before = records.load(Relaxed);
        client = client.clone().ready().await.unwrap();
        // They leave in one piece: nothing is awaited in between.
        let responses: Vec<_> = (0..requests)
            .map(|_| {
                let page = http::Request::get("https://nobody.test/").header("accept", "text/html");
                client.send_request(page.body(()).unwrap(), true).unwrap().0
            })
            .collect();
        let mut bytes = 0;
        for response in responses {
            let mut body = response.await.unwrap().into_body();
            while let Some(part) = body.data().await {
                let part = part.unwrap();
                bytes += part.len();
                body.flow_control().release_capacity(part.len()).unwrap();
            }
        }
        (bytes, records.load(Relaxed) - before)
    };
    take(1).await;
    let (bytes, records) = take(8).await;
    assert!(bytes > 8 * 1024, "a page has only {} bytes", bytes / 8);
    assert!(records <= bytes / (16 * 1024) + 3, "{bytes} bytes came in {records} records");
}
