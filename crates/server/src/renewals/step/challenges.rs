//! Ordered: the answers to the challenges are put in place, and it is waited until they are served or published.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use portward_certs::{
    acme::{
        Authorization, AuthorizationStatus, ChallengeStatus, OrderStatus, RegisteredAccount, key_authorization_digest,
    },
    dns::TxtError,
};
use portward_core::{
    Host, HostPattern, Scheme,
    acme::{ChallengeKind, ChallengeOptions, DnsFailure, FailureKind, Issuer, Stage, choose_challenge},
};
use portward_store::{
    HttpChallenge, TlsChallenge,
    change::{Change, commit},
    work::{PlacedChallenge, PlacedTxt},
};

use super::record;
use crate::renewals::{
    ending::is_over,
    turn::{Asked, Next, Turn, TurnError},
};

impl Turn<'_> {
    /// Puts the answers in place.
    pub(in crate::renewals) async fn answer_challenges(&mut self) -> Result<Next, TurnError> {
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
        match order.status {
            OrderStatus::Invalid => {
                let problem = order.error.unwrap_or_default();
                return self.fail(&asked.issuer, FailureKind::Order(&problem)).await;
            }
            OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid => {
                self.tell("the CA still knows that the names are ours; no challenge is needed");
                return self.enter(Stage::Ready).await;
            }
            OrderStatus::Pending => {}
        }
        if self.order()?.challenges.is_empty() {
            match self.choose(&asked, &account, &order.authorizations).await? {
                Some(next) => return Ok(next),
                None => self.save().await?,
            }
        }
        self.place(&asked).await
    }

    /// Chooses a challenge for each name that is not shown to be ours; gives what comes next where that ends the attempt.
    async fn choose(
        &mut self,
        asked: &Asked,
        account: &RegisteredAccount,
        urls: &[String],
    ) -> Result<Option<Next>, TurnError> {
        let options = self.options(&asked.issuer);
        let mut placed = Vec::new();
        for url in urls {
            let authorization = match asked.ca.authorization(account, url).await {
                Ok(authorization) => authorization,
                Err(error) => return self.call_failed(&asked.issuer, &error).await.map(Some),
            };
            let name = authorization.name.clone();
            match authorization.status {
                AuthorizationStatus::Valid => {
                    self.tell(format!("the CA still knows that {name} is ours"));
                    continue;
                }
                AuthorizationStatus::Invalid | AuthorizationStatus::Over => {
                    return self.fail_challenge(&asked.issuer, &authorization).await.map(Some);
                }
                AuthorizationStatus::Pending => {}
            }
            let offered: Vec<ChallengeKind> = authorization.challenges.iter().map(|challenge| challenge.kind).collect();
            let kind = match choose_challenge(&name, &offered, &options) {
                Ok(kind) => kind,
                Err(error) => {
                    return self.fail(&asked.issuer, FailureKind::NoChallenge(&error)).await.map(Some);
                }
            };
            let Some(challenge) = authorization.challenges.iter().find(|challenge| challenge.kind == kind) else {
                continue;
            };
            let mut challenge = PlacedChallenge {
                authorization: url.clone(),
                name,
                kind,
                token: challenge.token.clone(),
                key_authorization: challenge.key_authorization.clone(),
                txt: None,
            };
            if kind == ChallengeKind::Dns01 {
                match self.txt(&asked.issuer, &challenge).await {
                    Ok(txt) => challenge.txt = Some(txt),
                    Err(text) => {
                        let what = FailureKind::Dns { name: &challenge.name, text: &text, kind: DnsFailure::Lookup };
                        return self.fail(&asked.issuer, what).await.map(Some);
                    }
                }
            }
            self.tell(format!("control of {} is shown by {kind}", challenge.name));
            placed.push(challenge);
        }
        self.order_mut()?.challenges = placed;
        Ok(None)
    }

    fn options(&self, issuer: &Issuer) -> ChallengeOptions {
        let surroundings = &self.engine.surroundings;
        ChallengeOptions {
            wanted: self.managed.challenge.or(issuer.challenge),
            dns: self.managed.dns.is_some(),
            http: surroundings.listens(Scheme::Http, issuer.ports.http),
            tls: surroundings.listens(Scheme::Https, issuer.ports.tls),
        }
    }

    /// Where the TXT record of a challenge belongs (RFC 8555 section 8.4).
    async fn txt(&self, issuer: &Issuer, challenge: &PlacedChallenge) -> Result<PlacedTxt, String> {
        let base = match &challenge.name {
            HostPattern::Exact(Host::Name(name)) | HostPattern::Wildcard(name) => name.as_str().to_owned(),
            name => return Err(format!("{name} has no place in DNS")),
        };
        let place = self.engine.surroundings.txt_place(issuer, &format!("_acme-challenge.{base}")).await?;
        Ok(PlacedTxt {
            zone: place.zone,
            name: place.name,
            value: BASE64_URL_SAFE_NO_PAD.encode(key_authorization_digest(&challenge.key_authorization)),
            by_hand: self.managed.dns.is_none(),
        })
    }

    /// Puts answers where the CA looks, and waits until they are there.
    async fn place(&mut self, asked: &Asked) -> Result<Next, TurnError> {
        let challenges = self.order()?.challenges.clone();
        let mut revision = None;
        for some in challenges.chunks(AT_ONCE) {
            let mut change =
                Change::new("portward (acme)", format!("answer challenges for certificate {}", self.id()), self.now());
            for challenge in some {
                if let Err(text) = put_answer(&mut change, challenge, &asked.issuer) {
                    return self.fail(&asked.issuer, FailureKind::Internal(&text)).await;
                }
            }
            if !change.is_empty() {
                revision = Some(commit(&*self.engine.store, change).await?);
            }
        }
        if let Some(revision) = revision {
            // The CA is told only when whoever asks finds the answer.
            if let Err(text) = self.engine.surroundings.served(revision).await {
                self.tell(format!("the answers are not served yet: {text}"));
                if is_over(self.order()?.since, SERVED_WITHIN, self.now()) {
                    return self
                        .fail(&asked.issuer, FailureKind::NotServed { what: "the answer to the challenge" })
                        .await;
                }
                self.save().await?;
                return Ok(Next::Wait(self.now().plus(LOOK_AGAIN)));
            }
            self.tell(format!("the answers are served, as of revision {revision}"));
        }
        for challenge in &challenges {
            let Some(txt) = &challenge.txt else { continue };
            if txt.by_hand {
                self.tell(format!("to be placed by hand: TXT record {} with the value {}", txt.name, txt.value));
                continue;
            }
            let written = match self.engine.writer_for(self.id()).await {
                Ok(Some(writer)) => {
                    writer.add(&record(txt)).await.map_err(|error| (kind_of(&error), error.to_string()))
                }
                Ok(None) => Err((DnsFailure::Failed, "there is no DNS provider for it".to_owned())),
                Err(text) => Err((DnsFailure::Failed, text)),
            };
            if let Err((kind, text)) = written {
                let name = challenge.name.clone();
                return self.fail(&asked.issuer, FailureKind::Dns { name: &name, text: &text, kind }).await;
            }
            self.tell(format!("TXT record {} is written to the zone {}", txt.name, txt.zone));
        }
        self.enter(Stage::Challenged).await
    }

    /// Ends the attempt because of an authorization that is not valid any more.
    pub(super) async fn fail_challenge(
        &mut self,
        issuer: &Issuer,
        authorization: &Authorization,
    ) -> Result<Next, TurnError> {
        let failed = authorization.challenges.iter().find(|challenge| challenge.status == ChallengeStatus::Invalid);
        let challenges = &self.order()?.challenges;
        let placed = challenges.iter().find(|placed| placed.authorization == authorization.url);
        let kind = failed.map(|challenge| challenge.kind).or_else(|| placed.map(|placed| placed.kind));
        let problem = failed.and_then(|challenge| challenge.error.as_ref());
        let (name, kind) = (authorization.name.clone(), kind.unwrap_or(ChallengeKind::Http01));
        self.fail(issuer, FailureKind::Challenge { name: &name, kind, problem }).await
    }
}

