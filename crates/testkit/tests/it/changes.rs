//! Everything is changed while clients send requests without pause, and none of them is lost.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use portward_api::SiteUpdate;
use portward_testkit::{Authority, Connection, TestServer, Upstream, handshake};

/// How soon after a command returns each new handshake must have the new leaf.
const SERVED_WITHIN: Duration = Duration::from_millis(100);

/// Counts what clients saw.
#[derive(Default)]
struct Seen {
    answered: AtomicU64,
    /// What happened to those that were not.
    lost: Mutex<Vec<String>>,
    over: AtomicBool,
}

#[tokio::test(flavor = "multi_thread")]
async fn replacements_edits_and_bindings_lose_no_request() {
    let upstream = Arc::new(Upstream::start("shop").await);
    let server = Arc::new(TestServer::start_before(&upstream).await);
    let authority = Authority::new();
    let id = server.import(&authority.issue(&["shop.test"], server.now())).await;
    let site = server.add_site(&["shop.test"], &upstream).await;

    let seen = Arc::new(Seen::default());
    let mut clients = tokio::task::JoinSet::new();
    for keep_alive in [true, false] {
        for tls in [true, false] {
            clients.spawn(send_without_pause(Arc::clone(&server), Arc::clone(&seen), keep_alive, tls));
        }
    }

    for round in 0..20 {
        let issued = authority.issue(&["shop.test"], server.now());
        server.import_over(Some(&id), &issued).await;
        let returned = Instant::now();
        while returned.elapsed() < SERVED_WITHIN {
            assert_eq!(handshake(server.https, "shop.test").await, issued.leaf, "round {round}");
        }
        let hsts = Some(format!("{}", 3600 + round));
        server.edit_site(&site, SiteUpdate { hsts, ..SiteUpdate::default() }).await;
        if round % 4 == 0 {
            let (binding, address) = server.add_binding("https").await;
            assert_eq!(handshake(address, "shop.test").await, issued.leaf);
            server.client.remove_binding(&binding).await.unwrap();
        }
    }
    seen.over.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    let answered = seen.answered.load(Ordering::SeqCst);
    let lost = std::mem::take(&mut *seen.lost.lock().unwrap());
    assert!(lost.is_empty(), "{} of {answered}: {:?}", lost.len(), lost.first());
    assert!(answered > 1000, "the clients sent only {answered} requests");
}

async fn send_without_pause(server: Arc<TestServer>, seen: Arc<Seen>, keep_alive: bool, tls: bool) {
    let connect = async || {
        if tls { Connection::tls(server.https, "shop.test").await } else { Connection::plain(server.http).await }
    };
    let mut kept = None;
    while !seen.over.load(Ordering::SeqCst) {
        let answer = async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => connect().await?,
            };
            let response = connection.request("GET", "shop.test", "/", "").await?;
            let goes_on = response.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close"));
            if keep_alive && goes_on {
                kept = Some(connection);
            }
            std::io::Result::Ok(response.status)
        };
        match answer.await {
            Ok(200) => {
                seen.answered.fetch_add(1, Ordering::SeqCst);
            }
            other => seen.lost.lock().unwrap().push(format!("{other:?}, keep-alive {keep_alive}, tls {tls}")),
        };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_on_a_removed_binding_is_told_to_leave() {
    let upstream = Upstream::start("shop").await;
    let server = TestServer::start_before(&upstream).await;
    let (binding, address) = server.add_binding("http").await;
    let mut connection = Connection::plain(address).await.unwrap();
    assert_eq!(connection.request("GET", "shop.test", "/", "").await.unwrap().status, 200);
    server.client.remove_binding(&binding).await.unwrap();
    assert!(Connection::plain(address).await.is_err(), "nobody listens there any more");
    // The connection is closed between requests, or says so with its next answer.
    if let Ok(response) = connection.request("GET", "shop.test", "/", "").await {
        assert_eq!(response.header("connection"), Some("close"));
    }
    assert!(connection.is_closed().await);
}
