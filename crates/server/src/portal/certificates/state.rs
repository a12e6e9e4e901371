//! How each certificate stands, in one word with its mark: what a list sorts and counts by.

use std::collections::HashMap;

use portward_api::Severity;
use portward_core::{CertificateId, CertificateStatus, Source, Timestamp};
use portward_store::desired::StoredCertificate;

use super::super::view::Mark;
use crate::{
    app::{
        Allowed, App, AppError,
        certificates::{Usage, Uses},
        renewals::RenewalStanding,
        right,
    },
    problem::{Problem, RENEWAL_FAILING, Subject},
    served::ServedState,
    tasks::notice::is_event,
};

/// Names how a certificate stands; what comes first needs a hand first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::portal) enum State {
    /// Its time is over, and it is presented.
    Expired,
    /// It cannot be served.
    NotServed,
    /// Its time has not come, and it is presented.
    NotYetValid,
    /// It is to be renewed, and that fails, so that its end is near.
    RenewalFails,
    /// An attempt failed; there is time.
    TryFailed,
    /// Its end is near, and nobody renews it.
    ExpiresSoon,
    /// A CA is asked for it, and never issued it.
    Ordering,
    /// Its successor is under way.
    Renewing,
    /// All is well.
    Served,
    /// Nobody uses it.
    Unused,
    /// Its time is over, and nobody uses it.
    ExpiredUnused,
}

/// Is how one certificate stands.
pub(in crate::portal) struct Standing<'a> {
    /// The certificate.
    pub(in crate::portal) stored: &'a StoredCertificate,
    /// In one word.
    pub(in crate::portal) state: State,
    /// How its renewal stands; none if it is not managed.
    pub(in crate::portal) renewal: Option<RenewalStanding>,
    /// Who uses it.
    pub(in crate::portal) uses: Option<&'a Uses>,
}

impl State {
    /// The word.
    pub(in crate::portal) fn word(self) -> &'static str {
        match self {
            Self::Expired => "Expired",
            Self::NotServed => "Not served",
            Self::NotYetValid => "Not valid yet",
            Self::RenewalFails => "Renewal fails",
            Self::TryFailed => "Last try failed",
            Self::ExpiresSoon => "Expires soon",
            Self::Ordering => "Being ordered",
            Self::Renewing => "Renewing",
            Self::Served => "Served",
            Self::Unused => "Not used",
            Self::ExpiredUnused => "Expired, not used",
        }
    }

    /// The mark beside it.
    pub(in crate::portal) fn mark(self) -> Mark {
        match self {
            Self::Expired | Self::NotServed | Self::NotYetValid | Self::RenewalFails => Mark::Bad,
            Self::TryFailed | Self::ExpiresSoon => Mark::Warn,
            Self::Ordering | Self::Renewing => Mark::Run,
            Self::Served => Mark::Ok,
            Self::Unused | Self::ExpiredUnused => Mark::Off,
        }
    }

    /// Whether somebody should look.
    pub(in crate::portal) fn needs_attention(self) -> bool {
        matches!(self.mark(), Mark::Bad | Mark::Warn)
    }

    /// Whether a CA is being asked.
    pub(in crate::portal) fn is_under_way(self) -> bool {
        self.mark() == Mark::Run
    }

    /// Whether nobody uses it.
    pub(in crate::portal) fn is_unused(self) -> bool {
        self.mark() == Mark::Off
    }

    fn of(
        stored: &StoredCertificate,
        status: Option<CertificateStatus>,
        renewal: Option<&RenewalStanding>,
        problem: Option<&Problem>,
        is_used: bool,
    ) -> Self {
        let Some(status) = status else { return Self::NotServed };
        if status == CertificateStatus::Expired {
            return if is_used { Self::Expired } else { Self::ExpiredUnused };
        }
        match problem {
            Some(problem) if problem.code == RENEWAL_FAILING => return Self::RenewalFails,
            Some(problem) if problem.severity == Severity::Error && !is_event(problem.code) => return Self::NotServed,
            _ => {}
        }
        if let Some(renewal) = renewal {
            let version = stored.value.current_version();
            let is_bridge = version.is_some_and(|version| version.source == Source::SelfSigned);
            return match renewal {
                RenewalStanding { failures: 1.., stage: None, .. } => Self::TryFailed,
                _ if is_bridge => Self::Ordering,
                RenewalStanding { stage: Some(_), .. } => Self::Renewing,
                _ if !is_used => Self::Unused,
                _ => Self::Served,
            };
        }
        match status {
            _ if !is_used => Self::Unused,
            CertificateStatus::NotYetValid => Self::NotYetValid,
            CertificateStatus::ExpiresSoon => Self::ExpiresSoon,
            _ => Self::Served,
        }
    }
}

/// How all certificates stand, in the order of their ids.
pub(in crate::portal) async fn standings<'a>(
    app: &App,
    by: &Allowed<right::View>,
    served: &'a ServedState,
    usage: &'a Usage,
    now: Timestamp,
) -> Result<Vec<Standing<'a>>, AppError> {
    let renewals = app.survey_renewals(by).await?;
    let mut problems: HashMap<&CertificateId, &Problem> = HashMap::new();
    for problem in &served.problems {
        if let Subject::Certificate(id) = &problem.subject {
            // The worst comes first.
            problems.entry(id).or_insert(problem);
        }
    }
    let standing = |stored: &'a StoredCertificate| {
        let id = &stored.value.id;
        let version = stored.value.current_version();
        let status = version.map(|version| version.facts.validity.status(now, served.desired.settings.warning));
        let (renewal, uses) = (renewals.get(id).copied(), usage.get(id));
        let state = State::of(stored, status, renewal.as_ref(), problems.get(id).copied(), uses.is_some());
        Standing { stored, state, renewal, uses }
    };
    Ok(served.desired.certificates.iter().map(standing).collect())
}
