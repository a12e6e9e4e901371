//! Commits each class of abuse against a Portward of its own, and tells what that cost and what others noticed.
//!
//! `abuse [--seconds 3]` starts the `portward` beside it; build both with `--release`. A client that means no harm asks
//! 250 times a second on one connection, first alone and then beside each class. For the first table, 10,000 frames are
//! sent once; for the second, the attacker does that ten times a second, and for the third as fast as it can. Handshakes alone
//! are the last row: eight who connect and go. An attacker is a process of the lowest priority: elsewhere it would be another machine,
//! which takes none of the server's cores.
#![allow(clippy::unwrap_used, reason = "a tool of this repository, which ends where something is amiss")]
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{
    io::Read,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portward_testkit::{Abuse, Connection, Healthy, Program, StartedProgram, Upstream};

const SITE: &str = "shop.test";
const FRAMES: u32 = 10_000;
const HANDSHAKES: &str = "handshakes";

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let seconds = match words[..] {
        ["--attack", class, server, pause] => {
            return attack(class, server.parse().unwrap(), Duration::from_millis(pause.parse().unwrap())).await;
        }
        ["--seconds", number] => number.parse().unwrap(),
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

    let classes = Abuse::ALL.map(|abuse| abuse.to_string());
    for (how, pause) in [("ten times a second", Duration::from_millis(100)), ("as fast as it can", Duration::ZERO)] {
        println!("\n{how:30} {:>9} {:>10} {:>10} {:>6}", "times", "p50", "p99", "ratio");
        for class in classes.iter().map(String::as_str).chain([HANDSHAKES]) {
            let mut attacker = Attacker::begin(class, server.https, pause);
            let seen = beside(&server, tokio::time::sleep(span)).await;
            let times = attacker.end();
            let ratio = seen.1.as_secs_f64() / idle.1.as_secs_f64();
            println!("{class:30} {times:>9} {:>10.1?} {:>10.1?} {ratio:>6.1}", seen.0, seen.1);
        }
    }
}

/// Is a process that commits a class of abuse again and again.
struct Attacker(Child);

impl Attacker {
    fn begin(class: &str, server: SocketAddr, pause: Duration) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new("nice");
        command.args(["-n", "39"]).arg(program).args([
            "--attack",
            class,
            &server.to_string(),
            &pause.as_millis().to_string(),
        ]);
        Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Ends it, and gives how many times it has come.
    fn end(&mut self) -> u64 {
        drop(self.0.stdin.take());
        let mut said = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        self.0.wait().unwrap();
        said.trim().parse().unwrap()
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
    }
}

/// Commits a class until standard input ends, with a pause between, and prints how many times.
async fn attack(class: &str, server: SocketAddr, pause: Duration) {
    let times = Arc::new(AtomicU64::new(0));
    let side_by_side = if class == HANDSHAKES { 8 } else { 1 };
    let abuse = Abuse::ALL.into_iter().find(|abuse| abuse.to_string() == class);
    for _ in 0..side_by_side {
        let times = Arc::clone(&times);
        tokio::spawn(async move {
            loop {
                // Who cannot connect tries again.
                match abuse {
                    Some(abuse) => drop(abuse.commit(server, SITE, FRAMES).await),
                    None => drop(Connection::tls(server, SITE).await),
                }
                times.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(pause).await;
            }
        });
    }
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    println!("{}", times.load(Ordering::Relaxed));
    std::process::exit(0);
}

/// What a client that means no harm sees while something else goes on: p50 and p99.
async fn beside(server: &StartedProgram, other: impl Future<Output = ()>) -> (Duration, Duration) {
    let healthy = Healthy::begin(server.https, SITE).await;
    other.await;
    let took = healthy.end().await;
    (took[took.len() / 2], took[took.len() * 99 / 100])
}
