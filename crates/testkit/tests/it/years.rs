//! Years of renewals with CAs that fail: nothing expires, no limit is broken, nobody is asked before they said.

use std::time::Duration;

use portward_core::acme::AcmeProblem;
use portward_testkit::{Ari, Endpoint, Fault, Kept, Simulation, Validation, Verdict};

/// Everything that can go wrong with a CA that works most of the time.
fn trouble(simulation: &Simulation, seed: u64) {
    let ca = &simulation.ca;
    ca.seed(seed);
    for (endpoint, chance, fault) in [
        (Endpoint::NewOrder, 0.02, Fault::status(503, Some(Duration::from_secs(900)))),
        (Endpoint::NewOrder, 0.02, Fault::status(429, Some(Duration::from_secs(7200)))),
        (Endpoint::NewOrder, 0.01, Fault::DropAnswerAfterDoing),
        (Endpoint::NewOrder, 0.01, Fault::AlreadyReplaced),
        (Endpoint::NewOrder, 0.01, Fault::MalformedReplaces),
        (Endpoint::NewOrder, 0.002, Fault::AccountGone),
        (Endpoint::Order, 0.01, Fault::Html(502)),
        (Endpoint::Order, 0.01, Fault::Hang),
        (Endpoint::Authorization, 0.01, Fault::TruncatedJson),
        (Endpoint::Challenge, 0.01, Fault::status(500, None)),
        (Endpoint::Finalize, 0.02, Fault::DropAnswerAfterDoing),
        (Endpoint::Finalize, 0.01, Fault::status(503, Some(Duration::from_secs(60)))),
        (Endpoint::Certificate, 0.01, Fault::Html(500)),
        (Endpoint::RenewalInfo, 0.002, Fault::status(503, Some(Duration::from_secs(3600)))),
    ] {
        ca.fail_by_chance(Some(endpoint), chance, fault);
    }
    ca.fail_by_chance(None, 0.01, Fault::BadNonce);
    ca.configure(|config| {
        config.reuse_orders = true;
        // Asked twice a day then, as Let's Encrypt wants it.
        config.ari = Some(Ari { retry_after: None, ..Ari::default() });
    });
    // One in twenty looks from a place that a firewall keeps out.
    let dice = std::sync::Mutex::new(seed);
    ca.set_validation(Validation::By(std::sync::Arc::new(move |_| {
        let mut state = dice.lock().unwrap();
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if !(*state >> 33).is_multiple_of(20) {
            return Verdict::Valid;
        }
        Verdict::Invalid(AcmeProblem {
            kind: "urn:ietf:params:acme:error:connection".to_owned(),
            detail: "During secondary validation: 192.0.2.1: Timeout during connect (likely firewall problem)"
                .to_owned(),
            status: Some(400),
            subproblems: Vec::new(),
        })
    })));
}

#[allow(clippy::print_stderr, reason = "who runs it by hand wants the figures")]
fn check(simulation: &Simulation, what: &str) {
    let ca = &simulation.ca;
    let worst = simulation.names().iter().map(|name| ca.failed_validations_in_any_hour(name)).max().unwrap();
    let issued: usize = simulation.names().iter().map(|name| ca.issued(name).len()).sum();
    eprintln!(
        "{what}: {issued} issued, {} turns, at most {worst} failed validations per name and hour, {} orders in the busiest hour",
        simulation.turns(),
        ca.orders_in_busiest_hour()
    );
    let expiries = simulation.expiries();
    assert!(expiries.is_empty(), "{} expiries: {:#?}", expiries.len(), &expiries[..expiries.len().min(8)]);
    let violations = ca.retry_after_violations();
    assert!(violations.is_empty(), "{} violations: {:#?}", violations.len(), &violations[..violations.len().min(8)]);
    assert!(worst <= 5);
    let busiest = renewals_in_busiest_hour(simulation);
    eprintln!("{what}: {busiest} renewals in the busiest hour");
    assert!(busiest <= simulation.names().len() / 2, "{busiest} of {}", simulation.names().len());
}

/// Certificates that were issued in the busiest hour, without those of the first day, when all were new.
fn renewals_in_busiest_hour(simulation: &Simulation) -> usize {
    let mut issued: Vec<i64> =
        simulation.names().iter().flat_map(|name| simulation.ca.issued(name)).map(|(at, _)| at.unix()).collect();
    issued.sort_unstable();
    let first = issued.first().copied().unwrap_or_default();
    issued.retain(|at| *at > first + 24 * 3600);
    let within = |index: usize| issued[index..].iter().take_while(|at| **at < issued[index] + 3600).count();
    (0..issued.len()).map(within).max().unwrap_or_default()
}

/// Lets that many days go by.
async fn days(simulation: &Simulation, count: u64) {
    simulation.run(DAY * u32::try_from(count).unwrap()).await;
}

#[tokio::test]
async fn in_400_days_of_200_names_nothing_expires() {
    let simulation = Simulation::begin(Kept { count: 200, ..Kept::default() }).await;
    trouble(&simulation, 1);
    days(&simulation, 400).await;
    check(&simulation, "90 days");
}

