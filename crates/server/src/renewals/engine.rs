//! The engine: who is due, and turns side by side.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use portward_certs::acme::{CertificateAuthority, RegisteredAccount};
use portward_core::{
    CertificateId, IssuerId, Timestamp,
    acme::{Issuer, Managed, is_waited_for},
};
use portward_store::{
    Store, StoreError,
    cluster::Cluster,
    desired,
    sealing::{MasterKey, Sealer},
    work::{self, Renewal},
};
use tokio::{
    sync::{Mutex, Notify},
    task::JoinSet,
};

use super::{
    park::Parks,
    queue::Queue,
    surroundings::Surroundings,
    turn::{Asked, Turn, TurnError},
    writers::Writers,
};

/// Gets certificates and keeps them.
pub struct Engine {
    pub(super) store: Arc<dyn Store>,
    master: MasterKey,
    pub(super) surroundings: Arc<dyn Surroundings>,
    pub(super) queue: Queue,
    pub(super) parks: Parks,
    pub(super) writers: Writers,
    /// Held while an account is made or given a key, so that two turns do not make two. Accounts are in the store alone:
    /// a restore brings others, and an issuer may be followed by another one of its id.
    pub(super) accounts: Mutex<()>,
    pub(super) counts: Counts,
    side_by_side: NonZeroUsize,
    /// What the clock said when it was looked at last, in seconds since 1970.
    seen: AtomicI64,
    woken: Notify,
}

/// Is what an [`Engine`] is made of.
pub struct EngineParts {
    /// Where everything is remembered.
    pub store: Arc<dyn Store>,
    /// Seals and opens keys, for the cluster that the store says it is of.
    pub master: MasterKey,
    /// The outside.
    pub surroundings: Arc<dyn Surroundings>,
    /// How many certificates have their turn at the same time.
    pub side_by_side: NonZeroUsize,
}

/// Counts attempts since the start, by issuer and what became of them.
#[derive(Debug, Default)]
pub(super) struct Counts {
    ended: StdMutex<HashMap<(IssuerId, &'static str), u64>>,
    turns: AtomicU64,
}

impl Engine {
    /// Makes an engine that knows of no certificate yet.
    pub fn new(parts: EngineParts) -> Self {
        let EngineParts { store, master, surroundings, side_by_side } = parts;
        Self {
            store,
            master,
            surroundings,
            queue: Queue::default(),
            parks: Parks::default(),
            writers: Writers::default(),
            accounts: Mutex::default(),
            counts: Counts::default(),
            side_by_side,
            seen: AtomicI64::new(i64::MIN),
            woken: Notify::new(),
        }
    }

    /// Finds all managed certificates, and has each looked at once. It reads everything; later nothing does.
    pub async fn load(&self) -> Result<(), StoreError> {
        let now = self.surroundings.now();
        match work::parked(&*self.store).await {
            Ok(parked) => {
                let waited_for = parked.iter().filter(|(_, until)| is_waited_for(*until, now));
                waited_for.for_each(|(issuer, until)| self.parks.park_until(issuer, *until, now));
            }
            Err(error) => {
                tracing::error!(error = crate::app::chain_text(&error), "it is not known which CAs said to wait");
            }
        }
        for id in desired::managed_ids(&*self.store).await? {
            self.queue.wake(&id, now);
        }
        self.woken.notify_one();
        Ok(())
    }

    /// Has a certificate looked at, as it was changed or somebody asks for something.
    pub fn wake(&self, id: &CertificateId) {
        self.queue.wake(id, self.surroundings.now());
        self.woken.notify_one();
    }

    /// Gives everybody a turn who is due, until nobody is; gives when somebody will be.
    pub async fn run_due(self: &Arc<Self>) -> Option<Timestamp> {
        let mut turns = JoinSet::new();
        loop {
            self.mind_the_clock().await;
            self.begin_turns(&mut turns);
            match turns.join_next().await {
                Some(ended) => self.end_turn(ended),
                None => return self.queue.next(),
            }
        }
    }

