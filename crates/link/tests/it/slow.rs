//! Peers that do not come to the point before they are known.

use std::{sync::Arc, time::Duration};

use portward_link::{Guest, LinkError, Session, Stage, Wire, opening::Opening};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, pause, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    certificates::{Key, pin},
    peers::{connect, dialled, false_client, false_server, hear, hear_anything, hello, say, say_bytes, tcp},
};

/// The first half of a ClientHello: the length of its record says that there is more.
pub(crate) const HALF_A_HELLO: &[u8] =
    &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 7, 7, 7, 7, 7];

#[tokio::test]
async fn who_says_nothing_or_half_is_given_up_by_both() {
    for said in [&b""[..], HALF_A_HELLO] {
        let (mut theirs, ours) = tcp().await;
        theirs.write_all(said).await.unwrap();
        pause();
        let began = Instant::now();
        let dialled = Guest::welcome(Wire::new(ours), &dialled(&Key::new().identity())).await.map(|_| ()).unwrap_err();
        assert!(matches!(dialled, LinkError::TimedOut(Stage::Tls)), "{dialled}");
        assert!(began.elapsed() <= Duration::from_secs(11), "{:?}", began.elapsed());
        assert_eq!(dialled.to_string(), "the TLS handshake took too long");
        tokio::time::resume();
        let (mut theirs, ours) = tcp().await;
        theirs.write_all(if said.is_empty() { b"" } else { &[0x16, 0x03, 0x03, 0x10] }).await.unwrap();
        pause();
        let began = Instant::now();
        let us = Key::new().identity();
        let dialler = Session::dial(ours, &us, &pin(&us), hello(), None).await.unwrap_err();
        assert!(matches!(dialler, LinkError::TimedOut(Stage::Tls)), "{dialler}");
        assert!(began.elapsed() <= Duration::from_secs(11), "{:?}", began.elapsed());
        tokio::time::resume();
    }
}

#[tokio::test]
async fn who_greets_byte_by_byte_is_given_up_by_both() {
    let (theirs, ours) = tcp().await;
    let client = connect(false_client(Key::new().identity().certified_key()), "peer.invalid", theirs);
    let us = dialled(&Key::new().identity());
    let (client, guest) = tokio::join!(client, Guest::welcome(Wire::new(ours), &us));
    let (mut client, guest) = (client.unwrap(), guest.unwrap());
    pause();
    let dripping = tokio::spawn(async move {
        let whole = [&b"PWA1\x01\x00"[..], &[b' '; 256]].concat();
        for byte in whole {
            if client.write_all(&[byte]).await.is_err() || client.flush().await.is_err() {
                return;
            }
            sleep(Duration::from_millis(900)).await;
        }
        panic!("all of it was taken");
    });
    let began = Instant::now();
    let error = guest.open(hello(), None).await.unwrap_err();
    assert!(matches!(error, LinkError::TimedOut(Stage::Opening)), "{error}");
    assert!(began.elapsed() <= Duration::from_secs(6), "{:?}", began.elapsed());
    dripping.await.unwrap();
}

/// What each side says of a peer that greets with those bytes.
async fn greeted_with(bytes: Vec<u8>) -> [LinkError; 2] {
    let server = Key::new().identity();
    let (ours, theirs) = tcp().await;
    let (config, said) = (false_server(server.certified_key()), bytes.clone());
    let speaking = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(theirs).await.unwrap();
        let _ = stream.write_all(&said).await;
        let _ = stream.flush().await;
        let _ = timeout(Duration::from_secs(1), hear::<Opening>(&mut stream)).await;
    });
    let dialler = Session::dial(ours, &Key::new().identity(), &pin(&server), hello(), None).await.unwrap_err();
    speaking.await.unwrap();
    let (theirs, ours) = tcp().await;
    let config = false_client(Key::new().identity().certified_key());
    let speaking = tokio::spawn(async move {
        let mut stream = connect(config, "peer.invalid", theirs).await.unwrap();
        let _ = stream.write_all(&bytes).await;
        let _ = stream.flush().await;
        hear_anything(&mut stream).await;
    });
    let guest = Guest::welcome(Wire::new(ours), &dialled(&server)).await.unwrap();
    let dialled = guest.open(hello(), None).await.unwrap_err();
    speaking.await.unwrap();
    [dialler, dialled]
}

#[tokio::test]
async fn a_greeting_that_is_too_long_is_not_waited_for() {
    let long = [&b"PWA1\xff\xff"[..], &[b' '; 0xffff]].concat();
    for error in greeted_with(long).await {
        assert!(error.to_string().contains("announces 65535 bytes; at most 8192 are read"), "{error}");
    }
    for error in greeted_with(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await {
        assert!(matches!(error, LinkError::NotALink(_)), "{error}");
    }
    for error in greeted_with(b"PWA1\x00\x10\x1b[2J\xff\xfe\x00\n{\"hello\"".to_vec()).await {
        assert!(matches!(error, LinkError::Garbled(_)) && !error.to_string().contains('\u{1b}'), "{error:?}");
    }
}

#[tokio::test]
async fn who_is_refused_cannot_hold_the_line() {
    let (theirs, ours) = tcp().await;
    let client = connect(false_client(Key::new().identity().certified_key()), "peer.invalid", theirs);
    let us = dialled(&Key::new().identity());
    let (client, guest) = tokio::join!(client, Guest::welcome(Wire::new(ours), &us));
    let (mut client, guest) = (client.unwrap(), guest.unwrap());
    // It talks on, and takes nothing.
    let talking = tokio::spawn(async move {
        loop {
            say(&mut client, &Opening::Hello(hello())).await;
            say_bytes(&mut client, &[b' '; 4096]).await;
            if client.write_all(b"?").await.is_err() {
                return;
            }
        }
    });
    let refusal = guest.refusal(portward_link::opening::RefusalCode::UnknownPin, "no".to_owned(), "do".to_owned());
    timeout(Duration::from_secs(4), guest.refuse(refusal)).await.unwrap();
    timeout(Duration::from_secs(4), talking).await.unwrap().unwrap();
}

/// So many connections on each of which half a ClientHello has come.
pub(crate) async fn half_open(count: usize) -> (Vec<TcpStream>, tokio::task::JoinSet<Result<(), LinkError>>) {
    let us = Arc::new(dialled(&Key::new().identity()));
    let mut guests = tokio::task::JoinSet::new();
    let mut clients = Vec::new();
    for _ in 0..count {
        let (mut theirs, ours) = tcp().await;
        theirs.write_all(HALF_A_HELLO).await.unwrap();
        clients.push(theirs);
        let us = Arc::clone(&us);
        guests.spawn(async move { Guest::welcome(Wire::new(ours), &us).await.map(|_| ()) });
    }
    (clients, guests)
}
