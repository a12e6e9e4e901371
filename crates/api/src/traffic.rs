//! What comes to a site, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Shows what came to a site since this server first served it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrafficView {
    /// Since when it is counted; a restart begins anew.
    pub since: String,
    /// All requests.
    pub requests: u64,
    /// Requests of the last whole minute.
    pub last_minute: u64,
    /// Requests in each minute of the last hour, the oldest first; the last one is the minute that runs.
    pub minutes: Vec<u64>,
    /// In the clear.
    pub http: PlainTrafficView,
    /// Over TLS.
    pub https: SecureTrafficView,
    /// What was answered, by the application or in its place.
    pub answers: AnswersView,
    /// Bytes of bodies that clients took.
    pub bytes: u64,
    /// What was answered lately.
    pub last_hour: LastHourView,
}

/// Shows what was answered in the last 50 to 60 minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastHourView {
    /// All answers.
    pub answers: u64,
    /// Those with a status of 4xx.
    pub client_errors: u64,
    /// Those with a status of 5xx.
    pub server_errors: u64,
    /// Bytes of bodies that clients took.
    pub bytes: u64,
    /// Within how many microseconds the application began half of its answers; not there if it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_microseconds: Option<u64>,
    /// Within how many microseconds it began 95 in 100 of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_microseconds: Option<u64>,
}

/// Shows what came in the clear: whom force HTTPS concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlainTrafficView {
    /// All of it.
    pub requests: u64,
    /// Navigations of browsers, which `browsers` redirects.
    pub browsers: u64,
    /// All else, which `all` redirects too.
    pub others: u64,
    /// Those that were redirected.
    pub redirected: u64,
    /// Who that was lately, the latest first: 20 at most.
    pub clients: Vec<PlainClientView>,
}

/// Shows one family of clients that came in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlainClientView {
    /// As in `Firefox` or `curl`, by what it says of itself.
    pub family: String,
    /// Whether a browser's navigation made its last request.
    pub browser: bool,
    /// How many requests it made while it was among the latest.
    pub requests: u64,
    /// When the last one came.
    pub last: String,
}

/// Shows what came over TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecureTrafficView {
    /// By HTTP/1.1.
    pub http_1: u64,
    /// By HTTP/2.
    pub http_2: u64,
}

/// Shows answers by the first digit of their status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnswersView {
    /// Upgrades, as to a WebSocket.
    #[serde(rename = "1xx")]
    pub informational: u64,
    /// Success.
    #[serde(rename = "2xx")]
    pub success: u64,
    /// Redirects, those to HTTPS included.
    #[serde(rename = "3xx")]
    pub redirect: u64,
    /// The client's fault.
    #[serde(rename = "4xx")]
    pub client_error: u64,
    /// The application's fault, or Portward's.
    #[serde(rename = "5xx")]
    pub server_error: u64,
}
