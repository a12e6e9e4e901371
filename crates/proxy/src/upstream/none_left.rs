//! Why no upstream of a site took a request.

use std::fmt;

use portward_core::{SiteId, Upstream};

use super::{DialError, Group};
use crate::answer::Chain;

/// Says that no upstream of a site is left that could be asked: which ones were tried, and why the others were not.
#[derive(Debug)]
pub(crate) struct NoneLeft {
    site: SiteId,
    upstreams: Vec<(Upstream, Fate)>,
}

#[derive(Debug)]
enum Fate {
    Tried(DialError),
    /// With what is noted of it.
    PassedOver(Option<String>),
}

impl NoneLeft {
    /// Those of a group, after `tried` gave no connection.
    pub(crate) fn of(site: &SiteId, group: &Group, mut tried: Vec<(usize, DialError)>) -> Self {
        let fate = |index: usize| match tried.iter().position(|(other, _)| *other == index) {
            Some(at) => Fate::Tried(tried.swap_remove(at).1),
            None => Fate::PassedOver(group.member(index).health.view().reason),
        };
        let fates: Vec<Fate> = (0..group.len()).map(fate).collect();
        let upstreams = group.members().map(|member| member.upstream.clone()).zip(fates).collect();
        Self { site: site.clone(), upstreams }
    }
}

impl fmt::Display for NoneLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no upstream of the site {} takes the request", self.site)?;
        for (at, (upstream, fate)) in self.upstreams.iter().enumerate() {
            f.write_str(if at == 0 { ": " } else { "; " })?;
            match fate {
                Fate::Tried(error) => write!(f, "{upstream} was tried ({})", Chain(error))?,
                Fate::PassedOver(Some(reason)) => write!(f, "{upstream} was passed over ({reason})")?,
                Fate::PassedOver(None) => write!(f, "{upstream} was not tried any more")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for NoneLeft {}
