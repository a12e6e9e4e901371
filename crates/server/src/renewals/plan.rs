//! Without an order under way: whether one is to be planned, with whom, and when to look again.

use std::time::Duration;

use portward_core::{
    AttemptId, IssuerId, Thumbprint, Timestamp,
    acme::{
        Attempt, Budget, FailureKind, Issuer, LONGEST_TOLD, Ledger, LimitKind, Limits, budget, is_waited_for,
        next_suggestion_check,
    },
};
use portward_store::{
    change::{Change, commit},
    desired,
    work::{self, OrderProgress, Window, ledger},
};

use super::{
    attempts::new_attempt_id,
    outlook::{Outlook, issued, outlook, went_back_from},
    turn::{Next, Turn, TurnError},
};

/// Says whether an issuer can be asked now.
enum Free {
    Now(Box<Issuer>),
    Later(Timestamp),
    /// A limit of ours is used up.
    Spent(Box<Issuer>, LimitKind, Timestamp),
    /// It does not exist.
    Gone,
}

/// Says whether a CA is asked for an order, which counts against its limits.
#[derive(Clone, Copy)]
enum Orders {
    None,
    One,
}

impl Turn<'_> {
    /// Plans an order if one is due; else says when to look again.
    pub(super) async fn plan(&mut self) -> Result<Next, TurnError> {
        // One time for all of it: the clock may be set while the CA is asked.
        let now = self.now();
        self.ask_when_to_renew(now).await?;
        let mut due = outlook(&self.certificate, &self.managed, &self.renewal, &self.cluster);
        let added = issued(&self.certificate, &self.renewal).map(|version| version.added);
        let request = self.request.clone().filter(|request| request.renew);
        // What came after somebody asked is what they asked for; what is to come was added by a clock that was ahead.
        let request = request.filter(|request| added.is_none_or(|added| added <= request.at || added > now));
        let is_forced = request.as_ref().is_some_and(|request| request.force);
        // To whom an operator went back, it is due once they ask.
        if is_forced || (request.is_some() && went_back_from(&self.certificate).is_some()) {
            due = Outlook { at: now, why: "an operator asked for it".to_owned() };
        }
        // Who asks does not wait for a retry.
        let not_before = self.renewal.retry(now).filter(|_| request.is_none());
        let at = not_before.map_or(due.at, |not_before| due.at.max(not_before));
        if at > now {
            self.drop_request().await?;
            return Ok(self.wait(at, now));
        }
        self.plan_with_somebody(due, is_forced).await
    }

    /// Takes a request away that asks for nothing that is due.
    async fn drop_request(&mut self) -> Result<(), TurnError> {
        if self.request.take().is_some() {
            let mut change = Change::of_work();
            change.remove_request(self.id());
            commit(&*self.engine.store, change).await?;
        }
        Ok(())
    }

    /// Waits for the renewal, or until the CA is to be asked about it.
    fn wait(&self, at: Timestamp, now: Timestamp) -> Next {
        let version = issued(&self.certificate, &self.renewal);
        let (Some(by), Some(_)) = (&self.renewal.issued_by, version) else { return Next::Wait(at) };
        // It is due already, or was never asked, while the CA is in trouble or said to wait.
        let parked = self.engine.parks.parked(by, now).unwrap_or_else(|| now.plus(ASK_AGAIN));
        let due = self.renewal.window_due.filter(|due| is_waited_for(*due, now));
        Next::Wait(at.min(due.unwrap_or(parked)))
    }

    async fn plan_with_somebody(&mut self, due: Outlook, is_forced: bool) -> Result<Next, TurnError> {
        let mut later: Option<Timestamp> = None;
        let mut spent = None;
        let count = self.managed.issuers.len();
        let first = usize::try_from(self.renewal.turn).unwrap_or(0);
        for index in 0..count {
            let id = self.managed.issuers[(first + index) % count].clone();
            match self.is_free(&id, is_forced).await? {
                Free::Now(issuer) => return self.plan_with(&issuer, due).await,
                Free::Later(until) => later = Some(later.map_or(until, |later| later.min(until))),
                Free::Spent(issuer, limit, until) => {
                    later = Some(later.map_or(until, |later| later.min(until)));
                    spent = Some((issuer, limit, until));
                }
                Free::Gone => {
                    tracing::error!(certificate.id = %self.id(), issuer.id = %id, "the issuer of a certificate does not exist");
                }
            }
        }
        // Whoever waits for it is told; else it is nothing to tell.
        if let (Some((issuer, limit, until)), true) = (spent, self.request.is_some()) {
            self.begin(&issuer, &due, Orders::None).await?;
            return self.fail(&issuer, FailureKind::Budget { limit, until }).await;
        }
        Ok(Next::Wait(later.unwrap_or_else(|| self.now().plus(ISSUER_GONE))))
    }

    /// Whether an issuer can be asked: it is up, did not tell us to wait, and our own limits leave room.
    async fn is_free(&self, id: &IssuerId, is_forced: bool) -> Result<Free, TurnError> {
        let (store, now) = (&*self.engine.store, self.now());
        let Some(stored) = desired::read_issuer(store, id).await? else { return Ok(Free::Gone) };
        let issuer = Box::new(stored.value.issuer);
        let parked = self.engine.parks.parked(id, now).max(self.renewal.held(id, now));
        if let Some(until) = parked {
            // Those who wait for the same CA do not come back at the same second.
            return Ok(Free::Later(self.after(until)));
        }
        let limits = Limits::of(&issuer.directory);
        let orders = Ledger::new(ledger::orders(store, id).await?);
        let same_names = Ledger::new(self.renewal.issued.clone());
        let mut budgets = Vec::new();
        // CAs do not count an order that says what it replaces (RFC 9773 section 5).
        let is_counted = self.replaced(&issuer).is_none();
        if is_counted {
            budgets.push(budget(&orders, limits.orders, now));
        }
        if !is_forced && (is_counted || self.is_young(now)) {
            budgets.push(budget(&same_names, limits.same_names, now));
        }
        for name in &self.managed.names {
            let failures = Ledger::new(ledger::failures(store, name).await?);
            budgets.push(budget(&failures, limits.failed_validations, now));
        }
        for budget in budgets {
            if let Budget::Spent { until, limit } = budget {
                return Ok(Free::Spent(issuer, limit, until));
            }
        }
        Ok(Free::Now(issuer))
    }

    /// Whether what is served was issued a moment ago: whatever has it replaced then would go on for ever.
    fn is_young(&self, now: Timestamp) -> bool {
        issued(&self.certificate, &self.renewal).is_some_and(|version| now.since(version.added) < YOUNG)
    }

    async fn plan_with(&mut self, issuer: &Issuer, due: Outlook) -> Result<Next, TurnError> {
        self.begin(issuer, &due, Orders::One).await?;
        Ok(Next::Step)
    }

    /// What an order with an issuer replaces; said only to the CA that issued it (RFC 9773 section 5), and that tells when
    /// to renew.
    fn replaced(&self, issuer: &Issuer) -> Option<Thumbprint> {
        let version = issued(&self.certificate, &self.renewal)?;
        let thumbprint = version.facts.thumbprint;
        let is_known = self.renewal.window.as_ref().is_some_and(|window| window.of == thumbprint);
        let is_theirs = self.renewal.issued_by.as_ref() == Some(&issuer.id);
        (is_known && is_theirs && self.renewal.irreplaceable != Some(thumbprint)).then_some(thumbprint)
    }

    /// Stores that an order is planned. From here on, nobody plans another one.
    async fn begin(&mut self, issuer: &Issuer, due: &Outlook, asked_for: Orders) -> Result<(), TurnError> {
        let now = self.now();
        let earlier = work::attempt_ids(&*self.engine.store, self.id()).await?;
        let attempt_id: AttemptId = new_attempt_id(now, earlier.last()).map_err(TurnError::Other)?;
        let mut order = OrderProgress::plan(attempt_id.clone(), issuer.id.clone(), self.managed.names.clone(), now);
        // Profiles have other names at every CA, so that one which was asked for is for the first issuer.
        let asked = self.managed.profile.clone().filter(|_| self.managed.issuers.first() == Some(&issuer.id));
        order.profile = asked.or_else(|| issuer.profile.clone());
        order.replaces = self.replaced(issuer);
        self.attempt = Some(Attempt {
            id: attempt_id,
            certificate: self.id().clone(),
            issuer: issuer.id.clone(),
            names: self.managed.names.clone(),
            why: due.why.clone(),
            began: now,
            order: None,
            timeline: Vec::new(),
            outcome: None,
        });
        self.order = Some(order);
        self.is_fresh = true;
        let why =
            if due.at == Timestamp::EPOCH { due.why.clone() } else { format!("due since {}: {}", due.at, due.why) };
        self.tell(format!("asking {} for {}; {why}", issuer.id, names(&self.managed.names)));
        let mut change = Change::of_work();
        self.put(&mut change);
        if let (Orders::One, None) = (asked_for, self.replaced(issuer)) {
            let mut orders = Ledger::new(ledger::orders(&*self.engine.store, &issuer.id).await?);
            orders.prune(now, Limits::of(&issuer.directory).orders.per);
            orders.record(now);
            change.put_orders(&issuer.id, orders.entries());
        }
        if self.request.take().is_some() {
            change.remove_request(self.id());
        }
        commit(&*self.engine.store, change).await?;
        Ok(())
    }

    /// Asks the CA when it would renew (RFC 9773), if that is due.
    async fn ask_when_to_renew(&mut self, now: Timestamp) -> Result<(), TurnError> {
        let Some(version) = issued(&self.certificate, &self.renewal) else { return Ok(()) };
        let (leaf, thumbprint, validity) =
            (version.chain.leaf.clone(), version.facts.thumbprint, version.facts.validity);
        let Some(by) = self.renewal.issued_by.clone() else { return Ok(()) };
        if self.renewal.window_due.is_some_and(|due| is_waited_for(due, now))
            || self.engine.parks.parked(&by, now).is_some()
        {
            return Ok(());
        }
        let Some(issuer) = desired::read_issuer(&*self.engine.store, &by).await? else { return Ok(()) };
        let Ok(ca) = self.engine.surroundings.authority(&issuer.value.issuer) else { return Ok(()) };
        match ca.renewal_info(&leaf).await {
            Ok(answer) => {
                let window = Window {
                    of: thumbprint,
                    start: answer.start,
                    end: answer.end,
                    explanation_url: answer.explanation_url,
                };
                if self.renewal.window.as_ref() != Some(&window) {
                    tracing::info!(
                        certificate.id = %self.id(), acme.window.start = %window.start, acme.window.end = %window.end,
                        "the CA suggests when to renew"
                    );
                }
                self.renewal.window = Some(window);
                self.renewal.window_due = Some(next_suggestion_check(now, answer.retry_after, validity));
            }
            Err(error) => {
                // The window that was known stays, and without one the lifetime decides.
                tracing::debug!(certificate.id = %self.id(), error = %error, "the CA does not say when to renew");
                let after = error.retry_after.unwrap_or(ASK_AGAIN).clamp(ASK_AGAIN, LONGEST_TOLD);
                if error.is_outage() && error.retry_after.is_some() {
                    self.park(&by, &error).await?;
                }
                let due = next_suggestion_check(now, None, validity);
                self.renewal.window_due = Some(due.max(now.plus(after)));
            }
        }
        let mut change = Change::of_work();
        change.put_renewal(self.id(), &self.renewal);
        commit(&*self.engine.store, change).await?;
        Ok(())
    }
}

/// Names in one line.
pub(super) fn names(names: &[portward_core::HostPattern]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A missing issuer comes back with a change of the certificate, or never.
const ISSUER_GONE: Duration = Duration::from_secs(6 * 3600);
/// No certificate lives for so short that it is due within that time.
const YOUNG: Duration = Duration::from_secs(3600);
/// After the CA could not say when to renew; nothing depends on it soon.
const ASK_AGAIN: Duration = Duration::from_secs(3600);
