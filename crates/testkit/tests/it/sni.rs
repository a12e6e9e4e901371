//! Which certificate a handshake shows.

use portward_api::SiteUpdate;
use portward_testkit::{Authority, TestServer, Upstream, get, handshake, handshake_without_name};

#[tokio::test(flavor = "multi_thread")]
async fn each_site_shows_its_own_certificate_and_strangers_get_the_default_of_the_binding() {
    let (shop, wiki) = (Upstream::start("shop").await, Upstream::start("wiki").await);
    let server = TestServer::start().await;
    let authority = Authority::new();
    let issue = |names: &[&str]| authority.issue(names, server.now());
    let default = handshake(server.https, "stranger.test").await;
    let (shop_leaf, wiki_leaf, wild) = (issue(&["shop.test"]), issue(&["wiki.test"]), issue(&["*.wild.test"]));
    for issued in [&shop_leaf, &wiki_leaf, &wild] {
        server.import(issued).await;
    }
    server.add_site(&["shop.test"], &shop).await;
    server.add_site(&["wiki.test", "*.wild.test"], &wiki).await;
    for (name, expected) in [
        ("shop.test", &shop_leaf.leaf),
        ("SHOP.test", &shop_leaf.leaf),
        ("wiki.test", &wiki_leaf.leaf),
        ("a.wild.test", &wild.leaf),
        ("wild.test", &default),
        ("b.a.wild.test", &default),
        ("stranger.test", &default),
    ] {
        assert_eq!(&handshake(server.https, name).await, expected, "{name}");
    }
    assert_eq!(handshake_without_name(server.https).await, default);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_name_beats_a_wildcard_and_a_site_may_name_its_certificate() {
    let shop = Upstream::start("shop").await;
    let server = TestServer::start().await;
    let authority = Authority::new();
    let wild = authority.issue(&["*.shop.test"], server.now());
    let exact = authority.issue(&["a.shop.test"], server.now());
    let wild_id = server.import(&wild).await;
    server.import(&exact).await;
    let site = server.add_site(&["a.shop.test"], &shop).await;
    assert_eq!(handshake(server.https, "a.shop.test").await, exact.leaf);
    server.edit_site(&site, SiteUpdate { certificate: Some(wild_id.to_string()), ..SiteUpdate::default() }).await;
    assert_eq!(handshake(server.https, "a.shop.test").await, wild.leaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_shows_the_version_before() {
    let server = TestServer::start().await;
    let authority = Authority::new();
    let (first, second) =
        (authority.issue(&["shop.test"], server.now()), authority.issue(&["shop.test"], server.now()));
    let id = server.import(&first).await;
    let taken = server.import_over(Some(&id), &second).await;
    assert_eq!(taken.certificate.version, 2);
    assert_eq!(handshake(server.https, "shop.test").await, second.leaf);
    server.client.rollback_certificate(&id, &Default::default()).await.unwrap();
    assert_eq!(handshake(server.https, "shop.test").await, first.leaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_gets_another_name_leaves_its_old_one() {
    let shop = Upstream::start("shop").await;
    let server = TestServer::start().await;
    let site = server.add_site(&["old.test"], &shop).await;
    let names = Some(vec!["new.test".to_owned(), "*.new.test".to_owned()]);
    server.edit_site(&site, SiteUpdate { names, ..SiteUpdate::default() }).await;
    // The portal answers for what no other site has, and knows that it is not meant.
    for (host, status) in [("new.test", 200), ("a.new.test", 200), ("old.test", 421)] {
        assert_eq!(get(server.http, host, "/", "").await.status, status, "{host}");
    }
}
