//! What was answered in the last hour, in parts of ten minutes: the last part takes the place of the oldest.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use portward_core::Timestamp;

use super::{
    Answered,
    latency::{Latency, Recent},
};

/// Shows what was answered in the last 50 to 60 minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourView {
    /// All answers.
    pub answers: u64,
    /// Those with a status of 4xx.
    pub client_errors: u64,
    /// Those with a status of 5xx.
    pub server_errors: u64,
    /// Bytes of their bodies that clients took.
    pub bytes: u64,
    /// How long the application took until it began to answer.
    pub latency: Latency,
}

/// Is what one worker has counted.
#[derive(Debug, Default)]
pub(super) struct Hour([Part; PARTS]);

#[derive(Debug, Default)]
struct Part {
    /// Which ten minutes these are, since 1970.
    number: AtomicU32,
    answers: AtomicU32,
    client_errors: AtomicU32,
    server_errors: AtomicU32,
    bytes: AtomicU64,
    latency: Recent,
}

impl Hour {
    /// Counts an answer; its time, if the application was asked.
    pub(super) fn count(&self, status: u16, answered: Option<&Answered>, now: Timestamp) {
        let number = number(now);
        let part = &self.0[number as usize % PARTS];
        // One worker writes; where two share, a few answers may go uncounted at the turn of a part.
        if part.number.load(Ordering::Relaxed) != number {
            part.begin(number);
        }
        part.answers.fetch_add(1, Ordering::Relaxed);
        match status {
            400..=499 => _ = part.client_errors.fetch_add(1, Ordering::Relaxed),
            500..=599 => _ = part.server_errors.fetch_add(1, Ordering::Relaxed),
            _ => {}
        }
        if let Some(answered) = answered {
            part.bytes.fetch_add(answered.bytes, Ordering::Relaxed);
            part.latency.count(answered.took);
        }
    }

    pub(super) fn add_to(&self, sum: &mut HourView, now: Timestamp) {
        let now = number(now);
        for part in &self.0 {
            if now.wrapping_sub(part.number.load(Ordering::Relaxed)) as usize >= PARTS {
                continue;
            }
            sum.answers += u64::from(part.answers.load(Ordering::Relaxed));
            sum.client_errors += u64::from(part.client_errors.load(Ordering::Relaxed));
            sum.server_errors += u64::from(part.server_errors.load(Ordering::Relaxed));
            sum.bytes += part.bytes.load(Ordering::Relaxed);
            sum.latency.add(&part.latency.read());
        }
    }
}

impl HourView {
    /// Adds what came to another site.
    pub fn add(&mut self, other: &Self) {
        self.answers += other.answers;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
        self.bytes += other.bytes;
        self.latency.add(&other.latency);
    }
}

impl Part {
    fn begin(&self, number: u32) {
        for count in [&self.answers, &self.client_errors, &self.server_errors] {
            count.store(0, Ordering::Relaxed);
        }
        self.bytes.store(0, Ordering::Relaxed);
        self.latency.clear();
        self.number.store(number, Ordering::Relaxed);
    }
}

fn number(now: Timestamp) -> u32 {
    u32::try_from(now.unix() / 600).unwrap_or_default()
}

const PARTS: usize = 6;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + minutes * 60).unwrap()
    }

    fn view(hour: &Hour, minutes: i64) -> HourView {
        let mut view = HourView::default();
        hour.add_to(&mut view, at(minutes));
        view
    }

    #[test]
    fn an_hour_later_it_is_forgotten_and_its_place_taken() {
        let hour = Hour::default();
        let answered = Answered { took: Duration::from_millis(3), bytes: 1000 };
        hour.count(200, Some(&answered), at(0));
        hour.count(404, Some(&answered), at(0));
        hour.count(502, None, at(49));
        let seen = view(&hour, 59);
        assert_eq!((seen.answers, seen.client_errors, seen.server_errors, seen.bytes), (3, 1, 1, 2000));
        assert_eq!(seen.latency.count(), 2);
        assert_eq!(view(&hour, 60).answers, 1);
        hour.count(200, Some(&answered), at(60));
        let seen = view(&hour, 60);
        assert_eq!((seen.answers, seen.client_errors, seen.bytes, seen.latency.count()), (2, 0, 1000, 1));
        assert_eq!(view(&hour, 1000), HourView::default());
    }
}
