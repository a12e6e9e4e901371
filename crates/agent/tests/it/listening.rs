//! An agent that is dialled.

use std::time::Duration;

use portward_link::{
    LinkError,
    message::{IdentityAccepted, Rotate, method},
    opening::RefusalCode,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    program::{Home, identity},
    server::{Linked, PATIENCE},
};

fn address(home: &Home) -> String {
    home.status().listen.address.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_server_is_refused_with_the_command_and_linked_when_it_is_trusted() {
    let server = identity("server");
    let home = Home::new();
    let running = home.start();
    let (at, agent) = (address(&home), home.thumbprint());
    let Err(LinkError::Refused(refusal)) = Linked::dial(&at, &server, agent).await else { panic!("it is linked") };
    assert_eq!(refusal.code, RefusalCode::UnknownPin);
    assert_eq!(refusal.my_thumbprint, agent.to_string());
    assert_eq!(refusal.your_thumbprint, server.thumbprint().to_string());
    let command = format!("portward-agent configure --trust={}", server.thumbprint());
    assert!(refusal.remedy.ends_with(&command), "{refusal:?}");
    assert_eq!(
        refusal.message,
        format!("this agent does not trust the thumbprint {}; it trusts nobody yet", server.thumbprint())
    );
    // Told once, however often it knocks.
    let _ = Linked::dial(&at, &server, agent).await;
    assert_eq!(running.log().matches(&command).count(), 1, "{}", running.log());

    // Whoever has the SHA-1 of it is told the SHA-256.
    let sha1 = home.run(&["configure", "--trust", &refusal.your_sha1.to_lowercase()]);
    assert_eq!(sha1.code, 2);
    assert!(sha1.stderr.contains(&format!("give --trust={}", server.thumbprint())), "{sha1:?}");

    home.done(&["configure", "--trust", &refusal.your_thumbprint]);
    let link = Linked::dial(&at, &server, agent).await.unwrap();
    assert_eq!(link.health().await.trusts[0].pins, [server.thumbprint().to_string()]);
    let stranger = identity("stranger");
    assert!(matches!(Linked::dial(&at, &stranger, agent).await, Err(LinkError::Refused(_))));
    home.done(&["configure", "--remove-trust", &refusal.your_thumbprint]);
    link.ended(Duration::from_secs(1)).await;
    assert!(matches!(Linked::dial(&at, &server, agent).await, Err(LinkError::Refused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_listens_offers_its_next_identity_to_who_comes_back() {
    let server = identity("server");
    let home = Home::new();
    let _running = home.start();
    let (at, old) = (address(&home), home.thumbprint());
    home.done(&["configure", "--trust", &server.thumbprint().to_string()]);
    let first = Linked::dial(&at, &server, old).await.unwrap();
    let next = first.caller.call::<method::Rotate>(&Rotate {}, PATIENCE).await.unwrap().thumbprint;
    // The server is to come back for the offer.
    first.closed_by_agent().await;
    let second = Linked::dial(&at, &server, old).await.unwrap();
    assert_eq!(second.peer().next.unwrap().to_string(), next);
    let accepted = IdentityAccepted { thumbprint: next.clone() };
    second.caller.call::<method::IdentityAccepted>(&accepted, PATIENCE).await.unwrap();
    second.health().await;
    let next = home.thumbprint();
    let Err(LinkError::Mismatch(_)) = Linked::dial(&at, &server, old).await else { panic!("the old one is shown") };
    let third = Linked::dial(&at, &server, next).await.unwrap();
    assert_eq!((third.peer().shown.thumbprint, third.peer().next), (next, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_listens_elsewhere_at_once() {
    let server = identity("server");
    let home = Home::new();
    home.done(&["configure", "--listen-address=127.0.0.1", "--port=0", "--trust", &server.thumbprint().to_string()]);
    let _running = home.start_with(&["run"]);
    let first = address(&home);
    let link = Linked::dial(&first, &server, home.thumbprint()).await.unwrap();
    home.done(&["configure", "--no-listen"]);
    crate::program::eventually("silence", || (!home.status().listen.on).then_some(())).await;
    assert!(TcpStream::connect(&first).await.is_err());
    assert!(link.is_up(), "a link that is there has nothing to do with it");
    home.done(&["configure", "--no-listen=false"]);
    let second = crate::program::eventually("a port", || home.status().listen.address).await;
    Linked::dial(&second, &server, home.thumbprint()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_sees_a_page_and_nothing_else_is_said_to_strangers() {
    let home = Home::new();
    let _running = home.start();
    let mut tcp = TcpStream::connect(address(&home)).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: web-03\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, tcp.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for header in
        ["Content-Security-Policy: default-src 'none'", "X-Content-Type-Options: nosniff", "X-Frame-Options: DENY"]
    {
        assert!(answer.contains(header), "{answer}");
    }
    assert!(answer.contains("<title>Portward agent</title>") && !answer.contains(&home.thumbprint().to_string()));
    let mut tcp = TcpStream::connect(address(&home)).await.unwrap();
    tcp.write_all(b"\0\x01\x02 what is this").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, tcp.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.windows(4).any(|bytes| bytes == b"HTTP"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_nothing_does_not_keep_the_others_out() {
    let server = identity("server");
    let home = Home::new();
    home.done(&["configure", "--trust", &server.thumbprint().to_string()]);
    let _running = home.start();
    let at: std::net::SocketAddr = address(&home).parse().unwrap();
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(at).await.unwrap());
    }
    // Loopback has more addresses than one.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let tcp = socket.connect(at).await.unwrap();
    let hello = portward_link::opening::Hello::new(&portward_link::Instance::new());
    let pins = [home.thumbprint()];
    let linking = portward_link::Session::dial(tcp, &server, &pins, hello, None);
    timeout(Duration::from_secs(3), linking).await.expect("it waits for the silent ones").unwrap();
    drop(silent);
}
