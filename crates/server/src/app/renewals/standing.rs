//! How all renewals stand, in one look: what a list shows of them.

use std::collections::{BTreeMap, HashMap};

use portward_core::{
    CertificateId, Timestamp,
    acme::{Managed, Stage},
};
use portward_store::{
    desired::StoredCertificate,
    work::{OrderProgress, Renewal},
};

use super::{outlook, unreadable};
use crate::app::{Allowed, App, AppError, right};

/// Is how the renewal of one managed certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RenewalStanding {
    /// When a CA is asked next; never in the past.
    pub(crate) next: Timestamp,
    /// Attempts that failed since the last success.
    pub(crate) failures: u32,
    /// How far the order under way has come; none if there is none.
    pub(crate) stage: Option<Stage>,
}

/// Is when a certificate is renewed next, and what moves that.
pub(in crate::app) struct Next {
    /// When; one that has gone means now.
    pub(in crate::app) at: Timestamp,
    /// It is tried again then, as an attempt failed.
    pub(super) retry_at: Option<Timestamp>,
    /// No CA is to be asked before.
    pub(super) held: Option<Timestamp>,
    /// Why it is due then.
    pub(in crate::app) why: String,
}

/// Is what is remembered of all renewals.
pub(in crate::app) struct Remembered {
    renewals: HashMap<CertificateId, Renewal>,
    stages: HashMap<CertificateId, Stage>,
    nothing: Renewal,
}

impl Remembered {
    /// What is remembered of one certificate; of a new one that is nothing.
    pub(in crate::app) fn renewal(&self, id: &CertificateId) -> &Renewal {
        self.renewals.get(id).unwrap_or(&self.nothing)
    }

    /// How far the order under way has come; none if there is none.
    pub(in crate::app) fn stage(&self, id: &CertificateId) -> Option<Stage> {
        self.stages.get(id).copied()
    }
}

impl App {
    /// Says how the renewals of all managed certificates stand.
    pub(crate) async fn survey_renewals(
        &self,
        _by: &Allowed<right::View>,
    ) -> Result<BTreeMap<CertificateId, RenewalStanding>, AppError> {
        let remembered = self.remembered().await?;
        let (served, now) = (self.served(), self.now());
        let standing = |stored: &StoredCertificate| {
            let managed = stored.value.management.managed()?;
            let id = &stored.value.id;
            let (renewal, stage) = (remembered.renewal(id), remembered.stage(id));
            let next = self.next(stored, managed, renewal, stage.is_some()).at.max(now);
            Some((id.clone(), RenewalStanding { next, failures: renewal.failures, stage }))
        };
        Ok(served.desired.certificates.iter().filter_map(standing).collect())
    }

    /// Reads what is remembered of all renewals.
    pub(in crate::app) async fn remembered(&self) -> Result<Remembered, AppError> {
        let store = &*self.parts.store;
        let renewals = Renewal::read_all(store).await.map_err(unreadable)?;
        let orders = OrderProgress::read_all(store).await.map_err(unreadable)?;
        Ok(Remembered {
            renewals: renewals.into_iter().collect(),
            stages: orders.into_iter().map(|(id, order)| (id, order.stage)).collect(),
            nothing: Renewal::default(),
        })
    }

    /// Says when a certificate is renewed next.
    pub(in crate::app) fn next(
        &self,
        stored: &StoredCertificate,
        managed: &Managed,
        renewal: &Renewal,
        is_under_way: bool,
    ) -> Next {
        let now = self.now();
        let served = self.served();
        let cluster = served.desired.cluster.as_ref().map_or("", |cluster| cluster.id.as_str());
        let due = outlook(stored, managed, renewal, cluster);
        let retry_at = renewal.retry(now).filter(|at| *at > due.at);
        let at = retry_at.unwrap_or(due.at).max(if due.at == Timestamp::EPOCH { now } else { due.at });
        let held = self.parts.engine.held(managed, renewal).filter(|until| *until > at && !is_under_way);
        Next { at: held.unwrap_or(at), retry_at, held, why: due.why }
    }
}
