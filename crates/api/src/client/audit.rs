//! Operations about the audit.

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Client, ClientError, exchange::Sent};
use crate::{AuditPage, AuditQuery, AuditVerification};

impl Client {
    /// A part of who changed what, the newest first.
    pub async fn list_audit(&self, query: &AuditQuery) -> Result<AuditPage, ClientError> {
        let limit = query.limit.map(|limit| limit.to_string());
        let fields = [
            ("who", query.who.as_ref()),
            ("what", query.what.as_ref()),
            ("day", query.day.as_ref()),
            ("limit", limit.as_ref()),
            ("cursor", query.cursor.as_ref()),
        ];
        self.ask(Method::GET, &with_query("audit", &fields), Sent::Nothing).await
    }

    /// Whether every record of the audit follows the one before it, and whether one with that hash is among them.
    pub async fn verify_audit(&self, known: Option<&str>) -> Result<AuditVerification, ClientError> {
        let known = known.map(str::to_owned);
        self.ask(Method::GET, &with_query("audit/verify", &[("known", known.as_ref())]), Sent::Nothing).await
    }
}

fn with_query(path: &str, fields: &[(&str, Option<&String>)]) -> String {
    let given = fields.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let parts: Vec<String> =
        given.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))).collect();
    if parts.is_empty() { path.to_owned() } else { format!("{path}?{}", parts.join("&")) }
}
