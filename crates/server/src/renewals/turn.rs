//! The turn of one certificate: everything about it is read, and it is taken as far as it goes without waiting.

use std::{sync::Arc, time::Duration};

use portward_certs::acme::CertificateAuthority;
use portward_core::{
    CertificateId, Timestamp,
    acme::{Attempt, Issuer, Jitter, Managed, Stage, is_waited_for},
};
use portward_store::{
    StoreError,
    change::{Change, CommitError, commit},
    cluster::OpenClusterError,
    desired::{self, StoredCertificate, StoredIssuer},
    sealing::UnsealError,
    work::{self, OpenAccountError, OrderProgress, ReadWorkError, Renewal, RenewalRequest},
};

use super::engine::Engine;

/// Is a certificate in its turn, with all that is known about it.
pub(super) struct Turn<'e> {
    pub(super) engine: &'e Engine,
    /// The cluster's id: the same for all its nodes, so that all compute the same times.
    pub(super) cluster: String,
    pub(super) certificate: StoredCertificate,
    pub(super) managed: Arc<Managed>,
    pub(super) renewal: Renewal,
    pub(super) request: Option<RenewalRequest>,
    pub(super) order: Option<OrderProgress>,
    /// The attempt that the order belongs to.
    pub(super) attempt: Option<Attempt>,
    /// Whether the order was planned in this turn, so that the CA cannot know of it.
    pub(super) is_fresh: bool,
    /// Whether an account that the CA had forgotten was made anew in this turn.
    pub(super) made_account: bool,
}

/// Says what comes after a step.
#[derive(Debug)]
pub(super) enum Next {
    /// The next step, at once.
    Step,
    /// Nothing before a time.
    Wait(Timestamp),
    /// Another turn: the attempt has ended, and what was read before it is not true any more.
    Over,
}

/// Is who is asked, and what is known of them.
pub(crate) struct Asked {
    /// The issuer.
    pub(crate) issuer: Issuer,
    /// As it is stored.
    pub(crate) stored: StoredIssuer,
    /// Who answers for it.
    pub(crate) ca: Arc<dyn CertificateAuthority>,
}

