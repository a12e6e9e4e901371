//! One request's search for an upstream: which one is next, and what was found out of those that were tried.

use tokio::time::Instant;

use super::upstream_error::UpstreamError;
use crate::{
    answer::{Chain, Failure, Fault},
    served::Client,
    snapshot::ServedSite,
    upstream::{DialError, Group, Member, NoneLeft, Sticky, Tried, Trouble},
};

/// Is what one request has tried so far.
pub(super) struct Search<'a> {
    client: &'a Client,
    site: &'a ServedSite,
    group: &'a Group,
    sticky: Option<Sticky>,
    tried: Tried,
    unreachable: Vec<(usize, DialError)>,
}

impl<'a> Search<'a> {
    /// Begins with the upstreams of that group.
    pub(super) fn new(client: &'a Client, site: &'a ServedSite, group: usize, sticky: Option<Sticky>) -> Self {
        let group = site.upstreams.at(group);
        Self { client, site, group, sticky, tried: Tried::default(), unreachable: Vec::new() }
    }

    /// The upstream that is tried next; none if there is no other one that may be.
    pub(super) fn next(&mut self, now: Instant) -> Option<usize> {
        let wanted = self.sticky.and_then(|sticky| sticky.wanted);
        let index = self.group.choose(self.site.forwarding.balance, wanted, &self.tried, now)?;
        self.tried.add(index);
        Some(index)
    }

    /// What the client is told when that upstream answers; none if it knows.
    pub(super) fn set_cookie(&self, index: usize) -> Option<String> {
        let sticky = self.sticky.filter(|sticky| sticky.wanted != Some(index))?;
        self.group.set_cookie(index, sticky.is_secure)
    }

    pub(super) fn member(&self, index: usize) -> &'a Member {
        self.group.member(index)
    }

    /// Whether there is more than one upstream.
    pub(super) fn has_others(&self) -> bool {
        self.group.len() > 1
    }

    /// Learns that there is no connection.
    pub(super) fn unreachable(&mut self, index: usize, error: DialError, begun: Instant) {
        self.note(index, Trouble::Unreachable, &Chain(&error), begun);
        self.unreachable.push((index, error));
    }

    /// Learns that the upstream broke an exchange off that had begun then.
    pub(super) fn failed(&self, index: usize, error: &UpstreamError, begun: Instant) {
        self.note(index, Trouble::Answers, &Chain(error), begun);
    }

    /// Learns what the upstream answered to a request that had begun then.
    pub(super) fn answered(&self, index: usize, status: u16, begun: Instant) {
        if matches!(status, 502..=504) {
            self.note(index, Trouble::Answers, &format_args!("the upstream answers {status}"), begun);
        } else {
            self.member(index).health.answered(begun, self.client.served.clock());
        }
    }

    /// What the client is told when no upstream took the request.
    pub(super) fn none_left(&mut self) -> Failure {
        // Of the only one the client is told what is wrong with it.
        if !self.has_others()
            && let Some((index, error)) = self.unreachable.pop()
        {
            return Failure::of(Some(&self.member(index).upstream), error.fault(), error);
        }
        let unreachable = std::mem::take(&mut self.unreachable);
        Failure::of(None, Fault::NoUpstream, NoneLeft::of(&self.site.id, self.group, unreachable))
    }

    fn note(&self, index: usize, trouble: Trouble, reason: &dyn std::fmt::Display, begun: Instant) {
        let member = self.member(index);
        let is_news = member.health.failed(trouble, reason, begun, Instant::now(), self.client.served.now());
        if is_news && self.has_others() {
            tracing::warn!(
                site.id = %self.site.id,
                upstream.url = %member.upstream,
                cause = %reason,
                "an upstream is unwell; others are asked as long as there are some"
            );
        }
    }
}
