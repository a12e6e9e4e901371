//! Getting back in, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretText;

/// Asks to get back in; an owner gets a new password if one is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// The name of the owner, who is made if there is none of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The owner's new password; their second factor is turned off with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
}

/// Tells what was done to get back in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recovered {
    /// Each thing that was done, or would be in a dry run; empty if there is a way in already.
    pub steps: Vec<String>,
    /// What stands in the way still, and what to do.
    pub notes: Vec<String>,
    /// Whether there is an owner, who can sign in.
    pub has_owner: bool,
    /// Where the portal is now, for a browser.
    pub url: Option<String>,
}
