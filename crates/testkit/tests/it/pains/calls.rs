//! The CA is down, or is none: no name is to blame, and another CA may do.

use std::time::Duration;

use portward_api::acme::IssuerCreate;
use portward_core::Timestamp;
use portward_testkit::{Endpoint, Fault};

use super::{House, for_names};

/// The page of an attempt whose order meets a fault.
async fn met(endpoint: Endpoint, fault: Fault) -> String {
    let house = House::start().await;
    house.ca.fail(endpoint, fault);
    let id = house.request(for_names(&["shop.test"])).await;
    let page = house.page(&house.attempts(&id, 1).await[0]);
    let renewal = house.server.client.show_renewal(&id).await.unwrap();
    assert_eq!(renewal.failures, 0, "a CA that is down is not a name that is wrong");
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_16_the_ca_is_busy_for_an_hour_and_nothing_is_asked_until_then() {
    let house = House::start().await;
    house.ca.fail(Endpoint::NewOrder, Fault::status(503, Some(HOUR)));
    let id = house.request(for_names(&["shop.test"])).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 1).await[0]));
    let renewal = house.server.client.show_renewal(&id).await.unwrap();
    let next = Timestamp::parse(renewal.next_renewal.as_deref().unwrap()).unwrap();
    assert!(next >= house.server.now().plus(HOUR - HOUR / 60), "{renewal:?}");
    insta::assert_snapshot!(portward_testkit::steady(&renewal.why, &[]));
    let asked = house.ca.asked().len();
    house.server.set_now(house.server.now().plus(HOUR / 2));
    house.renew(&id, true).await;
    let other = house.request(for_names(&["other.test"])).await;
    house.server.set_now(house.server.now().plus(HOUR / 3));
    house.renew(&other, true).await;
    assert_eq!(house.ca.asked().len(), asked, "{:?}", house.ca.asked());
    house.server.set_now(house.server.now().plus(HOUR / 3));
    house.renew(&id, false).await;
    assert!(super::is_served(&house.attempts(&id, 2).await[0]));
    assert_eq!(house.ca.retry_after_violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_16_the_ca_hangs() {
    insta::assert_snapshot!(met(Endpoint::NewOrder, Fault::Hang).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_16_a_load_balancer_answers_in_html() {
    insta::assert_snapshot!(met(Endpoint::NewOrder, Fault::Html(502)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_16_a_page_stands_where_the_directory_was() {
    insta::assert_snapshot!(met(Endpoint::Directory, Fault::Html(200)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_16_the_ca_has_an_internal_error() {
    insta::assert_snapshot!(met(Endpoint::NewOrder, Fault::status(500, None)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_16_nobody_listens_at_the_directory() {
    let house = House::start().await;
    let directory = format!("https://localhost:{}/directory", portward_testkit::free_port());
    house.add_issuer(IssuerCreate { directory, ..house.issuer("down") }).await;
    let mut create = for_names(&["shop.test"]);
    create.issuers = vec!["down".to_owned()];
    let id = house.request(create).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 1).await[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_16_nobody_vouches_for_the_directory() {
    let house = House::start().await;
    let stranger = portward_testkit::Authority::new().root_pem();
    house.add_issuer(IssuerCreate { directory_ca: Some(stranger), ..house.issuer("office") }).await;
    let mut create = for_names(&["shop.test"]);
    create.issuers = vec!["office".to_owned()];
    let id = house.request(create).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 1).await[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_16_the_first_ca_is_down_and_the_second_issues() {
    let house = House::start().await;
    let directory = format!("https://localhost:{}/directory", portward_testkit::free_port());
    house.add_issuer(IssuerCreate { directory, ..house.issuer("down") }).await;
    let mut create = for_names(&["shop.test"]);
    create.issuers = vec!["down".to_owned(), "ca".to_owned()];
    let id = house.request(create).await;
    let attempts = house.attempts(&id, 2).await;
    insta::assert_snapshot!(format!("{}\n{}", house.page(&attempts[1]), house.page(&attempts[0])));
    assert!(house.shows(&id, "shop.test").await);
    let renewal = house.server.client.show_renewal(&id).await.unwrap();
    assert_eq!((renewal.failures, house.ca.orders_for("shop.test").len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn truncated_json_from_the_directory_is_told_with_its_beginning() {
    insta::assert_snapshot!(met(Endpoint::Directory, Fault::TruncatedJson).await);
}

const HOUR: Duration = Duration::from_secs(3600);
