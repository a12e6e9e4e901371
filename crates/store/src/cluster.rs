//! Whose store this is, and whether our master key belongs to it.

use crate::{
    Cond, Key, Page, Prefix, Read, Revision, Store, StoreError, Txn, TxnOutcome,
    hex::hex,
    place::Place,
    random,
    records::{ClusterRecord, RecordError, SchemaRecord, decode, encode},
    sealing::{MasterKey, Sealed, Sealer, Secret, UnsealError},
};

/// Is what all nodes on one store have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Made at first start, and never again; sealed secrets are bound to it.
    pub id: String,
    /// Rises with every restore and migration, so that an older state is noticed.
    pub generation: u64,
}

/// Is a store that was found to be ours, with what opens its secrets.
#[derive(Debug)]
pub struct OpenedCluster {
    /// Whose it is.
    pub cluster: Cluster,
    /// Seals and opens its secrets.
    pub sealer: Sealer,
    /// Whether the store was empty, and has just been given its identity.
    pub is_new: bool,
}

/// Says why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenClusterError {
    /// The store fails.
    #[error("cannot read whose store this is")]
    Store(#[from] StoreError),
    /// A record that says what the store is cannot be read.
    #[error("cannot read \"{key}\" of the store")]
    Record {
        /// Which record.
        key: Key,
        /// Why.
        #[source]
        source: RecordError,
    },
    /// The store has things in it, but nothing says what it is.
    #[error(
        "the store has content but no \"{0}\": it is not a store of Portward, or it is damaged; go back to a backup: portward store restore FILE"
    )]
    Foreign(Key),
    /// The layout of the store is newer than this program.
    #[error(
        "the store has layout {version}, which needs a Portward that knows layout {min_reader}; this one knows {known}. Install the Portward that wrote it, or a newer one"
    )]
    Newer {
        /// Its layout.
        version: u32,
        /// The least that a reader must know.
        min_reader: u32,
        /// What we know.
        known: u32,
    },
    /// The store needs something of its readers that we do not have.
    #[error(
        "the store uses \"{0}\", which this Portward does not know; install the Portward that wrote it, or a newer one"
    )]
    Feature(String),
    /// The master key belongs to another store.
    #[error(
        "the master key does not belong to this store: its secrets were sealed with another one. Put the master key file back that was saved with it"
    )]
    MasterKey(#[source] UnsealError),
}

impl Cluster {
    /// Whose a store is; none if it does not say. Nothing is written.
    pub async fn of(store: &dyn Store) -> Result<Option<Self>, OpenClusterError> {
        read(store).await
    }

    /// Opens a store: gives an empty one its identity, and checks layout and master key of any other.
    ///
    /// Several nodes may do so at once.
    pub async fn open(store: &dyn Store, master: MasterKey) -> Result<OpenedCluster, OpenClusterError> {
        if let Some(cluster) = read(store).await? {
            return check(store, cluster, master, false).await;
        }
        let (schema, identity, seal_check) = (Place::Schema.key(), Place::Cluster.key(), Place::SealCheck.key());
        let content = store.list(&Prefix::all(), None, Page::first(FEW)).await?;
        // What engines and leases write by themselves may be there before an identity is.
        if let Some(other) = content.kvs.iter().find(|kv| kv.lease.is_none() && Place::of(&kv.key).is_some()) {
            // Another node may have made the identity between our two reads.
            return match read(store).await? {
                Some(cluster) => check(store, cluster, master, false).await,
                None => {
                    tracing::debug!(key = %other.key, "the store has content but no identity");
                    Err(OpenClusterError::Foreign(identity))
                }
            };
        }
        let cluster = Self { id: hex(&random::bytes::<16>()), generation: 1 };
        let sealer = Sealer::new(cluster.id.clone(), master.clone());
        let txn = Txn::new()
            .when(Cond::Absent(schema.clone()))
            .when(Cond::Absent(identity.clone()))
            .when(Cond::Absent(seal_check.clone()))
            .put(schema, encode(&SchemaRecord::ours()))
            .put(identity.clone(), encode(&ClusterRecord::new(cluster.id.clone(), cluster.generation)))
            .put(seal_check, encode(&seal_check_record(&sealer)));
        match store.txn(txn).await? {
            TxnOutcome::Committed(_) => Ok(OpenedCluster { cluster, sealer, is_new: true }),
            TxnOutcome::Conflict { .. } => {
                let cluster = read(store).await?.ok_or(OpenClusterError::Foreign(identity))?;
                check(store, cluster, master, false).await
            }
        }
    }
}