    /// Gives turns for as long as it is not dropped. A turn that is cut short goes on after the next start.
    pub async fn run(self: &Arc<Self>) {
        let mut turns = JoinSet::new();
        loop {
            self.mind_the_clock().await;
            self.begin_turns(&mut turns);
            let now = self.surroundings.now();
            let pause = self.queue.next().map_or(LONGEST_PAUSE, |next| next.since(now).min(LONGEST_PAUSE));
            // With all places taken, what is due waits for a turn to end.
            let pause = if turns.len() >= self.side_by_side.get() { LONGEST_PAUSE } else { pause };
            tokio::select! {
                Some(ended) = turns.join_next() => self.end_turn(ended),
                () = self.woken.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Who answers for an issuer.
    pub(crate) fn authority(&self, issuer: &Issuer) -> Result<Arc<dyn CertificateAuthority>, String> {
        self.surroundings.authority(issuer)
    }

    /// The account with an issuer; made if there is none.
    pub(crate) async fn account_of(&self, asked: &Asked) -> Result<RegisteredAccount, String> {
        match self.account(asked).await {
            Ok(Ok(account)) => Ok(account),
            Ok(Err(why)) => Err(why.to_string()),
            Err(error) => Err(crate::app::chain_text(&error)),
        }
    }

    /// Until when none of the issuers may be asked for a certificate: they are in trouble, or told us to wait. None if one
    /// may be.
    pub(crate) fn held(&self, managed: &Managed, renewal: &Renewal) -> Option<Timestamp> {
        let now = self.surroundings.now();
        let held = |id: &IssuerId| self.parks.parked(id, now).max(renewal.held(id, now));
        let all: Option<Vec<Timestamp>> = managed.issuers.iter().map(held).collect();
        all.and_then(|all| all.into_iter().min())
    }

    /// How many attempts ended since the start: for each issuer, `served` and `failed`.
    pub fn attempts_ended(&self) -> Vec<(IssuerId, &'static str, u64)> {
        let ended = self.counts.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut list: Vec<_> =
            ended.iter().map(|((issuer, outcome), count)| (issuer.clone(), *outcome, *count)).collect();
        list.sort();
        list
    }

    /// How many turns certificates have had since the start.
    pub fn turns(&self) -> u64 {
        self.counts.turns.load(Ordering::Relaxed)
    }

    /// Whose the store is, as it says now: a restore may have brought another cluster.
    pub(super) async fn cluster(&self) -> Result<String, TurnError> {
        let cluster = Cluster::of(&*self.store).await?;
        let cluster = cluster.ok_or_else(|| {
            let text = "the store does not say whose it is; go back to a backup: portward store restore FILE";
            TurnError::Other(text.to_owned())
        })?;
        Ok(cluster.id)
    }

    /// What seals and opens for that cluster.
    pub(super) async fn sealer(&self) -> Result<Sealer, TurnError> {
        Ok(Sealer::new(self.cluster().await?, self.master.clone()))
    }

    pub(super) fn count_ended(&self, issuer: &IssuerId, outcome: &'static str) {
        let mut ended = self.counts.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *ended.entry((issuer.clone(), outcome)).or_default() += 1;
    }

    /// Looks at everything anew once the clock was set back: the times of before are those of a clock that was ahead.
    async fn mind_the_clock(&self) {
        let now = self.surroundings.now();
        let before = self.seen.swap(now.unix(), Ordering::Relaxed);
        if before <= now.plus(SET_BACK).unix() {
            return;
        }
        tracing::warn!("the clock was set back to {now}; all renewals are looked at anew");
        self.parks.clear();
        if let Err(error) = self.load().await {
            tracing::error!(error = crate::app::chain_text(&error), "the store cannot be read; it is tried again soon");
            self.seen.store(before, Ordering::Relaxed);
        }
    }

    fn begin_turns(self: &Arc<Self>, turns: &mut JoinSet<Ended>) {
        while turns.len() < self.side_by_side.get() {
            let Some(id) = self.queue.take(self.surroundings.now()) else { return };
            self.counts.turns.fetch_add(1, Ordering::Relaxed);
            let engine = Arc::clone(self);
            turns.spawn(async move {
                // In a task of its own, so that a panic tells which certificate it was.
                let turn = tokio::spawn({
                    let (engine, id) = (Arc::clone(&engine), id.clone());
                    async move { Turn::take(&engine, &id).await }
                });
                let guard = AbortOnDrop(turn.abort_handle());
                let ended = turn.await;
                drop(guard);
                (id, ended)
            });
        }
    }

    fn end_turn(&self, ended: Result<Ended, tokio::task::JoinError>) {
        let now = self.surroundings.now();
        // The outer task does nothing that could fail.
        let Ok((id, ended)) = ended else { return };
        let next = match ended {
            Ok(Ok(next)) => next,
            Ok(Err(error)) => {
                let chain = crate::app::chain_text(&error);
                tracing::error!(certificate.id = %id, error = chain, "a renewal could not go on; it is tried again soon");
                Some(now.plus(AFTER_TROUBLE))
            }
            Err(_) => {
                tracing::error!(certificate.id = %id, "a renewal panicked; it is tried again soon");
                Some(now.plus(AFTER_TROUBLE))
            }
        };
        self.queue.put_back(&id, next, now);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl fmt::Debug for EngineParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineParts").finish_non_exhaustive()
    }
}

/// Is a certificate whose turn has ended, and how.
type Ended = (CertificateId, Result<Result<Option<Timestamp>, TurnError>, tokio::task::JoinError>);

/// Ends a task with whoever waits for it.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The clock may be set, and a machine may have been asleep.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Clocks are corrected by seconds all the time.
const SET_BACK: Duration = Duration::from_secs(60);
/// After the store failed, or we did.
const AFTER_TROUBLE: Duration = Duration::from_secs(30);
