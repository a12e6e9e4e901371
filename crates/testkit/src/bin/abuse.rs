//! Commits each class of abuse against a Portward of its own, and tells what that cost and what others noticed.
//!
//! `abuse [--seconds 3]` starts the `portward` beside it; build both with `--release`. A client that means no harm asks
//! 250 times a second on one connection, first alone and then beside each class. For the first table, 10,000 frames are
//! sent once; for the second, the attacker comes again whenever it is cut, as fast as it can. Handshakes alone are the last
//! row: eight who connect and go.
#![allow(clippy::unwrap_used, reason = "a tool of this repository, which ends where something is amiss")]
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use portward_testkit::{Abuse, Connection, Healthy, Program, StartedProgram, Upstream};

const SITE: &str = "shop.test";
const FRAMES: u32 = 10_000;

#[tokio::main]
async fn main() {
    let mut words = std::env::args().skip(1);
    let seconds = match (words.next().as_deref(), words.next()) {
        (Some("--seconds"), Some(number)) => number.parse().unwrap(),
        _ => 3,
    };
    let span = Duration::from_secs(seconds);
    let upstream = Upstream::start("app").await;
    let server = Program::new().start();
    server.portward(&["site", "add", SITE, "--upstream", &upstream.url()]);
    let idle = beside(&server, tokio::time::sleep(span)).await;
    println!("alone: p50 {:?}, p99 {:?}\n", idle.0, idle.1);

    println!("{:30} {:>5} {:>7} {:>8} {:>9}", "10,000 frames", "cut", "frames", "CPU ms", "KiB");
    for abuse in Abuse::ALL {
        let before = server.cost();
        let outcome = abuse.commit(server.https, SITE, FRAMES).await.unwrap();
        let after = server.cost();
        let (cpu, memory) = (after.cpu_ms - before.cpu_ms, after.memory_kib.saturating_sub(before.memory_kib));
        println!("{abuse:30} {:>5} {:>7} {cpu:>8} {memory:>9}", outcome.cut, outcome.frames);
    }

    println!(
        "\n{:30} {:>9} {:>10} {:>10} {:>6}",
        format!("{seconds} s again and again"),
        "times",
        "p50",
        "p99",
        "ratio"
    );
    for abuse in Abuse::ALL {
        let (https, times) = (server.https, AtomicU64::new(0));
        let attack = async {
            let again = async {
                loop {
                    // One that cannot connect tries again.
                    let _ = abuse.commit(https, SITE, FRAMES).await;
                    times.fetch_add(1, Ordering::Relaxed);
                }
            };
            let _: Result<std::convert::Infallible, _> = tokio::time::timeout(span, again).await;
        };
        let seen = beside(&server, attack).await;
        row(&abuse.to_string(), times.into_inner(), seen, idle);
    }
    let (stop, times) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let storm = async {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (stop, times, https) = (Arc::clone(&stop), Arc::clone(&times), server.https);
            all.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let _ = Connection::tls(https, SITE).await;
                    times.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tokio::time::sleep(span).await;
        stop.store(true, Ordering::Relaxed);
        while all.join_next().await.is_some() {}
    };
    let seen = beside(&server, storm).await;
    row("handshakes", times.load(Ordering::Relaxed), seen, idle);
}

/// What a client that means no harm sees while something else goes on: p50 and p99.
async fn beside(server: &StartedProgram, other: impl Future<Output = ()>) -> (Duration, Duration) {
    let healthy = Healthy::begin(server.https, SITE).await;
    other.await;
    let took = healthy.end().await;
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

fn row(what: &str, times: u64, seen: (Duration, Duration), idle: (Duration, Duration)) {
    let ratio = seen.1.as_secs_f64() / idle.1.as_secs_f64();
    println!("{what:30} {times:>9} {:>10.1?} {:>10.1?} {ratio:>6.1}", seen.0, seen.1);
}
