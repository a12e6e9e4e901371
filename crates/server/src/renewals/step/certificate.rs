//! Finalizing: the private key is stored, the CA signs, and the certificate becomes the version that is served.

use std::{sync::Arc, time::Duration};

use portward_certs::{
    Input, PrivateKey,
    acme::{CsrError, IssuedChain, OrderStatus, RegisteredAccount, csr, issued_for, leads_to, new_private_key},
};
use portward_core::{
    AgentName, Chain, HostPattern, LeafFacts, Source,
    acme::{FailureKind, Issuer, KeyReuse, Limits, Stage, is_waited_for},
};
use portward_store::{
    change::{Change, CommitError, NewKey, NewVersion, commit},
    desired,
    sealing::Secret,
    work,
};

use crate::renewals::{
    ending::is_over,
    surroundings::{NoRequest, RequestWanted},
    turn::{Asked, Next, Turn, TurnError},
};

impl Turn<'_> {
    /// Sends the signing request, and takes the certificate when it is there.
    pub(in crate::renewals) async fn finalize(&mut self) -> Result<Next, TurnError> {
        let asked = match self.asked().await? {
            Ok(asked) => asked,
            Err(text) => return self.fail_without_issuer(&text).await,
        };
        let account = match self.engine.account(&asked).await? {
            Ok(account) => account,
            Err(why) => return self.no_account(&asked.issuer, why).await,
        };
        let had_key = self.order()?.has_key();
        let key = match self.key().await? {
            Ok(key) => key,
            Err(NoKey::Failed(text)) => return self.fail(&asked.issuer, FailureKind::Internal(&text)).await,
            Err(NoKey::NotYet(text)) => return self.wait_for_machine(&asked, &text).await,
        };
        if !had_key {
            // Making it took its time, in which others may have found the CA in trouble.
            return Ok(Next::Step);
        }
        let url = self.order()?.url.clone().unwrap_or_default();
        let mut order = match asked.ca.order(&account, &url).await {
            Ok(order) => order,
            Err(error) => return self.call_failed(&asked.issuer, &error).await,
        };
        if order.status == OrderStatus::Ready {
            let request = match key.request(&self.order()?.names) {
                Ok(request) => request,
                Err(error) => return self.fail(&asked.issuer, FailureKind::Internal(&error.to_string())).await,
            };
            self.tell("the CA is asked to sign");
            order = match asked.ca.finalize(&account, &url, &request).await {
                Ok(order) => order,
                // It is not ready after all, or was asked before: the order says more when it is read again.
                Err(error) if error.problem().is_some_and(|problem| problem.word() == "orderNotReady") => {
                    self.save().await?;
                    return Ok(Next::Wait(self.now().plus(Duration::from_secs(2))));
                }
                Err(error) => return self.call_failed(&asked.issuer, &error).await,
            };
        }
        match order.status {
            OrderStatus::Valid => self.take_certificate(&asked, &account, &url, &key).await,
            OrderStatus::Invalid => {
                let problem = order.error.unwrap_or_default();
                self.fail(&asked.issuer, FailureKind::Order(&problem)).await
            }
            OrderStatus::Pending => {
                // A CA that takes back what it has seen.
                self.tell("the CA wants to see the answers again");
                self.enter(Stage::Ready).await
            }
            OrderStatus::Processing | OrderStatus::Ready => {
                let (now, since) = (self.now(), self.order()?.since);
                if is_over(since, ISSUED_WITHIN, now) {
                    let text = "the CA has been issuing for three days";
                    return self.fail(&asked.issuer, FailureKind::Internal(text)).await;
                }
                self.tell("the CA is issuing");
                self.wait_for_ca(order.retry_after).await
            }
        }
    }

    /// The key of the order, wherever it is made.
    async fn key(&mut self) -> Result<Result<OrderKey, NoKey>, TurnError> {
        match self.managed.key_on.clone() {
            None => Ok(self.private_key().await?.map(OrderKey::Here).map_err(NoKey::Failed)),
            Some(agent) => Ok(self.signing_request(&agent).await?.map(|request| OrderKey::On(agent, request))),
        }
    }

    /// The signing request of the order, for a key that stays on a machine; made once, and stored.
    async fn signing_request(&mut self, agent: &AgentName) -> Result<Result<Vec<u8>, NoKey>, TurnError> {
        if let Some(request) = self.order()?.request(agent) {
            return Ok(Ok(request.to_vec()));
        }
        let names = self.order()?.names.clone();
        let wanted = RequestWanted {
            agent,
            certificate: self.id(),
            names: &names,
            algorithm: self.managed.key,
            keep: self.managed.reuse == KeyReuse::Keep,
        };
        let request = match self.engine.surroundings.signing_request(&wanted).await {
            Ok(request) => request,
            Err(NoRequest::Away(text)) => return Ok(Err(NoKey::NotYet(text))),
            Err(NoRequest::Refused(text)) => return Ok(Err(NoKey::Failed(text))),
        };
        self.tell(format!("the agent {agent} has made the private key, which stays there, and a signing request"));
        self.order_mut()?.set_request(agent.clone(), request.clone());
        self.save().await?;
        Ok(Ok(request))
    }

    /// The CA keeps the order meanwhile: nothing is lost by waiting for a machine.
    async fn wait_for_machine(&mut self, asked: &Asked, text: &str) -> Result<Next, TurnError> {
        let now = self.now();
        if is_over(self.order()?.since, MACHINE_BACK_WITHIN, now) {
            return self.fail(&asked.issuer, FailureKind::Internal(text)).await;
        }
        let before = self.attempt.clone();
        self.tell(format!("{text}; it is waited for, as its private key is to stay there"));
        // It is said once, however long it takes.
        if self.attempt != before {
            self.save().await?;
        }
        Ok(Next::Wait(now.plus(LOOK_AGAIN)))
    }

    /// The private key of the order; made and stored before anybody is told of it.
    async fn private_key(&mut self) -> Result<Result<PrivateKey, String>, TurnError> {
        let id = self.id().clone();
        match self.order()?.open_key(&id, &self.engine.sealer().await?) {
            Ok(None) => {}
            Ok(Some(secret)) => {
                return Ok(PrivateKey::from_pkcs8_der(secret.expose()).map_err(|error| error.to_string()));
            }
            // It will not open later either: the next order has another one.
            Err(error) => return Ok(Err(crate::app::chain_text(&error))),
        }
        let key = match self.kept_key().await? {
            Some(key) => key,
            None => {
                let algorithm = self.managed.key;
                // RSA takes seconds.
                let made = tokio::task::spawn_blocking(move || new_private_key(algorithm)).await;
                match made {
                    Ok(Ok(key)) => key,
                    Ok(Err(error)) => return Ok(Err(error.to_string())),
                    Err(error) => return Err(TurnError::Other(error.to_string())),
                }
            }
        };
        let secret = Secret::copy_of(key.as_pkcs8_der());
        let sealer = self.engine.sealer().await?;
        if let Some(order) = &mut self.order {
            order.set_key(&id, &secret, &sealer);
        }
        self.save().await?;
        Ok(Ok(key))
    }

    /// The private key of the version that is served, where it is to be kept.
    async fn kept_key(&self) -> Result<Option<PrivateKey>, TurnError> {
        if self.managed.reuse == KeyReuse::New {
            return Ok(None);
        }
        let Some(version) = crate::renewals::outlook::issued(&self.certificate, &self.renewal) else { return Ok(None) };
        if work::compromised(&*self.engine.store, self.id()).await? == Some(version.facts.thumbprint) {
            return Ok(None);
        }
        let sealer = self.engine.sealer().await?;
        let opened = desired::read_private_key(&*self.engine.store, &sealer, &version.key).await;
        let secret = opened.map_err(|error| TurnError::Other(crate::app::chain_text(&error)))?;
        Ok(secret.and_then(|secret| PrivateKey::from_pkcs8_der(secret.expose()).ok()))
    }

    async fn take_certificate(
        &mut self,
        asked: &Asked,
        account: &RegisteredAccount,
        url: &str,
        key: &OrderKey,
    ) -> Result<Next, TurnError> {
        let chains = match asked.ca.certificate(account, url).await {
            Ok(chains) => chains,
            Err(error) => return self.call_failed(&asked.issuer, &error).await,
        };
        let chosen = match choose_chain(&chains, key, &asked.issuer) {
            Ok(chosen) => chosen,
            Err(text) => return self.fail(&asked.issuer, FailureKind::Internal(&text)).await,
        };
        let missing: Vec<String> = self
            .order()?
            .names
            .iter()
            .filter(|name| !chosen.facts.names.contains(name))
            .map(ToString::to_string)
            .collect();
        if !missing.is_empty() {
            let text = format!("the certificate that the CA issued is not valid for {}", missing.join(", "));
            return self.fail(&asked.issuer, FailureKind::Internal(&text)).await;
        }
        self.store_certificate(asked, chosen, key).await
    }

    /// Makes the certificate the version that is served: one change, with the end of the order's work in it.
    async fn store_certificate(&mut self, asked: &Asked, chosen: Chosen, key: &OrderKey) -> Result<Next, TurnError> {
        let now = self.now();
        let secret;
        let stored = match key {
            OrderKey::Here(key) => {
                secret = Secret::copy_of(key.as_pkcs8_der());
                NewKey::Here(&secret)
            }
            OrderKey::On(on, _) => NewKey::On(on.clone()),
        };
        let (thumbprint, facts) = (chosen.facts.thumbprint, Arc::new(chosen.facts));
        for attempt in 1.. {
            // An operator may have changed it meanwhile.
            let Some(certificate) = desired::read_certificate(&*self.engine.store, self.id()).await? else {
                return Ok(Next::Wait(now));
            };
            self.certificate = certificate;
            let number = self.certificate.value.next_number();
            let what = format!(
                "issued by {}: certificate {} version {number}, thumbprint {thumbprint}, valid until {}",
                asked.issuer.id,
                self.id(),
                facts.validity.not_after
            );
            let mut change = Change::new("portward (acme)", what, now);
            let version = NewVersion {
                source: Source::Acme,
                added: now,
                chain: chosen.chain.clone(),
                facts: Arc::clone(&facts),
                key: crate::app::new_key_id().map_err(|error| TurnError::Other(error.to_string()))?,
                private_key: stored.clone(),
            };
            change.add_version(&self.certificate, version, &self.engine.sealer().await?);
            let mut renewal = self.renewal.clone();
            renewal.failures = 0;
            renewal.retry_at = None;
            renewal.trouble = None;
            renewal.turn = 0;
            renewal.holds.retain(|hold| is_waited_for(hold.until, now));
            renewal.irreplaceable = None;
            renewal.window = None;
            // The CA is asked at once when it would renew.
            renewal.window_due = None;
            renewal.issued_by = Some(asked.issuer.id.clone());
            renewal.ordered.clone_from(&self.order()?.names);
            renewal.issued.retain(|at| now.since(*at) < Limits::LONGEST);
            renewal.issued.push(now);
            let before = self.order.clone();
            let order = self.order_mut()?;
            order.stage = Stage::Issued;
            order.since = now;
            order.version = Some(number);
            self.tell(format!(
                "issued: version {number}, thumbprint {thumbprint}, valid until {}",
                facts.validity.not_after
            ));
            self.put(&mut change);
            change.put_renewal(self.id(), &renewal);
            match commit(&*self.engine.store, change).await {
                Ok(_) => {
                    self.renewal = renewal;
                    return Ok(Next::Step);
                }
                Err(CommitError::Conflict { .. }) if attempt < MOST_CONFLICTS => self.order = before,
                Err(error) => return Err(error.into()),
            }
        }
        Err(TurnError::Other("the certificate could not be stored".to_owned()))
    }
}

