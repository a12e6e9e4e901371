//! Years of renewals with CAs that fail: nothing expires, no limit is broken, nobody is asked before they said.

use std::time::{Duration, Instant};

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
        if (*state >> 33) % 20 != 0 {
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

fn check(simulation: &Simulation, began: Instant, what: &str) {
    let ca = &simulation.ca;
    let worst = simulation.names().iter().map(|name| ca.failed_validations_in_any_hour(name)).max().unwrap();
    let issued: usize = simulation.names().iter().map(|name| ca.issued(name).len()).sum();
    eprintln!(
        "{what}: {issued} issued, {} turns, at most {worst} failed validations per name and hour, {} orders in the busiest hour, {:?}",
        simulation.turns(),
        ca.orders_in_busiest_hour(),
        began.elapsed()
    );
    let expiries = simulation.expiries();
    assert!(expiries.is_empty(), "{} expiries: {:#?}", expiries.len(), &expiries[..expiries.len().min(8)]);
    let violations = ca.retry_after_violations();
    assert!(violations.is_empty(), "{} violations: {:#?}", violations.len(), &violations[..violations.len().min(8)]);
    assert!(worst <= 5);
    let busiest = renewals_in_busiest_hour(simulation);
    eprintln!("{what}: {busiest} renewals in the busiest hour");
    assert!(busiest <= simulation.names().len() / 5, "{busiest} of {}", simulation.names().len());
}

/// Orders in the busiest hour, without those of the first day, when all were new.
fn renewals_in_busiest_hour(simulation: &Simulation) -> usize {
    let mut orders: Vec<i64> =
        simulation.names().iter().flat_map(|name| simulation.ca.orders_for(name)).map(|at| at.unix()).collect();
    orders.sort_unstable();
    let first = orders.first().copied().unwrap_or_default();
    orders.retain(|at| *at > first + 24 * 3600);
    let within = |index: usize| orders[index..].iter().take_while(|at| **at < orders[index] + 3600).count();
    let b = (0..orders.len()).max_by_key(|i| within(*i)).unwrap_or(0);
    eprintln!(
        "busiest at day {:.2}: gaps {:?}",
        (orders[b] - first) as f64 / 86400.0,
        orders[b..b + within(b)].iter().map(|at| at - orders[b]).collect::<Vec<_>>()
    );
    (0..orders.len()).map(within).max().unwrap_or_default()
}

#[tokio::test]
async fn in_400_days_of_200_names_nothing_expires() {
    let began = Instant::now();
    let simulation = Simulation::begin(Kept { count: 200, ..Kept::default() }).await;
    trouble(&simulation, 1);
    for day in 0..400 {
        simulation.run(Duration::from_secs(24 * 3600)).await;
        if day % 20 == 0 {
            eprintln!("day {day} turns {} {:?}", simulation.turns(), began.elapsed());
        }
    }
    check(&simulation, began, "90 days");
}
