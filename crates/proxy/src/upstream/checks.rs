//! Asks upstreams for their health paths, for all workers at once and beside their requests.
//!
//! The one thing to know: a check is made over the same connections as requests are, with the same trust, and what it
//! finds is noted where requests look.

use std::{collections::HashMap, convert::Infallible, io, sync::Arc, thread, time::Duration};

use portward_core::{HostPattern, Upstream, UpstreamHttp};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::{Builder, LocalOptions},
    sync::oneshot,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    UpstreamHealth, UpstreamState,
    announced::Announced,
    dial::{DialError, dial},
};
use crate::{
    answer::Chain,
    h1::{Parsed, headers::HeaderSlots, limits::HeadLimits, refusal::BadResponse, request::Asked, response},
    served::Served,
    snapshot::{ServedSite, Snapshot},
    tls::Offer,
};

/// Says why an upstream is not well by a check.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("a check finds no connection: {}", Chain(.0))]
    Dial(DialError),
    #[error("a check was answered {status}; 200 to 399 is well")]
    Status { status: u16 },
    #[error("the answer to a check cannot be read: {0}")]
    Bad(BadResponse),
    #[error("a check was not answered: {0}")]
    Io(io::Error),
    #[error("a check was not answered within {} s", .limit.as_secs_f32())]
    Late { limit: Duration },
}

/// Is one upstream that is asked.
#[derive(Clone)]
struct Target {
    site: Arc<ServedSite>,
    /// The host that it is asked for.
    host: Arc<str>,
    upstream: Upstream,
    health: Arc<UpstreamHealth>,
    next: Instant,
}

/// Asks on a thread of its own, until what is given is dropped.
pub(crate) fn spawn(served: Arc<Served>) -> io::Result<oneshot::Sender<Infallible>> {
    let (keep, ended) = oneshot::channel();
    thread::Builder::new().name("checks".to_owned()).spawn(move || {
        // A local runtime stays on the thread that builds it.
        match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime.block_on(async {
                tokio::select! {
                    _ = ended => {}
                    never = run(served) => match never {},
                }
            }),
            Err(error) => tracing::error!(%error, "upstreams are not asked for their health paths"),
        }
    })?;
    Ok(keep)
}

/// Asks for ever.
async fn run(served: Arc<Served>) -> Infallible {
    let every = served.limits.check_every;
    let mut ticks = interval(every / TICKS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut of = Arc::new(Snapshot::default());
    let mut targets: HashMap<usize, Target> = HashMap::new();
    let mut running = JoinSet::new();
    loop {
        ticks.tick().await;
        let newest = served.snapshot();
        if !Arc::ptr_eq(&of, &newest) {
            targets = find(&newest, &targets, every);
            of = newest;
        }
        while running.try_join_next().is_some() {}
        let now = Instant::now();
        for target in targets.values_mut().filter(|target| target.next <= now) {
            if running.len() >= AT_ONCE {
                break;
            }
            target.next = now + every;
            running.spawn_local(check(Arc::clone(&served), target.clone()));
        }
    }
}

/// The upstreams that are asked; those that were asked before keep their time, the others are spread.
fn find(snapshot: &Snapshot, before: &HashMap<usize, Target>, every: Duration) -> HashMap<usize, Target> {
    let mut found: HashMap<usize, Target> = HashMap::new();
    let now = Instant::now();
    for (pattern, site) in snapshot.sites.iter().filter(|(_, site)| site.forwarding.health.is_some()) {
        let host: Option<Arc<str>> = match &pattern {
            HostPattern::Exact(host) => Some(host.to_string().into()),
            HostPattern::Wildcard(_) | HostPattern::Any => None,
        };
        for member in site.upstreams.members().filter(|member| member.upstream != Upstream::Portal) {
            let key = Arc::as_ptr(&member.health) as usize;
            if let Some(known) = found.get_mut(&key) {
                // The first of its names, so that it is the same one each time.
                if let Some(host) = host.clone().filter(|host| *host < known.host || !known.has_name()) {
                    known.host = host;
                }
                continue;
            }
            let next = before.get(&key).map_or_else(|| now + every * (key / 64 % 64) as u32 / 64, |target| target.next);
            let host = host.clone().unwrap_or_default();
            let (site, upstream, health) = (Arc::clone(site), member.upstream.clone(), Arc::clone(&member.health));
            found.insert(key, Target { site, host, upstream, health, next });
        }
    }
    for target in found.values_mut().filter(|target| !target.has_name()) {
        // A site for any host has no name of its own.
        target.host = target.upstream.address().map_or_else(|| "localhost".to_owned(), |at| at.host.to_string()).into();
    }
    found
}

impl Target {
    fn has_name(&self) -> bool {
        !self.host.is_empty()
    }
}

async fn check(served: Arc<Served>, target: Target) {
    let limit = served.limits.check_within;
    let result = match timeout(limit, ask(&served, &target)).await {
        Ok(result) => result,
        Err(_) => Err(CheckError::Late { limit }),
    };
    let bad = result.err();
    let reason = bad.as_ref().map(|error| error as &dyn std::fmt::Display);
    let state = target.health.checked(reason, Instant::now(), served.now());
    let (site, upstream) = (&target.site.id, &target.upstream);
    match state {
        Some(UpstreamState::Unwell) => {
            let cause = reason.map(tracing::field::display);
            tracing::warn!(site.id = %site, upstream.url = %upstream, cause, "an upstream is unwell by its checks");
        }
        Some(_) => tracing::info!(site.id = %site, upstream.url = %upstream, "an upstream is well again by its checks"),
        None => {}
    }
}

/// Asks one upstream.
async fn ask(served: &Served, target: &Target) -> Result<(), CheckError> {
    let forwarding = &target.site.forwarding;
    let Some(path) = &forwarding.health else { return Ok(()) };
    let offer = if forwarding.http == UpstreamHttp::Two { Offer::Http2 } else { Offer::Http1 };
    let ours = Announced { version: forwarding.proxy_protocol, ends: None };
    let dialled = dial(&target.upstream, &target.site.upstream_trust, offer, &ours, served).await;
    let (mut stream, _) = dialled.map_err(CheckError::Dial)?;
    if offer == Offer::Http2 {
        // What is asked for there is the connection alone.
        return Ok(());
    }
    let Target { host, .. } = target;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Portward-Health\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.map_err(CheckError::Io)?;
    AsyncWriteExt::flush(&mut stream).await.map_err(CheckError::Io)?;
    let mut read = Vec::with_capacity(1024);
    loop {
        match status(&mut read)? {
            Some(200..=399) => return Ok(()),
            Some(status) => return Err(CheckError::Status { status }),
            None => {}
        }
        if AsyncReadExt::read_buf(&mut stream, &mut read).await.map_err(CheckError::Io)? == 0 {
            return Err(CheckError::Io(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// The status of the first head that is no interim one, once it is there.
fn status(read: &mut Vec<u8>) -> Result<Option<u16>, CheckError> {
    loop {
        let mut slots = HeaderSlots::new();
        let asked = Asked { head: false, upgrade: false };
        let parsed = response::parse(read, &HeadLimits::default(), asked, &mut slots).map_err(CheckError::Bad)?;
        let Parsed::Complete { head, len } = parsed else { return Ok(None) };
        if !head.is_interim() {
            return Ok(Some(head.status));
        }
        read.drain(..len);
    }
}

/// How finely the checks are spread over their period.
const TICKS: u32 = 10;

/// Checks that run at the same time; more wait for the next tick.
const AT_ONCE: usize = 256;
