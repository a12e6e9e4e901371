#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{future::poll_fn, net::SocketAddr, sync::Arc, time::Duration};

use portward_core::{Upstream, UpstreamTrust};
use rustls::{ClientConnection, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    join,
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::tls::{
    Offer, TlsClient, TlsServer,
    fixture::{binding, certificate, client},
};

/// What tests wait for and the product polls for.
impl Stream {
    /// [`Stream::poll_fill`] as a future.
    pub(crate) async fn fill(&mut self, buffer: &mut Vec<u8>, at_most: usize) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx, buffer, at_most)).await
    }

    /// Takes all of the bytes; they leave at the flush at the latest.
    pub(crate) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = poll_fn(|cx| self.poll_write(cx, bytes)).await?;
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// [`Stream::poll_flush`] as a future.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// [`Stream::poll_close`] as a future.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_close(cx)).await
    }

    /// Whether it is TLS.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.0, Kind::Tls(..))
    }
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let (one, other) = join!(listener.accept(), TcpStream::connect(listener.local_addr().unwrap()));
    (one.unwrap().0, other.unwrap())
}

async fn accept(tcp: TcpStream) -> Stream {
    let server = TlsServer::new().unwrap();
    let binding = binding(Some(&certificate("only", &["shop.test"])));
    let accepted = server.accept_from(tcp, &Arc::default(), &binding).await;
    accepted.unwrap().stream
}

/// Our server, and a client of rustls' own.
async fn with_rustls() -> (Stream, TlsStream<TcpStream>) {
    let (tcp, peer) = sockets().await;
    let connector = TlsConnector::from(Arc::new(client(&[], |_| {})));
    let (server, client) = join!(accept(tcp), connector.connect(ServerName::try_from("shop.test").unwrap(), peer));
    (server, client.unwrap())
}

