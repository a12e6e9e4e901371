//! Whom an agent trusts, as the server wants it.

use serde::{Deserialize, Serialize};

use crate::opening::TrustMark;

/// Is the whole of what an agent shall know of this server; it takes the place of what it knew.
///
/// An agent takes it only if its mark is newer than the last, and if one of the pins is the one that this session was
/// begun with: what would cut the branch that it comes by is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// Which state this is.
    pub mark: TrustMark,
    /// Thumbprints to trust; the one to expect is the first.
    pub pins: Vec<String>,
    /// Where a polling agent dials, `HOST:PORT` each; none changes nothing.
    #[serde(default)]
    pub addresses: Vec<String>,
}

/// Says what an agent knows now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustReply {
    /// The state that it has stored durably.
    pub mark: TrustMark,
    /// The pin that this session was begun with.
    pub session_pin: String,
}