/// Reads the identity; none if there is no record of it. Refuses a layout that is newer than ours.
async fn read(store: &dyn Store) -> Result<Option<Cluster>, OpenClusterError> {
    let (identity, _) = get::<ClusterRecord>(store, Place::Cluster.key()).await?;
    let (schema, _) = get::<SchemaRecord>(store, Place::Schema.key()).await?;
    match (identity, schema) {
        (None, _) => Ok(None),
        (Some(_), None) => Err(OpenClusterError::Foreign(Place::Schema.key())),
        (Some(identity), Some(schema)) => {
            check_layout(&schema)?;
            Ok(Some(Cluster { id: identity.cluster_id, generation: identity.generation }))
        }
    }
}

async fn check(
    store: &dyn Store,
    cluster: Cluster,
    master: MasterKey,
    is_new: bool,
) -> Result<OpenedCluster, OpenClusterError> {
    let sealer = Sealer::new(cluster.id.clone(), master);
    let key = Place::SealCheck.key();
    let (sealed, _) = get::<Sealed>(store, key.clone()).await?;
    let sealed = sealed.ok_or(OpenClusterError::Foreign(key))?;
    check_seal(&sealer, &sealed).map_err(OpenClusterError::MasterKey)?;
    Ok(OpenedCluster { cluster, sealer, is_new })
}

async fn get<R: crate::records::Record>(
    store: &dyn Store,
    key: Key,
) -> Result<(Option<R>, Revision), OpenClusterError> {
    let (kv, revision) = store.get(&key, Read::Linearizable).await?;
    let record =
        kv.map(|kv| decode(&kv.value)).transpose().map_err(|source| OpenClusterError::Record { key, source })?;
    Ok((record, revision))
}

/// Checks that we can read the layout.
pub(crate) fn check_layout(schema: &SchemaRecord) -> Result<(), OpenClusterError> {
    if schema.min_reader > SchemaRecord::LAYOUT {
        return Err(OpenClusterError::Newer {
            version: schema.version,
            min_reader: schema.min_reader,
            known: SchemaRecord::LAYOUT,
        });
    }
    match schema.features.first() {
        Some(feature) => Err(OpenClusterError::Feature(feature.clone())),
        None => Ok(()),
    }
}

/// Seals a known text, so that a master key can be tried without touching a real secret.
pub(crate) fn seal_check_record(sealer: &Sealer) -> Sealed {
    sealer.seal(&Place::SealCheck.key(), SEAL_CHECK_VERSION, &Secret::copy_of(SEAL_CHECK))
}

/// Tries the master key on the known text.
pub(crate) fn check_seal(sealer: &Sealer, sealed: &Sealed) -> Result<(), UnsealError> {
    let key = Place::SealCheck.key();
    let opened = sealer.open(&key, SEAL_CHECK_VERSION, sealed)?;
    if opened.expose() == SEAL_CHECK { Ok(()) } else { Err(UnsealError::Refused { key }) }
}

/// What is sealed at `meta/seal-check`.
const SEAL_CHECK: &[u8] = b"portward seal check";
/// The record is written once.
const SEAL_CHECK_VERSION: u64 = 1;
/// Enough of a list to see whether the store is empty.
const FEW: usize = 100;

#[cfg(test)]
mod tests;