/// Both ends ours.
async fn pairs() -> [(&'static str, Stream, Stream); 2] {
    let (tcp, peer) = sockets().await;
    let upstream = Upstream::parse("https://shop.test").unwrap();
    let roots = TlsClient::new();
    let (address, trust) = (upstream.address().unwrap(), &UpstreamTrust::DangerInsecure);
    let (server, client) = join!(accept(tcp), roots.connect(peer, address, trust, Offer::Http1));
    let (plain, other) = sockets().await;
    [("tls", server, client.unwrap().0), ("plain", Stream::plain(plain), Stream::plain(other))]
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

/// What a connection holds while it idles.
fn held(stream: &Stream) -> usize {
    match &stream.0 {
        Kind::Tls(_, records) => records.held_bytes(),
        Kind::Plain(_) | Kind::Within(_) => 0,
    }
}

#[tokio::test]
async fn bytes_go_both_ways_in_pieces_of_any_size() {
    for (what, mut one, mut other) in pairs().await {
        for (piece, at_most) in [(1, 1), (100, 7), (20_000, 1_000), (16_384, 16_384), (300_000, 65_536), (5, 100_000)] {
            let sent = pattern(piece.max(5_000) * 3);
            let write = async {
                for part in sent.chunks(piece) {
                    one.write_all(part).await.unwrap();
                }
                one.flush().await.unwrap();
            };
            let read = async {
                let (mut all, mut buffer) = (Vec::new(), Vec::new());
                while all.len() < sent.len() {
                    let came = other.fill(&mut buffer, at_most).await.unwrap();
                    assert!(came > 0 && came <= at_most && buffer.len() == came, "{what}: {came}");
                    all.append(&mut buffer);
                }
                all
            };
            let ((), received) = join!(write, read);
            assert!(received == sent, "{what} in pieces of {piece}, read by {at_most}");
            (one, other) = (other, one);
        }
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_holds_the_writer_up_and_little_memory() {
    for (what, mut one, mut other) in pairs().await {
        let sent = pattern(1 << 20);
        let mut taken = 0;
        // Ends when the sockets' buffers are full and one batch is held.
        loop {
            let poll = poll_fn(|cx| Poll::Ready(one.poll_write(cx, &sent))).await;
            match poll {
                Poll::Ready(written) => taken += written.unwrap(),
                Poll::Pending => break,
            }
            assert!(taken < 64 << 20, "{what}: nothing holds the writer up");
        }
        assert!(held(&one) <= 200 << 10, "{what}: {} bytes are held", held(&one));
        let read = async {
            let (mut total, mut buffer) = (0, Vec::new());
            while total < taken {
                total += other.fill(&mut buffer, 65_536).await.unwrap();
                buffer.clear();
            }
            total
        };
        let (flushed, total) = join!(one.flush(), read);
        flushed.unwrap();
        assert_eq!(total, taken, "{what}");
    }
}

#[tokio::test]
async fn what_is_written_before_a_flush_leaves_in_as_few_records_as_can_be() {
    let (mut server, client) = with_rustls().await;
    let (mut tcp, mut session) = client.into_inner();
    for part in [&b"head"[..], b" and ", b"body"] {
        server.write_all(part).await.unwrap();
    }
    server.flush().await.unwrap();
    server.write_all(&pattern(100_000)).await.unwrap();
    server.flush().await.unwrap();
    let mut records = Vec::new();
    let mut opened = 0;
    while opened < 13 + 100_000 {
        let mut bytes = vec![0; 5];
        tcp.read_exact(&mut bytes).await.unwrap();
        let length = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        bytes.resize(5 + length, 0);
        tcp.read_exact(&mut bytes[5..]).await.unwrap();
        let (mut rest, mut plain) = (&bytes[..], 0);
        while !rest.is_empty() {
            session.read_tls(&mut rest).unwrap();
            plain = session.process_new_packets().unwrap().plaintext_bytes_to_read();
        }
        if plain > 0 {
            records.push(plain);
            opened += plain;
            let mut sink = vec![0; plain];
            std::io::Read::read_exact(&mut session.reader(), &mut sink).unwrap();
        }
    }
    assert_eq!(records, [13, 16_384, 16_384, 16_384, 16_384, 16_384, 16_384, 1_696]);
}

#[tokio::test]
async fn an_end_in_order_is_an_end_and_another_one_is_an_error() {
    let (mut server, mut client) = with_rustls().await;
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    let mut buffer = Vec::new();
    assert_eq!(server.fill(&mut buffer, 100).await.unwrap(), 4);
    for _ in 0..2 {
        assert_eq!(server.fill(&mut buffer, 100).await.unwrap(), 0);
    }
    // The other direction is still open (RFC 8446 section 6.1).
    server.write_all(b"answer").await.unwrap();
    server.close().await.unwrap();
    assert_eq!(server.write_all(b"more").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");

    // Nothing is left to be said: our goodbye is held for the end of the connection, and is there all the same.
    let (mut server, mut client) = with_rustls().await;
    client.shutdown().await.unwrap();
    assert_eq!(server.fill(&mut buffer, 100).await.unwrap(), 0);
    poll_fn(|cx| server.poll_goodbye(cx)).await.unwrap();
    drop(server);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);

    let (mut server, mut client) = with_rustls().await;
    client.write_all(b"last").await.unwrap();
    client.flush().await.unwrap();
    let (mut tcp, _) = client.into_inner();
    tcp.shutdown().await.unwrap();
    let mut buffer = Vec::new();
    assert_eq!(server.fill(&mut buffer, 100).await.unwrap(), 4);
    for _ in 0..2 {
        assert_eq!(server.fill(&mut buffer, 100).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_spoilt_record_gets_an_alert_and_ends_the_stream() {
    let (mut server, client) = with_rustls().await;
    let (mut tcp, mut session) = client.into_inner();
    tcp.write_all(b"\x17\x03\x03\x00\x20spoilt spoilt spoilt spoilt spoi").await.unwrap();
    assert_eq!(server.fill(&mut Vec::new(), 100).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(server.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(server.flush().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    server.close().await.unwrap();
    let mut bytes = Vec::new();
    let _ = tcp.read_to_end(&mut bytes).await;
    session.read_tls(&mut &bytes[..]).unwrap();
    let error = session.process_new_packets().unwrap_err();
    assert_eq!(error, rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac));
}

#[tokio::test]
async fn keys_can_be_updated_by_the_peer_as_often_as_is_sane() {
    let (mut server, mut client) = with_rustls().await;
    let mut buffer = Vec::new();
    for _ in 0..10 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(b"ping").await.unwrap();
        client.flush().await.unwrap();
        buffer.clear();
        server.fill(&mut buffer, 100).await.unwrap();
        assert_eq!(buffer, b"ping");
        server.write_all(b"pong").await.unwrap();
        server.flush().await.unwrap();
        let mut answer = [0; 4];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"pong");
    }
}

#[tokio::test]
async fn records_that_come_byte_by_byte_are_put_together() {
    let (tcp, mut peer) = sockets().await;
    peer.set_nodelay(true).unwrap();
    let name = ServerName::try_from("shop.test").unwrap();
    let mut session = ClientConnection::new(Arc::new(client(&[], |_| {})), name).unwrap();
    let (mut server, ()) = join!(accept(tcp), async {
        while session.is_handshaking() {
            let mut out = Vec::new();
            while session.wants_write() {
                session.write_tls(&mut out).unwrap();
            }
            peer.write_all(&out).await.unwrap();
            let mut bytes = [0; 4096];
            let came = peer.read(&mut bytes).await.unwrap();
            session.read_tls(&mut &bytes[..came]).unwrap();
            session.process_new_packets().unwrap();
        }
        std::io::Write::write_all(&mut session.writer(), b"hello").unwrap();
        let mut out = Vec::new();
        while session.wants_write() {
            session.write_tls(&mut out).unwrap();
        }
        for byte in out {
            peer.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let mut buffer = Vec::new();
    assert_eq!(server.fill(&mut buffer, 100).await.unwrap(), 5);
    assert_eq!(buffer, b"hello");
}

#[tokio::test]
async fn an_idle_connection_holds_no_buffer() {
    for (what, mut one, mut other) in pairs().await {
        // A server that says something has no ticket to send any more.
        other.write_all(b"!").await.unwrap();
        other.flush().await.unwrap();
        assert_eq!(one.fill(&mut Vec::new(), 1).await.unwrap(), 1);
        for _ in 0..3 {
            one.write_all(&pattern(40_000)).await.unwrap();
            let ((), ()) = join!(async { one.flush().await.unwrap() }, async {
                let (mut total, mut buffer) = (0, Vec::new());
                while total < 40_000 {
                    total += other.fill(&mut buffer, 65_536).await.unwrap();
                    buffer.clear();
                }
                buffer::give(buffer);
            });
            let mut buffer = Vec::new();
            for stream in [&mut one, &mut other] {
                let waiting = poll_fn(|cx| Poll::Ready(stream.poll_fill(cx, &mut buffer, 100))).await;
                assert!(waiting.is_pending(), "{what}");
                assert_eq!((held(stream), buffer.capacity()), (0, 0), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_peer_that_falls_silent_in_a_handshake_holds_what_it_has_said() {
    let (mut tcp, mut peer) = sockets().await;
    let mut input = Vec::new();
    for said in 0..3 {
        assert!(timeout(Duration::from_millis(20), read(&mut tcp, &mut input)).await.is_err());
        assert_eq!((input.len(), input.capacity()), (said * 100, said * 100));
        peer.write_all(&pattern(100)).await.unwrap();
        assert_eq!(read(&mut tcp, &mut input).await.unwrap(), 100);
    }
    assert_eq!(input, pattern(100).repeat(3));
    // However much it was.
    peer.write_all(&pattern(40_000)).await.unwrap();
    while input.len() < 40_300 {
        read(&mut tcp, &mut input).await.unwrap();
    }
    assert_eq!(input[300..], pattern(40_000));
    drop(peer);
    assert_eq!(read(&mut tcp, &mut input).await.unwrap(), 0);
}

#[tokio::test]
async fn a_ticket_waits_for_company_and_holds_little() {
    let (mut server, mut client) = with_rustls().await;
    let mut buffer = Vec::new();
    let waiting = poll_fn(|cx| Poll::Ready(server.poll_fill(cx, &mut buffer, 100))).await;
    assert!(waiting.is_pending());
    server.flush().await.unwrap();
    let waits = held(&server);
    assert!((1..512).contains(&waits), "{waits} bytes");
    server.write_all(b"hello").await.unwrap();
    server.flush().await.unwrap();
    assert_eq!(held(&server), 0);
    client.read_exact(&mut [0; 5]).await.unwrap();
    assert_eq!(client.get_ref().1.tls13_tickets_received(), 1);
}

#[test]
fn a_session_takes_less_than_two_kibibytes_beside_its_keys() {
    assert!(size_of::<Records>() <= 2048, "{} bytes", size_of::<Records>());
    assert!(size_of::<Stream>() <= 48, "{} bytes", size_of::<Stream>());
}

#[test]
fn buffers_come_back_empty_and_large_ones_are_freed() {
    let mut buffer = buffer::take();
    buffer.extend_from_slice(b"secret of another connection");
    let at = buffer.as_ptr();
    buffer::give(buffer);
    let again = buffer::take();
    assert!(again.is_empty() && again.as_ptr() == at);
    let mut large = again;
    large.reserve(1 << 20);
    buffer::give(large);
    assert_eq!(buffer::take().capacity(), buffer::BUFFER_BYTES);
}
