//! Puts a Portward of its own under a long mixed load while it is changed, and says what came of it.
//!
//! `soak [--minutes 30] [--requests 200000] [--certificates 100] [--sites 100] [--bindings 20] [--upgrades 5]`: the
//! program `portward` beside this one serves; HTTP/1.1 on kept and on new connections, HTTP/2, WebSockets and uploads go
//! on for so long, and until so many requests are answered, while certificates are replaced, the site is edited, bindings
//! come and go, and the program is followed by itself. It ends with 0 if each request was answered as it should be and
//! each change was in effect at once, and neither memory nor descriptors of the last process grew.
#![allow(clippy::unwrap_used, reason = "a tool of this repository, which ends where something is amiss")]
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{error::Error, process::ExitCode, time::Duration};

use portward_testkit::{
    raise_open_files,
    soak::{Changes, Grown, SoakOptions, Soaked, soak},
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = options(std::env::args().skip(1))?;
    raise_open_files()?;
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let soaked = threads.block_on(soak(options, |line| println!("{line}")));
    threads.shutdown_background();
    Ok(if tell(&soaked) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says what came of it, and whether that is as it should be.
fn tell(soaked: &Soaked) -> bool {
    for kind in &soaked.counted {
        println!(
            "{:30} answered {:8}  asked again {:5}  failed {:4}",
            kind.kind, kind.answered, kind.again, kind.failed
        );
        kind.failures.iter().for_each(|failure| println!("    {failure}"));
    }
    soaked.wrong.iter().for_each(|wrong| println!("wrong: {wrong}"));
    let Changes { certificates, sites, bindings, upgrades } = soaked.changed;
    println!(
        "{certificates} certificates replaced, {sites} edits of the site, {bindings} changes of bindings, {upgrades} upgrades"
    );
    let took = soaked.took.as_secs_f64();
    println!("{} requests answered in {took:.0} s, {} failed", soaked.answered(), soaked.failed());
    soaked.failed() == 0 && has_not_grown(soaked.grown)
}

fn has_not_grown(grown: Grown) -> bool {
    let Grown { kib_before, kib_after, descriptors_before, descriptors_after } = grown;
    println!("memory {kib_before} -> {kib_after} KiB, descriptors {descriptors_before} -> {descriptors_after}");
    kib_after <= kib_before + kib_before / 10 + ROOM_KIB && descriptors_after <= descriptors_before + ROOM_DESCRIPTORS
}

fn options(mut words: impl Iterator<Item = String>) -> Result<SoakOptions, Box<dyn Error>> {
    let mut changes = Changes { certificates: 100, sites: 100, bindings: 20, upgrades: 5 };
    let mut options = SoakOptions { lasts: Duration::from_secs(30 * 60), requests: 200_000, changes };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} takes a value"))?;
        match word.as_str() {
            "--minutes" => options.lasts = Duration::from_secs_f64(60.0 * value.parse::<f64>()?),
            "--requests" => options.requests = value.parse()?,
            "--certificates" => changes.certificates = value.parse()?,
            "--sites" => changes.sites = value.parse()?,
            "--bindings" => changes.bindings = value.parse()?,
            "--upgrades" => changes.upgrades = value.parse()?,
            other => return Err(format!("{other} is not known").into()),
        }
    }
    Ok(SoakOptions { changes, ..options })
}

/// What the allocator may take more of in a quarter of an hour without anything being lost: medians differ by that.
const ROOM_KIB: u64 = 4 * 1024;
/// How many connections more may be open at a moment.
const ROOM_DESCRIPTORS: u64 = 20;
