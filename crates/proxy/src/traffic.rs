//! What comes to one site, counted by the workers.
//!
//! Each worker counts for itself, on cache lines of its own, and waits for nobody; only a reader adds up.
//! It begins when the site is first served, and goes on from snapshot to snapshot.

mod hour;
mod latency;
mod plain;

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portward_core::{RequestFacts, Timestamp};

pub use hour::HourView;
pub use latency::{LATENCY_BOUNDS, Latency};
pub use plain::PlainClient;

use crate::count::Count;
use hour::Hour;
use latency::Latencies;
use plain::PlainClients;

/// Counts what comes to one site.
#[derive(Debug)]
pub struct Traffic {
    since: Timestamp,
    /// By worker; empty where none of its requests was for the site, and not there while nobody's was: most of many sites
    /// are never asked for.
    shards: OnceLock<Box<[OnceLock<Box<Shard>>; SHARDS]>>,
}

/// Shows what came to one site since it was first served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficView {
    /// Since when it is counted.
    pub since: Option<Timestamp>,
    /// Requests in the clear.
    pub http: u64,
    /// Those of them that a browser's navigation made.
    pub http_browsers: u64,
    /// Those of them that were answered with a redirect to HTTPS.
    pub redirected: u64,
    /// Requests over TLS by HTTP/1.1.
    pub https_http1: u64,
    /// Requests over TLS by HTTP/2.
    pub https_http2: u64,
    /// Answers by the first digit of their status, from 1 on.
    pub answers: [u64; 5],
    /// Bytes of bodies that clients took.
    pub bytes: u64,
    /// How long the application took until it began to answer.
    pub latency: Latency,
    /// What was answered in the last hour.
    pub hour: HourView,
    /// Requests in each minute of the last hour, the oldest first; the last one is the minute that runs.
    pub minutes: Vec<u64>,
    /// Who came in the clear lately, the latest first.
    pub plain_clients: Vec<PlainClient>,
}

/// Says by which way a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CameBy<'r> {
    /// In the clear, with what it says of itself.
    Http { facts: RequestFacts<'r>, user_agent: Option<&'r [u8]> },
    /// By TLS and HTTP/1.1.
    HttpsHttp1,
    /// By TLS and HTTP/2.
    HttpsHttp2,
}

/// Is what is known of an answer for which the application was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// How long it took until the answer began.
    pub(crate) took: Duration,
    /// Bytes of its body that the client took.
    pub(crate) bytes: u64,
}

/// Is what one worker has counted; the alignment keeps two workers off one cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    http: Count,
    http_browsers: Count,
    redirected: Count,
    https_http1: Count,
    https_http2: Count,
    answers: [Count; 5],
    bytes: Count,
    latency: Latencies,
    minutes: Minutes,
    hour: Hour,
    plain_clients: PlainClients,
}

/// Requests in each of the last sixty minutes: the minute in the upper half of a slot, its requests in the lower.
#[derive(Debug)]
struct Minutes([AtomicU64; MINUTES]);

impl Traffic {
    /// Begins to count.
    pub fn since(since: Timestamp) -> Self {
        Self { since, shards: OnceLock::new() }
    }

    /// Counts a request, of a worker.
    pub(crate) fn came(&self, worker: usize, by: CameBy<'_>, now: Timestamp) {
        let shard = self.shard(worker);
        match by {
            CameBy::Http { facts, user_agent } => {
                shard.http.up();
                let is_browser = facts.is_navigation();
                if is_browser {
                    shard.http_browsers.up();
                }
                shard.plain_clients.came(user_agent, is_browser, now);
            }
            CameBy::HttpsHttp1 => shard.https_http1.up(),
            CameBy::HttpsHttp2 => shard.https_http2.up(),
        }
        shard.minutes.up(minute(now));
    }

    /// Counts an answer for which the application was asked.
    pub(crate) fn answered(&self, worker: usize, status: u16, answered: &Answered, now: Timestamp) {
        let shard = self.shard(worker);
        shard.answered(status);
        shard.bytes.add(answered.bytes);
        shard.latency.count(answered.took);
        shard.hour.count(status, Some(answered), now);
    }

    /// Counts an answer that was a redirect to HTTPS.
    pub(crate) fn redirected(&self, worker: usize, now: Timestamp) {
        let shard = self.shard(worker);
        shard.redirected.up();
        shard.answered(308);
        shard.hour.count(308, None, now);
    }

    /// What all workers together have counted.
    pub fn view(&self, now: Timestamp) -> TrafficView {
        let mut view = TrafficView { since: Some(self.since), minutes: vec![0; MINUTES], ..TrafficView::default() };
        for shard in self.shards.get().into_iter().flat_map(|shards| shards.iter()).filter_map(OnceLock::get) {
            view.http += shard.http.read();
            view.http_browsers += shard.http_browsers.read();
            view.redirected += shard.redirected.read();
            view.https_http1 += shard.https_http1.read();
            view.https_http2 += shard.https_http2.read();
            for (sum, count) in view.answers.iter_mut().zip(&shard.answers) {
                *sum += count.read();
            }
            view.bytes += shard.bytes.read();
            view.latency.add(&shard.latency.read());
            shard.hour.add_to(&mut view.hour, now);
            shard.minutes.add_to(&mut view.minutes, minute(now));
            shard.plain_clients.add_to(&mut view.plain_clients);
        }
        plain::keep_latest(&mut view.plain_clients);
        view
    }

