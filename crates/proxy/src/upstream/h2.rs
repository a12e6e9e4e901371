//! HTTP/2 connections to upstreams: one is shared by as many requests as it has room for.
//!
//! The one thing to know: a connection lives as long as it is kept here or somebody has a [`Seat`] on it. One that must
//! not carry new requests (`GOAWAY`, silence, age) is taken off the shelf, and ends after its last stream.

mod connection;
mod wire;

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
};

use portward_core::{Scheme, Upstream, UpstreamTrust};
use tokio::sync::watch;

use crate::{limits::Limits, stream::Stream};

use connection::Connection;
pub(crate) use connection::{BeginError, Seat};

/// Holds a worker's HTTP/2 connections to upstreams.
#[derive(Debug, Default)]
pub(super) struct Connections(Rc<Shelves>);

#[derive(Debug, Default)]
struct Shelves {
    by_upstream: RefCell<HashMap<Upstream, Vec<Shelf>>>,
    /// Upstreams that had the choice and took HTTP/1.1 when they were connected to last.
    without: RefCell<HashSet<Upstream>>,
}

/// Is what one upstream has under one trust, as in the pool of HTTP/1.1 connections.
#[derive(Debug)]
struct Shelf {
    trust: UpstreamTrust,
    connections: Vec<Rc<Connection>>,
    /// There while somebody makes a connection: it is dropped when that has come to its end.
    making: Option<watch::Receiver<bool>>,
}

/// Is the turn to make a connection; others wait until it is dropped.
pub(super) struct Making {
    shelves: Rc<Shelves>,
    upstream: Upstream,
    trust: UpstreamTrust,
    /// Tells who waits whether there is a new connection; wakes them by going.
    told: watch::Sender<bool>,
}

/// Says what somebody does who found no seat.
pub(super) enum Turn {
    /// Makes a connection, alone or beside others.
    Make(Option<Making>),
    /// Has waited until another one was made, and looks again.
    LookAgain,
}

impl Connections {
    /// Takes a seat on a connection that has room; the one that was made first is filled first.
    pub(super) fn take(&self, upstream: &Upstream, trust: &UpstreamTrust) -> Option<Seat> {
        let mut shelves = self.0.by_upstream.borrow_mut();
        let shelf = shelves.get_mut(upstream)?.iter_mut().find(|shelf| shelf.trust == *trust)?;
        shelf.connections.retain(|connection| connection.is_open());
        shelf.connections.iter().find(|connection| connection.has_room()).map(Seat::on)
    }

    /// Waits while somebody else makes a connection that may have room for this request too.
    ///
    /// An upstream that is known to speak HTTP/1.1 needs a connection for each request: nobody waits. Nobody waits twice
    /// for one that cannot be reached either.
    pub(super) async fn turn(&self, upstream: &Upstream, trust: &UpstreamTrust) -> Turn {
        let mut waiting = {
            if self.0.without.borrow().contains(upstream) {
                return Turn::Make(None);
            }
            let mut shelves = self.0.by_upstream.borrow_mut();
            let shelf = shelf(shelves.entry(upstream.clone()).or_default(), trust);
            match &shelf.making {
                Some(making) => making.clone(),
                None => {
                    let (told, making) = watch::channel(false);
                    shelf.making = Some(making);
                    let (shelves, upstream, trust) = (Rc::clone(&self.0), upstream.clone(), trust.clone());
                    return Turn::Make(Some(Making { shelves, upstream, trust, told }));
                }
            }
        };
        // An error says that the other one's turn ended without a connection.
        match waiting.changed().await {
            Ok(()) => Turn::LookAgain,
            Err(_) => Turn::Make(None),
        }
    }

    /// Remembers that an upstream took HTTP/1.1 where it had the choice.
    pub(super) fn speaks_http1(&self, upstream: &Upstream) {
        self.0.without.borrow_mut().insert(upstream.clone());
    }

    /// Begins HTTP/2 on a fresh connection, and keeps it for others if it is `shared`; the caller limits the time.
    pub(super) async fn begin(
        &self,
        stream: Stream,
        upstream: &Upstream,
        trust: &UpstreamTrust,
        limits: &Limits,
        shared: bool,
    ) -> Result<Seat, BeginError> {
        let scheme = upstream.address().map_or(Scheme::Http, |address| address.scheme);
        let connection = connection::begin(stream, scheme, limits, Rc::downgrade(&self.0)).await?;
        self.0.without.borrow_mut().remove(upstream);
        let seat = Seat::on(&connection);
        if shared {
            let mut shelves = self.0.by_upstream.borrow_mut();
            shelf(shelves.entry(upstream.clone()).or_default(), trust).connections.push(connection);
        }
        Ok(seat)
    }
}

impl Shelves {
    /// Takes connections off that are not open any more, and shelves on which nothing is left.
    fn tidy(&self) {
        self.by_upstream.borrow_mut().retain(|_, shelves| {
            shelves.retain_mut(|shelf| {
                shelf.connections.retain(|connection| connection.is_open());
                !shelf.connections.is_empty() || shelf.making.is_some()
            });
            !shelves.is_empty()
        });
    }
}

impl Making {
    /// Tells the others that there is a connection.
    pub(super) fn done(self) {
        // Nobody may be waiting.
        let _ = self.told.send(true);
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        let mut shelves = self.shelves.by_upstream.borrow_mut();
        if let Some(shelves) = shelves.get_mut(&self.upstream) {
            shelf(shelves, &self.trust).making = None;
        }
    }
}

fn shelf<'a>(shelves: &'a mut Vec<Shelf>, trust: &UpstreamTrust) -> &'a mut Shelf {
    let at = shelves.iter().position(|shelf| shelf.trust == *trust).unwrap_or_else(|| {
        shelves.push(Shelf { trust: trust.clone(), connections: Vec::new(), making: None });
        shelves.len() - 1
    });
    &mut shelves[at]
}
