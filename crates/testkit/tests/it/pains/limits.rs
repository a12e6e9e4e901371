//! The CA counts, and says how long to wait.

use std::time::Duration;

use portward_testkit::{Endpoint, Fault, Outcome};

use super::{House, for_names, invalid, problem};

fn too_many(detail: &str, wait: Option<Duration>) -> Fault {
    Fault::Status { status: 429, retry_after: wait, problem: Some(problem("rateLimited", 429, detail)) }
}

/// How often anything was asked for an order.
fn orders(house: &House) -> usize {
    house.ca.orders_for("shop.test").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_6_after_a_rate_limit_nothing_is_asked_before_the_time_even_by_force() {
    let house = House::start().await;
    let detail = "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after 2026-11-21 12:00:00 UTC: see https://letsencrypt.org/docs/rate-limits/#new-certificates-per-exact-set-of-identifiers";
    house.ca.fail(Endpoint::NewOrder, too_many(detail, Some(DAY)));
    let id = house.request(for_names(&["shop.test"])).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 1).await[0]));
    assert!(house.next_renewal(&id).await >= house.server.now().plus(DAY - MINUTE));
    for (later, force) in [(HOUR, false), (DAY - HOUR - 2 * MINUTE, true)] {
        house.server.set_now(house.server.now().plus(later));
        house.renew(&id, force).await;
        // Another certificate is not held up by it, and its turn comes after.
        let name = format!("after-{}.test", later.as_secs());
        let other = house.request(for_names(&[&name])).await;
        assert!(super::is_served(&house.attempts(&other, 1).await[0]));
        assert_eq!(orders(&house), 1, "{later:?}");
    }
    house.server.set_now(house.server.now().plus(10 * MINUTE));
    house.renew(&id, false).await;
    assert!(super::is_served(&house.attempts(&id, 2).await[0]));
    assert_eq!(house.ca.retry_after_violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_6_too_many_orders_of_the_account_hold_up_every_name() {
    let house = House::start().await;
    let detail = "too many new orders (300) from this account in the last 3h0m0s, retry after 2026-11-20 13:00:00 UTC: see https://letsencrypt.org/docs/rate-limits/#new-orders-per-account";
    house.ca.fail(Endpoint::NewOrder, too_many(detail, Some(HOUR)));
    insta::assert_snapshot!(house.first().await);
    let other = house.request(for_names(&["other.test"])).await;
    house.server.set_now(house.server.now().plus(HOUR / 2));
    house.renew(&other, true).await;
    assert_eq!(house.ca.orders_for("other.test").len(), 0);
    house.server.set_now(house.server.now().plus(HOUR));
    house.renew(&other, true).await;
    assert!(super::is_served(&house.attempts(&other, 1).await[0]));
    assert_eq!(house.ca.retry_after_violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_6_a_limit_without_a_header_is_kept_as_its_text_says_it() {
    let house = House::start().await;
    let until = house.server.now().plus(5 * HOUR);
    let text = until.to_string().replace('T', " ").replace('Z', " UTC");
    let detail = format!(
        "too many failed authorizations (5) for \"shop.test\" in the last 1h0m0s, retry after {text}: see https://letsencrypt.org/docs/rate-limits/#authorization-failures-per-identifier-per-account"
    );
    house.ca.fail(Endpoint::NewOrder, too_many(&detail, None));
    let id = house.request(for_names(&["shop.test"])).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 1).await[0]));
    assert!(house.next_renewal(&id).await >= until);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_6_a_paused_account_is_told_with_the_page_where_that_ends() {
    let house = House::start().await;
    house.ca.fail(
        Endpoint::NewOrder,
        Fault::PausedAccount("https://portal.letsencrypt.org/sfe/v1/unpause?jwt=abc".to_owned()),
    );
    insta::assert_snapshot!(house.first().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_7_after_the_first_failure_it_is_tried_again_by_itself() {
    let house = House::start().await;
    let detail = "203.0.113.7: Fetching http://shop.test/.well-known/acme-challenge/x: Connection refused";
    house.ca.set_verdict("shop.test", invalid("connection", 400, detail));
    let id = house.request(for_names(&["shop.test"])).await;
    house.attempts(&id, 1).await;
    house.ca.set_verdict("shop.test", portward_testkit::Verdict::Valid);
    let next = house.next_renewal(&id).await;
    assert!(next <= house.server.now().plus(2 * MINUTE), "{next}");
    house.server.set_now(next);
    // Nobody asks for it. A clock that jumped is noticed within a minute, or when there is anything to do.
    house.request(for_names(&["other.test"])).await;
    let attempts = house.attempts(&id, 2).await;
    assert!(super::is_served(&attempts[0]));
    assert!(house.shows(&id, "shop.test").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_6_no_force_has_the_ca_count_more_failures_than_it_bears() {
    let house = House::start().await;
    house.ca.set_verdict("shop.test", invalid("unauthorized", 403, "no"));
    let id = house.request(for_names(&["shop.test"])).await;
    for count in 1..=5 {
        house.attempts(&id, count).await;
        house.server.set_now(house.server.now().plus(MINUTE));
        house.renew(&id, true).await;
    }
    insta::assert_snapshot!(house.page(&house.attempts(&id, 6).await[0]));
    // The fifth is left to the operator of another server with the same account.
    assert_eq!(house.ca.failed_validations_in_any_hour("shop.test"), 4);
    let refused = house.ca.asked().into_iter().filter(|asked| matches!(asked.outcome, Outcome::Refused { .. }));
    assert_eq!(refused.count(), 0);
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
