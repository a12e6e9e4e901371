//! Planned: the CA is asked for the order, or asked whether it has it already.

use portward_certs::acme::{NewOrder, Order, RegisteredAccount};
use portward_core::acme::{CaError, Stage};
use portward_store::change::{Change, commit};

use crate::renewals::turn::{Asked, Next, Turn, TurnError};

impl Turn<'_> {
    /// Asks for the order.
    ///
    /// After a crash the CA may have it, although its answer never came: then that one is gone on with.
    pub(in crate::renewals) async fn place_order(&mut self) -> Result<Next, TurnError> {
        let asked = match self.asked().await? {
            Ok(asked) => asked,
            Err(text) => return self.fail_without_issuer(&text).await,
        };
        let account = match self.engine.account(&asked).await? {
            Ok(account) => account,
            Err(why) => return self.no_account(&asked.issuer, why).await,
        };
        let found = match self.find(&asked, &account).await {
            Ok(found) => found,
            Err(error) if self.account_is_gone(&asked, &error).await? => return Ok(Next::Step),
            Err(error) => return self.call_failed(&asked.issuer, &error).await,
        };
        let order = match found {
            Some(order) => {
                self.tell("the CA has the order already; it is gone on with");
                order
            }
            None => match self.ask(&asked, &account).await {
                Ok(order) => order,
                Err(error) if self.account_is_gone(&asked, &error).await? => return Ok(Next::Step),
                Err(error) if self.is_about_replacing(&error)? => return self.without_replaces(&error).await,
                Err(error) => {
                    // The CA may have it, and only the answer got lost.
                    self.renewal.unsure = error.is_outage().then(|| asked.issuer.id.clone());
                    return self.call_failed(&asked.issuer, &error).await;
                }
            },
        };
        self.renewal.unsure = None;
        self.engine.parks.works(&asked.issuer.id, self.now());
        self.tell(format!("the CA has the order {}", order.url));
        if let Some(attempt) = &mut self.attempt {
            attempt.order = Some(order.url.clone());
        }
        self.order_mut()?.url = Some(order.url);
        self.enter(Stage::Ordered).await
    }

    async fn find(&self, asked: &Asked, account: &RegisteredAccount) -> Result<Option<Order>, CaError> {
        match &self.order {
            Some(order) if !self.is_fresh || self.renewal.unsure.as_ref() == Some(&order.issuer) => {
                asked.ca.find_order(account, &order.names).await
            }
            _ => Ok(None),
        }
    }

    async fn ask(&self, asked: &Asked, account: &RegisteredAccount) -> Result<Order, CaError> {
        let Some(order) = &self.order else {
            return Err(CaError {
                doing: "asking for an order",
                url: String::new(),
                kind: portward_core::acme::CaErrorKind::Unsupported("there is no order".to_owned()),
                status: None,
                retry_after: None,
            });
        };
        let current = self.certificate.value.current_version();
        let replaces = order.replaces.and_then(|thumbprint| {
            current.filter(|version| version.facts.thumbprint == thumbprint).map(|version| version.chain.leaf.clone())
        });
        let new = NewOrder { names: order.names.clone(), profile: order.profile.clone(), replaces };
        asked.ca.new_order(account, &new).await
    }

    /// Whether the CA refused what the order replaces, and not the order: by RFC 9773 section 5, or in words of its own,
    /// as some do for certificates of other accounts or issuers.
    fn is_about_replacing(&self, error: &CaError) -> Result<bool, TurnError> {
        if self.order()?.replaces.is_none() {
            return Ok(false);
        }
        let Some(problem) = error.problem() else { return Ok(false) };
        Ok(match problem.word() {
            "alreadyReplaced" => true,
            "rateLimited" | "serverInternal" | "badNonce" | "accountDoesNotExist" | "userActionRequired" => false,
            _ => matches!(error.status, Some(400 | 403 | 404 | 409 | 422)),
        })
    }

    /// Asks again without saying what is replaced, and remembers that for this version.
    async fn without_replaces(&mut self, error: &CaError) -> Result<Next, TurnError> {
        self.tell(format!("the CA does not take what the order replaces: {error}; it is asked again without that"));
        let order = self.order_mut()?;
        let replaced = order.replaces.take();
        self.renewal.irreplaceable = replaced;
        // A refused order is none, so that there is nothing to find after a crash.
        let mut change = Change::of_work();
        self.put(&mut change);
        change.put_renewal(self.id(), &self.renewal);
        commit(&*self.engine.store, change).await?;
        Ok(Next::Step)
    }
}
