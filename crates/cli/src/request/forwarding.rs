//! How the requests of a site reach its upstreams, as it is said with `portward site add` and `edit`.

use portward_api::{SiteRoute, SiteUpdate};
use portward_core::{Balance, HealthPath, PathRoute, ProxyProtocol, UpstreamHttp};

use super::bad;
use crate::{args::SiteSettingArgs, failure::Failure};

/// Holds what was said of it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ForwardingSettings {
    balance: Option<Balance>,
    /// Within, none is none to be asked for.
    health: Option<Option<HealthPath>>,
    proxy_protocol: Option<ProxyProtocol>,
    http: Option<UpstreamHttp>,
    routes: Option<Vec<PathRoute>>,
}

impl ForwardingSettings {
    pub(super) fn parse(args: &SiteSettingArgs) -> Result<Self, Failure> {
        let routes = PathRoute::parse_all(args.route.iter().map(String::as_str)).map_err(bad("--route"))?;
        let health = args.health_path.as_deref().map(HealthPath::parse_choice).transpose();
        let proxy_protocol = args.proxy_protocol.as_deref().map(ProxyProtocol::parse).transpose();
        let http = args.upstream_http.as_deref().map(UpstreamHttp::parse).transpose();
        Ok(Self {
            balance: args.balance.as_deref().map(Balance::parse).transpose().map_err(bad("--balance"))?,
            health: health.map_err(bad("--health-path"))?,
            proxy_protocol: proxy_protocol.map_err(bad("--proxy-protocol"))?,
            http: http.map_err(bad("--upstream-http"))?,
            routes: (!routes.is_empty() || args.no_routes).then_some(routes),
        })
    }

    /// Puts it into what is asked for.
    pub(super) fn put(&self, update: &mut SiteUpdate) {
        let Self { balance, health, proxy_protocol, http, routes } = self;
        update.balance = balance.map(|balance| balance.to_string());
        update.health_path = health.as_ref().map(|path| HealthPath::write(path.as_ref()));
        update.proxy_protocol = proxy_protocol.map(|version| version.to_string());
        update.upstream_http = http.map(|http| http.to_string());
        update.routes = routes.as_ref().map(|routes| routes.iter().map(route).collect());
    }
}

fn route(route: &PathRoute) -> SiteRoute {
    SiteRoute { prefix: route.prefix.to_string(), upstreams: route.upstreams.iter().map(ToString::to_string).collect() }
}
