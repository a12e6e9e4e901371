//! How attempts end: served, failed, or put off because the CA is in trouble.

use std::time::Duration;

use portward_core::{
    HostPattern, IssuerId, Timestamp,
    acme::{
        CaError, ChallengeKind, Diagnosis, Failure, FailureKind, Issuer, LONGEST_TOLD, Ledger, Limits, Outcome, Stage,
        diagnose, is_waited_for, retry_at,
    },
};
use portward_store::{
    change::{Change, commit},
    work::{self, Hold, OrderProgress, ledger},
};

use super::{
    account::NoAccount,
    attempts::KEPT_ATTEMPTS,
    engine::Engine,
    turn::{Asked, Next, Turn, TurnError},
};

/// Says what a failed attempt counts against.
#[derive(Clone, Copy)]
enum Blame<'a> {
    /// The certificate: it is tried again later and later, and not before the CA said to.
    Certificate(Option<Duration>),
    /// The same, and a name whose validation failed.
    Name(&'a HostPattern),
    /// Neither: the CA is in trouble.
    Nobody,
}

impl Turn<'_> {
    /// Ends the attempt: there is no certificate.
    pub(super) async fn fail(&mut self, issuer: &Issuer, what: FailureKind<'_>) -> Result<Next, TurnError> {
        let diagnosis = self.diagnose(issuer, what);
        let blame = match what {
            // This issuer is not asked before the time that it told; another one may be.
            FailureKind::Ca(error) if error.is_rate_limit() && self.another_is_free(&issuer.id) => {
                Blame::Certificate(None)
            }
            FailureKind::Ca(error) => Blame::Certificate(error.retry_after),
            FailureKind::Challenge { name, .. } => Blame::Name(name),
            FailureKind::Budget { until, .. } => Blame::Certificate(Some(until.since(self.now()))),
            _ => Blame::Certificate(None),
        };
        self.end_in_failure(issuer, diagnosis, blame).await
    }

    /// Whether an issuer other than this one is neither in trouble nor told us to wait.
    fn another_is_free(&self, issuer: &IssuerId) -> bool {
        let now = self.now();
        let is_free =
            |id: &IssuerId| self.engine.parks.parked(id, now).is_none() && self.renewal.held(id, now).is_none();
        self.managed.issuers.iter().any(|id| id != issuer && is_free(id))
    }

    /// Goes on after a call failed: the CA is in trouble and is asked later, or the attempt ends.
    pub(super) async fn call_failed(&mut self, issuer: &Issuer, error: &CaError) -> Result<Next, TurnError> {
        if error.is_rate_limit() {
            self.hold(issuer, error).await?;
        } else if error.is_outage() {
            return self.put_off(issuer, error).await;
        }
        self.fail(issuer, FailureKind::Ca(error)).await
    }

    /// Goes on after there was no account.
    pub(super) async fn no_account(&mut self, issuer: &Issuer, why: NoAccount) -> Result<Next, TurnError> {
        match why {
            NoAccount::Terms(url) => self.fail(issuer, FailureKind::TermsNotAgreed { url: url.as_deref() }).await,
            NoAccount::Ca(error) => self.call_failed(issuer, &error).await,
            NoAccount::Internal(text) => self.fail(issuer, FailureKind::Internal(&text)).await,
        }
    }

    /// Ends the attempt for a reason that an issuer which is not there cannot have.
    pub(super) async fn fail_without_issuer(&mut self, text: &str) -> Result<Next, TurnError> {
        let order = self.order()?;
        let issuer = Issuer {
            id: order.issuer.clone(),
            directory: String::new(),
            trust: portward_core::acme::DirectoryTrust::System,
            contacts: Vec::new(),
            terms_agreed: false,
            eab_key_id: None,
            profile: None,
            challenge: None,
            preferred_chain: None,
            ports: portward_core::acme::IssuerPorts::default(),
            resolvers: Vec::new(),
        };
        self.fail(&issuer, FailureKind::Internal(text)).await
    }

    /// The CA is in trouble. With an order under way it is asked on later; without one, the attempt ends, so that another
    /// issuer may be asked, and it does not count against the certificate.
    async fn put_off(&mut self, issuer: &Issuer, error: &CaError) -> Result<Next, TurnError> {
        let now = self.now();
        let until = self.park(&issuer.id, error).await?;
        let diagnosis = self.diagnose(issuer, FailureKind::Ca(error));
        tracing::warn!(
            certificate.id = %self.id(), issuer.id = %issuer.id, acme.cause = diagnosis.cause, acme.again_at = %until,
            "a CA is in trouble"
        );
        let order = self.order_mut()?;
        if order.url.is_some() && now.since(order.planned) < ORDERS_LAST {
            order.not_before = error.retry_after.map(|_| until);
            let cause = diagnosis.cause.clone();
            self.tell(format!("{cause} The order stays, and the CA is asked again."));
            self.save().await?;
            return Ok(Next::Wait(until));
        }
        if error.retry_after.is_some() {
            self.renewal.holds.push(Hold { issuer: issuer.id.clone(), until });
        }
        self.end_in_failure(issuer, diagnosis, Blame::Nobody).await
    }

    /// The CA says that it was asked too often: for this certificate, or by this account.
    async fn hold(&mut self, issuer: &Issuer, error: &CaError) -> Result<(), TurnError> {
        let Some(told) = error.retry_after else { return Ok(()) };
        let now = self.now();
        let until = now.plus(told.min(LONGEST_TOLD)).plus(Duration::from_secs(1));
        self.renewal.holds.push(Hold { issuer: issuer.id.clone(), until });
        let detail = error.problem().map(|problem| problem.detail.as_str()).unwrap_or_default();
        let is_about_names = detail.contains("exact set")
            || detail.contains("registered domain")
            || detail.contains("certificates already issued")
            || detail.contains("authorizations")
            || self.managed.names.iter().any(|name| detail.contains(&name.to_string()));
        if !is_about_names {
            self.engine.parks.hold(&issuer.id, until, now);
            self.remember_park(&issuer.id, until).await?;
        }
        Ok(())
    }

    /// Has nobody ask a CA in trouble for a while, and no restart either where it said how long.
    pub(super) async fn park(&self, issuer: &IssuerId, error: &CaError) -> Result<Timestamp, TurnError> {
        let until = self.engine.parks.park(issuer, self.now(), error.retry_after, self.jitter("outage"));
        if error.retry_after.is_some() {
            self.remember_park(issuer, until).await?;
        }
        Ok(until)
    }

    async fn remember_park(&self, issuer: &IssuerId, until: Timestamp) -> Result<(), TurnError> {
        let mut change = Change::of_work();
        change.put_park(issuer, until);
        commit(&*self.engine.store, change).await?;
        Ok(())
    }

    fn diagnose(&self, issuer: &Issuer, what: FailureKind<'_>) -> Diagnosis {
        let advice = self.order.as_ref().map(OrderProgress::advice).unwrap_or_default();
        diagnose(&Failure {
            issuer,
            certificate: self.id(),
            managed: &self.managed,
            stage: self.order.as_ref().map_or(Stage::Planned, |order| order.stage),
            what,
            advice: &advice,
            now: self.now(),
            expires: self.expires(),
        })
    }

    async fn end_in_failure(
        &mut self,
        issuer: &Issuer,
        diagnosis: Diagnosis,
        blame: Blame<'_>,
    ) -> Result<Next, TurnError> {
        let now = self.now();
        tracing::error!(
            certificate.id = %self.id(), issuer.id = %issuer.id, acme.code = diagnosis.code,
            acme.remedy = diagnosis.remedy, "no certificate: {}", diagnosis.cause
        );
        if let Some(order) = self.order.clone() {
            self.engine.withdraw_answers(self.id(), &order).await?;
        }
        self.tell(format!("no certificate: {}", diagnosis.code));
        let renewal = &mut self.renewal;
        renewal.turn = renewal.turn.wrapping_add(1);
        renewal.trouble = Some(diagnosis.code.clone());
        renewal.holds.retain(|hold| is_waited_for(hold.until, now));
        let retry_after = match blame {
            Blame::Certificate(told) => Some(told),
            Blame::Name(_) => Some(None),
            Blame::Nobody => None,
        };
        if let Some(told) = retry_after {
            let failures = renewal.failures.saturating_add(1);
            renewal.failures = failures;
            let jitter = self.jitter(&format!("failure {failures}"));
            self.renewal.retry_at = Some(retry_at(failures, now, told, self.expires(), jitter));
        } else {
            renewal.retry_at = renewal.retry(now);
        }
        if let Some(attempt) = &mut self.attempt {
            attempt.outcome = Some(Outcome::Failed { at: now, diagnosis });
        }
        let mut change = Change::of_work();
        change.put_renewal(self.id(), &self.renewal);
        if let Blame::Name(name) = blame {
            let mut ledger = Ledger::new(ledger::failures(&*self.engine.store, name).await?);
            ledger.prune(now, Limits::of(&issuer.directory).failed_validations.per);
            ledger.record(now);
            change.put_failures(name, ledger.entries());
        }
        self.end(change, "failed", &issuer.id).await?;
        Ok(Next::Over)
    }

    /// Ends the attempt: the certificate is served.
    pub(super) async fn succeed(&mut self, issuer: &portward_core::IssuerId) -> Result<Next, TurnError> {
        let now = self.now();
        let order = self.order_mut()?;
        order.stage = Stage::Published;
        self.tell("the certificate is served");
        if let Some(attempt) = &mut self.attempt {
            attempt.outcome = Some(Outcome::Served { at: now });
        }
        tracing::info!(certificate.id = %self.id(), issuer.id = %issuer, "a certificate was issued, and is served");
        self.end(Change::of_work(), "served", issuer).await?;
        Ok(Next::Over)
    }

    /// Ends the attempt: the certificate is stored, but handshakes do not show it. Nothing is ordered anew for that.
    pub(super) async fn end_unserved(&mut self, issuer: &Issuer, what: &str) -> Result<Next, TurnError> {
        let diagnosis = self.diagnose(issuer, FailureKind::NotServed { what });
        let now = self.now();
        tracing::error!(certificate.id = %self.id(), acme.code = diagnosis.code, "{}", diagnosis.cause);
        self.tell(format!("the certificate is stored, and nobody sees it: {}", diagnosis.code));
        if let Some(attempt) = &mut self.attempt {
            attempt.outcome = Some(Outcome::Failed { at: now, diagnosis });
        }
        self.end(Change::of_work(), "failed", &issuer.id).await?;
        Ok(Next::Over)
    }

    /// Forgets the order, keeps the attempt, and clears away old attempts.
    async fn end(
        &mut self,
        mut change: Change,
        outcome: &'static str,
        issuer: &portward_core::IssuerId,
    ) -> Result<(), TurnError> {
        if let Some(attempt) = &self.attempt {
            change.put_attempt(attempt);
        }
        change.remove_order(self.id());
        if self.request.take().is_some_and(|request| !request.renew) {
            change.remove_request(self.id());
        }
        let ids = work::attempt_ids(&*self.engine.store, self.id()).await?;
        for old in ids.iter().take(ids.len().saturating_sub(KEPT_ATTEMPTS)) {
            change.remove_attempt(self.id(), old);
        }
        commit(&*self.engine.store, change).await?;
        self.engine.count_ended(issuer, outcome);
        Ok(())
    }

    /// Whoever asked is asked again after a problem that says that the account is gone; once in a turn.
    pub(super) async fn account_is_gone(&mut self, asked: &Asked, error: &CaError) -> Result<bool, TurnError> {
        let is_gone = error.problem().is_some_and(|problem| problem.word() == "accountDoesNotExist");
        if !is_gone || self.made_account {
            return Ok(false);
        }
        self.made_account = true;
        self.tell("the CA does not know our account any more; another one is made");
        self.engine.forget_account(&asked.issuer.id).await?;
        Ok(true)
    }
}

