//! Making the first owner while no server runs: for machines that are set up by scripts.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    sync::Arc,
};

use portward_api::{SetupInput, UserView};
use portward_core::Timestamp;
use portward_store::{StoreError, cluster::Cluster};

use crate::{
    admin::local_actor,
    app::{AppError, access::setup},
    server::{master_key, open_store},
    start_error::StartError,
};

/// Says why there is no owner now; the store is as it was.
#[derive(Debug, thiserror::Error)]
pub enum InitOfflineError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(StartError),
    /// There is an owner already.
    #[error("{0}")]
    Owned(String),
    /// What was given cannot be taken.
    #[error("{0}")]
    Refused(String),
    /// The files of the new store could not be given to whoever the data directory belongs to.
    #[error("the owner is made, but {} cannot be given to the owner of the directory, so the server may not open it", .path.display())]
    GiveAway {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Makes the first owner of a data directory that no server uses, which need not exist.
///
/// Without a master key for an empty store, one is made, as by the first start of a server.
pub async fn init_offline(
    data_dir: &Path,
    input: &SetupInput,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
) -> Result<UserView, InitOfflineError> {
    let made = make(data_dir, input, clock).await?;
    give_away(data_dir)?;
    Ok(made)
}

async fn make(
    data_dir: &Path,
    input: &SetupInput,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
) -> Result<UserView, InitOfflineError> {
    let store = open_store(data_dir, Arc::clone(&clock), None).await.map_err(InitOfflineError::Open)?;
    let master = master_key(&store, data_dir).await.map_err(InitOfflineError::Open)?;
    let opened = Cluster::open(&store, master).await;
    opened.map_err(|error| InitOfflineError::Open(StartError::OpenCluster(error)))?;
    let owned = portward_store::access::is_owned(&store).await;
    if owned.map_err(|error: StoreError| InitOfflineError::Open(StartError::Store(error)))? {
        return Err(InitOfflineError::Owned(setup::owned().to_string()));
    }
    let who = local_actor(rustix::process::geteuid().as_raw()).to_string();
    let made = setup::make_first_owner(&store, &who, input, clock()).await;
    let made = made.map_err(|error: AppError| InitOfflineError::Refused(error.to_string()))?;
    setup::remove_setup_file(data_dir);
    Ok(made)
}

/// Root makes files of its own, which the user of the server could not open.
fn give_away(data_dir: &Path) -> Result<(), InitOfflineError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| InitOfflineError::GiveAway { path, source }
    };
    let owner = fs::metadata(data_dir).map_err(failed(data_dir))?;
    for entry in fs::read_dir(data_dir).map_err(failed(data_dir))? {
        let path = entry.map_err(failed(data_dir))?.path();
        let file = fs::symlink_metadata(&path).map_err(failed(&path))?;
        let is_ours = file.is_file() && file.uid() == rustix::process::geteuid().as_raw();
        if is_ours && (file.uid(), file.gid()) != (owner.uid(), owner.gid()) {
            chown(&path, Some(owner.uid()), Some(owner.gid())).map_err(failed(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_api::SecretText;

    use super::*;
    use crate::fixture::now;

    #[tokio::test]
    async fn a_directory_gets_its_first_owner_once() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("data");
        let init = async |name: &str, password: &str| {
            let password = SecretText::new(password.to_owned());
            let input = SetupInput { token: None, name: name.to_owned(), password, email: None };
            init_offline(&data_dir, &input, Arc::new(now)).await
        };
        assert!(matches!(init("mara", "short").await, Err(InitOfflineError::Refused(_))));
        assert!(matches!(init("ma ra", "four plain words here").await, Err(InitOfflineError::Refused(_))));
        let made = init("mara", "four plain words here").await.unwrap();
        assert_eq!((made.name.as_str(), made.role.as_str()), ("mara", "owner"));
        assert!(data_dir.join("master.key").exists());
        let again = init("eve", "four plain words here").await.unwrap_err();
        assert!(matches!(&again, InitOfflineError::Owned(text) if text.contains("has an owner already")), "{again}");
    }
}
