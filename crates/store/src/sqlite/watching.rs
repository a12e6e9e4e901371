//! Watches read the log table.

use std::sync::Arc;

use super::{Inner, read};
use crate::{
    Prefix, Revision,
    watch::{Log, Reading},
};

impl Log for Inner {
    fn read_after(self: &Arc<Self>, prefixes: &[Prefix], after: Revision) -> Reading {
        let prefixes = prefixes.to_vec();
        let read = self.reader.run(move |connection| read::log_after(connection, &prefixes, after));
        Box::pin(async move { read.wait().await? })
    }
}
