//! How long applications take until they begin to answer: counts in buckets, of which quantiles are read.

use std::{array, sync::atomic::AtomicU32, sync::atomic::Ordering, time::Duration};

use crate::count::Count;

/// Shows how long answers took to begin: how many fell between each two of [`LATENCY_BOUNDS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Answers that took as long as that bound and longer than the one before; the last ones took longer than all.
    pub counts: [u64; BUCKETS],
    /// All of their time together; not counted where only an hour is looked at.
    pub sum: Duration,
}

/// Is what one worker has counted since the start.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    counts: [Count; BUCKETS],
    micros: Count,
}

/// Is what one worker has counted in a part of an hour.
#[derive(Debug, Default)]
pub(super) struct Recent([AtomicU32; BUCKETS]);

impl Latency {
    /// How many answers there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The time within which so many in a hundred began, taking those in a bucket as spread over it evenly; none if
    /// there were none. More than the last bound is never said.
    pub fn within(&self, per_cent: u64) -> Option<Duration> {
        let wanted = (self.count() * per_cent).div_ceil(100);
        let mut below = 0;
        for (index, count) in self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0) {
            if below + count < wanted {
                below += count;
                continue;
            }
            let from = index.checked_sub(1).map_or(Duration::ZERO, |before| LATENCY_BOUNDS[before]);
            let to = LATENCY_BOUNDS.get(index).copied().unwrap_or(from);
            let share = (wanted - below) as f64 / count as f64;
            return Some(from + (to - from).mul_f64(share.clamp(0.0, 1.0)));
        }
        None
    }

    /// Adds what others counted.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum += count;
        }
        self.sum += other.sum;
    }
}

impl Latencies {
    pub(super) fn count(&self, took: Duration) {
        self.counts[bucket(took)].up();
        self.micros.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn read(&self) -> Latency {
        Latency {
            counts: array::from_fn(|index| self.counts[index].read()),
            sum: Duration::from_micros(self.micros.read()),
        }
    }
}

impl Recent {
    pub(super) fn count(&self, took: Duration) {
        self.0[bucket(took)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        for count in &self.0 {
            count.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> Latency {
        Latency {
            counts: array::from_fn(|index| u64::from(self.0[index].load(Ordering::Relaxed))),
            sum: Duration::ZERO,
        }
    }
}

fn bucket(took: Duration) -> usize {
    LATENCY_BOUNDS.partition_point(|bound| *bound < took)
}

const BUCKETS: usize = LATENCY_BOUNDS.len() + 1;

/// Where one bucket ends and the next begins: from what a page out of a cache takes to what nobody waits for.
pub const LATENCY_BOUNDS: [Duration; 18] = [
    Duration::from_micros(100),
    Duration::from_micros(200),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Latency {
        let latencies = Latencies::default();
        millis.into_iter().for_each(|millis| latencies.count(Duration::from_millis(millis)));
        latencies.read()
    }

    #[test]
    fn a_bound_is_the_last_of_its_bucket() {
        for (micros, expected) in [(0, 0), (100, 0), (101, 1), (1000, 3), (1001, 4), (60_000_000, 17), (60_000_001, 18)]
        {
            assert_eq!(bucket(Duration::from_micros(micros)), expected, "{micros}");
        }
        assert!(LATENCY_BOUNDS.is_sorted());
    }

    #[test]
    fn quantiles_lie_within_the_bucket_of_their_answer() {
        assert_eq!(of([]).within(95), None);
        let latency = of((0..100).map(|index| if index < 94 { 3 } else { 700 }));
        let within = |per_cent| latency.within(per_cent).unwrap();
        assert!((Duration::from_millis(2)..=Duration::from_millis(5)).contains(&within(50)), "{:?}", within(50));
        assert!((Duration::from_millis(500)..=Duration::from_secs(1)).contains(&within(95)), "{:?}", within(95));
        assert_eq!(of([3_600_000]).within(50), Some(Duration::from_secs(60)), "no more than the last bound is said");
        assert_eq!((latency.count(), latency.sum), (100, Duration::from_millis(94 * 3 + 6 * 700)));
    }

    #[test]
    fn what_several_counted_is_added_up() {
        let mut one = of([1, 2]);
        one.add(&of([2, 100_000]));
        assert_eq!((one.count(), one.counts[4], one.counts[18]), (4, 2, 1));
    }
}
