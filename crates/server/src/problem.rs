//! What is left out of a snapshot, or should be looked at, and why.

use std::fmt;

use portward_api::{ProblemView, Severity};
use portward_core::{AgentName, BindingId, CertificateId, ChannelId, DeliveryId, SiteId};
use portward_store::Key;

/// Tells of one thing that is not as an operator asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Problem {
    /// The stable word for programs, in kebab case.
    pub(crate) code: &'static str,
    /// Whether something does not work.
    pub(crate) severity: Severity,
    /// What it is about.
    pub(crate) subject: Subject,
    /// What is wrong, and why.
    pub(crate) message: String,
    /// What to do.
    pub(crate) remedy: String,
}

/// The code of a managed certificate whose renewal fails.
pub(crate) const RENEWAL_FAILING: &str = "renewal-failing";

/// The code of a channel on which notices cannot be delivered.
pub(crate) const NOTIFICATION_FAILING: &str = "notification-failing";

/// The code of a store that can be read and not written.
pub(crate) const STORE_READ_ONLY: &str = "store-read-only";

/// The code of an upstream that does not answer its health path.
pub(crate) const UPSTREAM_UNWELL: &str = "upstream-unwell";

/// The codes of what is wrong with agents and deliveries.
pub(crate) const OF_AGENTS: &[&str] = &[
    "agent-unhealthy",
    "agent-refused",
    "agent-unavailable",
    "agent-unrecognised",
    "delivery-failed",
    "delivery-refused",
    "delivery-drifted",
    "rotation-stuck",
    "identity-old",
];

/// Names what a problem is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A binding.
    Binding(BindingId),
    /// A site.
    Site(SiteId),
    /// A certificate.
    Certificate(CertificateId),
    /// A notification channel.
    Channel(ChannelId),
    /// An agent.
    Agent(AgentName),
    /// Agents as a whole, and those who want to be one.
    Agents,
    /// A certificate on a machine.
    Delivery(DeliveryId),
    /// A record of the store that cannot be read.
    Record(Key),
    /// The store as a whole.
    Store,
}

impl Problem {
    /// Something that was asked for is not served.
    pub(crate) fn error(
        code: &'static str,
        subject: Subject,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { code, severity: Severity::Error, subject, message: message.into(), remedy: remedy.into() }
    }

    /// All is served, but somebody should look.
    pub(crate) fn warning(
        code: &'static str,
        subject: Subject,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { code, severity: Severity::Warning, subject, message: message.into(), remedy: remedy.into() }
    }

    /// What is shown of it.
    pub(crate) fn view(&self) -> ProblemView {
        ProblemView {
            code: self.code.to_owned(),
            severity: self.severity,
            what: self.subject.to_string(),
            message: self.message.clone(),
            remedy: self.remedy.clone(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binding(id) => write!(f, "binding {id}"),
            Self::Site(id) => write!(f, "site {id}"),
            Self::Certificate(id) => write!(f, "certificate {id}"),
            Self::Channel(id) => write!(f, "channel {id}"),
            Self::Agent(name) => write!(f, "agent {name}"),
            Self::Agents => f.write_str("agents"),
            Self::Delivery(id) => write!(f, "delivery {id}"),
            Self::Record(key) => write!(f, "record {key}"),
            Self::Store => f.write_str("store"),
        }
    }
}
