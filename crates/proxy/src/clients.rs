//! What one client may take of everything: counted over all of its connections, on all workers.
//!
//! A client is an IPv4 address, or an IPv6 network of 64 bits, as that is what one household has. Clients of this machine
//! are not counted: who proxies for others is often one of them.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::limits::Limits;

/// Counts clients; there is one for all workers.
#[derive(Debug)]
pub(crate) struct Clients {
    /// By a part of the address, so that workers seldom wait for one another.
    parts: [Mutex<HashMap<u64, Taken>>; PARTS],
    connections: Option<usize>,
    requests: Option<u32>,
}

/// Is a client that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted(u64);

/// Says that a client has as many connections as it may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// Is what one client has taken.
#[derive(Debug, Default)]
struct Taken {
    connections: usize,
    requests: Spent,
    resets: Spent,
}

/// Is what was spent of something that comes back by and by, in thousandths.
#[derive(Debug, Default)]
struct Spent {
    now: u64,
    at: Option<Instant>,
}

impl Counted {
    /// The client at an address; none for one of this machine.
    fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            address if address.is_loopback() => None,
            IpAddr::V4(address) => Some(Self(u64::from(u32::from(address)))),
            // Site-local and global networks alike; none of them is an IPv4 address.
            IpAddr::V6(address) => Some(Self(u64::try_from(u128::from(address) >> 64).unwrap_or(0) | 1 << 63)),
        }
    }
}

impl Clients {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            parts: std::array::from_fn(|_| Mutex::default()),
            connections: limits.connections_of_client,
            requests: limits.requests_of_client.map(Into::into),
        }
    }

    /// A connection comes; whoever gets a client back is to let it [`leave`](Self::leave).
    pub(crate) fn come(&self, address: IpAddr) -> Result<Option<Counted>, TooMany> {
        let Some(client) = Counted::of(address) else { return Ok(None) };
        self.with(client, |taken| {
            if self.connections.is_some_and(|most| taken.connections >= most) {
                return Err(TooMany);
            }
            taken.connections += 1;
            Ok(Some(client))
        })
    }

    /// A connection that came is gone.
    pub(crate) fn leave(&self, client: Counted) {
        let mut part = self.part(client);
        if let Some(taken) = part.get_mut(&client.0) {
            taken.connections = taken.connections.saturating_sub(1);
            if taken.connections == 0 && taken.owes_nothing() {
                part.remove(&client.0);
            }
        }
    }

    /// Whether a client may make one more request now.
    pub(crate) fn may_ask(&self, address: IpAddr) -> bool {
        let (Some(rate), Some(client)) = (self.requests, Counted::of(address)) else { return true };
        self.with(client, |taken| taken.requests.spend(1, rate.into(), AT_ONCE * u64::from(rate)))
    }

    /// Whether a client may reset so many streams more now.
    pub(crate) fn may_reset(&self, address: IpAddr, streams: u32) -> bool {
        let Some(client) = Counted::of(address) else { return true };
        self.with(client, |taken| taken.resets.spend(streams.into(), RESETS, RESETS_AT_ONCE))
    }

    fn with<T>(&self, client: Counted, change: impl FnOnce(&mut Taken) -> T) -> T {
        let mut part = self.part(client);
        // Who is gone and has paid is forgotten when there is need of room.
        if part.len() == part.capacity() && !part.contains_key(&client.0) {
            part.retain(|_, taken| taken.connections > 0 || !taken.owes_nothing());
        }
        change(part.entry(client.0).or_default())
    }

    fn part(&self, client: Counted) -> std::sync::MutexGuard<'_, HashMap<u64, Taken>> {
        // The bits of neighbours differ at one end for IPv4, and in the middle for IPv6.
        let mixed = client.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let at = usize::try_from(mixed >> 32).unwrap_or(0) % PARTS;
        self.parts[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn owes_nothing(&self) -> bool {
        [&self.requests, &self.resets].iter().all(|spent| spent.at.is_none_or(|at| at.elapsed() >= FORGOTTEN))
    }
}

