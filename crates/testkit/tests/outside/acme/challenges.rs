//! http-01 and tls-alpn-01, and how they are chosen.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use portward_core::Thumbprint;
use portward_testkit::{Connection, get, handshake};

use super::bench::{Bench, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_01_is_answered_by_the_binding_that_the_site_has() {
    let bench = Bench::start(|options| options).await;
    let id = bench.issue(&["shop.test"], &["--challenge", "http-01"]);
    bench.is_trusted(&id, "shop.test").await;
    let timeline = bench.timeline(&id);
    assert!(timeline.contains("control of shop.test is shown by http-01"), "{timeline}");
    assert!(timeline.contains("a handshake for shop.test shows it"), "{timeline}");
    // The answer is gone, and the path is the application's again.
    let answer = get(bench.server.http, "shop.test", "/.well-known/acme-challenge/abc", "").await;
    assert_eq!((answer.status, answer.header("upstream")), (200, Some("shop")), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_alpn_01_disturbs_no_other_handshake() {
    let bench = Bench::start(|options| options).await;
    let other = bench.issue(&["other.test"], &["--challenge", "tls-alpn-01"]);
    let before = handshake(bench.server.https, "shop.test").await;
    let stop = Arc::new(AtomicBool::new(false));
    let (https, stopped) = (bench.server.https, Arc::clone(&stop));
    let clients = tokio::spawn(async move {
        let mut seen = [HashSet::new(), HashSet::new()];
        while !stopped.load(Ordering::SeqCst) {
            for (seen, name) in seen.iter_mut().zip(["shop.test", "other.test"]) {
                let mut connection = Connection::tls(https, name).await.unwrap();
                let answer = connection.request("GET", name, "/", "").await.unwrap();
                assert_eq!((answer.status, answer.header("upstream")), (200, Some("shop")), "{answer:?}");
                seen.insert(Thumbprint::of(connection.leaf.as_ref().unwrap()).to_string());
            }
        }
        seen
    });
    let id = bench.issue(&["shop.test"], &["--challenge", "tls-alpn-01"]);
    bench.is_trusted(&id, "shop.test").await;
    stop.store(true, Ordering::SeqCst);
    let [shop, others] = clients.await.unwrap();
    let timeline = bench.timeline(&id);
    assert!(timeline.contains("control of shop.test is shown by tls-alpn-01"), "{timeline}");
    // What was served before, the certificate that bridged the time, and the new one.
    let shown = |id: &str| text(&bench.certificate(id)["thumbprint"]);
    assert!(shop.contains(&shown(&id)) && shop.len() <= 3, "{shop:?}");
    assert!(shop.contains(&Thumbprint::of(&before).to_string()), "{shop:?}");
    assert_eq!(others, HashSet::from([shown(&other)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn force_https_and_hsts_do_not_keep_http_01_from_renewing() {
    let bench = Bench::start(|options| options).await;
    let id = bench.issue(&["shop.test"], &["--challenge", "http-01"]);
    bench.server.portward(&["site", "edit", "default", "--force-https", "all", "--hsts", "1y"]);
    let answer = get(bench.server.http, "shop.test", "/", "").await;
    assert!(answer.status == 308 && answer.header("location").unwrap().starts_with("https://shop.test"), "{answer:?}");
    bench.renew(&id);
    let timeline = bench.timeline(&id);
    assert!(timeline.contains("control of shop.test is shown by http-01"), "{timeline}");
    bench.is_trusted(&id, "shop.test").await;
    assert_eq!(bench.pebble.orders(), 2);
}
