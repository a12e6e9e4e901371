//! Where the master key is: among systemd's credentials, else in the data directory.

use std::{
    env,
    path::{Path, PathBuf},
};

use portward_store::sealing::{MasterKey, MasterKeyError};

/// Reads the master key; for an empty store one is made in the data directory.
///
/// A new key for a store that has secrets would open none of them, and hide that the right one is missing.
pub(crate) fn open_for(data_dir: &Path, store_is_empty: bool) -> Result<MasterKey, MasterKeyError> {
    match credential() {
        None if store_is_empty => MasterKey::open_or_create(&data_dir.join(NAME)),
        _ => open(data_dir),
    }
}

/// Reads the master key that is there.
pub(crate) fn open(data_dir: &Path) -> Result<MasterKey, MasterKeyError> {
    match credential() {
        Some(path) => MasterKey::open_credential(&path),
        None => MasterKey::open(&data_dir.join(NAME)),
    }
}

fn credential() -> Option<PathBuf> {
    let path = Path::new(&env::var_os("CREDENTIALS_DIRECTORY")?).join(NAME);
    path.exists().then_some(path)
}

/// What the file is called in either place.
pub(crate) const NAME: &str = "master.key";