impl Engine {
    /// Takes the answers to the challenges of an order away. What cannot be taken away is told of, and left.
    pub(super) async fn withdraw_answers(
        &self,
        certificate: &portward_core::CertificateId,
        order: &OrderProgress,
    ) -> Result<(), TurnError> {
        for challenges in order.challenges.chunks(AT_ONCE) {
            let now = self.surroundings.now();
            let what = format!("take away the answers to challenges for certificate {certificate}");
            let mut change = Change::new("portward (acme)", what, now);
            for challenge in challenges {
                if let HostPattern::Exact(host) = &challenge.name {
                    match challenge.kind {
                        ChallengeKind::Http01 => change.remove_http_challenge(host, &challenge.token),
                        ChallengeKind::TlsAlpn01 => change.remove_tls_challenge(host),
                        ChallengeKind::Dns01 => {}
                    }
                }
            }
            if !change.is_empty() {
                commit(&*self.store, change).await?;
            }
        }
        for challenge in &order.challenges {
            let Some(txt) = &challenge.txt else { continue };
            let Some(provider) = &txt.provider else { continue };
            let removed = match self.writer(provider).await {
                Ok(writer) => writer.remove(&super::step::record(txt)).await.map_err(|error| error.to_string()),
                Err(error) => Err(error),
            };
            if let Err(error) = removed {
                tracing::warn!(
                    certificate.id = %certificate, dns.name = txt.name, dns.value = txt.value, error,
                    "a TXT record of a challenge could not be taken away; it does no harm"
                );
            }
        }
        Ok(())
    }
}

/// CAs keep orders that nobody goes on with for about a week.
const ORDERS_LAST: Duration = Duration::from_secs(6 * 24 * 3600);
/// Fits into one transaction.
const AT_ONCE: usize = 50;

/// Whether a time has come.
pub(super) fn is_over(since: Timestamp, limit: Duration, now: Timestamp) -> bool {
    now.since(since) >= limit
}
