//! Until when CAs are not asked, as they said so; a restart must not forget it.

use portward_core::{IssuerId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{PARKS, ReadWorkError, WorkPlace, read_all};
use crate::{Store, change::Change, records::text};

#[derive(Serialize, Deserialize)]
struct ParkRecord {
    #[serde(with = "text")]
    until: Timestamp,
}

/// Reads until when CAs are not asked.
pub async fn parked(store: &dyn Store) -> Result<Vec<(IssuerId, Timestamp)>, ReadWorkError> {
    let all = read_all::<ParkRecord>(store, PARKS).await?;
    let issuer = |key: &crate::Key| IssuerId::parse(key.as_str().strip_prefix(PARKS)?).ok();
    Ok(all.into_iter().filter_map(|(key, record)| Some((issuer(&key)?, record.until))).collect())
}

impl Change {
    /// Writes until when a CA is not asked.
    pub fn put_park(&mut self, issuer: &IssuerId, until: Timestamp) {
        self.put_work(&WorkPlace::Park(issuer), &ParkRecord { until });
    }
}