    fn shard(&self, worker: usize) -> &Shard {
        let shards = self.shards.get_or_init(|| Box::new([const { OnceLock::new() }; SHARDS]));
        shards[worker % SHARDS].get_or_init(Box::default)
    }
}

impl Shard {
    fn answered(&self, status: u16) {
        if let Some(count) = self.answers.get(usize::from(status / 100).wrapping_sub(1)) {
            count.up();
        }
    }
}

impl TrafficView {
    /// Requests of the last whole minute.
    pub fn last_minute(&self) -> u64 {
        self.minutes.iter().rev().nth(1).copied().unwrap_or_default()
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.http + self.https_http1 + self.https_http2
    }
}

impl Minutes {
    fn up(&self, minute: u32) {
        let slot = &self.0[minute as usize % MINUTES];
        let now = slot.load(Ordering::Relaxed);
        // One worker writes; where two share a shard, a request may go uncounted at the turn of a minute.
        if (now >> 32) as u32 == minute {
            slot.fetch_add(1, Ordering::Relaxed);
        } else {
            slot.store(u64::from(minute) << 32 | 1, Ordering::Relaxed);
        }
    }

    fn add_to(&self, sums: &mut [u64], now: u32) {
        for slot in &self.0 {
            let slot = slot.load(Ordering::Relaxed);
            let ago = now.wrapping_sub((slot >> 32) as u32) as usize;
            if let Some(sum) = sums.iter_mut().rev().nth(ago) {
                *sum += slot & u64::from(u32::MAX);
            }
        }
    }
}

impl Default for Minutes {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; MINUTES])
    }
}

fn minute(now: Timestamp) -> u32 {
    u32::try_from(now.unix() / 60).unwrap_or_default()
}

const MINUTES: usize = 60;

/// More workers than that share.
const SHARDS: usize = 32;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const BROWSER: RequestFacts<'_> = RequestFacts { sec_fetch_mode: Some(b"navigate"), accept: None };
    const AGENT: RequestFacts<'_> = RequestFacts { sec_fetch_mode: None, accept: None };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_reader_sees_what_all_workers_counted() {
        let traffic = Traffic::since(at(0));
        let http = |facts, user_agent| CameBy::Http { facts, user_agent: Some(user_agent) };
        for worker in 0..40 {
            traffic.came(worker, http(BROWSER, b"Mozilla/5.0 Firefox/1"), at(0));
            traffic.redirected(worker, at(0));
        }
        traffic.came(0, http(AGENT, b"curl/8"), at(1));
        let answered = Answered { took: Duration::from_millis(3), bytes: 10 };
        traffic.answered(0, 200, &answered, at(1));
        traffic.came(1, CameBy::HttpsHttp1, at(2));
        traffic.came(1, CameBy::HttpsHttp2, at(61));
        traffic.answered(1, 503, &answered, at(61));
        traffic.answered(1, 999, &answered, at(61));
        let view = traffic.view(at(61));
        assert_eq!((view.http, view.http_browsers, view.redirected), (41, 40, 40));
        assert_eq!((view.https_http1, view.https_http2, view.requests()), (1, 1, 43));
        assert_eq!(view.answers, [0, 1, 40, 0, 1]);
        assert_eq!((view.last_minute(), view.minutes[59]), (42, 1));
        assert_eq!((view.bytes, view.latency.count(), view.latency.sum), (30, 3, Duration::from_millis(9)));
        assert_eq!((view.hour.answers, view.hour.server_errors, view.hour.bytes), (43, 1, 30));
        let clients: Vec<_> = view.plain_clients.iter().map(|client| (&*client.family, client.requests)).collect();
        assert_eq!(clients, [("curl", 1), ("Firefox", 40)]);
    }

    #[test]
    fn an_hour_later_the_minutes_are_empty() {
        let traffic = Traffic::since(at(0));
        traffic.came(0, CameBy::HttpsHttp1, at(0));
        assert_eq!(traffic.view(at(59 * 60)).minutes[0], 1);
        assert_eq!(traffic.view(at(60 * 60)).minutes, vec![0; 60]);
        traffic.came(0, CameBy::HttpsHttp1, at(60 * 60));
        assert_eq!(traffic.view(at(60 * 60)).minutes[59], 1);
    }

    #[test]
    fn who_is_not_asked_for_takes_little() {
        assert!(size_of::<Traffic>() <= 24);
    }

    #[test]
    fn two_workers_share_no_cache_line() {
        assert_eq!(align_of::<Shard>(), 128);
    }
}
