//! What a start begins with: the store, or what was kept of it on the disk.

use std::{
    fs::File,
    path::Path,
    sync::{Arc, OnceLock},
};

use portward_core::{Revision, Timestamp};
use portward_proxy::Proxy;
use portward_store::{
    Page, Prefix, Store,
    cluster::{Cluster, OpenedCluster},
    desired::{Desired, Follower, Touched},
    disk_snapshot::{self, DiskSnapshot},
    late::LateStore,
    sealing::{MasterKey, Sealer},
    sqlite::{LockError, OpenSqliteError, SqliteStore},
};

use crate::{
    admin::socket::is_live,
    app::chain_text,
    first_start::{self, Flags},
    master_key as key_file,
    start_error::StartError,
};

/// Is what everything else is started on.
pub(super) struct Beginning {
    pub(super) store: Arc<dyn Store>,
    pub(super) opened: Opened,
    pub(super) master: MasterKey,
    pub(super) sealer: Sealer,
    pub(super) cluster: String,
    /// What must be served before the start is complete.
    pub(super) revision: Revision,
    pub(super) begun: Begun,
}

/// Is the store as it is on this machine, once it is open.
pub(crate) type Opened = Arc<OnceLock<SqliteStore>>;

/// Says what of the desired state is there at the beginning.
pub(super) enum Begun {
    /// All of it, as the store has it.
    Store(Box<Follower>),
    /// What was kept; what stands for the store, which is not open yet; and what goes on from what was kept, where the
    /// store has that and nothing newer.
    Kept(Arc<Desired>, LateStore, Option<Box<Follower>>),
}

/// Tells the time.
type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Finds out what to begin with.
///
/// What was kept on the disk is taken where the store has nothing newer, so that nothing waits for the store to be opened
/// and checked, and where the store does not open at all. A change that was acknowledged is never taken back by a start.
/// With the lock of a process that has lent its store, nothing but the store will do: that process serves until it is open.
pub(super) async fn begin(data_dir: &Path, now: &Now, lent: Option<File>) -> Result<Beginning, StartError> {
    if lent.is_some() {
        return of_store(data_dir, now, lent).await;
    }
    // Where the store is gone, an empty one must not take its place.
    let is_current = |revision| !SqliteStore::is_in(data_dir) || disk_snapshot::is_current(data_dir, revision);
    if disk_snapshot::claimed_revision(data_dir).is_some_and(is_current)
        && let Some((snapshot, master)) = kept(data_dir).await
        // It may be the one before.
        && is_current(snapshot.desired.revision)
    {
        tracing::debug!(revision = snapshot.desired.revision.0, "the store is opened behind what was kept on the disk");
        // Where there is no store, nobody knows which one will come.
        let goes_on = SqliteStore::is_in(data_dir);
        return Ok(of_kept(snapshot, master, LateStore::new(), goes_on));
    }
    let error = match of_store(data_dir, now, None).await {
        // Another server has it, and serves.
        Err(error) if is_unopened(&error) && !is_live(data_dir).unwrap_or(false) => error,
        begun => return begun,
    };
    let Some((snapshot, master)) = kept(data_dir).await else { return Err(error) };
    let late = LateStore::new();
    late.fail_with(chain_text(&error));
    Ok(of_kept(snapshot, master, late, false))
}

/// Whether a start failed because the store does not open; then what was kept of it may do.
fn is_unopened(error: &StartError) -> bool {
    matches!(error, StartError::OpenStore { .. } | StartError::AlreadyRunning { .. } | StartError::FirstStart { .. })
}

/// Reads the store while it is checked; what was read counts only if it is sound.
async fn of_store(data_dir: &Path, now: &Now, lent: Option<File>) -> Result<Beginning, StartError> {
    let (directory, clock) = (data_dir.to_owned(), Arc::clone(now));
    let store = opening(data_dir, move || SqliteStore::open_unchecked(&directory, clock, lent)).await?;
    let checked = {
        let store = store.clone();
        opening(data_dir, move || store.check())
    };
    let (checked, read) = tokio::join!(checked, Follower::begin(&store));
    checked?;
    let mut follower = read.map_err(StartError::Store)?;
    let master = master_key(&store, data_dir).await?;
    let OpenedCluster { sealer, cluster, .. } =
        Cluster::open(&store, master.clone()).await.map_err(StartError::OpenCluster)?;
    // What was written meanwhile: of a new cluster, and of leases that ended with another process.
    follower.catch_up(&store, &mut Touched::default()).await.map_err(StartError::Store)?;
    let revision = follower.desired().revision;
    let begun = Begun::Store(Box::new(follower));
    let opened = Arc::new(OnceLock::from(store.clone()));
    Ok(Beginning { store: Arc::new(store), opened, master, sealer, cluster: cluster.id, revision, begun })
}

