//! How the application says no: one value, that each face renders in its way.

use std::{error::Error, fmt, time::Duration};

use http::StatusCode;
use portward_api::{FindingView, FindingWeight};
use portward_certs::{Finding, ReadError, Weight};
use portward_store::{Revision, StoreError, access::ReadAccessError, change::CommitError};

/// Says why something was not done.
///
/// `Display` is the whole message for people; the cause is for the log alone.
#[derive(Debug)]
pub(crate) struct AppError {
    status: StatusCode,
    code: &'static str,
    message: String,
    findings: Vec<FindingView>,
    retry_after: Option<Duration>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl AppError {
    /// The request itself cannot be read.
    pub(crate) fn malformed(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// The request can be read, but what it asks for cannot be.
    pub(crate) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// A value of the request cannot be read; the message says which one and why.
    pub(crate) fn invalid(field: &str, error: &dyn Error) -> Self {
        Self::refused("invalid-value", format!("{field}: {}", chain_text(error)))
    }

    /// There is no such thing.
    pub(crate) fn not_found(noun: &str, id: &str) -> Self {
        let message = format!("there is no {noun} \"{id}\"; portward {noun} list shows those there are");
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    /// It contradicts what is there.
    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// `If-Match` does not hold.
    pub(crate) fn changed(noun: &str, id: &str, now: Revision) -> Self {
        let message = format!(
            "the {noun} \"{id}\" was changed meanwhile (it is at revision {now}); look at it again, then repeat the change"
        );
        Self::new(StatusCode::PRECONDITION_FAILED, "changed-meanwhile", message)
    }

    /// The actor lacks a permission.
    pub(crate) fn not_permitted(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not-permitted", message)
    }

    /// It is stored, but not served.
    pub(crate) fn not_served(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-served", message)
    }

    /// We failed; the cause goes to the log.
    pub(crate) fn internal(message: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message);
        error.cause = Some(cause.into());
        error
    }

    /// A status and code of its own.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), findings: Vec::new(), retry_after: None, cause: None }
    }

    /// What was found about a certificate.
    pub(crate) fn findings(&self) -> &[FindingView] {
        &self.findings
    }

    /// Adds what was found about a certificate.
    #[must_use]
    pub(crate) fn with_findings(mut self, findings: Vec<FindingView>) -> Self {
        self.findings = findings;
        self
    }

    /// When it may be tried again, if that is a matter of time.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Adds when it may be tried again.
    #[must_use]
    pub(crate) fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds what lies below.
    #[must_use]
    pub(crate) fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Says of which thing among several it is told.
    #[must_use]
    pub(crate) fn within(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable word for programs.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// As a problem document (RFC 9457) about a path.
    pub(crate) fn to_problem(&self, instance: Option<String>) -> portward_api::Problem {
        portward_api::Problem {
            type_uri: format!("urn:portward:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.message.clone(),
            code: self.code.to_owned(),
            instance,
            findings: self.findings.clone(),
        }
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for AppError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        let (status, code) = match &error {
            StoreError::Indeterminate { .. } => (StatusCode::SERVICE_UNAVAILABLE, "store-outcome-unknown"),
            StoreError::Full { .. } => (StatusCode::INSUFFICIENT_STORAGE, "store-full"),
            StoreError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable"),
            StoreError::LimitExceeded(_) => (StatusCode::UNPROCESSABLE_ENTITY, "too-large"),
            StoreError::Damaged { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "store-damaged"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "store-failed"),
        };
        // Messages of the store are made for operators and quote no values.
        Self::new(status, code, chain_text(&error)).caused_by(error)
    }
}

impl From<CommitError> for AppError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { key, .. } => Self::conflict(
                "changed-meanwhile",
                format!(
                    "somebody else changed \"{key}\" at the same time, so nothing was changed; look at it again, then repeat"
                ),
            ),
            CommitError::Store(error) => Self::from(error),
        }
    }
}

impl From<ReadAccessError> for AppError {
    fn from(error: ReadAccessError) -> Self {
        match error {
            ReadAccessError::Store(error) => Self::from(error),
            // Nobody is let in by a record that cannot be read.
            error @ ReadAccessError::Record { .. } => Self::internal("it cannot be read who may do what", error),
        }
    }
}

impl From<ReadError> for AppError {
    fn from(error: ReadError) -> Self {
        Self::refused(error.code(), error.to_string())
    }
}

/// The view of what was found about a certificate.
pub(crate) fn finding_view(finding: &Finding) -> FindingView {
    let text = finding.to_string();
    // What was taken with a flag needs no advice to use the flag.
    let message = match finding.weight {
        Weight::Warns => text.replace(", or take it nevertheless with --allow-expired", ""),
        Weight::Refuses => text,
    };
    FindingView {
        code: finding.code().to_owned(),
        weight: match finding.weight {
            Weight::Refuses => FindingWeight::Refuses,
            Weight::Warns => FindingWeight::Warns,
        },
        message,
    }
}

/// An error with all that lies below it, in one line.
pub(crate) fn chain_text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text.push_str(": ");
        text.push_str(&error.to_string());
        below = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_problem_document_has_the_members_of_rfc_9457() {
        let error = AppError::refused("port-taken", "port 80 is taken").caused_by("private");
        let json = serde_json::to_value(error.to_problem(Some("/api/v1/bindings".to_owned()))).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:portward:problem:port-taken",
                "title": "Unprocessable Entity",
                "status": 422,
                "detail": "port 80 is taken",
                "code": "port-taken",
                "instance": "/api/v1/bindings",
            })
        );
    }

    #[test]
    fn a_cause_is_kept_for_the_log_and_out_of_the_document() {
        let error = AppError::internal("it failed", "private");
        assert!(!serde_json::to_string(&error.to_problem(None)).unwrap().contains("private"));
        assert_eq!(chain_text(&error), "it failed: private");
    }
}