#[tokio::test]
async fn certificates_of_six_days_never_expire() {
    let simulation = Simulation::begin(Kept { count: 200, ..Kept::default() }).await;
    trouble(&simulation, 2);
    simulation.ca.set_lifetime(DAY * 6);
    simulation.ca.configure(|config| config.ari = Some(Ari { from: 0.5, until: 0.65, ..Ari::default() }));
    days(&simulation, SHORT_DAYS).await;
    check(&simulation, "6 days");
}

#[tokio::test]
async fn lifetimes_that_change_from_90_to_64_to_45_days_on_the_way_let_nothing_expire() {
    let simulation = Simulation::begin(Kept { count: 200, ..Kept::default() }).await;
    trouble(&simulation, 3);
    days(&simulation, 100).await;
    simulation.ca.set_lifetime(DAY * 64);
    days(&simulation, 150).await;
    simulation.ca.set_lifetime(DAY * 45);
    days(&simulation, 150).await;
    check(&simulation, "90, 64 and 45 days");
}

/// Without ARI, as with CAs that have none, the lifetime decides; and 21 days before the end is Octopus's.
#[tokio::test]
async fn a_ca_without_ari_and_a_time_that_was_asked_for_let_nothing_expire() {
    for (renew_before, what) in [(None, "no ARI"), (Some(DAY * 21), "no ARI, 21 days before")] {
        let simulation = Simulation::begin(Kept { count: 50, renew_before, ..Kept::default() }).await;
        trouble(&simulation, 4);
        simulation.ca.configure(|config| config.ari = None);
        days(&simulation, 400).await;
        check(&simulation, what);
    }
}

#[tokio::test]
async fn an_outage_of_20_days_when_all_are_due_lets_nothing_expire_and_is_no_storm() {
    let simulation = Simulation::begin(Kept { count: 200, ..Kept::default() }).await;
    days(&simulation, 59).await;
    let begins = simulation.now();
    simulation.ca.fail_by_chance(None, 1.0, Fault::Html(502));
    days(&simulation, 20).await;
    let asked = simulation.ca.asked().iter().filter(|asked| asked.at >= begins).count();
    // Hourly, by whoever is due first; the others wait.
    assert!((24..=20 * 24 * 3).contains(&asked), "{asked} requests in 20 days");
    let troubled = in_trouble(&simulation).await;
    assert!(troubled > 0, "nobody tells that the CA is down");
    simulation.ca.clear_faults();
    days(&simulation, 30).await;
    assert_eq!(simulation.expiries(), Vec::<String>::new());
    assert!(simulation.ca.retry_after_violations().is_empty());
}

/// How many certificates tell that their CA is in trouble.
async fn in_trouble(simulation: &Simulation) -> usize {
    let mut count = 0;
    for number in 0..simulation.names().len() {
        count += usize::from(simulation.trouble(number).await.1.is_some_and(|code| code.starts_with("ca-")));
    }
    count
}

#[tokio::test]
async fn a_restart_never_causes_an_order() {
    let mut simulation = Simulation::begin(Kept { count: 50, ..Kept::default() }).await;
    days(&simulation, 1).await;
    let orders = |simulation: &Simulation| -> usize {
        simulation.names().iter().map(|name| simulation.ca.orders_for(name).len()).sum()
    };
    assert_eq!(orders(&simulation), 50);
    for _ in 0..40 {
        simulation.restart().await;
        days(&simulation, 1).await;
    }
    assert_eq!(orders(&simulation), 50);
}

#[tokio::test]
async fn a_restart_does_not_forget_how_long_a_ca_said_to_wait() {
    let mut simulation = Simulation::begin(Kept { count: 20, ..Kept::default() }).await;
    simulation.ca.fail(Endpoint::NewOrder, Fault::status(503, Some(Duration::from_secs(7200))));
    for _ in 0..12 {
        simulation.run(Duration::from_secs(600)).await;
        simulation.restart().await;
    }
    assert!(simulation.ca.retry_after_violations().is_empty(), "{:?}", simulation.ca.retry_after_violations());
    days(&simulation, 1).await;
    assert_eq!(simulation.expiries(), Vec::<String>::new());
}

#[tokio::test]
async fn a_second_ca_issues_while_the_first_one_is_down_and_no_name_is_blamed() {
    let simulation = Simulation::begin(Kept { count: 50, two_issuers: true, ..Kept::default() }).await;
    let now = simulation.now();
    simulation.ca.outage(now, now.plus(DAY * 400));
    days(&simulation, 2).await;
    for number in 0..50 {
        assert!(simulation.served_until(number).await.is_some(), "n{number}");
        assert_eq!(simulation.trouble(number).await, (0, None), "n{number}");
    }
    days(&simulation, 200).await;
    assert_eq!(simulation.expiries(), Vec::<String>::new());
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// More than thirty renewals of each certificate.
const SHORT_DAYS: u64 = 100;