impl Spent {
    /// Spends, unless that would be more than `most`; `each_second` comes back.
    fn spend(&mut self, count: u64, each_second: u64, most: u64) -> bool {
        let now = Instant::now();
        let since = self.at.map_or(Duration::ZERO, |at| now.duration_since(at));
        // Exact, as some ask many times in a millisecond.
        let back = since.as_nanos().saturating_mul(each_second.into()) / 1_000_000;
        self.now = self.now.saturating_sub(u64::try_from(back).unwrap_or(u64::MAX));
        self.at = Some(now);
        let after = self.now + count * 1000;
        let may = after <= most * 1000;
        if may {
            self.now = after;
        }
        may
    }
}

/// So many parts are enough for two workers never to meet, nearly.
const PARTS: usize = 64;

/// Seconds' worth of requests that may come at once: a page with all that is on it.
const AT_ONCE: u64 = 10;

/// Streams of HTTP/2 that a client may reset in a second, over all connections. Each may have cost a routed request, so
/// this many are a twentieth of one core; a browser that scrolls through pictures resets some dozens.
const RESETS: u64 = 500;

/// Behind one address may be many people.
const RESETS_AT_ONCE: u64 = 20_000;

/// After so long everything has come back.
const FORGOTTEN: Duration = Duration::from_secs(RESETS_AT_ONCE / RESETS);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::{net::Ipv4Addr, num::NonZeroU32};

    use super::*;

    fn clients(edit: impl FnOnce(&mut Limits)) -> Clients {
        let mut limits = Limits::default();
        edit(&mut limits);
        Clients::new(&limits)
    }

    fn at(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[tokio::test]
    async fn a_client_has_so_many_connections_and_its_network_is_one_client() {
        let clients = clients(|limits| limits.connections_of_client = Some(2));
        let first = clients.come(at("192.0.2.1")).unwrap().unwrap();
        clients.come(at("::ffff:192.0.2.1")).unwrap();
        assert_eq!(clients.come(at("192.0.2.1")), Err(TooMany));
        clients.come(at("192.0.2.2")).unwrap();
        clients.leave(first);
        clients.come(at("192.0.2.1")).unwrap();

        clients.come(at("2001:db8:1:2::3")).unwrap();
        clients.come(at("2001:db8:1:2:ffff::1")).unwrap();
        assert_eq!(clients.come(at("2001:db8:1:2::9")), Err(TooMany));
        clients.come(at("2001:db8:1:3::9")).unwrap();

        for _ in 0..10 {
            assert_eq!(clients.come(at("127.0.0.1")), Ok(None));
            assert_eq!(clients.come(at("::1")), Ok(None));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_evenly_and_within_the_limit_is_never_refused() {
        let clients = clients(|limits| limits.requests_of_client = NonZeroU32::new(2000));
        for _ in 0..100_000 {
            assert!(clients.may_ask(at("192.0.2.1")));
            tokio::time::advance(Duration::from_micros(700)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_and_resets_come_back_by_and_by() {
        let clients = clients(|limits| limits.requests_of_client = NonZeroU32::new(5));
        let peer = at("192.0.2.1");
        let asked = || (0..1_000).take_while(|_| clients.may_ask(peer)).count();
        assert_eq!(asked(), 50);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(asked(), 15);
        assert!(clients.may_ask(at("192.0.2.2")));

        let reset = || (0..10_000).take_while(|_| clients.may_reset(peer, 64)).count() * 64;
        assert_eq!(reset(), 19_968);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(reset(), 1_024, "32 were left");
        assert!((0..100).all(|_| clients.may_reset(at("127.0.0.1"), 10_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_who_is_gone() {
        let clients = clients(|_| {});
        let count = || clients.parts.iter().map(|part| part.lock().unwrap().len()).sum::<usize>();
        let come = |number: u32| clients.come(Ipv4Addr::from(number << 8).into()).unwrap().unwrap();
        let all: Vec<_> = (1..1_000).map(come).collect();
        assert_eq!(count(), 999);
        all.into_iter().for_each(|client| clients.leave(client));
        assert_eq!(count(), 0);
        for number in 1..10_000_u32 {
            assert!(clients.may_reset(Ipv4Addr::from(number << 8).into(), 1));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(count() < 1_000, "{} are kept", count());
    }
}
