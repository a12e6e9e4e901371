//! Single stories of renewals in simulated time: what an engine does that goes on while something is changed under it.

use std::time::Duration;

use portward_testkit::{Asked, Endpoint, Fault, Kept, Simulation};

/// Keys and accounts were sealed for the cluster that the store was of at the start, and never opened again.
#[tokio::test]
async fn after_a_restore_of_another_cluster_what_is_issued_opens() {
    let mut simulation = Simulation::begin(Kept { count: 2, ..Kept::default() }).await;
    simulation.run(HOUR).await;
    assert!(simulation.opens(0).await);
    simulation.restore_another_cluster().await;
    assert_eq!(simulation.served_until(0).await, None);
    simulation.run(HOUR).await;
    for number in 0..2 {
        assert!(simulation.served_until(number).await.is_some() && simulation.opens(number).await, "n{number}");
    }
    simulation.restart().await;
    simulation.run(80 * DAY).await;
    for (number, name) in simulation.names().iter().enumerate() {
        assert!(simulation.opens(number).await, "{name}");
        assert_eq!(simulation.ca.issued(name).len(), 3, "{name}");
    }
}

/// Each record was written by a writer of its own, so that of two beside each other one was lost.
#[tokio::test]
async fn txt_records_of_one_dns_provider_are_written_one_after_another() {
    let simulation = Simulation::begin(Kept { count: 16, dns: true, ..Kept::default() }).await;
    simulation.run(HOUR / 2).await;
    for number in 0..16 {
        assert!(simulation.served_until(number).await.is_some(), "n{number}: {:?}", simulation.attempts(number).await);
    }
    assert_eq!(simulation.txt_values(), 0, "all are taken away");
}

/// What a clock that was ahead by a year had put down kept renewals from beginning until that year was over.
#[tokio::test]
async fn a_clock_that_was_ahead_keeps_no_renewal_from_beginning_once_it_is_set() {
    for status in [429, 503] {
        let simulation = Simulation::begin(Kept { count: 2, ..Kept::default() }).await;
        simulation.run(HOUR).await;
        let right = simulation.now();
        simulation.set_now(right.plus(365 * DAY));
        simulation.ca.fail_always(Endpoint::NewOrder, Fault::status(status, Some(DAY)));
        simulation.ca.fail_always(Endpoint::RenewalInfo, Fault::status(429, Some(DAY)));
        simulation.run(HOUR).await;
        assert!(simulation.trouble(0).await.1.is_some(), "{status}");
        simulation.ca.clear_faults();
        simulation.set_now(right.plus(HOUR));
        simulation.run(88 * DAY).await;
        for name in simulation.names() {
            assert_eq!(simulation.ca.issued(name).len(), 2, "{status} {name}");
        }
        assert_eq!(simulation.expiries(), Vec::<String>::new(), "{status}");
    }
}

/// The time that the first one had told counted for the certificate, whoever was to be asked next.
#[tokio::test]
async fn a_rate_limit_of_the_first_issuer_keeps_nobody_from_asking_the_second() {
    let simulation = Simulation::begin(Kept { count: 1, two_issuers: true, ..Kept::default() }).await;
    simulation.ca.fail(Endpoint::NewOrder, Fault::status(429, Some(5 * DAY)));
    simulation.run(HOUR).await;
    let name = &simulation.names()[0];
    assert_eq!((simulation.ca.issued(name).len(), simulation.other.issued(name).len()), (0, 1));
    simulation.run(6 * DAY).await;
    assert_eq!(simulation.ca.retry_after_violations(), Vec::<String>::new());
}

/// What was issued while the CA was not to be asked was looked at next when it was due by its lifetime.
#[tokio::test]
async fn a_ca_that_said_to_wait_while_it_issued_is_asked_later_when_to_renew() {
    let simulation = Simulation::begin(Kept { count: 2, ..Kept::default() }).await;
    simulation.ca.configure(|config| config.issuance_polls = 1);
    // Of two orders the second one is refused, and the first one goes on meanwhile.
    simulation.ca.fail(Endpoint::NewOrder, Fault::UnknownChallengeTypes);
    simulation.ca.fail(Endpoint::NewOrder, Fault::status(429, Some(DAY)));
    simulation.run(HOUR).await;
    let issued = |name: &String| simulation.ca.issued(name).len();
    assert_eq!(simulation.names().iter().map(issued).sum::<usize>(), 1);
    simulation.run(2 * DAY).await;
    for name in simulation.names() {
        let asked = simulation.ca.asked();
        let is_it = |asked: &&Asked| asked.endpoint == Endpoint::RenewalInfo && asked.names.contains(name);
        assert!(asked.iter().any(|asked| is_it(&asked)), "{name}");
    }
    assert_eq!(simulation.ca.retry_after_violations(), Vec::<String>::new());
}

/// Another one was ordered at once, without end.
#[tokio::test]
async fn a_certificate_with_names_that_the_ca_added_is_not_ordered_again() {
    let simulation = Simulation::begin(Kept { count: 1, ..Kept::default() }).await;
    simulation.ca.configure(|config| config.adds_www = true);
    simulation.run(DAY).await;
    let orders = |name: &str| simulation.ca.orders_for(name).len();
    assert_eq!(orders("n0.shop.test"), 1);
    simulation.want(0, &["n0.shop.test", "new.shop.test"]).await;
    simulation.run(HOUR).await;
    assert_eq!((orders("n0.shop.test"), orders("new.shop.test")), (2, 1));
    simulation.want(0, &["n0.shop.test"]).await;
    simulation.run(DAY).await;
    assert_eq!((orders("n0.shop.test"), orders("new.shop.test")), (3, 1));
}

/// The version before was due, so that a rollback was undone within a second.
#[tokio::test]
async fn a_version_that_an_operator_went_back_to_is_served_until_little_time_is_left() {
    let simulation = Simulation::begin(Kept { count: 2, ..Kept::default() }).await;
    simulation.run(65 * DAY).await;
    let issued = |number: usize| simulation.ca.issued(&simulation.names()[number]).len();
    assert_eq!((issued(0), issued(1)), (2, 2));
    simulation.roll_back(0).await;
    simulation.roll_back(1).await;
    simulation.run(10 * DAY).await;
    assert_eq!((issued(0), issued(1)), (2, 2));
    simulation.ask(1).await;
    simulation.run(HOUR).await;
    assert_eq!((issued(0), issued(1)), (2, 3));
    simulation.run(7 * DAY).await;
    assert_eq!((issued(0), issued(1)), (3, 3));
    assert!(simulation.served_until(0).await.unwrap() > simulation.now().plus(80 * DAY));
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
