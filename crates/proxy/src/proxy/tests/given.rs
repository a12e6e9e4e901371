//! Sockets that a proxy is given instead of opening its own.

use super::*;

/// Asks again and again until it is told to stop, each time on a connection of its own; gives how often, and what failed.
async fn asking(address: SocketAddr, stop: Arc<AtomicBool>) -> (u64, Vec<std::io::Error>) {
    let (mut asked, mut failed) = (0, Vec::new());
    while !stop.load(Ordering::SeqCst) {
        asked += 1;
        if let Err(error) = ask(address).await {
            failed.push(error);
        }
    }
    (asked, failed)
}

/// Asks on a connection until an answer says that it is the last one, and the connection ends behind it: no request is lost
/// in between.
async fn asked_until_told_to_go(mut tcp: TcpStream) {
    let mut answer = [0; 4096];
    loop {
        tcp.write_all(REQUEST).await.unwrap();
        let read = timeout(LONG, tcp.read(&mut answer)).await.unwrap().unwrap();
        let answer = std::str::from_utf8(&answer[..read]).unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer:?}");
        if answer.to_ascii_lowercase().contains("connection: close") {
            return ended(tcp).await;
        }
    }
}

#[tokio::test]
async fn one_proxy_follows_another_and_no_connection_fails() {
    let mut proxy = spawn(2);
    let address = publish_http(&proxy, &["a"]).await[0];
    let stop = Arc::<AtomicBool>::default();
    let clients: Vec<_> = (0..4).map(|_| tokio::spawn(asking(address, Arc::clone(&stop)))).collect();
    let mut drains = Vec::new();
    for workers in [3, 1, 2] {
        let open = connect_and_ask(address).await;
        let next = spawn_given(workers, Limits::default(), proxy.sockets().await.unwrap());
        assert_eq!(publish_http(&next, &["a"]).await, [address]);
        let old = std::mem::replace(&mut proxy, next);
        drains.push(tokio::spawn(async move { old.hand_over(LONG).await }));
        asked_until_told_to_go(open).await;
        let before = proxy.counts().accepted;
        eventually(|| proxy.counts().accepted > before + 50).await;
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        let (asked, failed) = client.await.unwrap();
        assert!(failed.is_empty() && asked > 0, "{} of {asked} failed: {:?}", failed.len(), failed.first());
    }
    for drain in drains {
        assert_eq!(drain.await.unwrap().cut, 0);
    }
    proxy.drain(LONG).await;
    assert!(is_refused(address).await, "a socket was left open");
}

#[tokio::test]
async fn a_socket_goes_to_the_binding_with_its_address_and_is_closed_if_there_is_none() {
    let sockets: Vec<_> = (0..2).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let [wanted, other] = [0, 1].map(|index| sockets[index].local_addr().unwrap());
    let given = sockets.into_iter().map(|socket| GivenSocket { binding: None, socket, is_shared: false }).collect();
    let proxy = spawn_given(2, Limits::default(), given);
    assert!(proxy.try_bind(BindingProtocol::Http, wanted).is_ok(), "it is ours already");
    let reports = proxy.publish(snapshot(&[("a", BindingProtocol::Http, wanted)])).await;
    assert_eq!(*reports[0].result.as_ref().unwrap(), wanted);
    assert!(ask(wanted).await.unwrap().starts_with("HTTP/1.1 4"));
    assert!(is_refused(other).await);
    // What is removed is closed, and can be had again.
    proxy.publish(snapshot(&[])).await;
    assert!(is_refused(wanted).await);
    proxy.publish(snapshot(&[("a", BindingProtocol::Http, wanted)])).await;
    assert!(ask(wanted).await.unwrap().starts_with("HTTP/1.1 4"));
}
