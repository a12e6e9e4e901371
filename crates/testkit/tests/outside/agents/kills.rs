//! `kill -9` of `portward-agent` in the midst of installations: whatever it was at, the files belong together, nginx starts
//! with them, and the next start brings them to what is wanted.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use portward_core::Thumbprint;
use portward_testkit::{AgentProgram, Authority, Child, Connection, Program, StartedProgram, free_port};
use serde_json::Value;

use super::{
    bench::{becomes_healthy, delivery, within_time},
    delivery::{Nginx, pair},
};
use crate::imports::{import, now, write};

/// Is a machine whose agent is killed again and again.
struct Victim {
    name: String,
    agent: AgentProgram,
    nginx: Nginx,
    port: u16,
    /// Every certificate that may be in the files.
    known: HashSet<Thumbprint>,
    newest: Thumbprint,
}

/// Says how far an installation had come when it was broken off, as the disk has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    /// Nothing is under way.
    Nothing,
    /// It is remembered, and no file is there.
    Remembered,
    /// The files are there, and not in use.
    Staged,
    /// They are in use.
    Swapped,
    /// The program may have been told.
    Told,
}

impl Victim {
    fn new(server: &StartedProgram, authority: &Authority, number: usize) -> Self {
        let (name, agent, port) = (format!("web-{number}"), AgentProgram::new(), free_port());
        let nginx = Nginx::of(&agent, &[&format!("127.0.0.1:{port}")]);
        // It takes its time, so that it is met.
        agent.write_policy(&nginx.policy(&["/bin/sleep".to_owned(), "0.03".to_owned()]));
        let known = HashSet::from([pair(&agent)]);
        let mut victim = Self { name, agent, nginx, port, known, newest: Thumbprint::of(b"") };
        victim.renew(server, authority, "--name");
        let line = server.portward(&["agent", "add", &victim.name]);
        victim.agent.portward_agent(&["join", line.trim_end()]);
        let (pem, key) = (victim.agent.text("tls/shop.pem"), victim.agent.text("tls/shop.key"));
        let to = ["--to", &pem, "--to", &key, "--reload", "nginx", "--id", &victim.name];
        let words = ["delivery", "add", "--agent", &victim.name, "--certificate", &victim.name, "--format", "pem"];
        server.portward(&[&words[..], &to].concat());
        victim
    }

    /// Has the server want another version.
    fn renew(&mut self, server: &StartedProgram, authority: &Authority, how: &str) {
        let issued = authority.issue(&["shop.test"], now());
        let file = format!("{}.pem", self.name);
        write(server, &file, &format!("{}{}", issued.key_pem, issued.chain_pem));
        import(server, &[&file, how, &self.name]);
        self.newest = Thumbprint::of(&issued.leaf);
        self.known.insert(self.newest);
    }

    fn ledger(&self) -> Value {
        let json = fs::read(self.agent.data_directory().join("installed.json")).unwrap_or_default();
        serde_json::from_slice(&json).unwrap_or_default()
    }

    fn own(&self) -> PathBuf {
        self.agent.path("tls/.portward").join(&self.name)
    }

    /// How far the disk says that it came.
    fn reached(&self) -> Reached {
        let ledger = self.ledger();
        let pending = &ledger["pending"][&self.name];
        let Some(version) = pending["version"].as_str() else { return Reached::Nothing };
        let live = fs::read_link(self.own().join("live")).unwrap_or_default();
        let is_live = live.file_name().is_some_and(|name| name == Path::new(version));
        match (pending["told"].as_bool(), is_live) {
            (Some(true), true) => Reached::Told,
            (_, true) => Reached::Swapped,
            _ if self.own().join("v").join(version).join("shop.key").exists() => Reached::Staged,
            _ => Reached::Remembered,
        }
    }

