//! The CA looked, and saw something else, or nothing.

use portward_api::acme::IssuerCreate;
use portward_testkit::{Validation, Verdict};

use super::{House, for_names, invalid};

/// The page of an attempt whose challenge the CA judges so.
async fn judged(verdict: Verdict) -> String {
    let house = House::start().await;
    house.ca.set_verdict("shop.test", verdict);
    let page = house.first().await;
    assert_eq!(house.ca.failed_validations()["shop.test"], 1, "one attempt is one failed validation");
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_1_the_challenge_failed_and_the_ca_gives_no_reason() {
    insta::assert_snapshot!(judged(invalid("unauthorized", 403, "")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_1_nobody_listens_where_the_ca_looks() {
    let house = House::start().await;
    let nobody = portward_testkit::free_port();
    house.ca.set_validation(Validation::Real { http_port: nobody, tls_port: nobody });
    insta::assert_snapshot!(house.first().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_1_another_server_has_the_port_that_the_ca_looks_at() {
    let house = House::start().await;
    let other = portward_testkit::Upstream::start("other").await;
    let port = other.url().rsplit(':').next().unwrap().parse().unwrap();
    house.ca.set_validation(Validation::Real { http_port: port, tls_port: port });
    let page = house.first().await;
    // It answers with the head that it got, which has a token.
    insta::assert_snapshot!(
        page.lines()
            .filter(|line| !line.starts_with("the CA: ") && !line.contains('\r'))
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_2_a_redirect_to_a_login_page_swallows_the_challenge() {
    let detail = "203.0.113.7: Invalid response from https://login.shop.test/?next=%2F.well-known: 404";
    insta::assert_snapshot!(judged(invalid("unauthorized", 403, detail)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_2_an_access_list_keeps_the_ca_out() {
    let detail = "203.0.113.7: Invalid response from http://shop.test/.well-known/acme-challenge/x: 403";
    insta::assert_snapshot!(judged(invalid("unauthorized", 403, detail)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_2_a_cdn_in_front_ends_tls_and_does_not_know_tls_alpn_01() {
    let house = House::start().await;
    let detail = "203.0.113.7: Cannot negotiate ALPN protocol \"acme-tls/1\" for tls-alpn-01 challenge";
    house.ca.set_verdict("shop.test", invalid("unauthorized", 403, detail));
    let mut create = for_names(&["shop.test"]);
    create.challenge = Some("tls-alpn-01".to_owned());
    let id = house.request(create).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 1).await[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_3_the_aaaa_record_points_elsewhere() {
    let detail = "2001:db8::7: Fetching http://shop.test/.well-known/acme-challenge/x: Timeout during connect (likely firewall problem)";
    insta::assert_snapshot!(judged(invalid("connection", 400, detail)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_4_a_country_block_lets_the_ca_in_from_one_place_only() {
    let detail = "During secondary validation: 203.0.113.7: Fetching http://shop.test/.well-known/acme-challenge/x: Timeout during connect (likely firewall problem)";
    insta::assert_snapshot!(judged(invalid("connection", 400, detail)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_5_the_name_does_not_exist_where_the_ca_asks() {
    let detail = "DNS problem: NXDOMAIN looking up A for shop.test - check that a DNS record exists for this domain; DNS problem: NXDOMAIN looking up AAAA for shop.test - check that a DNS record exists for this domain";
    insta::assert_snapshot!(judged(invalid("dns", 400, detail)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_5_the_name_servers_fail() {
    let detail = "DNS problem: SERVFAIL looking up CAA for shop.test - the domain's nameservers may be malfunctioning";
    insta::assert_snapshot!(judged(invalid("dns", 400, detail)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caa_record_forbids_the_ca() {
    let detail = "While processing CAA for shop.test: CAA record for shop.test prevents issuance";
    insta::assert_snapshot!(judged(invalid("caa", 403, detail)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_names_fails_and_the_cause_names_it() {
    let house = House::start().await;
    let detail = "203.0.113.7: Fetching http://www.shop.test/.well-known/acme-challenge/x: Connection refused";
    house.ca.set_verdict("www.shop.test", invalid("connection", 400, detail));
    let id = house.request(for_names(&["shop.test", "www.shop.test"])).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 1).await[0]));
    assert_eq!(house.ca.failed_validations().into_iter().collect::<Vec<_>>(), [("www.shop.test".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_19_what_cannot_be_seen_from_inside_keeps_no_certificate_away() {
    let house = House::start().await;
    // Behind a router that does not lead its own address back, nothing answers at the name; the CA sees it all the same.
    let behind = IssuerCreate { http_port: Some(portward_testkit::free_port()), ..house.issuer("behind") };
    house.add_issuer(behind).await;
    let mut create = for_names(&["shop.test"]);
    create.issuers = vec!["behind".to_owned()];
    create.challenge = Some("http-01".to_owned());
    let id = house.request(create).await;
    assert!(super::is_served(&house.attempts(&id, 1).await[0]));
    assert!(house.shows(&id, "shop.test").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_before_is_told_however_long_the_ca_looked() {
    let house = House::start().await;
    let other = portward_testkit::Upstream::start("other").await;
    let port: u16 = other.url().rsplit(':').next().unwrap().parse().unwrap();
    house.add_issuer(IssuerCreate { http_port: Some(port), ..house.issuer("blocked") }).await;
    house.ca.configure(|config| {
        config.validation_polls = 2;
        config.poll_after = Some(std::time::Duration::from_secs(1));
    });
    let detail = "203.0.113.7: Invalid response from http://shop.test/.well-known/acme-challenge/x: 404";
    house.ca.set_verdict("shop.test", invalid("unauthorized", 403, detail));
    let mut create = for_names(&["shop.test"]);
    (create.issuers, create.challenge) = (vec!["blocked".to_owned()], Some("http-01".to_owned()));
    let id = house.request(create).await;
    let page = house.page(&house.attempts(&id, 1).await[0]);
    assert!(page.contains("Seen before the CA was asked: Portward cannot listen on port"), "{page}");
    assert!(page.contains("Another program on this machine has port"), "{page}");
}
