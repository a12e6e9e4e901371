//! Slowing down those who guess.
//!
//! A try counts as failed from the moment it begins, so that many at once are not many guesses.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use portward_core::{Timestamp, UserName};

/// Remembers tries.
#[derive(Default)]
pub(super) struct Throttle {
    tries: Mutex<BTreeMap<Guess, Tries>>,
}

/// Is what is guessed, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guess {
    /// The password of a user, from an address: nobody else is slowed down.
    Password(String, Option<IpAddr>),
    /// Passwords of whoever, from an address.
    Anybody(Option<IpAddr>),
    /// The code of a user whose password is known already, from wherever.
    Code(UserName),
}

#[derive(Clone, Copy)]
struct Tries {
    failed: u32,
    last: Timestamp,
}

impl Throttle {
    /// Begins a try, or says how long to wait before it; it counts as failed until [`Throttle::succeeded`].
    pub(super) fn begin(&self, guesses: &[Guess], now: Timestamp) -> Result<(), Duration> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = guesses.iter().filter_map(|guess| Some(tries.get(guess)?.left(guess, now))).max();
        if let Some(wait) = longest.filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        if tries.len() >= KEPT {
            tries.retain(|_, tries| now.since(tries.last) < FORGOTTEN_AFTER);
        }
        if tries.len() >= KEPT {
            // Somebody tries from everywhere; those who failed least are forgotten.
            let mut counts: Vec<u32> = tries.values().map(|tries| tries.failed).collect();
            counts.sort_unstable();
            let middle = counts.get(counts.len() / 2).copied().unwrap_or_default();
            tries.retain(|_, tries| tries.failed > middle);
        }
        for guess in guesses {
            let tries = tries.entry(guess.clone()).or_insert(Tries { failed: 0, last: now });
            if now.since(tries.last) >= FORGOTTEN_AFTER {
                tries.failed = 0;
            }
            *tries = Tries { failed: tries.failed.saturating_add(1), last: now };
        }
        Ok(())
    }

    /// Has a try not count that got no verdict, as the server was busy.
    pub(super) fn take_back(&self, guesses: &[Guess]) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        for guess in guesses {
            if let Some(tries) = tries.get_mut(guess) {
                tries.failed = tries.failed.saturating_sub(1);
            }
        }
    }

    /// How long to wait before the next try.
    pub(super) fn wait(&self, guesses: &[Guess], now: Timestamp) -> Duration {
        let tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        guesses.iter().filter_map(|guess| Some(tries.get(guess)?.left(guess, now))).max().unwrap_or_default()
    }

    /// Forgets the tries that came before one that was right.
    pub(super) fn succeeded(&self, guesses: &[Guess]) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        for guess in guesses {
            match (guess, tries.get_mut(guess)) {
                // Who knows one password may still be guessing others.
                (Guess::Anybody(_), Some(tries)) => tries.failed = tries.failed.saturating_sub(1),
                _ => drop(tries.remove(guess)),
            }
        }
    }
}

impl Guess {
    /// What counts when somebody tries the password of a user.
    pub(super) fn password(user: &str, address: Option<IpAddr>) -> [Self; 2] {
        let user = user.trim().to_lowercase().chars().take(UserName::MAX).collect();
        let address = address.map(network);
        [Self::Password(user, address), Self::Anybody(address)]
    }

    /// What counts when somebody comes from an address without a password of ours.
    pub(super) fn from_there(address: Option<IpAddr>) -> [Self; 1] {
        [Self::Anybody(address.map(network))]
    }

    /// How many are free of waiting.
    fn free(&self) -> u32 {
        match self {
            Self::Password(..) | Self::Code(_) => 0,
            Self::Anybody(_) => FREE_OF_AN_ADDRESS,
        }
    }
}

impl Tries {
    /// How long is left to wait, after the last one: 1 s, 2 s, 4 s and so on.
    fn left(self, guess: &Guess, now: Timestamp) -> Duration {
        if now < self.last {
            // The clock was set back: nobody waits until it has come that far again.
            return Duration::ZERO;
        }
        let Some(counted) = self.failed.checked_sub(guess.free()).filter(|counted| *counted > 0) else {
            return Duration::ZERO;
        };
        let wait = Duration::from_secs(1 << (counted - 1).min(20)).min(LONGEST);
        wait.saturating_sub(now.since(self.last))
    }
}

