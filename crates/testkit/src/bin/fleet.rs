//! Runs agents by the thousand against a Portward that runs, and says each second how many of them are linked.
//!
//! `fleet --data-dir DIR [--count 1000] [--prefix agent-] [--root DIR]` has them run until a signal ends it. It takes
//! lines on its standard input: `stop 1%` (or a number) switches the last ones off, `start` switches all on. With
//! `--rotate PERCENT` it switches so many off, rotates the server's identity, looks on from both ends, switches them on
//! again, and ends: with 0 if everybody followed and nobody that was there was ever without a link.
//!
//! An agent takes three open files, so a process holds a third of what `ulimit -Hn` says; for more, run several of them
//! with a prefix each. Without `--root` each agent's directory is below a new one, which goes with the program.
#![allow(clippy::unwrap_used, reason = "a tool of this repository, which ends where something is amiss")]
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{
    error::Error,
    fs,
    ops::Range,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use portward_api::{Client, IdentityRotate, SecretText};
use portward_core::Timestamp;
use portward_testkit::{FILES_OF_AN_AGENT, Fleet, FleetOptions, Watch, raise_open_files};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// Is what was typed.
struct Options {
    server: Client,
    count: usize,
    prefix: String,
    root: Option<PathBuf>,
    rotate: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1))?;
    let room = raise_open_files()?.map_or(u64::MAX, |files| files.saturating_sub(OWN_FILES) / FILES_OF_AN_AGENT);
    if options.count as u64 > room {
        return Err(format!(
            "this process may hold {room} agents (ulimit -Hn), and {} are asked for; run several with a --prefix each",
            options.count
        )
        .into());
    }
    let threads = runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()?;
    let ended = threads.block_on(run(options));
    threads.shutdown_background();
    ended
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let made;
    let root = match &options.root {
        Some(root) => root.as_path(),
        None => {
            made = tempfile::tempdir()?;
            made.path()
        }
    };
    let begun = Instant::now();
    let all = FleetOptions { root, prefix: &options.prefix, count: options.count, clock: Arc::new(now) };
    let fleet = Fleet::make(&options.server, all).await?;
    println!("{} agents are made and trusted, in {:.1} s", fleet.len(), begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    fleet.start(0..fleet.len()).await;
    println!("all have begun, in {:.1} s", begun.elapsed().as_secs_f64());
    match &options.rotate {
        Some(share) => rotate(&fleet, &options.server, last(&fleet, share)?).await,
        None => stay(&fleet).await,
    }
}

/// Tells how it is until a signal comes.
async fn stay(fleet: &Fleet) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut lines = typed();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let (begun, mut used) = (Instant::now(), cpu());
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = seconds.tick() => {
                let (before, now) = (used, cpu());
                used = now;
                println!(
                    "{:4.0} s  linked {} of {}  cpu {:3.0} %  {} MiB",
                    begun.elapsed().as_secs_f64(),
                    fleet.linked(),
                    fleet.running(),
                    (now.saturating_sub(before)).as_secs_f64() * 100.0,
                    resident_kib() / 1024,
                );
            }
            Some(line) = lines.recv() => match line.trim() {
                "start" => fleet.start(0..fleet.len()).await,
                command => match command.strip_prefix("stop ").map(|share| last(fleet, share)) {
                    Some(Ok(which)) => fleet.stop(which).await,
                    _ => println!("\"{command}\" is neither start nor stop N nor stop N%"),
                },
            },
        }
    }
}

/// What is typed, line by line.
fn typed() -> mpsc::Receiver<String> {
    let (typed, lines) = mpsc::channel(1);
    // Reading blocks until the program ends.
    std::thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| typed.blocking_send(line))
    });
    lines
}