impl Beginning {
    /// Gives an empty store its first content, and holds the flags against what is there.
    pub(super) async fn settle(
        &mut self,
        flags: &Flags,
        proxy: &Proxy,
        host_name: &str,
        now: Timestamp,
    ) -> Result<(), StartError> {
        match &self.begun {
            Begun::Store(follower) if first_start::is_empty(follower.desired()) => {
                first_start::seed(&*self.store, &self.sealer, proxy, flags, host_name, now).await?;
                self.revision = self.store.revision().await.map_err(StartError::Store)?;
                Ok(())
            }
            Begun::Store(follower) => first_start::agree(flags, follower.desired()),
            Begun::Kept(desired, ..) => first_start::agree(flags, desired),
        }
    }

    /// Whether the store is not open yet.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self.begun, Begun::Kept(..))
    }
}

fn of_kept(snapshot: DiskSnapshot, master: MasterKey, late: LateStore, goes_on: bool) -> Beginning {
    let DiskSnapshot { cluster, desired, follower } = snapshot;
    Beginning {
        store: Arc::new(late.clone()),
        opened: Opened::default(),
        sealer: Sealer::new(cluster.id.clone(), master.clone()),
        master,
        cluster: cluster.id,
        revision: desired.revision,
        begun: Begun::Kept(Arc::new(desired), late, goes_on.then(|| Box::new(follower))),
    }
}

/// What was kept, if it can be believed; what cannot is told of.
async fn kept(data_dir: &Path) -> Option<(DiskSnapshot, MasterKey)> {
    let master = key_file::open(data_dir).ok()?;
    let directory = data_dir.to_owned();
    let read = {
        let master = master.clone();
        tokio::task::spawn_blocking(move || DiskSnapshot::read(&directory, &master))
    };
    let (snapshot, refused) = read.await.ok()?;
    for refused in refused {
        tracing::warn!(
            path = %refused.file.display(),
            error = chain_text(&refused.error),
            "what was kept of the desired state is not believed; the start goes on without"
        );
    }
    Some((snapshot?, master))
}

/// Opens the store in a data directory, with the lock of a process that has lent it; checking the file for damage blocks.
pub(crate) async fn open_store(
    data_dir: &Path,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    lent: Option<File>,
) -> Result<SqliteStore, StartError> {
    let directory = data_dir.to_owned();
    let open = move || match lent {
        Some(lock) => SqliteStore::open_lent(&directory, clock, lock),
        None => SqliteStore::open(&directory, clock),
    };
    opening(data_dir, open).await
}

/// Does a part of the opening of the store in a data directory, which may block.
async fn opening<T: Send + 'static>(
    data_dir: &Path,
    open: impl FnOnce() -> Result<T, OpenSqliteError> + Send + 'static,
) -> Result<T, StartError> {
    let opened = tokio::task::spawn_blocking(open).await;
    let opened = opened
        .map_err(|error| StartError::FirstStart { what: "the store could not be opened", source: error.into() })?;
    opened.map_err(|error| match error {
        OpenSqliteError::Lock(source @ LockError::Held { .. }) => {
            StartError::AlreadyRunning { directory: data_dir.to_owned(), source: Some(source) }
        }
        source => StartError::OpenStore { directory: data_dir.to_owned(), source },
    })
}

/// The master key of a store.
pub(crate) async fn master_key(store: &dyn Store, data_dir: &Path) -> Result<MasterKey, StartError> {
    let first = store.list(&Prefix::all(), None, Page::first(1)).await.map_err(StartError::Store)?;
    key_file::open_for(data_dir, first.kvs.is_empty()).map_err(StartError::MasterKey)
}
