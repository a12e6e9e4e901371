//! Memory and descriptors of a process, over time.

use std::{
    fs,
    time::{Duration, Instant},
};

/// Is how memory and descriptors of the last process changed from the second quarter of its time to its last: medians.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grown {
    /// Resident KiB before.
    pub kib_before: u64,
    /// Resident KiB after.
    pub kib_after: u64,
    /// Open descriptors before.
    pub descriptors_before: u64,
    /// Open descriptors after.
    pub descriptors_after: u64,
}

/// Looks at a process once in a while; another one begins anew.
#[derive(Default)]
pub(super) struct Growth {
    process: u32,
    looked: Option<Instant>,
    seen: Vec<(u64, u64)>,
}

impl Growth {
    pub(super) fn look(&mut self, process: u32) {
        if self.looked.is_some_and(|looked| looked.elapsed() < EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        if self.process != process {
            *self = Self { process, looked: self.looked, seen: Vec::new() };
        }
        let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else { return };
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).map_or(0, |open| open.count() as u64);
        self.seen.extend(kib.map(|kib| (kib, descriptors)));
    }

    pub(super) fn line(&self) -> String {
        let (kib, descriptors) = self.seen.last().copied().unwrap_or_default();
        format!("{} MiB  {descriptors} descriptors", kib / 1024)
    }

    pub(super) fn grown(&self) -> Grown {
        let quarter = self.seen.len() / 4;
        let (before, after) = (&self.seen[quarter..2 * quarter], &self.seen[self.seen.len() - quarter..]);
        Grown {
            kib_before: median(before.iter().map(|seen| seen.0)),
            kib_after: median(after.iter().map(|seen| seen.0)),
            descriptors_before: median(before.iter().map(|seen| seen.1)),
            descriptors_after: median(after.iter().map(|seen| seen.1)),
        }
    }
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

const EVERY: Duration = Duration::from_secs(1);
