//! What a link costs in memory: each side in a process of its own, so that nothing else is counted.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use portward_core::{Thumbprint, Timestamp};
use portward_link::{Caller, Guest, Identity, Session, Wire, serve};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use zeroize::Zeroizing;

use crate::{
    peers::{Does, dialled, hello},
    slow::half_open,
};

/// What this process holds in memory, in bytes.
pub(crate) fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

const LINKS: usize = 1000;
/// A link costs no more than this on either side, in KiB; measured are 36 to 37.
const MOST_OF_A_LINK: usize = 45;
/// A handshake that does not go on costs no more than this, in KiB; measured are 12, with what the other end costs here.
const MOST_OF_HALF_A_HANDSHAKE: usize = 16;
const ROLE: &str = "PORTWARD_LINK_TEST_ROLE";

/// Runs one test of this program again, as `role`.
fn again(test: &str, role: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The number that a child says with that word.
fn said(from: &mut impl BufRead, word: &str) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(from.read_line(&mut line).unwrap() > 0, "it ended before it said {word}");
        if let Some((_, rest)) = line.split_once(word) {
            return rest.trim().to_owned();
        }
    }
}

fn identity(name: &str) -> Identity {
    Identity::new(name, Timestamp::parse("2026-11-26T12:00:00Z").unwrap()).unwrap()
}

/// A child: `<who listens>` or `<who dials> <address> <pin>`, each a caller or an agent.
async fn play(role: &str) {
    let mut words = role.split(' ');
    let (is_caller, address) = (words.next() == Some("caller"), words.next());
    let pin = words.next().map(|pin| Thumbprint::parse(pin).unwrap());
    let us = identity("us");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listening = dialled(&us);
    if address.is_none() {
        println!("\nlistens {} {}", listener.local_addr().unwrap(), us.thumbprint());
    }
    let handler = Arc::new(Does(|_, _| async { Err(portward_link::message::Fault::new("no", "no")) }));
    let (mut running, mut callers) = (JoinSet::new(), Vec::new());
    let mut before = 0;
    for turn in 0..LINKS + 50 {
        // The first ones pay for what all share.
        if turn == 50 {
            before = resident();
        }
        let session = match (address, pin) {
            (Some(address), Some(pin)) => {
                let tcp = TcpStream::connect(address).await.unwrap();
                Session::dial(tcp, &us, &[pin], hello(), None).await.unwrap()
            }
            _ => {
                let (tcp, _) = listener.accept().await.unwrap();
                Guest::welcome(Wire::new(tcp), &listening).await.unwrap().open(hello(), None).await.unwrap()
            }
        };
        if is_caller {
            let (caller, run) = Caller::begin(session).await.unwrap();
            running.spawn(run);
            // Each has been used: buffers that a call needs are there.
            use portward_link::message::method::Rotate;
            caller.call::<Rotate>(&Default::default(), Duration::from_secs(10)).await.unwrap_err();
            callers.push(caller);
        } else {
            running.spawn(serve(session, Arc::clone(&handler), std::future::pending()));
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(running.try_join_next().is_none(), "a link was lost");
    println!("\ncosts {}", (resident() - before) / LINKS);
    // Until nobody needs it.
    tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await.unwrap().unwrap();
    running.abort_all();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_idle_link_costs_little_on_either_side() {
    if let Ok(role) = std::env::var(ROLE) {
        return play(&role).await;
    }
    let test = "memory::an_idle_link_costs_little_on_either_side";
    for [listener, dialler] in [["agent", "caller"], ["caller", "agent"]] {
        let mut listens = again(test, listener);
        let mut heard = BufReader::new(listens.stdout.take().unwrap());
        let mut dials = again(test, &format!("{dialler} {}", said(&mut heard, "listens ")));
        let mut heard_too = BufReader::new(dials.stdout.take().unwrap());
        let costs =
            [said(&mut heard, "costs "), said(&mut heard_too, "costs ")].map(|said| said.parse::<usize>().unwrap());
        for (mut child, mut rest) in [(listens, heard), (dials, heard_too)] {
            let _ = child.stdin.take().unwrap().write_all(b"\n");
            let _ = rest.read_to_end(&mut Vec::new());
            assert!(child.wait().unwrap().success());
        }
        println!("a link costs {listener} (dialled) {} bytes, {dialler} (dials) {} bytes", costs[0], costs[1]);
        assert!(costs.iter().all(|bytes| *bytes < MOST_OF_A_LINK * 1024), "{costs:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn thousands_of_half_handshakes_cost_little_each_and_the_same() {
    if std::env::var(ROLE).is_ok() {
        let _keep = half_open(50).await;
        let mut all = Vec::new();
        let mut last = resident();
        // Two descriptors each, of which there may be few.
        let rounds = (descriptors() / 2 - 100).min(10_000) / 1000;
        for _ in 0..rounds {
            all.push(half_open(1000).await);
            let now = resident();
            println!("\nround {}", (now.saturating_sub(last)) / 1000);
            last = now;
        }
        println!("\nrounds end");
        return;
    }
    let mut child = again("memory::thousands_of_half_handshakes_cost_little_each_and_the_same", "half");
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    let costs: Vec<usize> = text.lines().filter_map(|line| line.strip_prefix("round ")?.parse().ok()).collect();
    println!("half a handshake costs {costs:?} bytes, a thousand each");
    assert!(!costs.is_empty(), "{text}");
    assert!(costs.iter().all(|bytes| *bytes < MOST_OF_HALF_A_HANDSHAKE * 1024), "{costs:?}");
}

/// How many files may be open.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap_or(1024)
}

/// Kept beside the others: a key that is read costs no more than one that was made.
#[test]
fn an_identity_is_shared_and_not_copied() {
    let one = identity("web");
    let same = one.clone();
    assert!(Arc::ptr_eq(&one.certified_key(), &same.certified_key()));
    drop(same);
    let read = Identity::from_der(one.certificate().to_vec(), Zeroizing::new(one.expose_key().to_vec())).unwrap();
    assert!(Arc::ptr_eq(&read.certified_key(), &read.certified_key()));
}