/// Is the key of an order.
enum OrderKey {
    /// It was made here.
    Here(PrivateKey),
    /// It stays on the machine of an agent, which signed a request with it.
    On(AgentName, Vec<u8>),
}

/// Says why there is no key.
enum NoKey {
    /// Its machine is away.
    NotYet(String),
    /// It could not be made.
    Failed(String),
}

/// Is what a CA issued, as it is to be stored.
struct Chosen {
    chain: Chain,
    facts: LeafFacts,
}

impl OrderKey {
    /// The signing request for the CA.
    fn request(&self, names: &[HostPattern]) -> Result<Vec<u8>, CsrError> {
        match self {
            Self::Here(key) => csr(names, key),
            Self::On(_, request) => Ok(request.clone()),
        }
    }

    /// Reads a chain that was issued for it.
    fn read(&self, chain: &IssuedChain) -> Result<Chosen, String> {
        let unreadable = |error: &dyn std::error::Error| {
            format!("the certificate that the CA issued cannot be read: {}", crate::app::chain_text(error))
        };
        match self {
            Self::Here(key) => {
                let key = Input { name: "the private key", bytes: key.as_pkcs8_der() };
                let files = [Input { name: "the certificate", bytes: chain.pem.as_bytes() }, key];
                let bundle = portward_certs::read(&files, None).map_err(|error| unreadable(&error))?;
                Ok(Chosen { chain: bundle.chain, facts: bundle.facts })
            }
            Self::On(_, request) => {
                let (chain, facts) = issued_for(&chain.pem, request).map_err(|error| unreadable(&error))?;
                Ok(Chosen { chain, facts })
            }
        }
    }
}

/// Reads the chains with the key, and takes the preferred one; the CA's default if none is preferred or none has it.
fn choose_chain(chains: &[IssuedChain], key: &OrderKey, issuer: &Issuer) -> Result<Chosen, String> {
    let mut first = None;
    for chain in chains {
        let chosen = key.read(chain)?;
        let Some(wanted) = &issuer.preferred_chain else { return Ok(chosen) };
        if leads_to(&chosen.chain, wanted) {
            return Ok(chosen);
        }
        first.get_or_insert(chosen);
    }
    first.ok_or_else(|| "the CA gave no certificate".to_owned())
}

/// CAs of companies have people in them.
const ISSUED_WITHIN: Duration = Duration::from_secs(3 * 24 * 3600);
/// An order lives for a week with most CAs, and a machine may be off over a weekend.
const MACHINE_BACK_WITHIN: Duration = Duration::from_secs(3 * 24 * 3600);
const LOOK_AGAIN: Duration = Duration::from_secs(15);
const MOST_CONFLICTS: u32 = 4;