fn put_answer(change: &mut Change, challenge: &PlacedChallenge, issuer: &Issuer) -> Result<(), String> {
    match (challenge.kind, &challenge.name) {
        (ChallengeKind::Http01, HostPattern::Exact(host)) => {
            let answer =
                HttpChallenge::parse(host.clone(), &challenge.token, &challenge.key_authorization, issuer.ports.http);
            change.put_http_challenge(&answer.map_err(|error| error.to_string())?);
        }
        (ChallengeKind::TlsAlpn01, HostPattern::Exact(host)) => {
            let digest = key_authorization_digest(&challenge.key_authorization);
            change.put_tls_challenge(&TlsChallenge { host: host.clone(), digest });
        }
        (ChallengeKind::Dns01, _) => {}
        (kind, name) => return Err(format!("{kind} cannot show control of {name}")),
    }
    Ok(())
}

fn kind_of(error: &TxtError) -> DnsFailure {
    match error {
        TxtError::Unauthorized { .. } => DnsFailure::Unauthorized,
        TxtError::NoZone { .. } => DnsFailure::NoZone,
        TxtError::Unreachable { .. } => DnsFailure::Unreachable,
        TxtError::Failed { .. } => DnsFailure::Failed,
    }
}

/// Fits into one transaction with its conditions.
const AT_ONCE: usize = 50;
/// A node that does not serve what is stored for so long has other troubles.
const SERVED_WITHIN: Duration = Duration::from_secs(600);
const LOOK_AGAIN: Duration = Duration::from_secs(5);
