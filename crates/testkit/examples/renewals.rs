//! What renewals cost: so many managed certificates for so many days of simulated time, with the CPU and the memory of
//! this process, the fault CA and a store in memory included. `docs/SCALE.md` has the figures.
//!
//! `cargo run --release -p portward-testkit --example renewals -- COUNT DAYS [LIFETIME_DAYS]`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it is run by hand for its figures")]

use std::time::Duration;

use portward_testkit::{Ari, Kept, Simulation};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().unwrap());
    let (count, days) = (arguments.next().unwrap_or(10_000), arguments.next().unwrap_or(70));
    let lifetime = u32::try_from(arguments.next().unwrap_or(90)).unwrap();
    let before = resident_kib();
    let simulation = Simulation::begin(Kept { count, ..Kept::default() }).await;
    simulation.ca.configure(|config| {
        config.lifetime = DAY * lifetime;
        config.ari = Some(Ari { retry_after: None, ..Ari::default() });
    });
    println!("{count} certificates: {} KiB more than without", resident_kib() - before);
    println!("{:>5} {:>8} {:>9} {:>8} {:>9} {:>10}", "day", "turns", "renewed", "cpu s", "ms/turn", "resident");
    let (mut turns, mut issued, mut cpu) = (0, 0, cpu_seconds());
    for day in 0..days {
        simulation.run(DAY).await;
        let all: usize = simulation.names().iter().map(|name| simulation.ca.issued(name).len()).sum();
        let (now_turns, now_cpu) = (simulation.turns(), cpu_seconds());
        let (turned, spent) = (now_turns - turns, now_cpu - cpu);
        println!(
            "{day:>5} {turned:>8} {:>9} {spent:>8.2} {:>9.3} {:>10}",
            all - issued,
            1000.0 * spent / f64::from(u32::try_from(turned.max(1)).unwrap()),
            resident_kib()
        );
        (turns, issued, cpu) = (now_turns, all, now_cpu);
    }
    println!("expiries: {}", simulation.expiries().len());
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// User and system time of the process, from `/proc/self/stat` in ticks of a hundredth of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
    f64::from(ticks) / 100.0
}
