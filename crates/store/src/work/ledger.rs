//! When orders were placed and validations failed, for the budgets.

use portward_core::{HostPattern, IssuerId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{ReadWorkError, WorkPlace, read};
use crate::{Store, change::Change};

#[derive(Default, Serialize, Deserialize)]
struct LedgerRecord {
    /// Seconds since 1970.
    at: Vec<i64>,
}

/// Reads when orders were placed with an issuer lately.
pub async fn orders(store: &dyn Store, issuer: &IssuerId) -> Result<Vec<Timestamp>, ReadWorkError> {
    times(store, &WorkPlace::IssuerLedger(issuer)).await
}

/// Reads when validations of a name failed lately.
pub async fn failures(store: &dyn Store, name: &HostPattern) -> Result<Vec<Timestamp>, ReadWorkError> {
    times(store, &WorkPlace::NameLedger(&name.to_string())).await
}

impl Change {
    /// Writes when orders were placed with an issuer.
    pub fn put_orders(&mut self, issuer: &IssuerId, at: &[Timestamp]) {
        self.put_work(&WorkPlace::IssuerLedger(issuer), &record(at));
    }

    /// Writes when validations of a name failed.
    pub fn put_failures(&mut self, name: &HostPattern, at: &[Timestamp]) {
        self.put_work(&WorkPlace::NameLedger(&name.to_string()), &record(at));
    }
}

async fn times(store: &dyn Store, place: &WorkPlace<'_>) -> Result<Vec<Timestamp>, ReadWorkError> {
    let record: LedgerRecord = read(store, place).await?.unwrap_or_default();
    Ok(record.at.into_iter().filter_map(|seconds| Timestamp::from_unix(seconds).ok()).collect())
}

fn record(at: &[Timestamp]) -> LedgerRecord {
    LedgerRecord { at: at.iter().map(|at| at.unix()).collect() }
}
