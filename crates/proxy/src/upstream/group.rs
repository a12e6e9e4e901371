//! Which upstreams a site has, and which of them takes a request.
//!
//! A [`Group`] is upstreams that are alike: whichever answers, the answer is as good. A site has one, and one more for
//! each of its routes.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher as _,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use portward_core::{Balance, PathPrefix, PathRoute, SiteId, Upstream};
use tokio::time::Instant;

use super::{
    health::{HealthView, Readiness, UpstreamHealth},
    sticky::{self, StickyKey},
};

#[cfg(test)]
mod tests;

/// Is all upstreams of a site: its own, and those of its routes.
///
/// Most sites have one upstream and no routes, and of many sites most are never asked for: what is known of such an
/// upstream has no place until somebody asks for it.
#[derive(Debug)]
pub struct Groups {
    /// The site's only one, if it has no routes either.
    only: Option<Upstream>,
    /// There from the beginning, unless there is but that one and nothing is known of it.
    all: OnceLock<Arc<[Group]>>,
}

/// Is upstreams that are alike; never empty.
pub(crate) struct Group {
    /// Which paths they are for; none for all that no route has.
    prefix: Option<PathPrefix>,
    members: Box<[Member]>,
    turn: AtomicUsize,
}

/// Is one upstream of a group.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) upstream: Upstream,
    pub(crate) health: Arc<UpstreamHealth>,
    /// What stands for it in cookies, where clients are to come back to it.
    token: Option<Box<str>>,
}

/// Shows one upstream of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamView {
    /// Where it is.
    pub upstream: Upstream,
    /// The route that leads to it; none if it is one of the site's own.
    pub prefix: Option<PathPrefix>,
    /// How it does.
    pub health: HealthView,
}

/// Is the upstreams that one request has tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tried {
    at: [usize; TRIES],
    count: usize,
}

impl Groups {
    /// The upstreams of a site and of its routes; `health` gives what is known of each, if anything is.
    ///
    /// There must be one at least, and one at least for each route. One that is in several groups is one and the same,
    /// and asked for once. With `sticky` clients get cookies of theirs.
    pub fn new(
        own: &[Upstream],
        routes: &[PathRoute],
        sticky: Option<(&StickyKey, &SiteId)>,
        mut health: impl FnMut(&Upstream) -> Option<Arc<UpstreamHealth>>,
    ) -> Self {
        if let ([only], [], None) = (own, routes, sticky) {
            let all = health(only).map(|health| OnceLock::from(one(Some(only), &health))).unwrap_or_default();
            return Self { only: Some(only.clone()), all };
        }
        let mut known: Vec<(Upstream, Arc<UpstreamHealth>)> = Vec::new();
        let mut health = |upstream: &Upstream| {
            if let Some((_, health)) = known.iter().find(|(other, _)| other == upstream) {
                return Arc::clone(health);
            }
            let health = health(upstream).unwrap_or_default();
            known.push((upstream.clone(), Arc::clone(&health)));
            health
        };
        let mut group = |prefix, upstreams: &[Upstream]| {
            let member = |upstream: &Upstream| Member {
                upstream: upstream.clone(),
                health: health(upstream),
                token: sticky.map(|(key, site)| key.token(site, upstream)),
            };
            Group { prefix, members: upstreams.iter().map(member).collect(), turn: AtomicUsize::new(anywhere()) }
        };
        let mut groups = vec![group(None, own)];
        groups.extend(routes.iter().map(|route| group(Some(route.prefix.clone()), &route.upstreams)));
        groups[1..]
            .sort_by_key(|group| std::cmp::Reverse(group.prefix.as_ref().map_or(0, |prefix| prefix.as_str().len())));
        Self { only: None, all: OnceLock::from(Arc::from(groups)) }
    }

    /// Whether requests go to the portal.
    pub fn is_portal(&self) -> bool {
        let is_portal = |member: &Member| member.upstream == Upstream::Portal;
        self.only == Some(Upstream::Portal) || self.made().iter().flat_map(|group| &group.members).any(is_portal)
    }

    /// How each upstream does: the site's own first, then those of the longest prefix.
    pub fn view(&self) -> Vec<UpstreamView> {
        let of = |group: &Group, member: &Member| UpstreamView {
            upstream: member.upstream.clone(),
            prefix: group.prefix.clone(),
            health: member.health.view(),
        };
        let well = |upstream: &Upstream| UpstreamView {
            upstream: upstream.clone(),
            prefix: None,
            health: HealthView::default(),
        };
        match self.made() {
            [] => self.only.iter().map(well).collect(),
            made => made.iter().flat_map(|group| group.members.iter().map(move |member| of(group, member))).collect(),
        }
    }

    /// What is known of an upstream; none if it is none of these, or nothing is known of it.
    pub fn health(&self, upstream: &Upstream) -> Option<&Arc<UpstreamHealth>> {
        let mut members = self.made().iter().flat_map(|group| &group.members);
        members.find(|member| member.upstream == *upstream).map(|member| &member.health)
    }

    /// All upstreams.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.all().iter().flat_map(|group| &group.members)
    }

    /// Whether some paths go to other upstreams than the site's own.
    pub(crate) fn has_routes(&self) -> bool {
        self.made().len() > 1
    }

    /// The index of the group that has a path, without its query: that of the longest prefix, else the site's own.
    pub(crate) fn find(&self, path: &str) -> usize {
        let has = |group: &Group| group.prefix.as_ref().is_some_and(|prefix| prefix.has(path));
        self.made().iter().position(has).unwrap_or(0)
    }

    /// The group of that index.
    pub(crate) fn at(&self, index: usize) -> &Group {
        // Whoever has an index has it of this site.
        let all = self.all();
        all.get(index).unwrap_or(&all[0])
    }

    /// All groups; never none.
    fn all(&self) -> &Arc<[Group]> {
        self.all.get_or_init(|| one(self.only.as_ref(), &Arc::default()))
    }

    /// All groups; none where nobody has asked for the one.
    fn made(&self) -> &[Group] {
        self.all.get().map_or(&[], |all| all)
    }
}

