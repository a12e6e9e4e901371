//! Names for requests, so that an answer, a log line and the upstream's log line can be laid side by side.

use std::cell::Cell;

/// Is the name of one request: 16 characters of the alphabet of Crockford's base 32, in lower case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId([u8; LENGTH]);

/// Makes the names of one worker's requests: a random prefix, then a walk through all 50-bit numbers.
///
/// Names are unique but no secrets. Neighbours do not look alike, so that a person can tell them apart at a glance and
/// nobody reads the number of requests off them.
#[derive(Debug)]
pub(crate) struct RequestIds {
    prefix: u64,
    next: Cell<u64>,
}

impl RequestId {
    /// Shows it as text.
    pub(crate) fn as_str(&self) -> &str {
        // The alphabet is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl RequestIds {
    /// Starts at a random place; one system call for the life of a worker.
    pub(crate) fn new() -> Self {
        let mut seed = [0; 16];
        // Without randomness the names repeat after a restart, which is a pity and no danger.
        let _ = aws_lc_rs::rand::fill(&mut seed);
        let [low, high] = [0, 8].map(|at| seed[at..at + 8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        Self { prefix: low, next: Cell::new(high) }
    }

    /// The name for the next request.
    pub(crate) fn next(&self) -> RequestId {
        let count = self.next.get();
        self.next.set(count.wrapping_add(1));
        let mut text = [0; LENGTH];
        write_digits(self.prefix, &mut text[..PREFIX]);
        // An odd factor makes neighbours look different and loses no value.
        write_digits(count.wrapping_mul(STRIDE), &mut text[PREFIX..]);
        RequestId(text)
    }
}

fn write_digits(mut bits: u64, text: &mut [u8]) {
    for digit in text {
        *digit = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
}

const LENGTH: usize = 16;
/// 30 bits tell workers and restarts apart; the 50 that are left count requests.
const PREFIX: usize = 6;
const ALPHABET: [u8; 32] = *b"0123456789abcdefghjkmnpqrstvwxyz";
/// 2^64 divided by the golden ratio, as in Fibonacci hashing.
const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_short_and_plain() {
        let (one, other) = (RequestIds::new(), RequestIds::new());
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            for ids in [&one, &other] {
                let id = ids.next();
                assert_eq!(id.as_str().len(), LENGTH);
                assert!(id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
                assert!(seen.insert(id.as_str().to_owned()), "{id} came twice");
            }
        }
    }
}
