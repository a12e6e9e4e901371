//! Sites as they were built last, for what is known of them: kept from one snapshot to the next.

use std::{
    borrow::Borrow,
    collections::HashSet,
    hash::{Hash, Hasher},
    sync::Arc,
};

use portward_core::{Balance, Site, SiteId, Timestamp};
use portward_proxy::{Groups, ServedSite, StickyKey, Traffic};
use portward_store::{desired::Desired, sealing::MasterKey};

/// Holds each site as it was built last: what comes to it is counted, and how its upstreams do is known, from snapshot
/// to snapshot.
#[derive(Debug)]
pub(in super::super) struct SiteLibrary {
    sites: HashSet<Known>,
    /// By what clients come back to an upstream: the same after a restart, and on every node.
    sticky: StickyKey,
}

/// Is a site that is found by its id.
#[derive(Debug)]
struct Known(Arc<ServedSite>);

impl SiteLibrary {
    /// An empty library; cookies are of that key.
    pub(in super::super) fn new(master: &MasterKey) -> Self {
        Self { sites: HashSet::new(), sticky: StickyKey::new(&master.derive("sticky cookies")) }
    }

    /// What counts the requests of a site: the same from its first snapshot to its last.
    pub(in super::super) fn traffic(&self, site: &SiteId, now: Timestamp) -> Arc<Traffic> {
        match self.sites.get(site) {
            Some(Known(before)) => Arc::clone(&before.traffic),
            None => Arc::new(Traffic::since(now)),
        }
    }

    /// The upstreams of a site: each with what was known of it before, unless a setting was changed by which it may
    /// have become another.
    pub(in super::super) fn upstreams(&self, site: &Site) -> Groups {
        let before = self.sites.get(&site.id).map(|Known(before)| before);
        let (trust, how) = (&site.upstream_trust, &site.forwarding);
        let is_same = before.is_some_and(|before| {
            before.upstream_trust == *trust
                && before.forwarding.health == how.health
                && before.forwarding.proxy_protocol == how.proxy_protocol
                && before.forwarding.http == how.http
        });
        let sticky = (how.balance == Balance::Sticky).then_some((&self.sticky, &site.id));
        Groups::new(&site.upstreams, &how.routes, sticky, |upstream| {
            let health = before?.upstreams.health(upstream)?;
            if !is_same {
                health.forgive();
            }
            Some(Arc::clone(health))
        })
    }

    /// Remembers a site as it was built.
    pub(in super::super) fn remember(&mut self, site: &Arc<ServedSite>) {
        self.sites.replace(Known(Arc::clone(site)));
    }

    /// Forgets a site that is not there any more.
    pub(in super::super) fn forget(&mut self, site: &SiteId) {
        self.sites.remove(site);
    }

    /// Forgets all sites that are not there any more, and makes room for those that are.
    pub(in super::super) fn retain_known(&mut self, desired: &Desired) {
        self.sites.retain(|Known(site)| desired.site(&site.id).is_some());
        self.sites.reserve(desired.sites.len().saturating_sub(self.sites.len()));
    }
}

impl Borrow<SiteId> for Known {
    fn borrow(&self) -> &SiteId {
        &self.0.id
    }
}

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Known {}
