//! `kill -9` under writers on several connections: what was acknowledged is there, and nothing has to be repaired.
//!
//! `PORTWARD_KILL_ROUNDS` sets how often; each round kills while requests are under way, after another number of answers.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use portward_testkit::{Program, StartedProgram, handshake};

/// What a writer knows of each site that it wrote: whether it must be there; none if nobody can know.
type Known = BTreeMap<String, Option<bool>>;

#[tokio::test]
#[allow(clippy::print_stdout, reason = "the figures of a long run")]
async fn what_was_acknowledged_is_there_after_every_kill() {
    let rounds = std::env::var("PORTWARD_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let mut server = Program::new().with_log("warn").start();
    let mut known = Known::new();
    let (mut acknowledged, mut slowest) = (0, Duration::ZERO);
    let mut dice: u64 = std::process::id().into();
    for round in 0..rounds {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let after = 1 + (dice >> 33) % 60;
        let (answers, ends) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let socket = server.data_directory().join("admin.sock");
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (socket, answers, ends) = (socket.clone(), Arc::clone(&answers), Arc::clone(&ends));
                thread::spawn(move || write(&socket, &format!("r{round}-w{writer}"), &answers, &ends))
            })
            .collect();
        while answers.load(Ordering::Relaxed) < after {
            thread::yield_now();
        }
        server.kill();
        ends.store(true, Ordering::Relaxed);
        for writer in writers {
            known.extend(writer.join().unwrap());
        }
        acknowledged += answers.load(Ordering::Relaxed);

        let began = Instant::now();
        server = server.start_again();
        handshake(server.https, "localhost").await;
        slowest = slowest.max(began.elapsed());
        check(&server, &mut known, round);
    }
    println!("{rounds} kills, {acknowledged} acknowledged changes, served again after {slowest:?} at most");
    let found: serde_json::Value = serde_json::from_str(&server.portward(&["store", "doctor", "-o", "json"])).unwrap();
    let findings = found.as_array().unwrap();
    assert!(findings.len() > 8 && findings.iter().all(|finding| finding["verdict"] != "bad"), "{found:#}");
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
}

/// Adds, edits and removes sites until the server is gone.
fn write(socket: &Path, prefix: &str, answers: &AtomicU64, ends: &AtomicBool) -> Known {
    let mut known = Known::new();
    for n in 0.. {
        if ends.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{prefix}-{n}-test");
        let body = format!(r#"{{"names":["{prefix}-{n}.test"],"upstreams":["http://127.0.0.1:9"]}}"#);
        known.insert(id.clone(), None);
        match ask(socket, "POST", "/api/v1/sites", &body) {
            Some(201) => known.insert(id.clone(), Some(true)),
            Some(status) => panic!("adding {id} is answered {status}"),
            None => break,
        };
        answers.fetch_add(1, Ordering::Relaxed);
        if n % 3 == 0 {
            known.insert(id.clone(), None);
            match ask(socket, "DELETE", &format!("/api/v1/sites/{id}"), "") {
                Some(200..=299) => known.insert(id, Some(false)),
                Some(status) => panic!("removing {id} is answered {status}"),
                None => break,
            };
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }
    known
}

/// The status of an answer that came whole; none if the server went away before.
fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Option<u16> {
    let mut stream = UnixStream::connect(socket).ok()?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: portward\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer);
    text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// Everything that was acknowledged is so; what nobody knew is known from now on.
fn check(server: &StartedProgram, known: &mut Known, round: u64) {
    let listed: serde_json::Value = serde_json::from_str(&server.portward(&["site", "list", "-o", "json"])).unwrap();
    let there: std::collections::BTreeSet<&str> =
        listed.as_array().unwrap().iter().map(|site| site["id"].as_str().unwrap()).collect();
    for (id, expected) in known.iter_mut() {
        let is_there = there.contains(id.as_str());
        match expected {
            Some(expected) => assert_eq!(is_there, *expected, "round {round}: {id}"),
            None => *expected = Some(is_there),
        }
    }
}

/// On connections of their own.
const WRITERS: usize = 4;
