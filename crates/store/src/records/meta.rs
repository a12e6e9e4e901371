//! The records that say what a store is.

use serde::{Deserialize, Serialize};

use super::Record;

/// Is `meta/schema`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchemaRecord {
    v: u32,
    /// The layout of keys.
    pub(crate) version: u32,
    /// The oldest layout whose readers can cope with this one.
    pub(crate) min_reader: u32,
    /// What a reader must know of beyond the version.
    pub(crate) features: Vec<String>,
}

/// Is `meta/cluster`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterRecord {
    v: u32,
    pub(crate) cluster_id: String,
    /// Rises with every restore and migration.
    pub(crate) generation: u64,
}

impl Record for SchemaRecord {
    const VERSION: u32 = 1;
}

impl Record for ClusterRecord {
    const VERSION: u32 = 1;
}

impl SchemaRecord {
    /// The layout that this Portward writes.
    pub(crate) const LAYOUT: u32 = 1;

    /// The record of our own layout.
    pub(crate) fn ours() -> Self {
        Self { v: Self::VERSION, version: Self::LAYOUT, min_reader: Self::LAYOUT, features: Vec::new() }
    }
}

impl ClusterRecord {
    /// Makes the record.
    pub(crate) fn new(cluster_id: String, generation: u64) -> Self {
        Self { v: Self::VERSION, cluster_id, generation }
    }
}
