//! Presets on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::HeaderSet;

/// Shows what an application wants of its site; `preset` of a new site fills these in where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PresetView {
    /// As in `teamcity`.
    pub id: String,
    /// The application, as people write it.
    pub name: String,
    /// What it is, in a few words.
    pub what: String,
    /// Where it usually is on the same machine.
    pub upstream: String,
    /// `off`, `browsers` or `all`.
    pub force_https: String,
    /// The largest body, as in `525MiB`, or `none`.
    pub max_body: String,
    /// The time for an answer, as in `20m`.
    pub response_timeout: String,
    /// The time between two pieces of a body or of an upgraded connection.
    pub idle_timeout: String,
    /// Headers that its responses get.
    pub set_headers: Vec<HeaderSet>,
    /// Headers that its responses lose.
    pub remove_headers: Vec<String>,
    /// A path that answers 200 to everybody while it runs.
    pub health_path: String,
    /// What is to be set in the application itself; `NAME` stands for its host name, `PORTWARD` for the address from
    /// which Portward asks it.
    pub notes: Vec<String>,
}
