//! Takes the connections of servers that dial this agent.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use portward_link::{
    Guest, Wire,
    opening::RefusalCode,
    tls::{Dialled, Purpose},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    Listen, ListenOptions, TrustedServer,
    links::{Link, Links},
    page,
    shared::{Listening, Shared, State},
    wording::{one_line, without_numbers},
};

/// Is where the agent is to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    address: Option<IpAddr>,
    port: u16,
    /// Whether somebody said so.
    is_chosen: bool,
}

/// Is a socket that listens already, and where it was wanted.
pub(crate) struct Bound {
    place: Place,
    listener: TcpListener,
}

/// Listens at the place that was chosen, if one was; an agent whose place is taken does not begin.
pub(crate) async fn bind(shared: &Shared) -> io::Result<Option<Bound>> {
    let Some(place) = Place::of(&shared.state(), &shared.listen) else { return Ok(None) };
    match listen(place).await {
        Ok(listener) => {
            shared.set_listening(Listening { address: listener.local_addr().ok(), problem: None });
            Ok(Some(Bound { place, listener }))
        }
        Err(error) if place.is_chosen => Err(error),
        Err(_) => Ok(None),
    }
}

/// Listens where it is wanted at the moment; never ends.
pub(crate) async fn run(shared: Arc<Shared>, mut bound: Option<Bound>) {
    let mut states = shared.watch();
    let admission = Arc::new(Admission::new());
    loop {
        let Some(place) = Place::of(&states.borrow_and_update(), &shared.listen) else {
            bound = None;
            shared.set_listening(Listening::default());
            if states.changed().await.is_err() {
                return;
            }
            continue;
        };
        // What listened elsewhere lets go first: it may have the port.
        let listener = match bound.take().filter(|bound| bound.place == place) {
            Some(bound) => Ok(bound.listener),
            None => listen(place).await,
        };
        match listener {
            Ok(listener) => {
                let address = listener.local_addr().ok();
                if shared.listening().address != address {
                    tracing::info!("Agent listening on: {}", address.map(|at| at.to_string()).unwrap_or_default());
                }
                shared.set_listening(Listening { address, problem: None });
                tokio::select! {
                    () = accept(&shared, &listener, &admission) => {}
                    () = until_elsewhere(&shared, &mut states, place) => {}
                }
                bound = Some(Bound { place, listener });
            }
            Err(error) => {
                let problem = in_use(place, &error);
                if shared.listening().problem.as_ref() != Some(&problem) {
                    tracing::error!("{problem}");
                }
                shared.set_listening(Listening { address: None, problem: Some(problem) });
                tokio::select! {
                    () = sleep(AGAIN) => {}
                    () = until_elsewhere(&shared, &mut states, place) => {}
                }
            }
        }
    }
}

/// Counts the handshakes that are done.
struct Admission {
    room: Arc<Semaphore>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// Is the place of one handshake, until it is dropped.
struct Seat {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Admission {
    fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(HANDSHAKES)), by_address: Mutex::default() }
    }
}

