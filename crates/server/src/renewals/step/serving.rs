//! Issued: the answers are taken away, and a handshake shows whether the certificate is served.

use std::time::Duration;

use portward_core::acme::Issuer;
use portward_store::desired;

use crate::renewals::{
    ending::is_over,
    surroundings::Shown,
    turn::{Next, Turn, TurnError},
};

impl Turn<'_> {
    /// Looks whether the certificate is served.
    pub(in crate::renewals) async fn look_whether_served(&mut self) -> Result<Next, TurnError> {
        let order = self.order()?.clone();
        let Some(issuer) = desired::read_issuer(&*self.engine.store, &order.issuer).await? else {
            return self.fail_without_issuer("the issuer does not exist any more").await;
        };
        let issuer = issuer.value.issuer;
        if !order.challenges.is_empty() {
            self.engine.withdraw_answers(self.id(), &order).await?;
            self.order_mut()?.challenges.clear();
            self.save().await?;
        }
        let store = &*self.engine.store;
        let revision = store.revision().await?;
        let served = match self.certificate.current_revision {
            // After the commit of this turn it is older than what is stored.
            Some(_) => {
                let stored = desired::read_certificate(store, self.id()).await?;
                stored.and_then(|stored| stored.current_revision).unwrap_or(revision)
            }
            None => revision,
        };
        if let Err(text) = self.engine.surroundings.served(served).await {
            return self.not_yet(&issuer, text).await;
        }
        let stored = desired::read_certificate(store, self.id()).await?;
        let version = stored.as_ref().and_then(|stored| {
            let number = order.version?;
            stored.value.version(number).filter(|_| stored.value.current == number).cloned()
        });
        let Some(version) = version else {
            self.tell("another version is served by now, as an operator chose it");
            return self.succeed(&issuer.id).await;
        };
        if let Some(agent) = &version.key_on {
            self.tell(format!("its private key is on {agent}, where a delivery installs it; it is served there"));
            return self.succeed(&issuer.id).await;
        }
        for name in order.names.iter().take(MOST_LOOKED_AT) {
            match self.engine.surroundings.shown(name, &version.facts.thumbprint).await {
                Shown::It => self.tell(format!("a handshake for {name} shows it")),
                Shown::Nobody => self.tell("no https binding listens, so that nobody sees it yet"),
                Shown::Other(what) => self.tell(format!("a handshake for {name} shows {what}")),
                Shown::Failed(text) => return self.not_yet(&issuer, text).await,
            }
        }
        self.succeed(&issuer.id).await
    }

    async fn not_yet(&mut self, issuer: &Issuer, text: String) -> Result<Next, TurnError> {
        if is_over(self.order()?.since, SERVED_WITHIN, self.now()) {
            let what = format!("the new certificate ({text})");
            return self.end_unserved(issuer, &what).await;
        }
        self.tell(format!("it is not served yet: {text}"));
        self.save().await?;
        Ok(Next::Wait(self.now().plus(Duration::from_secs(2))))
    }
}

/// Publishing takes milliseconds; a machine that is busy may need longer.
const SERVED_WITHIN: Duration = Duration::from_secs(60);
/// With the same certificate, other names show the same.
const MOST_LOOKED_AT: usize = 5;
