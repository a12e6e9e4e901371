//! Challenged and ready: the CA is told to look, and it is waited until it has.

use std::time::Duration;

use portward_certs::acme::{AuthorizationStatus, OrderStatus};
use portward_core::{
    Timestamp,
    acme::{ChallengeKind, Check, FailureKind, LONGEST_TOLD, Stage, Verdict},
};

use crate::renewals::{
    ending::is_over,
    surroundings::TxtPlace,
    turn::{Asked, Next, Turn, TurnError},
};

impl Turn<'_> {
    /// Tells the CA to look, once every authoritative server shows the TXT records.
    pub(in crate::renewals) async fn tell_ready(&mut self) -> Result<Next, TurnError> {
        let asked = match self.asked().await? {
            Ok(asked) => asked,
            Err(text) => return self.fail_without_issuer(&text).await,
        };
        if let Some(next) = self.wait_for_dns(&asked).await? {
            return Ok(next);
        }
        self.look_ahead(&asked).await?;
        let account = match self.engine.account(&asked).await? {
            Ok(account) => account,
            Err(why) => return self.no_account(&asked.issuer, why).await,
        };
        for challenge in self.order()?.challenges.clone() {
            if let Err(error) = asked.ca.answer(&account, &challenge.authorization, challenge.kind).await {
                return self.call_failed(&asked.issuer, &error).await;
            }
            self.tell(format!("the CA is told to look for the answer for {}", challenge.name));
        }
        self.enter(Stage::Ready).await
    }

    /// Waits until all authoritative servers show the records; gives what comes next while they do not.
    async fn wait_for_dns(&mut self, asked: &Asked) -> Result<Option<Next>, TurnError> {
        let (now, since) = (self.now(), self.order()?.since);
        let is_placed = self.request.as_ref().is_some_and(|request| request.placed);
        let challenges = self.order()?.challenges.clone();
        for challenge in &challenges {
            let Some(txt) = &challenge.txt else { continue };
            if txt.by_hand() && is_placed {
                continue;
            }
            let place = TxtPlace { zone: txt.zone.clone(), name: txt.name.clone() };
            let missing = match self.engine.surroundings.txt_missing(&asked.issuer, &place, &txt.value).await {
                Ok(missing) => missing,
                Err(text) => vec![("DNS".to_owned(), text)],
            };
            if missing.is_empty() {
                continue;
            }
            let limit = if txt.by_hand() { BY_HAND_WITHIN } else { PROPAGATED_WITHIN };
            if is_over(since, limit, now) {
                let what =
                    FailureKind::NotPropagated { name: &challenge.name, missing: &missing, waited: now.since(since) };
                return self.fail(&asked.issuer, what).await.map(Some);
            }
            let (server, said) = &missing[0];
            let others = missing.len() - 1;
            let also = if others > 0 { format!(", and {others} more") } else { String::new() };
            self.tell(format!("waiting for {}: {server} says {said}{also}", txt.name));
            self.save().await?;
            return Ok(Some(Next::Wait(now.plus(pause(since, now)))));
        }
        if challenges.iter().any(|challenge| challenge.txt.is_some()) {
            self.tell("every authoritative server shows the TXT records");
        }
        Ok(None)
    }

    /// Looks at what may keep the CA from seeing the answers. It is told of, and never stops anything.
    async fn look_ahead(&mut self, asked: &Asked) -> Result<(), TurnError> {
        let mut advice = Vec::new();
        for challenge in self.order()?.challenges.iter().take(MOST_LOOKED_AT) {
            let answer = match challenge.kind {
                ChallengeKind::Http01 => Some((challenge.token.as_str(), challenge.key_authorization.as_str())),
                _ => None,
            };
            let surroundings = &self.engine.surroundings;
            advice.extend(surroundings.advise(&asked.issuer, &challenge.name, challenge.kind, answer).await);
            let is_told =
                advice.iter().any(|advice| advice.check == Check::Binding && advice.verdict == Verdict::Warning);
            if challenge.kind == ChallengeKind::Http01
                && !is_told
                && let Some(why) = surroundings.challenge_port_trouble(asked.issuer.ports.http)
            {
                advice.push(portward_core::acme::Advice {
                    check: Check::Binding,
                    verdict: Verdict::Warning,
                    message: format!("no binding has port {}, and none could be made: {why}", asked.issuer.ports.http),
                    remedy: None,
                });
            }
        }
        for warning in advice.iter().filter(|advice| advice.verdict == Verdict::Warning) {
            self.tell(format!("advice: {}", warning.message));
        }
        // The CA may take its time, and refuse in another turn.
        self.order_mut()?.set_advice(&advice);
        Ok(())
    }

    /// Looks whether the CA has seen the answers.
    pub(in crate::renewals) async fn look_whether_valid(&mut self) -> Result<Next, TurnError> {
        let asked = match self.asked().await? {
            Ok(asked) => asked,
            Err(text) => return self.fail_without_issuer(&text).await,
        };
        let account = match self.engine.account(&asked).await? {
            Ok(account) => account,
            Err(why) => return self.no_account(&asked.issuer, why).await,
        };
        let url = self.order()?.url.clone().unwrap_or_default();
        let order = match asked.ca.order(&account, &url).await {
            Ok(order) => order,
            Err(error) => return self.call_failed(&asked.issuer, &error).await,
        };
        if let OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid = order.status {
            self.tell("the CA has seen that all names are ours");
            return self.enter(Stage::Finalizing).await;
        }
        let mut retry_after = order.retry_after;
        for challenge in self.order()?.challenges.clone() {
            let authorization = match asked.ca.authorization(&account, &challenge.authorization).await {
                Ok(authorization) => authorization,
                Err(error) => return self.call_failed(&asked.issuer, &error).await,
            };
            retry_after = retry_after.max(authorization.retry_after);
            if let AuthorizationStatus::Invalid | AuthorizationStatus::Over = authorization.status {
                return self.fail_challenge(&asked.issuer, &authorization).await;
            }
        }
        if order.status == OrderStatus::Invalid {
            let problem = order.error.unwrap_or_default();
            return self.fail(&asked.issuer, FailureKind::Order(&problem)).await;
        }
        let (now, since) = (self.now(), self.order()?.since);
        if is_over(since, VALIDATED_WITHIN, now) {
            let text = "the CA has neither accepted nor refused the answers to its challenges for a day";
            return self.fail(&asked.issuer, FailureKind::Internal(text)).await;
        }
        self.wait_for_ca(retry_after).await
    }

    /// Asks on after a pause, and never before the CA said to: that is stored, as others may wake this certificate.
    pub(super) async fn wait_for_ca(&mut self, told: Option<Duration>) -> Result<Next, TurnError> {
        let now = self.now();
        let order = self.order_mut()?;
        let (pause, told) = (pause(order.since, now), told.map(|told| told.min(LONGEST_TOLD)));
        order.not_before = told.map(|told| now.plus(told));
        self.save().await?;
        Ok(Next::Wait(now.plus(told.map_or(pause, |told| told.max(pause)))))
    }
}

/// A second at first, and longer the longer it takes: up to a minute.
fn pause(since: Timestamp, now: Timestamp) -> Duration {
    (now.since(since) / 10).clamp(Duration::from_secs(1), Duration::from_secs(60))
}

/// Some providers publish every quarter of an hour.
const PROPAGATED_WITHIN: Duration = Duration::from_secs(3600);
/// People go home for the weekend.
const BY_HAND_WITHIN: Duration = Duration::from_secs(5 * 24 * 3600);
/// Some CAs of companies have a person look.
const VALIDATED_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// Advice on a hundred names would be read by nobody.
const MOST_LOOKED_AT: usize = 5;
