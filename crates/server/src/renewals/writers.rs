//! Who writes TXT records: of one DNS provider one at a time.
//!
//! Most providers have no way to add one value to a name: what is there is read, changed and written back, so that of two
//! writes side by side one is lost.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Mutex as StdMutex, PoisonError},
};

use portward_certs::dns::TxtWriter;
use portward_core::DnsProviderId;
use portward_store::desired;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::engine::Engine;
use crate::{app::chain_text, kind_settings::KindSettings};

/// Knows whose turn it is to write through each DNS provider.
#[derive(Debug, Default)]
pub(super) struct Writers {
    turns: StdMutex<HashMap<DnsProviderId, Arc<Mutex<()>>>>,
}

/// Writes TXT records; nobody else does through the same DNS provider before it is dropped.
pub(super) struct WriterInTurn {
    writer: Box<dyn TxtWriter>,
    _turn: OwnedMutexGuard<()>,
}

impl Writers {
    async fn turn(&self, id: &DnsProviderId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(id.clone()).or_default())
        };
        turn.lock_owned().await
    }
}

impl Deref for WriterInTurn {
    type Target = dyn TxtWriter;

    fn deref(&self) -> &Self::Target {
        &*self.writer
    }
}

impl Engine {
    /// Makes who writes TXT records out of a DNS provider, once everybody before has written.
    pub(super) async fn writer(&self, id: &DnsProviderId) -> Result<WriterInTurn, String> {
        let turn = self.writers.turn(id).await;
        let provider = desired::read_dns_provider(&*self.store, id).await.map_err(|error| chain_text(&error))?;
        let provider = provider.ok_or_else(|| format!("the DNS provider \"{id}\" does not exist"))?.value;
        let sealer = self.sealer().await.map_err(|error| chain_text(&error))?;
        let settings = KindSettings::open_dns_provider(&sealer, &provider).map_err(|error| chain_text(&error))?;
        let writer = self.surroundings.writer(&provider.kind, settings.all())?;
        Ok(WriterInTurn { writer, _turn: turn })
    }
}
