//! How the upstreams of a site do, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Shows how the upstreams of a site do: its own first, then those of its routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteUpstreamsView {
    /// One for each.
    pub upstreams: Vec<SiteUpstreamView>,
}

/// Shows how one upstream of a site does, as requests and checks have found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteUpstreamView {
    /// Where it is: a URL, `unix:/PATH`, or `portal`.
    pub url: String,
    /// The prefix of the route that leads to it; left out for the site's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// `well`, `recovering` (it gets a share of the requests that grows) or `unwell` (it is passed over while another
    /// one is there).
    pub state: String,
    /// Since when it is well or unwell; left out if it was never anything but well since the server began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Why the last request or check failed; left out if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_at: Option<String>,
    /// Requests and upgraded connections that it has now.
    pub in_flight: u32,
}