/// Rotates the server's identity under all of them, some of which are away for the time.
async fn rotate(fleet: &Fleet, server: &Client, away: Range<usize>) -> Result<(), Box<dyn Error>> {
    let before = fleet.settles(server, PATIENCE).await?;
    println!("all are linked and healthy after {:.1} s", before.took.as_secs_f64());
    fleet.stop(away.clone()).await;
    let here = 0..away.start;
    let is_gone = async || {
        let agents = server.list_agents().await?;
        Ok::<_, Box<dyn Error>>(agents.iter().filter(|agent| agent.connected).count() == here.len())
    };
    while !is_gone().await? {
        tokio::time::sleep(LOOK).await;
    }
    let watch = Watch::begin(fleet, server, here);
    let begun = Instant::now();
    let changed = server.rotate_identity(&IdentityRotate::default()).await?;
    let mut told = String::new();
    loop {
        let identity = server.show_identity().await?;
        let Some(rotation) = identity.rotation else { return Err("it was over although agents are away".into()) };
        let line = format!("{}: {} of {}", rotation.phase, rotation.acknowledged, rotation.agents);
        if told != line {
            println!("{:6.1} s  {line}", begun.elapsed().as_secs_f64());
            told = line;
        }
        if rotation.phase == "retire" && rotation.agents - rotation.acknowledged == away.len() {
            break;
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("it does not go on: {told}").into());
        }
        tokio::time::sleep(LOOK).await;
    }
    println!("{:6.1} s  {} that were away come back", begun.elapsed().as_secs_f64(), away.len());
    fleet.start(away).await;
    let settled = fleet.settles(server, PATIENCE).await?;
    let seen = watch.end().await;
    println!(
        "{:6.1} s  all are linked and healthy, and trust {} alone",
        begun.elapsed().as_secs_f64(),
        settled.thumbprint
    );
    println!(
        "agents looked at {} times, the server {} times: {} gaps",
        seen.looks_at_agents,
        seen.looks_at_server,
        seen.gaps.len()
    );
    if settled.thumbprint != changed.new_thumbprint || !seen.gaps.is_empty() {
        let some: Vec<&str> = seen.gaps.iter().take(10).map(String::as_str).collect();
        return Err(format!("not as it should be: {}", some.join("; ")).into());
    }
    Ok(())
}

/// The last ones, so many or such a share.
fn last(fleet: &Fleet, share: &str) -> Result<Range<usize>, Box<dyn Error>> {
    let all = fleet.len();
    let count = match share.trim().strip_suffix('%') {
        Some(percent) => all * percent.trim().parse::<usize>()? / 100,
        None => share.trim().parse()?,
    };
    Ok(all.saturating_sub(count)..all)
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let (mut data_dir, mut url, mut token, mut root, mut rotate) = (None, None, None, None, None);
        let (mut count, mut prefix) = (1000, "agent-".to_owned());
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} takes a value"))?;
            match word.as_str() {
                "--data-dir" => data_dir = Some(value),
                "--url" => url = Some(value),
                "--token" => token = Some(value),
                "--count" => count = value.parse()?,
                "--prefix" => prefix = value,
                "--root" => root = Some(PathBuf::from(value)),
                "--rotate" => rotate = Some(value),
                other => return Err(format!("{other} is not known").into()),
            }
        }
        let server = match (data_dir, url, token) {
            (Some(data_dir), None, None) => Client::local(data_dir),
            (None, Some(url), Some(token)) => Client::remote(&url, SecretText::new(token))?,
            _ => return Err("say which server: --data-dir DIR, or --url URL --token TOKEN".into()),
        };
        Ok(Self { server, count, prefix, root, rotate })
    }
}

/// The time now, in whole seconds.
#[allow(clippy::disallowed_methods, reason = "time is an argument everywhere else, and this is where it comes from")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix(since.as_secs().try_into().unwrap()).unwrap()
}

/// CPU time of this process (proc(5): fields 14 and 15 of `stat`, in hundredths of a second).
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The name may have spaces; what follows it has none.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<u64>().unwrap();
    Duration::from_millis((ticks(14) + ticks(15)) * 10)
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Agents wait most of the time, and leave the cores to the server.
const THREADS: usize = 2;
const BLOCKING_THREADS: usize = 8;
/// What is open beside the agents.
const OWN_FILES: u64 = 100;
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(300);
