//! The objects of RFC 8555 section 7.1 and RFC 9773, as far as they are read here and not by the library.
//!
//! What is not needed is not read, so that what a CA does oddly there does not matter.

use std::collections::BTreeSet;

use portward_core::{
    HostPattern,
    acme::{AcmeProblem, Subproblem},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Is the directory; in this form the library takes it too.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Urls {
    pub(super) new_nonce: String,
    pub(super) new_account: String,
    pub(super) new_order: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoke_cert: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_change: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) renewal_info: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    pub(super) terms_of_service: Option<String>,
    pub(super) website: Option<String>,
    pub(super) caa_identities: Vec<String>,
    pub(super) external_account_required: bool,
    pub(super) profiles: std::collections::BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AuthorizationBody {
    pub(super) identifier: IdentifierBody,
    pub(super) status: String,
    #[serde(default)]
    pub(super) wildcard: bool,
    #[serde(default)]
    pub(super) challenges: Vec<ChallengeBody>,
}

#[derive(Debug, Deserialize)]
pub(super) struct IdentifierBody {
    pub(super) value: String,
}

/// Fields that some kinds of challenges do not have are missing, never a reason to read none of them.
#[derive(Debug, Deserialize)]
pub(super) struct ChallengeBody {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) url: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) token: String,
    pub(super) error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AccountBody {
    pub(super) orders: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OrdersBody {
    #[serde(default)]
    pub(super) orders: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OrderBody {
    pub(super) status: String,
    pub(super) expires: Option<String>,
    #[serde(default)]
    pub(super) identifiers: Vec<IdentifierBody>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RenewalBody {
    pub(super) suggested_window: WindowBody,
    #[serde(rename = "explanationURL")]
    pub(super) explanation_url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WindowBody {
    pub(super) start: String,
    pub(super) end: String,
}

impl OrderBody {
    /// The names, if all of them can be read.
    pub(super) fn names(&self) -> Option<BTreeSet<HostPattern>> {
        self.identifiers.iter().map(|identifier| HostPattern::parse(&identifier.value).ok()).collect()
    }
}

/// Reads a problem document; none if it is nothing of the kind.
pub(super) fn problem(value: &Value) -> Option<AcmeProblem> {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let (kind, detail) = (text(value, "type"), text(value, "detail").or_else(|| text(value, "title")));
    if kind.is_none() && detail.is_none() {
        return None;
    }
    let subproblems = value.get("subproblems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Some(AcmeProblem {
        kind: kind.unwrap_or_else(|| NO_TYPE.to_owned()),
        detail: detail.unwrap_or_default(),
        status: value.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()),
        subproblems: subproblems
            .iter()
            .map(|subproblem| Subproblem {
                identifier: subproblem.get("identifier").and_then(|identifier| text(identifier, "value")),
                kind: text(subproblem, "type").unwrap_or_else(|| NO_TYPE.to_owned()),
                detail: text(subproblem, "detail").unwrap_or_default(),
            })
            .collect(),
    })
}

/// RFC 9457 section 3.1.1.
const NO_TYPE: &str = "about:blank";
