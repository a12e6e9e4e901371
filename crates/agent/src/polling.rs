//! Dials the servers that are to be dialled, and keeps one link with each.
//!
//! What is wanted of a link changes while it is up: another pin is expected, another identity is to be shown or offered.
//! Then a second link is made first, and the one before ends when it is there, so that a server is never without one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use portward_core::{DialAddress, Thumbprint};
use portward_link::{Backoff, HttpProxy, LinkError, Session, dial};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};

use crate::{
    TrustedServer,
    links::{Link, Links},
    shared::{Shared, State},
    wording::{one_line, without_numbers},
};

/// Has a task dial for each server that has addresses; never ends.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut states = shared.watch();
    let mut tasks = JoinSet::new();
    let mut polled: BTreeMap<String, tokio::task::AbortHandle> = BTreeMap::new();
    loop {
        while tasks.try_join_next().is_some() {}
        polled.retain(|_, task| !task.is_finished());
        let state = Arc::clone(&states.borrow_and_update());
        for server in state.configuration.trusted.iter().filter(|server| !server.addresses.is_empty()) {
            if !polled.contains_key(&server.id) {
                let task = tasks.spawn(poll(Arc::clone(&shared), server.id.clone()));
                polled.insert(server.id.clone(), task);
            }
        }
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Is what a link is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Want {
    expected: Option<Thumbprint>,
    identity: Thumbprint,
    offered: Option<Thumbprint>,
    proxy: Option<HttpProxy>,
}

/// Is the link of a server, and what was wanted of it.
struct Current {
    id: u64,
    task: JoinHandle<String>,
    want: Want,
    address: DialAddress,
    begun: Instant,
}

/// Says why no link came about.
struct Failed {
    /// For people, with the remedy.
    message: String,
    /// When the server wants it to be tried again.
    retry_after: Option<Duration>,
    /// Whether nobody was there, and somebody who says no was not.
    is_absent: bool,
}

impl Want {
    fn of(state: &State, server: &TrustedServer) -> Self {
        Self {
            expected: server.expected(),
            identity: state.shown_to(server).thumbprint(),
            offered: state.offered_to(server).map(portward_link::Identity::thumbprint),
            proxy: state.configuration.proxy.clone(),
        }
    }
}

/// Keeps a link with one server, as long as it is to be dialled.
async fn poll(shared: Arc<Shared>, id: String) {
    let mut states = shared.watch();
    let mut backoff = Backoff::new();
    let mut current: Option<Current> = None;
    let mut due = Instant::now();
    let mut wanted: Option<Want> = None;
    loop {
        let state = Arc::clone(&states.borrow_and_update());
        let Some(server) = state.configuration.by_id(&id).filter(|server| !server.addresses.is_empty()) else {
            return end(&shared, current);
        };
        let want = Want::of(&state, server);
        if wanted.as_ref() != Some(&want) {
            // Something new is tried at once.
            wanted = Some(want.clone());
            backoff = Backoff::new();
            due = Instant::now();
        }
        let fits = |current: &Current| current.want == want && server.addresses.contains(&current.address);
        let is_missing = current.as_ref().is_none_or(|current| !fits(current));
        let is_second = current.is_some();
        let attempt = async {
            sleep_until(due).await;
            connect(&shared, &state, server, is_second).await
        };
        let ended = async {
            match &mut current {
                Some(current) => (&mut current.task).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            reason = ended => {
                let reason = reason.unwrap_or_else(|_| "it was cut here".to_owned());
                if let Some(lost) = current.take() {
                    tracing::info!(server.address = %lost.address, reason, "the link ended");
                    backoff.lived(lost.begun.elapsed());
                }
                due = Instant::now() + backoff.next_within(Backoff::LONGEST_FOR_ABSENT);
            }
            attempted = attempt, if is_missing => match attempted {
                Ok((session, address)) => {
                    let before = current.replace(begin(&shared, &id, session, address, want));
                    end(&shared, before);
                }
                Err(failed) => {
                    let longest = if failed.is_absent { Backoff::LONGEST_FOR_ABSENT } else { Backoff::LONGEST };
                    let again = || backoff.next_within(longest);
                    let wait = failed.retry_after.map_or_else(again, |after| after + Backoff::new().next());
                    due = Instant::now() + wait;
                    if shared.links.note_problem(&id, &failed.message) {
                        tracing::warn!("{}", failed.message);
                    } else {
                        tracing::debug!(wait = wait.as_secs(), "{}", failed.message);
                    }
                }
            },
        }
    }
}

/// Ends a link when its calls are done, and waits for nothing.
fn end(shared: &Arc<Shared>, link: Option<Current>) {
    if let Some(link) = link {
        shared.links.end(link.id);
    }
}

fn begin(shared: &Arc<Shared>, id: &str, session: Session, address: DialAddress, want: Want) -> Current {
    let pin = session.peer.shown.thumbprint;
    let link = Link {
        server: id.to_owned(),
        pin,
        identity: want.identity,
        offered: want.offered,
        dialled: Some(address.clone()),
        peer: session.peer.address.map(|address| address.to_string()).unwrap_or_default(),
        since: shared.now(),
    };
    tracing::info!(server.address = %address, server.thumbprint = %pin, server.version = session.peer.hello.version, "linked");
    let (id, task) = Links::serve(shared, session, link);
    Current { id, task, want, address, begun: Instant::now() }
}

/// Dials each address with each pin, until there is a link. A link that is to follow another one is made with the
/// expected pin alone: with another one there would be nothing new.
async fn connect(
    shared: &Shared,
    state: &State,
    server: &TrustedServer,
    is_second: bool,
) -> Result<(Session, DialAddress), Failed> {
    let mut failures = Vec::new();
    let mut retry_after = None;
    let mut is_absent = true;
    let pins = if is_second { server.pins.get(..1).unwrap_or_default() } else { &server.pins };
    for address in &server.addresses {
        let mut mismatched = Vec::new();
        for pin in pins {
            match connect_to(shared, state, server, address, *pin).await {
                Ok(session) => return Ok((session, address.clone())),
                Err(LinkError::Mismatch(mismatch)) => {
                    shared.links.note_seen(mismatch.shown.clone());
                    mismatched.push(mismatch);
                    is_absent = false;
                }
                Err(error) => {
                    if let LinkError::Refused(refusal) = &error {
                        let after = refusal.retry_after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
                        retry_after = retry_after.max(after);
                        is_absent = false;
                    }
                    failures.push(told(address, &error));
                    mismatched.clear();
                    break;
                }
            }
        }
        if let Some(first) = mismatched.first() {
            failures.push(unexpected(address, pins, &first.shown));
        }
    }
    Err(Failed { message: one_line(&failures.join("; ")), retry_after, is_absent })
}

async fn connect_to(
    shared: &Shared,
    state: &State,
    server: &TrustedServer,
    address: &DialAddress,
    pin: Thumbprint,
) -> Result<Session, LinkError> {
    let tcp = dial(address, state.configuration.proxy.as_ref()).await?;
    let (identity, next) = (state.shown_to(server), state.offered_to(server));
    Session::dial(tcp, identity, &[pin], shared.hello(server), next).await
}

/// Why there is no link, and what would change that.
fn told(address: &DialAddress, error: &LinkError) -> String {
    match error {
        LinkError::Refused(refusal) => format!(
            "the server at {address} refuses this agent: {}. It shows {}, and this agent showed {} (SHA-1 {}). {}",
            refusal.message.trim_end_matches('.'),
            refusal.my_thumbprint,
            refusal.your_thumbprint,
            refusal.your_sha1,
            refusal.remedy
        ),
        other => without_numbers(&format!("no link with the server at {address}: {other}")),
    }
}

/// Says it as Octopus does, with what to do.
fn unexpected(address: &DialAddress, pins: &[Thumbprint], shown: &portward_link::verify::Shown) -> String {
    let expected: Vec<String> = pins.iter().map(Thumbprint::to_string).collect();
    let first = expected.first().map(String::as_str).unwrap_or_default();
    format!(
        "the server at {address} presented an unexpected security certificate: expected the thumbprint {}, and {} came \
         (subject {}, issuer {}). Another program or a proxy that looks into TLS may be there, or the server has got \
         another identity. See what portward identity show tells on the server; only if it is the same, run: \
         portward-agent update-trust --old-thumbprint={first} --new-thumbprint={}",
        expected.join(" or "),
        shown.thumbprint,
        shown.subject,
        shown.issuer,
        shown.thumbprint
    )
}

/// A server that wants to be left alone for longer can be asked in vain once in a while.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
