#![allow(clippy::unwrap_used, reason = "tests")]

use std::rc::Weak;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::{LocalSet, yield_now},
    time::{advance, timeout},
};

use super::*;

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const SETTINGS_ACK: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];
const PING: [u8; 2] = [6, 0];

/// The bytes that the other end has had, from the preface on, as the kinds and flags of frames.
async fn frames(peer: &mut UnixStream, until: impl Fn(&[[u8; 2]]) -> bool) -> Vec<(Vec<u8>, [u8; 2])> {
    let mut found = Vec::new();
    loop {
        let mut header = [0; 9];
        peer.read_exact(&mut header).await.unwrap();
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let mut payload = vec![0; length];
        peer.read_exact(&mut payload).await.unwrap();
        found.push((payload, [header[3], header[4]]));
        let kinds: Vec<_> = found.iter().map(|(_, kind)| *kind).collect();
        if until(&kinds) {
            return found;
        }
    }
}

async fn pair() -> (Rc<Connection>, UnixStream) {
    let (ours, mut peer) = UnixStream::pair().unwrap();
    peer.write_all(SETTINGS).await.unwrap();
    peer.write_all(SETTINGS_ACK).await.unwrap();
    let connection = begin(Stream::within(ours), Scheme::Http, &Limits::default(), Weak::new()).await.unwrap();
    let mut preface = [0; 24];
    peer.read_exact(&mut preface).await.unwrap();
    (connection, peer)
}

fn ask(seat: &Seat) -> ResponseFuture {
    seat.send(http::Request::get("http://shop.test/").body(()).unwrap(), true).unwrap().0
}

#[tokio::test(start_paused = true)]
async fn who_does_not_even_answer_a_ping_is_given_up() {
    LocalSet::new()
        .run_until(async {
            let (connection, mut peer) = pair().await;
            let seat = Seat::on(&connection);
            let response = ask(&seat);
            let sent = frames(&mut peer, |kinds| kinds.contains(&[1, 5])).await;
            assert!(!sent.iter().any(|(_, kind)| *kind == PING));
            let begun = Instant::now();
            let sent = frames(&mut peer, |kinds| kinds.contains(&PING)).await;
            assert_eq!(sent.len(), 1);
            assert!(begun.elapsed() >= SILENCE - Duration::from_secs(1), "{:?}", begun.elapsed());
            assert!(connection.is_open());
            timeout(2 * PONG + SILENCE, response).await.expect("it waits for ever").unwrap_err();
            assert!(seat.is_silent() && !connection.is_open());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_found_out_whoever_comes_and_goes() {
    LocalSet::new()
        .run_until(async {
            for overlapping in [1, 0] {
                let (connection, _peer) = pair().await;
                advance(Duration::from_secs(1)).await;
                let begun = Instant::now();
                // Clients that give up after a while, and others who come.
                let mut waiting = std::collections::VecDeque::new();
                while connection.is_open() {
                    assert!(begun.elapsed() < 2 * (SILENCE + PONG), "{overlapping}");
                    let seat = Seat::on(&connection);
                    waiting.push_back((ask(&seat), seat));
                    tokio::time::sleep(Duration::from_secs(8)).await;
                    waiting.drain(..waiting.len() - overlapping);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                assert!(begun.elapsed() >= SILENCE, "{:?}", begun.elapsed());
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_answers_is_waited_for_and_not_asked_often() {
    LocalSet::new()
        .run_until(async {
            let (connection, mut peer) = pair().await;
            let seat = Seat::on(&connection);
            let mut response = Box::pin(ask(&seat));
            let sent = frames(&mut peer, |kinds| kinds.contains(&PING)).await;
            let (payload, _) = sent.last().unwrap();
            peer.write_all(&[&[0, 0, 8, 6, 1, 0, 0, 0, 0], &payload[..]].concat()).await.unwrap();
            for _ in 0..8 {
                advance(SILENCE).await;
                yield_now().await;
                assert!(std::future::poll_fn(|cx| Poll::Ready(response.as_mut().poll(cx))).await.is_pending());
            }
            let mut unread = [0; 64];
            assert_eq!(peer.try_read(&mut unread).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
            assert!(connection.is_open());
        })
        .await;
}

#[tokio::test]
async fn who_speaks_http1_is_told_from_who_hangs_up() {
    LocalSet::new()
        .run_until(async {
            for (said, expected) in [
                (&b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..], "Http1"),
                (b"HTTP/1.0 505 No", "Http1"),
                (b"", "Closed"),
                (b"SSH-2.0-OpenSSH_9.2\r\n", "Failed"),
            ] {
                let (ours, mut peer) = UnixStream::pair().unwrap();
                peer.write_all(said).await.unwrap();
                peer.shutdown().await.unwrap();
                let error =
                    begin(Stream::within(ours), Scheme::Http, &Limits::default(), Weak::new()).await.unwrap_err();
                assert!(format!("{error:?}").starts_with(expected), "{said:?}: {error:?}");
            }
        })
        .await;
}
