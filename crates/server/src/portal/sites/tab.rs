//! What stands above every tab of a site.

use portward_core::{HostPattern, Preset, Site, SiteId};
use portward_proxy::TrafficView;
use portward_store::desired::Desired;

use super::super::{
    standing::Standing,
    view::{Mark, counted, grouped},
    visit::Visit,
};
use crate::{
    app::{AppError, Right, right},
    served::ServedState,
};

/// Is the head of a site's page, with its tabs.
pub(super) struct Head {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) mark: Mark,
    pub(super) word: &'static str,
    /// Preset, names, requests: what stands behind the state.
    pub(super) facts: Vec<String>,
    /// The host that is explained, and where the site opens.
    pub(super) host: Option<(String, String)>,
    pub(super) tab: Tab,
    pub(super) may_change: bool,
}

/// Names the tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Forwarding,
    Headers,
    Limits,
    Traffic,
    History,
}

impl Head {
    /// The head of a tab that shows nothing else of standing and traffic.
    pub(super) fn of<R: Right>(visit: &Visit<R>, served: &ServedState, site: &Site, tab: Tab) -> Self {
        let standing = Standing::of(&visit.app, served, site);
        let may_change = visit.may::<right::SiteChange>().is_ok();
        Self::new(site, &standing, visit.app.traffic_of(site).as_ref(), served, tab, may_change)
    }

    pub(super) fn new(
        site: &Site,
        standing: &Standing,
        traffic: Option<&TrafficView>,
        served: &ServedState,
        tab: Tab,
        may_change: bool,
    ) -> Self {
        let title = site.names.first().map(ToString::to_string).unwrap_or_default();
        let mut facts = Vec::new();
        if let Some(preset) = &site.preset {
            let name = Preset::find(preset.as_str()).map_or(preset.as_str(), |preset| preset.name);
            facts.push(format!("{name} preset"));
        }
        facts.push(counted(site.names.len(), "name"));
        if let Some(traffic) = traffic {
            let count = traffic.last_minute();
            facts.push(format!("{} request{} a minute", grouped(count), if count == 1 { "" } else { "s" }));
        }
        let exact = site.names.iter().find_map(|name| match name {
            HostPattern::Exact(host) => Some(host.to_string()),
            HostPattern::Wildcard(_) | HostPattern::Any => None,
        });
        let host = exact.map(|host| {
            let url = url(&host, served);
            (host, url)
        });
        Self { id: site.id.to_string(), title, mark: standing.mark, word: standing.word, facts, host, tab, may_change }
    }

    /// The tabs: which, where, and what it is called.
    pub(super) fn tabs(&self) -> [(Tab, String, &'static str); 6] {
        let path = |end: &str| format!("/sites/{}{end}", self.id);
        [
            (Tab::Overview, path(""), "Overview"),
            (Tab::Forwarding, path("/forwarding"), "Forwarding"),
            (Tab::Headers, path("/headers"), "Headers"),
            (Tab::Limits, path("/limits"), "Limits"),
            (Tab::Traffic, path("/traffic"), "Traffic"),
            (Tab::History, path("/history"), "History"),
        ]
    }
}

/// The site of that id.
pub(super) fn find<'a>(desired: &'a Desired, id: &str) -> Result<&'a Site, AppError> {
    let found = SiteId::parse(id).ok().and_then(|id| desired.site(&id));
    found.map(|stored| &stored.value).ok_or_else(|| AppError::not_found("site", id))
}

/// Where a host is opened: over https if any https binding is bound, at 443 if there is one.
fn url(host: &str, served: &ServedState) -> String {
    let ports = ports(served);
    let at = |scheme: &str, usual: u16, ports: &[u16]| {
        let port = ports.iter().copied().min_by_key(|port| (*port != usual, *port))?;
        Some(if port == usual { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") })
    };
    let secure = at("https", 443, &ports.https);
    secure.or_else(|| at("http", 80, &ports.http)).unwrap_or_else(|| format!("https://{host}"))
}

/// The ports that are bound.
pub(super) struct Ports {
    pub(super) http: Vec<u16>,
    pub(super) https: Vec<u16>,
}

pub(super) fn ports(served: &ServedState) -> Ports {
    let of = |scheme: portward_core::Scheme| {
        let bindings =
            served.desired.bindings.iter().filter(move |stored| stored.value.protocol.scheme() == Some(scheme));
        let mut ports: Vec<u16> = bindings
            .filter_map(|stored| served.binding(&stored.value.id)?.result.as_ref().ok().map(|at| at.port()))
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    };
    Ports { http: of(portward_core::Scheme::Http), https: of(portward_core::Scheme::Https) }
}
