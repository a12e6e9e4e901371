//! Where notices are given: each is logged, and waits for the channels that want it.

use std::{net::IpAddr, sync::Arc};

use portward_core::{NoticeKind, Tone};
use portward_proxy::Clock;
use portward_store::{
    Store,
    change::{Change, commit},
    desired::Desired,
    work::SignInPlaces,
};

use super::{About, ChannelBoard, Notice};
use crate::{app::chain_text, problem::Subject, served::Served};

/// Takes notices; one for each server.
pub(crate) struct Notices {
    /// What this server is called in messages.
    server: String,
    store: Arc<dyn Store>,
    served: Arc<Served>,
    clock: Clock,
    board: ChannelBoard,
}

impl Notices {
    /// Takes notices for a server of that name.
    pub(crate) fn new(server: impl Into<String>, store: Arc<dyn Store>, served: Arc<Served>, clock: Clock) -> Self {
        Self { server: server.into(), store, served, clock, board: ChannelBoard::default() }
    }

    /// What this server is called in messages.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Where the portal is, for links in messages; none if it is on no binding.
    pub(crate) fn portal(&self) -> Option<String> {
        crate::portal::public_url(&self.served.now())
    }

    /// How sending goes.
    pub(crate) fn board(&self) -> &ChannelBoard {
        &self.board
    }

    /// Adds to a change that a notice waits for all channels that want it.
    ///
    /// Whoever remembers that it was told does so in the same change: then it waits, or it will be told again.
    pub(crate) fn queue(&self, change: &mut Change, desired: &Desired, notice: &Notice) {
        let queued = notice.queued();
        for stored in &desired.channels {
            let channel = &stored.value;
            // A channel cannot tell of its own failure.
            let is_itself = notice.subject == About::Thing(Subject::Channel(channel.id.clone()));
            if channel.enabled && channel.wanted.has(notice.kind) && !is_itself {
                change.put_queued(&channel.id, &queued);
            }
        }
    }

    /// Tells of somebody who signed in, if it was from a network where that user never did before.
    ///
    /// The first place of a user is no news.
    pub(crate) async fn sign_in(&self, user: &str, address: IpAddr) {
        let network = network(address);
        let known = match SignInPlaces::read(&*self.store, user).await {
            Ok(known) => known,
            Err(error) => {
                tracing::warn!(error = chain_text(&error), "it is not known from where {user} signed in before");
                None
            }
        };
        let is_first = known.is_none();
        let mut places = known.unwrap_or_default();
        if places.networks.contains(&network) {
            return;
        }
        if places.networks.len() >= PLACES {
            places.networks.remove(0);
        }
        places.networks.push(network);
        let mut change = Change::of_work();
        change.put_places(user, &places);
        if !is_first {
            let notice = Notice {
                kind: NoticeKind::SignIn,
                tone: Tone::Warning,
                subject: About::User(user.to_owned()),
                version: None,
                at: self.clock.now(),
                title: format!("{user} signed in from a new place"),
                message: format!("{user} signed in from {address}, where nobody signed in as {user} before"),
                remedy: format!("if it was not {user}, disable the user: portward user disable {user}"),
            };
            notice.log();
            self.queue(&mut change, &self.served.now().desired, &notice);
        }
        self.store(change).await;
    }

    /// Adds to a change of whom Portward trusts that it is told of; what is given back is to be logged when it was made.
    pub(crate) fn trust_changes(&self, change: &mut Change) -> Notice {
        let (who, what) = change.says().unwrap_or(("portward", "a change without a record"));
        let notice = Notice {
            kind: NoticeKind::Trust,
            tone: Tone::Neutral,
            subject: About::Trust,
            version: None,
            at: self.clock.now(),
            title: "Trust was changed".to_owned(),
            message: format!("{who} changed whom Portward trusts: {what}"),
            remedy: "if nobody should have done that: portward audit list shows from where it was done, and portward agent list who is trusted"
                .to_owned(),
        };
        self.queue(change, &self.served.now().desired, &notice);
        notice
    }

    async fn store(&self, change: Change) {
        if change.is_empty() {
            return;
        }
        if let Err(error) = commit(&*self.store, change).await {
            tracing::warn!(error = chain_text(&error), "a notice could not be stored, so it is in the log alone");
        }
    }
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notices").field("server", &self.server).finish_non_exhaustive()
    }
}

/// The network of an address: what a provider gives to one customer, whose addresses change within it.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{:x}::/56", d & 0xff00)
        }
    }
}

/// Who travels more is told of old places again.
const PLACES: usize = 50;

#[cfg(test)]
mod tests;
