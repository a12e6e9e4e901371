//! How the upstreams of sites do.

use portward_api::{SiteUpstreamView, SiteUpstreamsView};
use portward_core::{Site, SiteId};
use portward_proxy::{UpstreamState, UpstreamView};

use super::{
    super::{Allowed, App, AppError, right},
    find,
};
use crate::problem::{Problem, Subject, UPSTREAM_UNWELL};

impl App {
    /// Shows how the upstreams of a site do.
    pub(crate) fn show_upstreams(&self, _by: &Allowed<right::View>, id: &str) -> Result<SiteUpstreamsView, AppError> {
        let served = self.served();
        let site = find(&served.desired, id)?;
        let upstreams = self.upstreams_of(&site.value).ok_or_else(|| {
            AppError::refused("site-not-served", format!("the site \"{id}\" is not served; portward status says why"))
        })?;
        Ok(SiteUpstreamsView { upstreams: upstreams.iter().map(view).collect() })
    }

    /// How the upstreams of a site do; none if it is not served.
    pub(crate) fn upstreams_of(&self, site: &Site) -> Option<Vec<UpstreamView>> {
        let snapshot = self.parts.proxy.snapshot();
        let mut served = site.names.iter().filter_map(|name| snapshot.sites.at(name));
        Some(served.find(|served| served.id == site.id)?.upstreams.view())
    }

    /// How those do of each application's site that has a health path or had requests.
    pub(crate) fn upstreams_by_site(&self) -> Vec<(SiteId, Vec<UpstreamView>)> {
        let served = self.served();
        let sites = served.desired.sites.iter().map(|stored| &stored.value).filter(|site| !site.is_portal());
        let is_used = |site: &&Site| {
            site.forwarding.health.is_some() || self.traffic_of(site).is_some_and(|traffic| traffic.requests() > 0)
        };
        sites.filter(is_used).filter_map(|site| Some((site.id.clone(), self.upstreams_of(site)?))).collect()
    }

    /// What is wrong with upstreams that are asked whether they are well.
    ///
    /// What requests alone have found out is no problem: nobody would see that it is over.
    pub(crate) fn problems_of_upstreams(&self) -> Vec<Problem> {
        let served = self.served();
        let sites = served.desired.sites.iter().map(|stored| &stored.value);
        let mut problems = Vec::new();
        let mut more = 0;
        for site in sites.filter(|site| site.forwarding.health.is_some()) {
            let Some(upstreams) = self.upstreams_of(site) else { continue };
            for upstream in upstreams.iter().filter(|upstream| is_unwell(upstream)) {
                if problems.len() < EACH {
                    problems.push(problem(site, upstream, &upstreams));
                } else {
                    more += 1;
                }
            }
        }
        if let Some(last) = problems.last_mut().filter(|_| more > 0) {
            last.message.push_str(&format!(" {more} more upstreams are unwell."));
        }
        problems
    }
}

/// An upstream on the wire.
fn view(upstream: &UpstreamView) -> SiteUpstreamView {
    let UpstreamView { upstream, prefix, health } = upstream;
    SiteUpstreamView {
        url: upstream.to_string(),
        route: prefix.as_ref().map(ToString::to_string),
        state: health.state.as_str().to_owned(),
        since: health.since.map(|since| since.to_string()),
        reason: health.reason.clone(),
        reason_at: health.reason_at.map(|at| at.to_string()),
        in_flight: health.in_flight,
    }
}

fn is_unwell(upstream: &UpstreamView) -> bool {
    upstream.health.state == UpstreamState::Unwell
}

/// A warning while another one of the same group takes its requests.
fn problem(site: &Site, upstream: &UpstreamView, all: &[UpstreamView]) -> Problem {
    let (id, url) = (&site.id, &upstream.upstream);
    let why = upstream.health.reason.as_deref().unwrap_or("nothing is known of why").trim_end_matches('.');
    let path = site.forwarding.health.as_ref().map(ToString::to_string).unwrap_or_default();
    let message = format!("The upstream {url} of the site {id} does not answer its health path {path}: {why}.");
    let flag = match &upstream.prefix {
        Some(prefix) => format!("--route {prefix}=URL"),
        None => "--upstream URL".to_owned(),
    };
    let remedy = format!(
        "Start it or mend it: portward site upstreams {id} says how it does. If it is elsewhere, or has another health path: portward site edit {id} {flag} --health-path PATH"
    );
    let subject = Subject::Site(id.clone());
    let others = all.iter().filter(|other| other.prefix == upstream.prefix);
    match others.into_iter().all(is_unwell) {
        true => Problem::error(UPSTREAM_UNWELL, subject, message, remedy),
        false => Problem::warning(UPSTREAM_UNWELL, subject, format!("{message} Others take its requests."), remedy),
    }
}

/// More would not be read one by one.
const EACH: usize = 20;
