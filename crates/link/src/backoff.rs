//! When a lost link is tried again: decorrelated jitter, so that ten thousand agents do not come back in step.

use std::time::Duration;

use aws_lc_rs::rand;

/// Counts how long to wait before the next try.
#[derive(Clone, Debug)]
pub struct Backoff {
    last: Duration,
}

impl Backoff {
    /// The shortest wait.
    pub const FIRST: Duration = Duration::from_secs(1);
    /// The longest wait.
    pub const LONGEST: Duration = Duration::from_secs(60);
    /// The longest wait for somebody who does not answer: whoever starts anew has everybody back within half a minute and
    /// what the handshakes take, however long they were away.
    pub const LONGEST_FOR_ABSENT: Duration = Duration::from_secs(30);
    /// A link that lived so long was a good one: after it, waiting begins anew.
    pub const SETTLED: Duration = Duration::from_secs(60);

    /// Begins with nothing that failed.
    pub fn new() -> Self {
        Self { last: Self::FIRST }
    }

    /// How long to wait now: at random from a second to three times the last wait, at most a minute.
    #[allow(clippy::should_implement_trait, reason = "it never ends, and nobody would loop over it")]
    pub fn next(&mut self) -> Duration {
        self.next_within(Self::LONGEST)
    }

    /// The same with another longest wait.
    pub fn next_within(&mut self, longest: Duration) -> Duration {
        let mut bytes = [0_u8; 4];
        let _ = rand::fill(&mut bytes);
        self.last = spread(self.last, longest, u32::from_le_bytes(bytes));
        self.last
    }

    /// Takes note of how long the last link lived.
    pub fn lived(&mut self, life: Duration) {
        if life >= Self::SETTLED {
            self.last = Self::FIRST;
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

/// The wait after `last`, for a number that is random.
fn spread(last: Duration, longest: Duration, random: u32) -> Duration {
    let most = (last * 3).clamp(Backoff::FIRST, longest);
    let room = most - Backoff::FIRST;
    Backoff::FIRST + room.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_within_their_limits() {
        let most = |last: Duration| spread(last, Backoff::LONGEST, u32::MAX);
        assert_eq!(spread(Backoff::FIRST, Backoff::LONGEST, 0), Backoff::FIRST);
        assert_eq!(most(Backoff::FIRST), Duration::from_secs(3));
        assert_eq!(most(Duration::from_secs(9)), Duration::from_secs(27));
        assert_eq!(most(Backoff::LONGEST), Backoff::LONGEST);
        assert_eq!(spread(Backoff::LONGEST, Backoff::LONGEST_FOR_ABSENT, u32::MAX), Backoff::LONGEST_FOR_ABSENT);
        let mut backoff = Backoff::new();
        for _ in 0..1000 {
            assert!((Backoff::FIRST..=Backoff::LONGEST).contains(&backoff.next()));
        }
        backoff.lived(Backoff::SETTLED);
        assert!(backoff.next() <= Duration::from_secs(3));
    }
}
