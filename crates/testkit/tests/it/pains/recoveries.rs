//! What Portward gets over by itself, with one order.

use std::time::Duration;

use portward_core::IssuerId;
use portward_testkit::{Endpoint, Fault};

use super::{House, for_names, is_served};

#[tokio::test(flavor = "multi_thread")]
async fn challenges_of_kinds_that_nobody_knows_are_passed_over() {
    let house = House::start().await;
    house.ca.fail_always(Endpoint::Authorization, Fault::UnknownChallengeTypes);
    insta::assert_snapshot!(house.first().await);
    assert_eq!(house.ca.orders_for("shop.test").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_issuance_is_waited_for() {
    let house = House::start().await;
    house.ca.configure(|config| {
        config.validation_polls = 1;
        config.issuance_polls = 2;
        config.poll_after = Some(Duration::from_secs(1));
    });
    insta::assert_snapshot!(house.first().await);
    assert_eq!(house.ca.retry_after_violations(), Vec::<String>::new());
    assert_eq!(house.ca.orders_for("shop.test").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_answer_is_truncated_is_read_where_it_is() {
    let house = House::start().await;
    house.ca.fail(Endpoint::NewOrder, Fault::TruncatedJson);
    insta::assert_snapshot!(house.first().await);
    assert_eq!((house.ca.orders_for("shop.test").len(), house.ca.issued("shop.test").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_answer_is_lost_is_not_made_twice() {
    let house = House::start().await;
    house.ca.configure(|config| config.orders_list = true);
    house.ca.fail(Endpoint::NewOrder, Fault::DropAnswerAfterDoing);
    let id = house.request(for_names(&["shop.test"])).await;
    house.attempts(&id, 1).await;
    house.server.set_now(house.server.now().plus(3 * MINUTE));
    house.request(for_names(&["other.test"])).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 2).await[0]));
    assert_eq!((house.ca.orders_for("shop.test").len(), house.ca.issued("shop.test").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_asks_again_does_not_ask_the_ca_before_its_time() {
    let house = House::start().await;
    house.ca.configure(|config| {
        config.issuance_polls = 1;
        config.poll_after = Some(HOUR);
    });
    let id = house.request(for_names(&["shop.test"])).await;
    house.until(&id, "the CA is issuing").await;
    let other = house.request(for_names(&["other.test"])).await;
    for _ in 0..3 {
        house.renew(&id, true).await;
    }
    house.until(&other, "the CA is issuing").await;
    assert_eq!(house.ca.retry_after_violations(), Vec::<String>::new());
    house.server.set_now(house.server.now().plus(HOUR + MINUTE));
    for id in [&id, &other] {
        house.renew(id, false).await;
        assert!(is_served(&house.attempts(id, 1).await[0]));
    }
    assert_eq!(house.ca.retry_after_violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_is_busy_in_the_middle_of_an_order_is_left_in_peace_and_the_order_goes_on() {
    let house = House::start().await;
    house.ca.fail(Endpoint::Finalize, Fault::status(503, Some(HOUR)));
    let id = house.request(for_names(&["shop.test"])).await;
    house.until(&id, "The order stays").await;
    let asked = house.ca.asked().len();
    for _ in 0..3 {
        house.server.set_now(house.server.now().plus(HOUR / 4));
        house.renew(&id, true).await;
        house.server.client.show_renewal(&id).await.unwrap();
    }
    let other = house.request(for_names(&["other.test"])).await;
    house.renew(&other, true).await;
    house.server.set_now(house.server.now().plus(HOUR / 2));
    house.renew(&id, false).await;
    let attempts = house.attempts(&id, 1).await;
    insta::assert_snapshot!(house.page(&attempts[0]));
    assert_eq!(house.ca.retry_after_violations(), Vec::<String>::new());
    assert!(house.ca.asked().len() > asked);
    assert_eq!(house.ca.orders_for("shop.test").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_finalize_makes_no_second_certificate() {
    let house = House::start().await;
    house.ca.fail(Endpoint::Finalize, Fault::DropAnswerAfterDoing);
    let id = house.request(for_names(&["shop.test"])).await;
    house.until(&id, "The order stays").await;
    house.server.set_now(house.server.now().plus(3 * MINUTE));
    house.renew(&id, false).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 1).await[0]));
    assert_eq!((house.ca.orders_for("shop.test").len(), house.ca.issued("shop.test").len()), (1, 1));
    assert!(house.shows(&id, "shop.test").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_is_cut_off_and_fetched_again() {
    let house = House::start().await;
    house.ca.fail(Endpoint::Certificate, Fault::DropAnswerAfterDoing);
    let id = house.request(for_names(&["shop.test"])).await;
    house.until(&id, "The order stays").await;
    house.server.set_now(house.server.now().plus(3 * MINUTE));
    house.renew(&id, false).await;
    assert!(is_served(&house.attempts(&id, 1).await[0]));
    assert_eq!((house.ca.orders_for("shop.test").len(), house.ca.issued("shop.test").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_the_ca_has_lost_is_made_anew() {
    let house = House::start().await;
    house.served().await;
    house.ca.fail(Endpoint::NewOrder, Fault::AccountGone);
    let id = house.request(for_names(&["other.test"])).await;
    insta::assert_snapshot!(house.page(&house.attempts(&id, 1).await[0]));
}

/// The new key that the CA had refused was tried again before each order, and no order was asked for any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_cannot_change_keys_goes_on_renewing_with_the_old_one() {
    let house = House::start().await;
    let id = house.served().await;
    let issuer = IssuerId::parse("ca").unwrap();
    for status in [500, 501] {
        house.ca.fail_always(Endpoint::KeyChange, Fault::status(status, None));
        let error = house.server.client.roll_over_account(&issuer).await.unwrap_err();
        assert!(error.to_string().contains("the account has its old key still"), "{error}");
    }
    house.renew(&id, true).await;
    assert!(is_served(&house.attempts(&id, 2).await[0]));
    house.ca.clear_faults();
    house.server.client.roll_over_account(&issuer).await.unwrap();
    house.renew(&id, true).await;
    assert!(is_served(&house.attempts(&id, 3).await[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_of_which_the_answer_was_lost_is_what_the_next_order_is_asked_with() {
    let house = House::start().await;
    let id = house.served().await;
    house.ca.fail(Endpoint::KeyChange, Fault::DropAnswerAfterDoing);
    let rolled = house.server.client.roll_over_account(&IssuerId::parse("ca").unwrap()).await;
    let error = rolled.unwrap_err().to_string();
    assert!(error.contains("the CA did not say whether it took the new key"), "{error}");
    house.renew(&id, true).await;
    assert!(is_served(&house.attempts(&id, 2).await[0]));
    let accounts: Vec<_> = house.ca.asked().into_iter().filter_map(|asked| asked.account).collect();
    assert!(accounts.iter().all(|account| *account == accounts[0]), "{accounts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_is_refused_is_no_failure() {
    let house = House::start().await;
    house.ca.fail(Endpoint::NewOrder, Fault::BadNonce);
    house.served().await;
    assert_eq!(house.ca.issued("shop.test").len(), 1);
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