/// Says why a turn could not be taken: something of ours failed, so that it is taken again soon.
#[derive(Debug, thiserror::Error)]
pub(super) enum TurnError {
    /// The store fails.
    #[error("the store fails")]
    Store(#[from] StoreError),
    /// It cannot be read whose the store is.
    #[error(transparent)]
    Cluster(#[from] OpenClusterError),
    /// What is remembered cannot be read.
    #[error("what is remembered of the renewal cannot be read")]
    Read(#[from] ReadWorkError),
    /// A step could not be stored.
    #[error("a step of the renewal could not be stored")]
    Commit(#[from] CommitError),
    /// A key does not open.
    #[error("a private key does not open")]
    Sealed(#[from] UnsealError),
    /// An account cannot be read.
    #[error("the account with the CA cannot be read")]
    Account(#[from] OpenAccountError),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl<'e> Turn<'e> {
    /// Takes the turn of a certificate; gives when it is due again, none if it is not managed any more.
    pub(super) async fn take(engine: &'e Engine, id: &CertificateId) -> Result<Option<Timestamp>, TurnError> {
        let store = &*engine.store;
        let cluster = engine.cluster().await?;
        let stored = desired::read_certificate(store, id).await?;
        let order = OrderProgress::read(store, id).await?;
        let Some(certificate) = stored else {
            // What a turn wrote while the certificate was removed: another one with its id has no past.
            let mut change = Change::of_work();
            if work::compromised(store, id).await?.is_some() {
                change.remove_compromised(id);
            }
            for attempt in work::attempt_ids(store, id).await? {
                change.remove_attempt(id, &attempt);
            }
            if !change.is_empty() {
                commit(store, change).await?;
            }
            Self::forget(engine, id, order).await?;
            return Ok(None);
        };
        let managed = certificate.value.management.managed().cloned();
        let Some(managed) = managed else {
            Self::forget(engine, id, order).await?;
            return Ok(None);
        };
        let attempt = match &order {
            Some(order) => work::attempt(store, id, &order.attempt).await?,
            None => None,
        };
        let mut turn = Self {
            engine,
            cluster,
            certificate,
            managed,
            renewal: Renewal::read(store, id).await?.unwrap_or_default(),
            request: RenewalRequest::read(store, id).await?,
            order,
            attempt,
            is_fresh: false,
            made_account: false,
        };
        for _ in 0..MOST_STEPS {
            match turn.step().await? {
                Next::Step => {}
                // Whatever is waited for, nobody has two turns in the same second.
                Next::Wait(until) => return Ok(Some(until.max(turn.now().plus(Duration::from_secs(1))))),
                Next::Over => return Ok(Some(turn.now())),
            }
        }
        // Never seen, but a circle of steps must not keep a place for good.
        Ok(Some(turn.now().plus(Duration::from_secs(60))))
    }

    async fn step(&mut self) -> Result<Next, TurnError> {
        let Some(order) = &self.order else { return self.plan().await };
        if let Some(until) = self.told_to_wait(order) {
            return Ok(Next::Wait(until));
        }
        match order.stage {
            Stage::Planned => self.place_order().await,
            Stage::Ordered => self.answer_challenges().await,
            Stage::Challenged => self.tell_ready().await,
            Stage::Ready => self.look_whether_valid().await,
            Stage::Finalizing => self.finalize().await,
            Stage::Issued | Stage::Published => self.look_whether_served().await,
        }
    }

    /// Until when the CA is not asked on about an order, whoever woke this certificate: the CA told so, or has trouble.
    fn told_to_wait(&self, order: &OrderProgress) -> Option<Timestamp> {
        let is_with_ca = order.url.is_some() && order.stage < Stage::Issued;
        let now = self.now();
        let told = order.not_before.filter(|until| is_waited_for(*until, now));
        let parked = self.engine.parks.down(&order.issuer, now);
        let parked = parked.map(|until| self.after(until));
        told.max(parked).filter(|_| is_with_ca)
    }

    /// A while after a time that many wait for: the longer they wait, the further apart they come back.
    pub(super) fn after(&self, until: Timestamp) -> Timestamp {
        let spread = until.since(self.now()) / 2;
        let spread = spread.clamp(Duration::from_secs(60), Duration::from_secs(3600));
        until.plus(self.jitter("parked").within(spread))
    }

    /// Clears away what is remembered of a certificate that is managed no more.
    async fn forget(engine: &Engine, id: &CertificateId, order: Option<OrderProgress>) -> Result<(), TurnError> {
        let mut change = Change::of_work();
        change.remove_renewal(id);
        change.remove_request(id);
        change.remove_order(id);
        commit(&*engine.store, change).await?;
        if let Some(order) = order {
            engine.withdraw_answers(id, &order).await?;
        }
        Ok(())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.surroundings.now()
    }

    pub(super) fn id(&self) -> &CertificateId {
        &self.certificate.value.id
    }

    /// The same number each time for the same purpose.
    pub(super) fn jitter(&self, what: &str) -> Jitter {
        Jitter::of(&self.cluster, self.id().as_str(), what)
    }

    /// End of the certificate of a CA that is served; none if there is none.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        let version = super::outlook::issued(&self.certificate, &self.renewal)?;
        Some(version.facts.validity.not_after)
    }

    /// The order under way.
    pub(super) fn order(&self) -> Result<&OrderProgress, TurnError> {
        self.order.as_ref().ok_or_else(|| TurnError::Other("there is no order".to_owned()))
    }

    pub(super) fn order_mut(&mut self) -> Result<&mut OrderProgress, TurnError> {
        self.order.as_mut().ok_or_else(|| TurnError::Other("there is no order".to_owned()))
    }

    /// Adds an entry to the timeline; it is stored with the next step.
    pub(super) fn tell(&mut self, what: impl Into<String>) {
        let (now, what) = (self.now(), what.into());
        let stage = self.order.as_ref().map_or(Stage::Planned, |order| order.stage);
        tracing::debug!(certificate.id = %self.certificate.value.id, acme.stage = %stage, "{what}");
        if let Some(attempt) = &mut self.attempt {
            attempt.tell(now, stage, what);
        }
    }

    /// Goes on to a stage, which is stored with the timeline before anything else is done.
    pub(super) async fn enter(&mut self, stage: Stage) -> Result<Next, TurnError> {
        let now = self.now();
        let order = self.order_mut()?;
        order.stage = stage;
        order.since = now;
        order.not_before = None;
        self.save().await?;
        Ok(Next::Step)
    }

    /// Stores the order and its attempt as they are.
    pub(super) async fn save(&self) -> Result<(), TurnError> {
        let mut change = Change::of_work();
        self.put(&mut change);
        commit(&*self.engine.store, change).await?;
        Ok(())
    }

    /// Adds the order and its attempt to a change.
    pub(super) fn put(&self, change: &mut Change) {
        if let Some(order) = &self.order {
            change.put_order(self.id(), order);
        }
        if let Some(attempt) = &self.attempt {
            change.put_attempt(attempt);
        }
    }

    /// Who is asked for the order under way.
    pub(super) async fn asked(&self) -> Result<Result<Asked, String>, TurnError> {
        let id = self.order()?.issuer.clone();
        let Some(stored) = desired::read_issuer(&*self.engine.store, &id).await? else {
            return Ok(Err(format!("the issuer \"{id}\" does not exist any more")));
        };
        let stored = stored.value;
        let issuer = stored.issuer.clone();
        Ok(self.engine.surroundings.authority(&issuer).map(|ca| Asked { issuer, stored, ca }))
    }
}

/// A renewal has about ten.
const MOST_STEPS: usize = 40;
