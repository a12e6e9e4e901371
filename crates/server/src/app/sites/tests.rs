#![allow(clippy::unwrap_used, reason = "tests")]

use portward_api::UpstreamTrustInput;
use portward_core::Revision;

use super::*;
use crate::fixture::{Fixture, bundle, by, import, site};

#[tokio::test]
async fn a_site_is_added_edited_and_removed() {
    let fixture = Fixture::start().await;
    let added = fixture.app.add_site(&by(), &site(&["Shop.test", "*.shop.test"]), Apply::Now).await.unwrap();
    assert_eq!(
        serde_json::to_value(&added.view).unwrap(),
        serde_json::json!({
            "id": "shop-test",
            "names": ["shop.test", "*.shop.test"],
            "upstreams": ["http://127.0.0.1:3000"],
            "force_https": "off",
            "hsts": "off",
            "certificate": "auto",
            "balance": "round-robin",
            "proxy_protocol": "off",
            "upstream_http": "auto",
        })
    );
    assert_eq!(fixture.app.show_site(&by(), "shop-test").unwrap(), added);

    let update =
        SiteUpdate { force_https: Some("all".to_owned()), hsts: Some("1y".to_owned()), ..SiteUpdate::default() };
    let precondition = Precondition::Revision(added.revision.unwrap());
    let edited = fixture.app.edit_site(&by(), "shop-test", &update, precondition, Apply::Now).await.unwrap();
    assert_eq!((edited.view.force_https.as_str(), edited.view.hsts.as_str()), ("all", "31536000"));
    assert_eq!(edited.view.names, added.view.names);
    let error = fixture.app.edit_site(&by(), "shop-test", &update, precondition, Apply::Now).await.unwrap_err();
    assert_eq!(error.status(), 412);
    let same = fixture.app.edit_site(&by(), "shop-test", &update, Precondition::None, Apply::Now).await.unwrap();
    assert_eq!(same, edited, "an edit that changes nothing makes no revision");

    fixture.app.remove_site(&by(), "shop-test", Precondition::None, Apply::DryRun).await.unwrap();
    assert_eq!(fixture.app.list_sites(&by()).len(), 1);
    fixture.app.remove_site(&by(), "shop-test", Precondition::None, Apply::Now).await.unwrap();
    assert_eq!(fixture.app.list_sites(&by()), []);
    assert_eq!(fixture.audited().await, 3);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_names_the_field() {
    let fixture = Fixture::start().await;
    let base = || site(&["shop.test"]);
    let some = |text: &str| Some(text.to_owned());
    for (input, code, part) in [
        (site(&[]), "invalid-value", "names: a site needs"),
        (site(&["a.test", "A.test."]), "invalid-value", "names: a.test is there twice"),
        (site(&["http://a.test"]), "invalid-value", "names: "),
        (SiteCreate { upstreams: vec![], ..base() }, "invalid-value", "upstreams: a site needs"),
        (SiteCreate { upstreams: vec!["localhost:1".to_owned()], ..base() }, "invalid-value", "upstreams: "),
        (SiteCreate { force_https: some("on"), ..base() }, "invalid-value", "force_https: "),
        (SiteCreate { hsts: some("on"), ..base() }, "invalid-value", "hsts: "),
        (SiteCreate { certificate: some("none"), ..base() }, "not-found", "certificate \"none\""),
        (SiteCreate { max_body: some("much"), ..base() }, "invalid-value", "max_body: "),
        (SiteCreate { response_timeout: some("0"), ..base() }, "invalid-value", "response_timeout: "),
        (SiteCreate { idle_timeout: some("long"), ..base() }, "invalid-value", "idle_timeout: "),
        (
            SiteCreate { remove_headers: Some(vec!["Host".to_owned()]), ..base() },
            "invalid-value",
            "headers: Host belongs",
        ),
        (SiteCreate { balance: some("random"), ..base() }, "invalid-value", "balance: "),
        (SiteCreate { health_path: some("health"), ..base() }, "invalid-value", "health_path: "),
        (SiteCreate { proxy_protocol: some("on"), ..base() }, "invalid-value", "proxy_protocol: "),
        (SiteCreate { upstream_http: some("3"), ..base() }, "invalid-value", "upstream_http: "),
        (SiteCreate { routes: Some(vec![route("api", &["http://a"])]), ..base() }, "invalid-value", "routes: "),
        (SiteCreate { routes: Some(vec![route("/api", &[])]), ..base() }, "invalid-value", "routes: the route of /api"),
        (
            SiteCreate { routes: Some(vec![route("/a", &["http://a"]), route("/a/", &["http://b"])]), ..base() },
            "invalid-value",
            "routes: there are two routes of /a",
        ),
        (
            SiteCreate { routes: Some(vec![route("/a", &["portal"])]), ..base() },
            "invalid-value",
            "routes: the route of /a",
        ),
        (
            SiteCreate { upstreams: vec!["portal".to_owned()], balance: some("sticky"), ..base() },
            "forwarding-of-portal",
            "--balance round-robin",
        ),
        (
            SiteCreate { upstream_trust: Some(UpstreamTrustInput::DangerInsecure), ..base() },
            "upstream-trust-without-https",
            "https://",
        ),
        (
            SiteCreate { upstream_trust: Some(UpstreamTrustInput::Pin("ab".to_owned())), ..base() },
            "invalid-value",
            "upstream_trust.pin: ",
        ),
        (
            SiteCreate { upstream_trust: Some(UpstreamTrustInput::Authorities("none".to_owned())), ..base() },
            "invalid-value",
            "upstream_trust.authorities: ",
        ),
    ] {
        let error = fixture.app.add_site(&by(), &input, Apply::Now).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    assert!(fixture.stored().await.sites.is_empty());
}

fn route(prefix: &str, upstreams: &[&str]) -> SiteRoute {
    SiteRoute { prefix: prefix.to_owned(), upstreams: upstreams.iter().map(|url| (*url).to_owned()).collect() }
}

#[tokio::test]
async fn how_requests_reach_the_upstreams_is_kept_and_what_is_not_said_of_it_stays() {
    let fixture = Fixture::start().await;
    let text = |text: &str| Some(text.to_owned());
    let input = SiteCreate {
        upstreams: vec!["http://127.0.0.1:3000".to_owned(), "unix:///run/app.sock".to_owned()],
        balance: text("sticky"),
        health_path: text("/health"),
        proxy_protocol: text("v1"),
        upstream_http: text("1"),
        routes: Some(vec![route("/api/", &["https://api.test"])]),
        upstream_trust: Some(UpstreamTrustInput::DangerInsecure),
        ..site(&["shop.test"])
    };
    let added = fixture.app.add_site(&by(), &input, Apply::Now).await.unwrap().view;
    assert_eq!(added.upstreams, ["http://127.0.0.1:3000", "unix:/run/app.sock"]);
    let shown = |view: &SiteView| {
        let told = [&view.balance, &view.health_path, &view.proxy_protocol, &view.upstream_http];
        (told.map(|told| told.clone().unwrap_or_default()).join(" "), view.routes.clone())
    };
    let routes = vec![route("/api", &["https://api.test:443"])];
    assert_eq!(shown(&added), ("sticky /health v1 1".to_owned(), routes.clone()));
    let edit = async |update: SiteUpdate| {
        let edited = fixture.app.edit_site(&by(), "shop-test", &update, Precondition::None, Apply::Now).await;
        edited.map(|edited| shown(&edited.view))
    };
    let update = SiteUpdate { balance: text("least-connections"), ..SiteUpdate::default() };
    assert_eq!(edit(update).await.unwrap(), ("least-connections /health v1 1".to_owned(), routes.clone()));
    let update = SiteUpdate { health_path: text("none"), upstream_http: text("auto"), ..SiteUpdate::default() };
    assert_eq!(edit(update).await.unwrap(), ("least-connections  v1 auto".to_owned(), routes));
    // The trust is for the route's upstream alone.
    let none = || SiteUpdate { routes: Some(Vec::new()), ..SiteUpdate::default() };
    let refused = edit(none()).await.unwrap_err();
    assert_eq!(refused.code(), "upstream-trust-without-https");
    assert!(refused.to_string().contains("portward site edit shop-test --upstream-ca system"), "{refused}");
    let update = SiteUpdate { upstream_trust: Some(UpstreamTrustInput::System), ..none() };
    assert_eq!(edit(update).await.unwrap(), ("least-connections  v1 auto".to_owned(), Vec::new()));
    let portal = || SiteUpdate { upstreams: Some(vec!["portal".to_owned()]), ..SiteUpdate::default() };
    assert_eq!(edit(portal()).await.unwrap_err().code(), "forwarding-of-portal");
    let update = SiteUpdate { balance: text("round-robin"), proxy_protocol: text("off"), ..portal() };
    assert_eq!(edit(update).await.unwrap(), ("   ".to_owned(), Vec::new()));
}

#[tokio::test]
async fn how_upstreams_do_is_shown_and_only_of_sites_that_are_served() {
    let fixture = Fixture::start().await;
    let input = SiteCreate {
        health_path: Some("/health".to_owned()),
        routes: Some(vec![route("/api", &["unix:/run/api.sock"])]),
        ..site(&["shop.test"])
    };
    fixture.app.add_site(&by(), &input, Apply::Now).await.unwrap();
    let shown = fixture.app.show_upstreams(&by(), "shop-test").unwrap().upstreams;
    let told: Vec<_> = shown.iter().map(|it| (it.url.as_str(), it.route.as_deref(), it.in_flight)).collect();
    assert_eq!(told, [("http://127.0.0.1:3000", None, 0), ("unix:/run/api.sock", Some("/api"), 0)]);
    assert_eq!(fixture.app.show_upstreams(&by(), "none").unwrap_err().status(), 404);
}

#[tokio::test]
async fn a_name_belongs_to_one_site() {
    let fixture = Fixture::start().await;
    fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    fixture.app.add_site(&by(), &site(&["*"]), Apply::Now).await.unwrap();
    let error = fixture.app.add_site(&by(), &site(&["a.test", "SHOP.test"]), Apply::Now).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (409, "site-name-taken"));
    assert!(error.to_string().contains("\"shop-test\""), "{error}");
    let update = SiteUpdate { names: Some(vec!["shop.test".to_owned()]), ..SiteUpdate::default() };
    let error = fixture.app.edit_site(&by(), "site", &update, Precondition::None, Apply::Now).await.unwrap_err();
    assert_eq!(error.code(), "site-name-taken");
    let error = fixture.app.edit_site(&by(), "x", &update, Precondition::None, Apply::Now).await.unwrap_err();
    assert_eq!(error.status(), 404);
}

#[tokio::test]
async fn two_who_want_the_same_name_at_once_do_not_both_get_it() {
    let fixture = Fixture::start().await;
    let (by, site) = (by(), site(&["shop.test"]));
    let (one, other) =
        tokio::join!(fixture.app.add_site(&by, &site, Apply::Now), fixture.app.add_site(&by, &site, Apply::Now));
    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
    assert_eq!(fixture.stored().await.sites.len(), 1);
}

#[tokio::test]
async fn a_certificate_that_does_not_cover_the_names_is_refused() {
    let fixture = Fixture::start().await;
    let input = import(&bundle(&["shop.test"], 90), None);
    let taken = fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    let certificate = Some(taken.view.certificate.id.clone());
    let bad = SiteCreate { certificate: certificate.clone(), ..site(&["shop.test", "a.shop.test"]) };
    let error = fixture.app.add_site(&by(), &bad, Apply::Now).await.unwrap_err();
    assert_eq!(error.code(), "certificate-names");
    assert!(error.to_string().contains("not valid for a.shop.test"), "{error}");
    let good = SiteCreate { certificate, ..site(&["shop.test"]) };
    assert_eq!(fixture.app.add_site(&by(), &good, Apply::Now).await.unwrap().view.certificate, "shop-test");
}

#[tokio::test]
async fn authorities_are_read_from_pem() {
    let fixture = Fixture::start().await;
    let bundle = bundle(&["app.test"], 90);
    let pem = portward_certs::export_pem(&bundle.chain, &bundle.key);
    let input = SiteCreate {
        upstreams: vec!["https://app.test".to_owned()],
        upstream_trust: Some(UpstreamTrustInput::Authorities(pem.to_string())),
        ..site(&["shop.test"])
    };
    let added = fixture.app.add_site(&by(), &input, Apply::Now).await.unwrap();
    assert_eq!(added.view.upstream_trust.as_deref(), Some("1 own authorities"));
    assert_ne!(added.revision, Some(Revision(0)));
}
