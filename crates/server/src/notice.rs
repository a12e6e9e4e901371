//! What an operator is told of a certificate unasked: events, each once for a version of it.
//!
//! The log has them now; whatever brings news to people takes the same value.

use std::fmt;

use portward_api::{NoticeEvent, Severity};
use portward_core::{CertificateId, Timestamp, VersionNumber};

/// Tells of something that happened to one version of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What happened.
    pub(crate) kind: NoticeKind,
    /// Whether somebody is harmed by it already.
    pub(crate) severity: Severity,
    /// Which certificate.
    pub(crate) certificate: CertificateId,
    /// Which version of it.
    pub(crate) version: VersionNumber,
    /// Last second of validity of that version.
    pub(crate) not_after: Timestamp,
    /// What is going on, for people.
    pub(crate) message: String,
    /// What to do.
    pub(crate) remedy: String,
}

/// Says what happened to a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum NoticeKind {
    /// Its end is near.
    ExpiresSoon,
    /// Its end is over.
    Expired,
    /// It should have been renewed, and that fails.
    RenewalFailing,
}

impl NoticeKind {
    /// The stable word: `expires-soon`, `expired` or `renewal-failing`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ExpiresSoon => "expires-soon",
            Self::Expired => "expired",
            Self::RenewalFailing => "renewal-failing",
        }
    }
}

impl Notice {
    /// What listeners hear of it.
    pub(crate) fn event(&self) -> NoticeEvent {
        NoticeEvent {
            kind: self.kind.as_str().to_owned(),
            severity: self.severity,
            certificate: self.certificate.to_string(),
            message: self.message.clone(),
            remedy: self.remedy.clone(),
        }
    }

    /// Writes it to the log.
    pub(crate) fn log(&self) {
        // The macro needs a level that is known when it is compiled.
        match self.severity {
            Severity::Error => tracing::error!(
                certificate.id = %self.certificate,
                certificate.version = %self.version,
                certificate.not_after = %self.not_after,
                notice.kind = self.kind.as_str(),
                "{self}"
            ),
            Severity::Warning => tracing::warn!(
                certificate.id = %self.certificate,
                certificate.version = %self.version,
                certificate.not_after = %self.not_after,
                notice.kind = self.kind.as_str(),
                "{self}"
            ),
        }
    }
}

/// All of it for people: what is going on, then what to do.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = if self.message.ends_with('.') { " " } else { "; " };
        write!(f, "{}{between}{}", self.message, self.remedy)
    }
}
