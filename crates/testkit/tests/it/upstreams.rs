//! How the upstreams of a site do, as operators see it.

use portward_api::{Severity, SiteCreate, SiteUpdate};
use portward_core::SiteId;
use portward_testkit::{TestServer, Upstream, eventually, request};

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_does_not_answer_its_health_path_is_told_of() {
    let shop = Upstream::start("shop").await;
    let server = TestServer::start().await;
    let gone = format!("unix:{}", server.data_dir().join("gone.sock").display());
    let create = SiteCreate {
        names: vec!["shop.test".to_owned()],
        upstreams: vec![shop.url(), gone.clone()],
        health_path: Some("/health".to_owned()),
        ..SiteCreate::default()
    };
    let id = SiteId::parse(&server.client.add_site(&create).await.unwrap().id).unwrap();
    for _ in 0..4 {
        assert_eq!(request(server.http, "GET", "shop.test", "/", "").await.status, 200);
    }
    let upstreams = server.client.show_upstreams(&id).await.unwrap().upstreams;
    let states: Vec<_> = upstreams.iter().map(|it| (it.url.as_str(), it.state.as_str())).collect();
    assert_eq!(states, [(shop.url().as_str(), "well"), (gone.as_str(), "unwell")]);
    assert!(upstreams[1].since.is_some() && upstreams[1].reason.is_some(), "{upstreams:?}");
    let problem = async || {
        let problems = server.client.status().await.unwrap().problems;
        problems.into_iter().find(|problem| problem.code == "upstream-unwell")
    };
    let found = eventually("the upstream is a problem", problem).await;
    assert_eq!((found.severity, found.what.as_str()), (Severity::Warning, "site shop-test"));
    assert!(found.message.contains(&gone) && found.message.contains("/health"), "{}", found.message);

    // Nobody looks any more, so nothing is said.
    let update = SiteUpdate { health_path: Some("none".to_owned()), ..SiteUpdate::default() };
    server.edit_site(&id, update).await;
    eventually("it is no problem any more", async || problem().await.is_none().then_some(())).await;
}
