//! How the requests of a site reach its upstreams, within its record.

use portward_core::{Balance, Forwarding, ForwardingError, HealthPath, PathRoute, ProxyProtocol, UpstreamHttp};
use serde::{Deserialize, Serialize};

use super::RecordError;

/// Is `forwarding` of a site; what is left out is as in a new one.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForwardingRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    balance: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    health: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proxy_protocol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    routes: Vec<RouteRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteRecord {
    prefix: String,
    upstreams: Vec<String>,
}

impl ForwardingRecord {
    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        let Self { balance, health, proxy_protocol, http, routes } = self;
        [balance, health, proxy_protocol, http].iter().all(|field| field.is_none()) && routes.is_empty()
    }
}

impl From<&Forwarding> for ForwardingRecord {
    fn from(forwarding: &Forwarding) -> Self {
        let Forwarding { balance, health, proxy_protocol, http, routes } = forwarding;
        let usual = Forwarding::default();
        Self {
            balance: (*balance != usual.balance).then(|| balance.to_string()),
            health: health.as_ref().map(ToString::to_string),
            proxy_protocol: (*proxy_protocol != usual.proxy_protocol).then(|| proxy_protocol.to_string()),
            http: (*http != usual.http).then(|| http.to_string()),
            routes: routes.iter().map(RouteRecord::from).collect(),
        }
    }
}

impl TryFrom<ForwardingRecord> for Forwarding {
    type Error = RecordError;

    fn try_from(record: ForwardingRecord) -> Result<Self, RecordError> {
        let invalid = |error: ForwardingError| RecordError::invalid("forwarding", error);
        let usual = Self::default();
        let read = |route: &RouteRecord| PathRoute::parse(&route.prefix, route.upstreams.iter().map(String::as_str));
        let routes: Vec<_> = record.routes.iter().map(read).collect::<Result<_, _>>().map_err(invalid)?;
        PathRoute::check_all(&routes).map_err(invalid)?;
        Ok(Self {
            balance: record.balance.map_or(Ok(usual.balance), |text| Balance::parse(&text)).map_err(invalid)?,
            health: record.health.map(|text| HealthPath::parse(&text)).transpose().map_err(invalid)?,
            proxy_protocol: record
                .proxy_protocol
                .map_or(Ok(usual.proxy_protocol), |text| ProxyProtocol::parse(&text))
                .map_err(invalid)?,
            http: record.http.map_or(Ok(usual.http), |text| UpstreamHttp::parse(&text)).map_err(invalid)?,
            routes,
        })
    }
}

impl From<&PathRoute> for RouteRecord {
    fn from(route: &PathRoute) -> Self {
        Self { prefix: route.prefix.to_string(), upstreams: route.upstreams.iter().map(ToString::to_string).collect() }
    }
}
