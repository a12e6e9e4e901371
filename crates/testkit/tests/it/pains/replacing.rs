//! Renewals: what an order replaces, when the CA suggests, and lifetimes that change.

use std::time::Duration;

use portward_core::Timestamp;
use portward_testkit::{Endpoint, Fault, eventually, steady};

use super::{House, for_names, is_served};

/// The page of a renewal whose order is refused for what it replaces.
async fn refused(fault: Fault) -> String {
    let house = House::start().await;
    let id = house.served().await;
    house.ca.fail(Endpoint::NewOrder, fault);
    house.renew(&id, true).await;
    let attempts = house.attempts(&id, 2).await;
    assert!(house.shows(&id, "shop.test").await);
    assert_eq!(house.ca.issued("shop.test").len(), 2, "one certificate at first, and one for the renewal");
    let orders = house.ca.asked().into_iter().filter(|asked| asked.endpoint == Endpoint::NewOrder);
    let replaces: Vec<bool> = orders.map(|order| order.replaces.is_some()).collect();
    assert_eq!(replaces, [false, true, false]);
    house.page(&attempts[0])
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_8_another_order_replaces_the_certificate_already() {
    insta::assert_snapshot!(refused(Fault::AlreadyReplaced).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_8_the_ca_does_not_know_the_certificate_that_is_replaced() {
    insta::assert_snapshot!(refused(Fault::MalformedReplaces).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_8_a_renewal_after_that_says_again_what_it_replaces() {
    let house = House::start().await;
    let id = house.served().await;
    house.ca.fail(Endpoint::NewOrder, Fault::AlreadyReplaced);
    for count in 2..=3 {
        house.renew(&id, true).await;
        assert!(is_served(&house.attempts(&id, count).await[0]));
    }
    let orders = house.ca.asked().into_iter().filter(|asked| asked.endpoint == Endpoint::NewOrder);
    let replaces: Vec<bool> = orders.map(|order| order.replaces.is_some()).collect();
    assert_eq!(replaces, [false, true, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ca_moves_the_window_into_the_past_and_the_certificate_is_renewed_at_once() {
    let house = House::start().await;
    let id = house.served().await;
    house.ca.move_windows_into_the_past(Some("https://ca.test/incident"));
    // The CA said not to ask again for six hours.
    house.server.set_now(house.server.now().plus(7 * HOUR));
    house.request(for_names(&["other.test"])).await;
    let attempts = house.attempts(&id, 2).await;
    insta::assert_snapshot!(house.page(&attempts[0]));
    assert!(house.shows(&id, "shop.test").await);
    assert_eq!(house.ca.orders_for("shop.test").len(), 2);
    assert_eq!(house.ca.retry_after_violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_while_the_ca_is_asked_puts_nothing_off() {
    let house = House::start().await;
    house.ca.fail(Endpoint::RenewalInfo, Fault::Hang);
    let id = house.served().await;
    let is_asked = |asked: &portward_testkit::Asked| asked.endpoint == Endpoint::RenewalInfo;
    eventually("the CA is asked, and hangs", async || house.ca.asked().iter().any(is_asked).then_some(())).await;
    house.ca.move_windows_into_the_past(None);
    // By now it is to be asked again.
    house.server.set_now(house.server.now().plus(25 * HOUR));
    assert!(is_served(&house.attempts(&id, 2).await[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_10_a_certificate_of_six_days_is_not_renewed_every_hour() {
    let house = House::start().await;
    house.ca.configure(|config| {
        config.ari = None;
        config.lifetime = 6 * DAY;
    });
    let id = house.served().await;
    let renewal = house.server.client.show_renewal(&id).await.unwrap();
    let next = Timestamp::parse(renewal.next_renewal.as_deref().unwrap()).unwrap();
    let (after, before) = (house.server.now().plus(2 * DAY), house.server.now().plus(5 * DAY));
    assert!(after < next && next < before, "{next}");
    insta::assert_snapshot!(steady(&renewal.why, &[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_does_not_say_when_to_renew_is_no_failure() {
    let house = House::start().await;
    house.ca.fail_always(Endpoint::RenewalInfo, Fault::Html(404));
    let id = house.served().await;
    let renewal = house.server.client.show_renewal(&id).await.unwrap();
    assert_eq!((renewal.failures, renewal.stage), (0, None));
    insta::assert_snapshot!(steady(&renewal.why, &[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_9_a_renewed_certificate_is_what_the_next_handshake_shows() {
    let house = House::start().await;
    let id = house.served().await;
    let before = house.server.client.show_certificate(&id).await.unwrap().thumbprint;
    house.renew(&id, true).await;
    assert!(is_served(&house.attempts(&id, 2).await[0]));
    assert_ne!(house.server.client.show_certificate(&id).await.unwrap().thumbprint, before);
    assert!(house.shows(&id, "shop.test").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_9_another_certificate_of_the_same_name_is_told_of() {
    let house = House::start().await;
    let upstream = portward_testkit::Upstream::start("shop").await;
    let other = portward_testkit::Authority::new().issue(&["shop.test"], house.server.now());
    let other = house.server.import(&other).await;
    let site = house.server.add_site(&["shop.test"], &upstream).await;
    let pinned = portward_api::SiteUpdate { certificate: Some(other.to_string()), ..Default::default() };
    house.server.edit_site(&site, pinned).await;
    let id = house.request(for_names(&["shop.test"])).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 1).await[0]));
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
