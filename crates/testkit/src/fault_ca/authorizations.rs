//! Authorizations and their challenges.

use portward_certs::acme::{AuthorizationStatus, ChallengeStatus};
use portward_core::{Timestamp, acme::ChallengeKind};

use super::{
    Look, Validation, Verdict,
    perform::{Refusal, Told},
    state::{Authorization, State},
};

impl State {
    /// An authorization of the account.
    pub(super) fn own_authorization(&mut self, account: u64, id: u64) -> Result<&mut Authorization, Refusal> {
        self.account(account)?;
        let own = self.authorizations.get_mut(&id).filter(|one| one.account == account);
        own.ok_or_else(|| Refusal::new(404, "malformed", "No such authorization"))
    }

    /// Reads an authorization: the CA gets on with it.
    pub(super) fn read_authorization(&mut self, account: u64, id: u64, now: Timestamp) -> Result<Told<u64>, Refusal> {
        self.own_authorization(account, id)?;
        self.look(id, now);
        let wait = self.config.poll_after;
        let authorization = self.own_authorization(account, id)?;
        let is_looked_at = authorization.status == AuthorizationStatus::Pending
            && authorization.challenges.iter().any(|challenge| challenge.status == ChallengeStatus::Processing);
        Ok(Told { value: id, retry_after: wait.filter(|_| is_looked_at) })
    }

    /// Lets a verdict that waits come nearer, and what is too old end.
    pub(super) fn look(&mut self, id: u64, now: Timestamp) {
        let Some(authorization) = self.authorizations.get_mut(&id) else { return };
        if authorization.expires <= now && authorization.status != AuthorizationStatus::Invalid {
            authorization.status = AuthorizationStatus::Over;
            authorization.waiting = None;
        }
        if let Some((kind, verdict, polls)) = authorization.waiting.take() {
            if polls > 1 {
                authorization.waiting = Some((kind, verdict, polls - 1));
            } else {
                self.decide(id, kind, verdict, now);
            }
        }
    }

    /// Begins to look at a challenge; gives what is to be looked for where the network must be asked.
    pub(super) fn answer(
        &mut self,
        account: u64,
        id: u64,
        kind: ChallengeKind,
        now: Timestamp,
    ) -> Result<Told<Option<Look>>, Refusal> {
        let thumbprint = self.account(account)?.thumbprint.clone();
        self.look(id, now);
        let authorization = self.own_authorization(account, id)?;
        let is_open = authorization.status == AuthorizationStatus::Pending;
        let name = authorization.name.clone();
        let Some(challenge) = authorization.challenges.iter_mut().find(|one| one.kind == kind) else {
            return Err(Refusal::new(404, "malformed", "No such challenge"));
        };
        if !is_open || challenge.status != ChallengeStatus::Pending {
            return Ok(Told::at_once(None));
        }
        challenge.status = ChallengeStatus::Processing;
        let key_authorization = format!("{}.{thumbprint}", challenge.token);
        let look = Look { name, kind, token: challenge.token.clone(), key_authorization };
        let verdict = match &self.config.validation {
            Validation::AlwaysValid => Verdict::Valid,
            Validation::AlwaysInvalid(problem) => Verdict::Invalid(problem.clone()),
            Validation::Scripted(verdicts) => verdicts.get(&look.name.to_string()).cloned().unwrap_or(Verdict::Valid),
            Validation::By(judge) => judge(&look),
            Validation::Real { .. } => return Ok(Told { value: Some(look), retry_after: self.config.poll_after }),
        };
        match self.config.validation_polls {
            0 => self.decide(id, kind, verdict, now),
            polls => self.own_authorization(account, id)?.waiting = Some((kind, verdict, polls)),
        }
        Ok(Told::at_once(None))
    }

    /// Takes the verdict on a challenge.
    pub(super) fn decide(&mut self, id: u64, kind: ChallengeKind, verdict: Verdict, now: Timestamp) {
        let lifetime = self.config.order_lifetime.max(self.config.authorization_reuse);
        let Some(authorization) = self.authorizations.get_mut(&id) else { return };
        let Some(challenge) = authorization.challenges.iter_mut().find(|one| one.kind == kind) else { return };
        if authorization.status != AuthorizationStatus::Pending {
            return;
        }
        match verdict {
            Verdict::Never => {}
            Verdict::Valid => {
                challenge.status = ChallengeStatus::Valid;
                authorization.status = AuthorizationStatus::Valid;
                authorization.validated = Some(now);
                authorization.expires = now.plus(lifetime);
                self.valid_authorizations.insert((authorization.account, authorization.name.clone()), id);
            }
            Verdict::Invalid(problem) => {
                challenge.status = ChallengeStatus::Invalid;
                challenge.error = Some(problem);
                authorization.status = AuthorizationStatus::Invalid;
                let (account, name) = (authorization.account, authorization.name.clone());
                self.ledger.fails(&name.to_string(), now);
                if let Some(account) = self.accounts.get_mut(&account) {
                    account.failures.entry(name).or_default().push_back(now);
                }
            }
        }
    }
}
