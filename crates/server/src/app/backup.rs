//! Taking a backup of the store, and going back to one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use http::StatusCode;
use portward_api::Restored;
use portward_store::backup::{
    self, Backup, BackupError, Existing, ReadBackupError, RestoreError, RestoredBy, restore_into,
};

use super::{Allowed, App, AppError, Apply, chain_text, new_key_id, right};

/// Is a file in the data directory on its way in or out; it goes away with this value.
#[derive(Debug)]
pub(crate) struct PassingFile {
    path: PathBuf,
}

impl App {
    /// Writes a backup and records who took it; private keys are in it only as they are stored, sealed.
    pub(crate) async fn back_up(&self, by: &Allowed<right::StoreBackup>) -> Result<File, AppError> {
        let passing = self.passing_file()?;
        let summary = backup::write(&*self.parts.store, &passing.path).await.map_err(backup_error)?;
        let file = File::open(&passing.path).map_err(|error| AppError::internal("the backup cannot be read", error))?;
        self.commit(self.change(by, format!("take a backup of revision {}", summary.revision))).await?;
        Ok(file)
    }

    /// Makes a place for a backup that comes in.
    pub(crate) fn passing_file(&self) -> Result<PassingFile, AppError> {
        let path = self.parts.data_dir.join(format!(".backup-{}.passing", new_key_id()?));
        Ok(PassingFile { path })
    }

    /// Replaces everything by a backup, and waits until that is served.
    pub(crate) async fn restore(
        &self,
        by: &Allowed<right::StoreRestore>,
        file: &PassingFile,
        apply: Apply,
    ) -> Result<Restored, AppError> {
        if apply == Apply::DryRun {
            let path = file.path.clone();
            let read = tokio::task::spawn_blocking(move || Backup::open(&path)).await;
            let read = read.map_err(|error| AppError::internal("the backup could not be read", error))?;
            let backup = read.map_err(|error| restore_error(error.into()))?;
            return Ok(Restored { revision: self.parts.store.revision().await?.0, records: backup.keys() as u64 });
        }
        let deciding = self.decide().await;
        self.refuse_at_the_end()?;
        let actor = by.actor();
        let (who, kind, address) = (actor.to_string(), actor.kind(), actor.address());
        let restored_by = RestoredBy { who, actor: kind, address, at: self.now() };
        let store = &*self.parts.store;
        let restored = restore_into(store, &file.path, &self.parts.master, Existing::Replace, &restored_by).await;
        // Also after an error: some of it may be there.
        self.forget_owner();
        let restored = restored.map_err(restore_error)?;
        let revision = store.revision().await?;
        drop(deciding);
        self.in_effect(revision).await?;
        Ok(Restored { revision: revision.0, records: restored.keys as u64 })
    }
}

impl PassingFile {
    /// Makes the file; nobody else can read it.
    pub(crate) fn create(&self) -> Result<File, AppError> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path).map_err(|error| self.failed(error))
    }

    /// Adds a piece.
    pub(crate) fn write(&self, file: &mut File, piece: &[u8]) -> Result<(), AppError> {
        file.write_all(piece).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> AppError {
        let directory = self.path.parent().unwrap_or_else(|| Path::new("."));
        let message = format!("the backup cannot be put into {}", directory.display());
        if error.kind() == io::ErrorKind::StorageFull {
            return AppError::new(StatusCode::INSUFFICIENT_STORAGE, "store-full", message).caused_by(error);
        }
        AppError::internal(message, error)
    }
}

impl Drop for PassingFile {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = fs::remove_file(&self.path);
    }
}

fn backup_error(error: BackupError) -> AppError {
    match error {
        BackupError::Store(error) => AppError::from(error),
        error => AppError::internal("no backup could be made", error),
    }
}

fn restore_error(error: RestoreError) -> AppError {
    let code = match &error {
        RestoreError::Store(_) | RestoreError::Replace { .. } => {
            return AppError::internal("the store could not be replaced; it is as it was", error);
        }
        RestoreError::Conflict => return AppError::conflict("changed-meanwhile", error.to_string()),
        RestoreError::Backup(ReadBackupError::Read { .. }) => {
            return AppError::internal("the backup could not be read; nothing was restored", error);
        }
        RestoreError::Backup(ReadBackupError::NotABackup { .. }) => "not-a-backup",
        RestoreError::Backup(ReadBackupError::Newer { .. }) => "newer-backup",
        RestoreError::Backup(_) => "damaged-backup",
        RestoreError::MasterKey(_) => "other-master-key",
        RestoreError::NoSealCheck => "damaged-backup",
        RestoreError::NotEmpty => "store-not-empty",
    };
    // The file has a passing name of ours, which says nothing to the operator.
    let text = match &error {
        RestoreError::Backup(ReadBackupError::NotABackup { .. }) => "this is not a backup of Portward".to_owned(),
        RestoreError::Backup(ReadBackupError::Damaged { what, .. }) => {
            format!("the backup is damaged: {what}; use another one")
        }
        RestoreError::Backup(ReadBackupError::Newer { version, .. }) => {
            format!("the backup has form {version}, which this Portward does not know; a newer one wrote it")
        }
        error @ RestoreError::MasterKey(_) => error.to_string(),
        error => chain_text(error),
    };
    AppError::refused(code, format!("{text}. Nothing was restored."))
}

/// 200,000 certificates have about that; all of it is in memory while it is checked. Larger ones: `portward store restore` with the server stopped.
pub(crate) const MAX_BACKUP_BYTES: u64 = 1024 * 1024 * 1024;

#[cfg(test)]
mod tests;
