//! Time-outs and limits of the data plane, with the origin of each default.

use std::{num::NonZeroU32, time::Duration};

use portward_core::WaitLimit;

use crate::snapshot::ServedSite;

/// Bounds what one client or one upstream can make Portward hold or wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From accepting a connection to the end of its TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request head to its last.
    pub head: Duration,
    /// How long a connection may wait for its next request.
    pub idle: Duration,
    /// For a connection to an upstream, TLS included.
    pub upstream_connect: Duration,
    /// From the end of a request to the first byte of its response.
    pub upstream_response: Duration,
    /// Between two reads or two writes of a body, on either side, and between two messages of an upgraded connection.
    pub body_idle: Duration,
    /// How slowly a client may send or take a body.
    pub pace: Pace,
    /// How long a connection to an upstream is kept for the next request.
    pub upstream_idle: Duration,
    /// How often an upstream is asked for its health path.
    pub check_every: Duration,
    /// How long it may take to answer that, the connection included.
    pub check_within: Duration,
    /// How long the connections of a removed binding may take to finish before they are cut.
    pub drain: Duration,
    /// Open connections of all clients together; further ones are answered with 503.
    pub connections: usize,
    /// Open connections of one client, which is an address or an IPv6 network of 64 bits; none for no limit. Clients of this
    /// machine have none.
    pub connections_of_client: Option<usize>,
    /// Requests that such a client may make in a second, and ten times as many at once; none for no limit.
    pub requests_of_client: Option<NonZeroU32>,
    /// Connections to one upstream that a worker keeps while they idle.
    pub upstream_idle_connections: usize,
    /// Bytes of a request body; none for no limit.
    pub body: Option<u64>,
    /// Concurrent streams of one HTTP/2 connection.
    pub h2_streams: u32,
}

/// Says how long a client may be waited for while it moves a body.
///
/// It holds for bodies of requests whose length was announced, and for all responses. Time in which an upstream is waited
/// for does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// For all waits of a body together, beside what its bytes earn.
    pub grace: Duration,
    /// Bytes that earn a second.
    pub bytes_per_second: u64,
    /// For one wait until some of a response is taken, however much has been.
    pub stall: Duration,
}

/// Is what holds for one request: the site's own limits, and the server's where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// From the end of the request to the first byte of its response.
    pub(crate) response: Duration,
    /// Between two pieces of a body, and in an upgraded connection.
    pub(crate) idle: Duration,
    /// Bytes of the request's body.
    pub(crate) body: Option<u64>,
}

impl Limits {
    /// Has no more connections than a process that may have so many files open can hold, with an eighth left over for
    /// connections to upstreams, the store and logs.
    pub fn hold_to_files(&mut self, files: Option<u64>) {
        let Some(files) = files else { return };
        let most = files.saturating_sub(FILES_BESIDE.max(files / 8));
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        if most < self.connections {
            tracing::warn!(
                files,
                connections = most,
                wanted = self.connections,
                "fewer connections are taken than the limit says: raise the limit of open files (LimitNOFILE of systemd)"
            );
            self.connections = most;
        }
    }

    /// What holds for a request to a site.
    pub(crate) fn of(&self, site: &ServedSite) -> Bounds {
        let own = &site.limits;
        Bounds {
            response: own.response.map_or(self.upstream_response, WaitLimit::span),
            idle: own.idle.map_or(self.body_idle, WaitLimit::span),
            body: own.body.map_or(self.body, |limit| Some(limit.bytes())),
        }
    }
}

impl Pace {
    /// How long a client may have been waited for that has moved so many bytes.
    pub(crate) fn earned(&self, bytes: u64) -> Duration {
        self.grace.saturating_add(Duration::from_secs(bytes / self.bytes_per_second.max(1)))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // nginx has 60 s for the whole head; a real handshake takes a few round trips.
            handshake: Duration::from_secs(15),
            // hyper and Go's documentation both suggest 30 s at most against slow senders.
            head: Duration::from_secs(30),
            // nginx: 75 s, Caddy: 5 min; browsers close after about 2 min.
            idle: Duration::from_secs(120),
            // HAProxy's usual 5 s is short for an application that wakes from swap.
            upstream_connect: Duration::from_secs(10),
            // TeamCity's documentation asks proxies for 1200 s: builds and reports answer late.
            upstream_response: Duration::from_secs(1200),
            body_idle: Duration::from_secs(1200),
            // Kestrel asks for 240 bytes a second after 5 s, Apache (mod_reqtimeout) for 500 after 20 s: a telephone that
            // changes networks needs longer than 5. A paused video does not read; nginx gives it 60 s, Caddy all the time.
            pace: Pace { grace: Duration::from_secs(30), bytes_per_second: 240, stall: Duration::from_secs(300) },
            // Below the 75 s of nginx and the 60 s of Node's newer releases would be too late for Node's 5 s;
            // a connection that the upstream closes meanwhile is noticed and replaced.
            upstream_idle: Duration::from_secs(55),
            // Traefik asks every 30 s, HAProxy every 2 s, nginx Plus every 5 s.
            check_every: Duration::from_secs(5),
            check_within: Duration::from_secs(5),
            // Envoy drains a removed listener for 600 s; nginx and HAProxy wait for ever unless they are told not to.
            drain: Duration::from_secs(600),
            connections: 50_000,
            // A tenth of all, rounded down: more than a company has behind one address, and too few to shut others out.
            connections_of_client: Some(4_000),
            requests_of_client: None,
            // More requests at once than that are rare, and each connection beyond is made anew for its request. HAProxy sets
            // no bound; of what is not needed the oldest ages and goes.
            upstream_idle_connections: 1024,
            // As the applications behind us decide; Octopus packages have gigabytes.
            body: None,
            // nginx's http2_max_concurrent_streams is 128, h2's suggestion at least 100 (RFC 9113 section 6.5.2).
            h2_streams: 128,
        }
    }
}

/// The least that is left over for the store, logs, sockets that listen, and what the control plane connects to.
const FILES_BESIDE: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_connections_as_there_are_files_for() {
        for (files, expected) in [(None, 50_000), (Some(1 << 20), 50_000), (Some(1_024), 768), (Some(10), 1)] {
            let mut limits = Limits::default();
            limits.hold_to_files(files);
            assert_eq!(limits.connections, expected, "{files:?}");
        }
    }
}
