//! Checking the audit while no server runs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use portward_api::AuditVerification;
use portward_core::Timestamp;
use portward_store::{
    StoreError, audit,
    sqlite::{OpenSqliteError, SqliteStore},
};

use crate::app::audit::verification;

/// Says why the audit in a data directory was not checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyAuditError {
    /// There is no store.
    #[error("there is no store in {}", .0.display())]
    NoStore(PathBuf),
    /// The store does not open.
    #[error(transparent)]
    Open(OpenSqliteError),
    /// The store cannot be read.
    #[error(transparent)]
    Read(StoreError),
}

/// Checks the audit in a data directory that no server uses, as `GET /api/v1/audit/verify` does.
///
/// `known` is the hash of a record that was kept somewhere else.
pub async fn verify_audit_offline(
    data_dir: &Path,
    known: Option<&str>,
    now: Timestamp,
) -> Result<AuditVerification, VerifyAuditError> {
    // Opening makes a store where none is, and this only looks.
    if !SqliteStore::is_in(data_dir) {
        return Err(VerifyAuditError::NoStore(data_dir.to_owned()));
    }
    let store = SqliteStore::open(data_dir, Arc::new(move || now)).map_err(VerifyAuditError::Open)?;
    audit::verify(&store, known).await.map(verification).map_err(VerifyAuditError::Read)
}