/// One of the same groups: what becomes known of an upstream is known to both.
impl Clone for Groups {
    fn clone(&self) -> Self {
        Self { only: self.only.clone(), all: OnceLock::from(Arc::clone(self.all())) }
    }
}

/// Upstreams without routes, of which nothing bad is known.
impl From<Vec<Upstream>> for Groups {
    fn from(own: Vec<Upstream>) -> Self {
        Self::new(&own, &[], None, |_| None)
    }
}

impl Group {
    /// How many upstreams there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The upstream of that index.
    pub(crate) fn member(&self, index: usize) -> &Member {
        &self.members[index]
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// The upstream that one of these values of cookies stands for, by its index.
    pub(crate) fn named_by<'t>(&self, mut tokens: impl Iterator<Item = &'t [u8]>) -> Option<usize> {
        tokens.find_map(|token| {
            self.members.iter().position(|member| member.token.as_ref().is_some_and(|own| own.as_bytes() == token))
        })
    }

    /// What a client is told that shall come back to the upstream of that index.
    pub(crate) fn set_cookie(&self, index: usize, is_secure: bool) -> Option<String> {
        let token = self.members[index].token.as_deref()?;
        Some(sticky::set_cookie(token, self.prefix.as_ref(), is_secure))
    }

    /// The upstream that is tried next, by its index; none if no other one may be.
    ///
    /// In this order: one whose rest is over, which one request may try; one that is well, `wanted` before the others;
    /// one that answers and is not well; one that cannot be reached, now and then.
    pub(crate) fn choose(&self, balance: Balance, wanted: Option<usize>, tried: &Tried, now: Instant) -> Option<usize> {
        if self.members.len() == 1 {
            return if tried.count == 0 { Some(0) } else { None };
        }
        if tried.count >= TRIES {
            return None;
        }
        let ready = |index: usize| self.members[index].health.readiness(now);
        if let Some(wanted) = wanted.filter(|wanted| !tried.has(*wanted) && *wanted < self.members.len())
            && matches!(ready(wanted), Readiness::Well(_))
        {
            return Some(wanted);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let first = turn % self.members.len();
        let in_turn = || (first..self.members.len()).chain(0..first).filter(|index| !tried.has(*index));
        if let Some(index) = in_turn().find(|index| ready(*index) == Readiness::OnTrial)
            && self.members[index].health.claim(now)
        {
            return Some(index);
        }
        let share = |index: usize| match ready(index) {
            Readiness::Well(share) => Some((index, share)),
            _ => None,
        };
        let well = || (0..self.members.len()).filter(|index| !tried.has(*index)).filter_map(share);
        let chosen = match balance {
            Balance::LeastConnections => {
                in_turn().filter_map(share).min_by_key(|(index, share)| self.members[*index].load(*share))
            }
            // Of a hundred requests, who has a share of thirty may take part in thirty.
            Balance::RoundRobin | Balance::Sticky => {
                let round = turn.wrapping_mul(SCATTER) % 100;
                let takes_part = |(_, share): &(usize, u8)| round < usize::from(*share);
                match well().filter(takes_part).count() {
                    0 => well().next(),
                    count => well().filter(takes_part).nth(turn % count),
                }
            }
        };
        if let Some((index, _)) = chosen {
            return Some(index);
        }
        if let Some(index) = in_turn().find(|index| ready(*index) == Readiness::Doubtful) {
            return Some(index);
        }
        let away = in_turn().filter_map(|index| match ready(index) {
            Readiness::Away { until } => Some((until, index)),
            _ => None,
        });
        let (_, index) = away.min_by_key(|(until, _)| *until)?;
        self.members[index].health.claim(now).then_some(index)
    }
}

impl Member {
    /// How much it has to do, in hundredths of a request, the next one included.
    fn load(&self, share: u8) -> u64 {
        (u64::from(self.health.in_flight()) + 1) * 10_000 / u64::from(share.max(1))
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("prefix", &self.prefix).field("members", &self.members).finish_non_exhaustive()
    }
}

impl Tried {
    /// Adds one.
    pub(crate) fn add(&mut self, index: usize) {
        if let Some(place) = self.at.get_mut(self.count) {
            *place = index;
            self.count += 1;
        }
    }

    pub(crate) fn has(&self, index: usize) -> bool {
        self.at[..self.count].contains(&index)
    }
}

/// The one group of a site that has one upstream.
fn one(upstream: Option<&Upstream>, health: &Arc<UpstreamHealth>) -> Arc<[Group]> {
    let member = |upstream: &Upstream| Member { upstream: upstream.clone(), health: Arc::clone(health), token: None };
    Arc::new([Group { prefix: None, members: upstream.map(member).into_iter().collect(), turn: AtomicUsize::new(0) }])
}

/// Whose turn it is at first: the groups of a new snapshot must not all begin with their first one.
fn anywhere() -> usize {
    RandomState::new().hash_one(0) as usize % 10_007
}

/// How many upstreams one request tries at most: HAProxy's `retries` of three.
const TRIES: usize = 3;

/// Has no divisor in common with a hundred, so that the rounds of a hundred that somebody takes part in lie apart.
const SCATTER: usize = 37;