    /// Starts the agent, and kills it when the disk says that it came so far, or after some time if nothing is said.
    fn kill(&self, at: Option<Reached>, random: &mut Random) -> Reached {
        let generation = || self.ledger()["pending"][&self.name]["record"]["generation"].as_u64();
        let before = generation();
        let agent = self.agent.start_unready(&["--no-listen"]);
        let begun = Instant::now();
        match at {
            None => std::thread::park_timeout(Duration::from_millis(random.below(400))),
            Some(at) => loop {
                // What an earlier one left is not what this one does.
                if generation().is_some_and(|now| Some(now) != before) && self.reached() >= at {
                    break;
                }
                let is_over = self.ledger()["installed"][&self.name]["thumbprint"] == self.newest.to_string();
                if is_over || begun.elapsed() > Duration::from_secs(20) {
                    break;
                }
            },
        }
        let end = Instant::now() + Duration::from_micros(random.below(3000));
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        drop(agent);
        self.reached()
    }

    /// The files are one pair, of those that there may be, and nginx serves it.
    async fn is_whole(&self) {
        let found = pair(&self.agent);
        assert!(self.known.contains(&found), "{found}");
        let words = self.nginx.command(&["-g", "master_process off;"]);
        let _nginx = Child::start(Command::new(&words[0]).args(&words[1..]));
        let address = ([127, 0, 0, 1], self.port).into();
        let begun = Instant::now();
        // A test of nginx that outlives the agent has the port for a moment, and answers nothing.
        let leaf = loop {
            if let Ok(Connection { leaf: Some(leaf), .. }) = Connection::tls(address, "shop.test").await {
                break leaf;
            }
            let log = fs::read_to_string(self.agent.path("nginx.log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(10), "nginx does not start: {log}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(Thumbprint::of(&leaf), found);
    }

    /// The agent is left alone, and brings everything to what is wanted.
    fn is_installed_in_the_end(&self, server: &StartedProgram) {
        let agent = self.agent.start(&["--no-listen"]);
        let is_so = || {
            let delivery = delivery(server, &self.name);
            (delivery["state"] == "installed" && pair(&self.agent) == self.newest).then_some(())
        };
        let installed = within_time(Duration::from_secs(40), is_so);
        assert!(installed.is_some(), "{:#}\n{}", delivery(server, &self.name), agent.log());
        assert_eq!(self.reached(), Reached::Nothing);
        becomes_healthy(server, &self.name, Duration::from_secs(10));
    }
}

/// Is an order of numbers that looks like chance, and is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // Knuth's numbers.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn an_agent_that_is_killed_anywhere_leaves_a_whole_pair_and_comes_to_what_is_wanted() {
    let server = Program::new().start();
    let authority = Authority::new();
    let mut victims: Vec<Victim> = (0..MACHINES).map(|number| Victim::new(&server, &authority, number)).collect();
    let met: Vec<Vec<Reached>> = std::thread::scope(|scope| {
        let threads: Vec<_> = victims
            .iter_mut()
            .enumerate()
            .map(|(number, victim)| {
                let (server, authority) = (&server, &authority);
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    let mut random = Random(number as u64);
                    let mut met = Vec::new();
                    for round in 0..KILLS {
                        let points = [
                            Some(Reached::Remembered),
                            Some(Reached::Staged),
                            Some(Reached::Swapped),
                            Some(Reached::Told),
                            None,
                            None,
                        ];
                        met.push(victim.kill(points[round % points.len()], &mut random));
                        runtime.block_on(victim.is_whole());
                        if round % 8 == 7 {
                            victim.is_installed_in_the_end(server);
                        }
                        victim.renew(server, authority, "--replace");
                    }
                    victim.is_installed_in_the_end(server);
                    runtime.block_on(victim.is_whole());
                    met
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut counts: BTreeMap<Reached, usize> = BTreeMap::new();
    for reached in met.into_iter().flatten() {
        *counts.entry(reached).or_default() += 1;
    }
    assert!(counts.values().sum::<usize>() >= 60, "{counts:?}");
    // It was in the midst of it often, before the swap and after it.
    let of = |which: &[Reached]| which.iter().map(|reached| counts.get(reached).copied().unwrap_or(0)).sum::<usize>();
    assert!(of(&[Reached::Remembered, Reached::Staged]) >= 5, "{counts:?}");
    assert!(of(&[Reached::Swapped, Reached::Told]) >= 10, "{counts:?}");
}

const MACHINES: usize = 3;
/// Of each machine.
const KILLS: usize = 24;