/// The network of somebody: in IPv6 one customer has 2^64 addresses and more.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

/// As a number of seconds for people, never zero.
pub(super) fn seconds(wait: Duration) -> String {
    match wait.as_secs().max(1) {
        1 => "1 second".to_owned(),
        seconds @ 2..120 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// With it, a year has 100,000 tries, and 15 characters stand that for ever.
const LONGEST: Duration = Duration::from_secs(300);
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Offices share an address.
const FREE_OF_AN_ADDRESS: u32 = 20;
/// About 2 MB.
const KEPT: usize = 10_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_secs(seconds))
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn each_failure_doubles_the_wait_of_that_user_from_there() {
        let throttle = Throttle::default();
        let mara = Guess::password("Mara", address("192.0.2.1"));
        let mut now = 0;
        for wait in [1, 2, 4, 8, 16] {
            assert_eq!(throttle.begin(&mara, at(now)), Ok(()));
            assert_eq!(throttle.begin(&mara, at(now)), Err(Duration::from_secs(wait)));
            assert_eq!(throttle.wait(&mara, at(now + 1)), Duration::from_secs(wait - 1));
            now += wait;
        }
        assert_eq!(throttle.begin(&Guess::password("mara", address("192.0.2.2")), at(now)), Ok(()));
        assert_eq!(throttle.begin(&Guess::password("other", address("192.0.2.1")), at(now)), Ok(()));
        let wait = throttle.wait(&mara, at(now));
        throttle.begin(&mara, at(now)).unwrap();
        throttle.take_back(&mara);
        assert!(throttle.wait(&mara, at(now)) <= Duration::from_secs(16), "{wait:?}");
        throttle.succeeded(&mara);
        assert_eq!(throttle.wait(&mara, at(now)), Duration::ZERO);
        for _ in 0..12 {
            now += 300;
            throttle.begin(&mara, at(now)).unwrap();
        }
        assert_eq!(throttle.wait(&mara, at(now)), LONGEST);
        assert_eq!(throttle.wait(&mara, at(now + 24 * 3600)), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_is_set_back_shuts_nobody_out() {
        let throttle = Throttle::default();
        let mara = Guess::password("mara", None);
        throttle.begin(&mara, at(86_400)).unwrap();
        throttle.begin(&mara, at(5)).unwrap();
        assert_eq!(throttle.begin(&mara, at(5)), Err(Duration::from_secs(2)), "the failure before counts still");
    }

    #[test]
    fn an_address_that_tries_many_users_is_slowed_down() {
        let throttle = Throttle::default();
        let user = |number: u32| Guess::password(&format!("user{number}"), address("2001:db8::1"));
        for number in 0..20 {
            throttle.begin(&user(number), at(0)).unwrap();
        }
        throttle.begin(&user(20), at(0)).unwrap();
        assert_eq!(throttle.begin(&user(21), at(0)), Err(Duration::from_secs(1)));
        let beside = Guess::password("mara", address("2001:db8::ffff"));
        assert_eq!(throttle.begin(&beside, at(0)), Err(Duration::from_secs(1)));
        let elsewhere = Guess::password("mara", address("2001:db8:0:1::1"));
        assert_eq!(throttle.begin(&elsewhere, at(0)), Ok(()));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let throttle = Throttle::default();
        let worst = Guess::Code(UserName::parse("mara").unwrap());
        for second in [0, 1, 3] {
            throttle.begin(std::slice::from_ref(&worst), at(second)).unwrap();
        }
        for number in 0..20_000_u32 {
            let guess = Guess::Password(number.to_string(), None);
            throttle.begin(&[guess], at(4)).unwrap();
        }
        assert!(throttle.tries.lock().unwrap().len() <= KEPT);
        assert_eq!(throttle.wait(&[worst], at(4)), Duration::from_secs(3));
    }

    #[test]
    fn people_are_told_seconds() {
        for (wait, text) in
            [(0, "1 second"), (1, "1 second"), (4, "4 seconds"), (119, "119 seconds"), (121, "3 minutes")]
        {
            assert_eq!(seconds(Duration::from_secs(wait)), text);
        }
    }
}
