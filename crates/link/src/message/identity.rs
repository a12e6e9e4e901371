//! A new identity for an agent.

use serde::{Deserialize, Serialize};

/// Asks an agent to make a new identity, which it offers from its next connection on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rotate {}

/// Says which identity an agent has made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RotateReply {
    /// SHA-256 of it.
    pub thumbprint: String,
}

/// Tells an agent that the identity that it offered is known, and counts from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdentityAccepted {
    /// SHA-256 of it.
    pub thumbprint: String,
}

/// Says that an agent shows its new identity from its next connection on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct IdentityAcceptedReply {}