impl Seat {
    /// None for an address that has all the places that one may have: the rest is for others.
    fn take(admission: &Arc<Admission>, address: IpAddr) -> Option<Self> {
        let mut by_address = admission.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = by_address.entry(address).or_default();
        if *taken >= HANDSHAKES_OF_ONE {
            return None;
        }
        *taken += 1;
        Some(Self { admission: Arc::clone(admission), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut by_address = self.admission.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = by_address.get_mut(&self.address) {
            *taken -= 1;
            if *taken == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

/// Says that a place cannot be listened at, and what to do.
pub(crate) fn cannot_listen(shared: &Shared, error: &io::Error) -> String {
    let place = Place::of(&shared.state(), &shared.listen);
    place.map(|place| in_use(place, error)).unwrap_or_default()
}

impl Place {
    /// Where it is wanted; what was said at the start counts more than the file.
    fn of(state: &State, options: &ListenOptions) -> Option<Self> {
        let Listen { chosen, address, port } = state.configuration.listen;
        let is_said = options.address.is_some() || options.port.is_some();
        let listens = options.on.unwrap_or_else(|| is_said || state.configuration.listens());
        listens.then(|| Self {
            address: options.address.or(address),
            port: options.port.unwrap_or(port),
            is_chosen: is_said || chosen == Some(true),
        })
    }
}

async fn listen(place: Place) -> io::Result<TcpListener> {
    match place.address {
        Some(address) => TcpListener::bind(SocketAddr::new(address, place.port)).await,
        None => match TcpListener::bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), place.port)).await {
            // A machine without IPv6.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), place.port)).await
            }
            bound => bound,
        },
    }
}

async fn until_elsewhere(shared: &Shared, states: &mut watch::Receiver<Arc<State>>, place: Place) {
    while states.changed().await.is_ok() {
        if Place::of(&states.borrow_and_update(), &shared.listen) != Some(place) {
            return;
        }
    }
    std::future::pending().await
}

async fn accept(shared: &Arc<Shared>, listener: &TcpListener, admission: &Arc<Admission>) {
    let mut guests = JoinSet::new();
    loop {
        while guests.try_join_next().is_some() {}
        let Ok(room) = Arc::clone(&admission.room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let Some(seat) = Seat::take(admission, peer.ip()) else { continue };
                let shared = Arc::clone(shared);
                guests.spawn(async move {
                    if let Err(reason) = receive(&shared, tcp, peer).await {
                        tracing::debug!(%peer, reason, "a connection came to nothing");
                    }
                    drop((room, seat));
                });
            }
            // Out of descriptors: others end.
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection cannot be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Finds out who is there, and links or refuses.
async fn receive(shared: &Arc<Shared>, tcp: TcpStream, peer: SocketAddr) -> Result<(), String> {
    let mut first = [0];
    let looked = timeout(FIRST_BYTE, tcp.peek(&mut first)).await.map_err(|_| "nothing came".to_owned())?;
    looked.map_err(|error| error.to_string())?;
    if first[0].is_ascii_uppercase() {
        return page::answer(tcp).await.map_err(|error| error.to_string());
    }
    let _ = tcp.set_nodelay(true);
    let state = shared.state();
    let others: Vec<_> = state.next.iter().map(|next| next.identity.clone()).collect();
    let dialled =
        Dialled::new(&state.identity.identity, &others, &[Purpose::Link]).map_err(|error| error.to_string())?;
    let guest = Guest::welcome(Wire::new(tcp), &dialled).await.map_err(|error| error.to_string())?;
    let pin = guest.shown().thumbprint;
    // What counts now: it may have changed during the handshake.
    let state = shared.state();
    let Some(server) = state.configuration.by_pin(pin) else {
        refuse_unknown(shared, guest, peer).await;
        return Ok(());
    };
    if shared.links.of(&server.id).len() >= LINKS_OF_ONE {
        let message = format!("there are {LINKS_OF_ONE} links with this server already");
        let remedy = "close some, or wait until they have ended".to_owned();
        let mut refusal = guest.refusal(RefusalCode::Busy, message, remedy);
        refusal.retry_after = Some(BUSY_FOR.as_secs());
        guest.refuse(refusal).await;
        return Ok(());
    }
    let next = state.offered_to(server);
    let session = guest.open(shared.hello(server), next).await.map_err(|error| error.to_string())?;
    let link = Link {
        server: server.id.clone(),
        pin,
        identity: session.peer.ours,
        offered: next.map(portward_link::Identity::thumbprint),
        dialled: None,
        peer: peer.to_string(),
        since: shared.now(),
    };
    tracing::info!(%peer, server.thumbprint = %pin, server.version = session.peer.hello.version, "linked");
    let (_, task) = Links::serve(shared, session, link);
    tokio::spawn(async move {
        let reason = task.await.unwrap_or_else(|_| "it was cut here".to_owned());
        tracing::info!(%peer, reason, "the link ended");
    });
    Ok(())
}

async fn refuse_unknown(shared: &Shared, guest: Guest, peer: SocketAddr) {
    let shown = guest.shown().clone();
    let pin = shown.thumbprint;
    // Whom it expects is no secret: a server shows that certificate to everybody, and whoever compares needs both.
    let state = shared.state();
    let expected: Vec<String> =
        state.configuration.trusted.iter().filter_map(TrustedServer::expected).map(|pin| pin.to_string()).collect();
    let known = match expected.as_slice() {
        [] => "it trusts nobody yet".to_owned(),
        [..] if expected.len() <= NAMED => format!("it expected {}", expected.join(" or ")),
        [..] => format!("it expected one of {} others", expected.len()),
    };
    let message = format!("this agent does not trust the thumbprint {pin}; {known}");
    let remedy = format!("run on {}: portward-agent configure --trust={pin}", shared.host_name);
    let refusal = guest.refusal(RefusalCode::UnknownPin, message, remedy);
    // Once for each thumbprint that was not trusted in between: whoever knocks all the time fills no log.
    if shared.links.note_turned_away(shown.clone()) {
        tracing::warn!(
            "a client at {peer} connected, but it presented a certificate with the thumbprint {pin} (subject {}), which is \
             not in the list of thumbprints that we trust. If it is your Portward server, run: \
             portward-agent configure --trust={pin}",
            one_line(&shown.subject)
        );
    }
    guest.refuse(refusal).await;
}

fn in_use(place: Place, error: &io::Error) -> String {
    let address = place.address.map_or_else(|| "all addresses".to_owned(), |address| address.to_string());
    format!(
        "the agent cannot listen on port {} of {address}: {}; give another one with portward-agent configure --port=PORT, \
         or have it listen nowhere: portward-agent configure --no-listen",
        place.port,
        without_numbers(&error.to_string())
    )
}

/// Handshakes at a time; the others wait in the queue of the system.
const HANDSHAKES: usize = 64;
/// Of one address: whoever says nothing does not keep the others out.
const HANDSHAKES_OF_ONE: usize = 16;
/// Nodes of a server, twice while they change over.
const LINKS_OF_ONE: usize = 32;
const BUSY_FOR: Duration = Duration::from_secs(5);
const FIRST_BYTE: Duration = Duration::from_secs(5);
/// So many thumbprints are told to who compares them.
const NAMED: usize = 3;
/// When a place that was taken is tried again.
const AGAIN: Duration = Duration::from_secs(10);
