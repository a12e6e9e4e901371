//! Orders, from new to valid.

use std::sync::Arc;

use portward_certs::acme::{AuthorizationStatus, ChallengeStatus, OrderStatus};
use portward_core::{
    Host, HostPattern, Timestamp,
    acme::{ChallengeKind, Subproblem},
};

use super::{
    base64url,
    perform::{Refusal, Told},
    state::{Authorization, Challenge, Order, State},
};

/// Is what a client asks an order for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) names: Arc<[HostPattern]>,
    pub(super) profile: Option<String>,
    pub(super) replaces: Option<String>,
}

impl State {
    /// Makes an order, or finds one that will do.
    pub(super) fn new_order(&mut self, account: u64, wish: &Wish, now: Timestamp) -> Result<u64, Refusal> {
        self.account(account)?;
        let mut names = wish.names.to_vec();
        names.sort();
        names.dedup();
        self.check_names(&names)?;
        if let Some(profile) = &wish.profile
            && !self.config.profiles.contains_key(profile)
        {
            let detail = format!("profile \"{profile}\" is not one of those in the directory");
            return Err(Refusal::new(400, "invalidProfile", detail));
        }
        if let Some(replaced) = &wish.replaces {
            self.check_replaces(account, replaced, &names)?;
        }
        self.check_limits(account, &names, wish.replaces.is_some(), now)?;
        let key = (account, names);
        if self.config.reuse_orders
            && let Some(id) = self.open_orders.get(&key).copied()
        {
            self.settle(id, now);
            let is_open = |order: &&Order| matches!(order.status, OrderStatus::Pending | OrderStatus::Ready);
            if self.orders.get(&id).filter(is_open).is_some_and(|order| order.profile == wish.profile) {
                return Ok(id);
            }
        }
        let (_, names) = &key;
        let authorizations = names.iter().map(|name| self.authorize(account, name, now)).collect();
        let id = self.next_id();
        let order = Order {
            account,
            names: names.clone(),
            profile: wish.profile.clone(),
            replaces: wish.replaces.clone(),
            status: OrderStatus::Pending,
            authorizations,
            expires: now.plus(self.config.order_lifetime),
            error: None,
            key: None,
            polls: 0,
            certificate: None,
        };
        self.orders.insert(id, order);
        self.open_orders.insert(key, id);
        self.account(account)?.orders.push(id);
        if let Some(certificate) = wish.replaces.as_ref().and_then(|id| self.certificates.get_mut(id)) {
            certificate.replacement = Some(id);
        }
        self.settle(id, now);
        if self.config.cheap_keys && id >= self.pruned_at + PRUNE_EVERY {
            self.pruned_at = id;
            self.prune(now);
        }
        Ok(id)
    }

    fn check_names(&self, names: &[HostPattern]) -> Result<(), Refusal> {
        if names.is_empty() || names.len() > self.config.max_names {
            let detail = format!("an order has 1 to {} identifiers, not {}", self.config.max_names, names.len());
            return Err(Refusal::new(400, "malformed", detail));
        }
        let refused = |name: &&HostPattern| {
            matches!(name, HostPattern::Any) || self.config.refused_names.contains(&name.to_string())
        };
        let refused: Vec<_> = names.iter().filter(refused).collect();
        if refused.is_empty() {
            return Ok(());
        }
        let mut refusal = Refusal::new(400, "rejectedIdentifier", "the CA does not issue for some of the identifiers");
        refusal.problem.subproblems = refused
            .iter()
            .map(|name| Subproblem {
                identifier: Some(name.to_string()),
                kind: refusal.problem.kind.clone(),
                detail: "The ACME server refuses to issue a certificate for this domain name".to_owned(),
            })
            .collect();
        Err(refusal)
    }

    /// As Boulder: an order that has not failed is enough to count as replacement.
    fn check_replaces(&self, account: u64, replaced: &str, names: &[HostPattern]) -> Result<(), Refusal> {
        let Some(certificate) = self.certificates.get(replaced) else {
            return Err(Refusal::new(404, "malformed", "replaces: no certificate of that name was found"));
        };
        if certificate.account != account {
            let detail = "requester account did not request the certificate being replaced by this order";
            return Err(Refusal::new(403, "unauthorized", detail));
        }
        if !certificate.names.iter().any(|name| names.contains(name)) {
            let detail = "identifiers in this order do not match any identifiers in the certificate being replaced";
            return Err(Refusal::new(400, "malformed", detail));
        }
        let replacement = certificate.replacement.and_then(|id| self.orders.get(&id));
        if replacement.is_some_and(|order| order.status != OrderStatus::Invalid) {
            return Err(Refusal::already_replaced());
        }
        Ok(())
    }

    /// An authorization for a name: one that is valid already, or a new one.
    fn authorize(&mut self, account: u64, name: &HostPattern, now: Timestamp) -> u64 {
        let reuse = self.config.authorization_reuse;
        if let Some(id) = self.valid_authorizations.get(&(account, name.clone()))
            && let Some(known) = self.authorizations.get(id)
            && known.status == AuthorizationStatus::Valid
            && known.validated.is_some_and(|at| now < at.plus(reuse))
        {
            return *id;
        }
        let id = self.next_id();
        let kinds: &[ChallengeKind] = match name {
            HostPattern::Exact(Host::Ip(_)) => &[ChallengeKind::Http01, ChallengeKind::TlsAlpn01],
            HostPattern::Exact(Host::Name(_)) => &ChallengeKind::ALL,
            HostPattern::Wildcard(_) | HostPattern::Any => &[ChallengeKind::Dns01],
        };
        let mut challenges = Vec::new();
        for kind in kinds {
            let token = base64url(self.dice.bytes::<16>());
            challenges.push(Challenge { kind: *kind, token, status: ChallengeStatus::Pending, error: None });
        }
        let authorization = Authorization {
            account,
            name: name.clone(),
            status: AuthorizationStatus::Pending,
            expires: now.plus(self.config.order_lifetime),
            validated: None,
            challenges,
            waiting: None,
        };
        self.authorizations.insert(id, authorization);
        id
    }

    /// An order of the account.
    pub(super) fn own_order(&mut self, account: u64, id: u64) -> Result<&mut Order, Refusal> {
        self.account(account)?;
        let own = self.orders.get_mut(&id).filter(|order| order.account == account);
        own.ok_or_else(|| Refusal::new(404, "malformed", format!("No order for ID {id}")))
    }

    /// Looks at an order: the CA gets on with it.
    pub(super) fn read_order(&mut self, account: u64, id: u64, now: Timestamp) -> Result<Told<u64>, Refusal> {
        let order = self.own_order(account, id)?;
        if order.status == OrderStatus::Processing {
            order.polls = order.polls.saturating_sub(1);
            if order.polls == 0 {
                self.issue(id, now);
            }
        }
        for authorization in self.orders.get(&id).map(|order| order.authorizations.clone()).unwrap_or_default() {
            self.look(authorization, now);
        }
        self.settle(id, now);
        Ok(self.told_order(id))
    }

    /// The order, with a wait where there is something to wait for.
    pub(super) fn told_order(&self, id: u64) -> Told<u64> {
        let is_under_way = self.orders.get(&id).is_some_and(|order| order.status == OrderStatus::Processing);
        Told { value: id, retry_after: self.config.poll_after.filter(|_| is_under_way) }
    }

    /// Brings a pending order's status up to date.
    pub(super) fn settle(&mut self, id: u64, now: Timestamp) {
        let Some(order) = self.orders.get(&id) else { return };
        if !matches!(order.status, OrderStatus::Pending | OrderStatus::Ready) {
            return;
        }
        let is_valid = |id: &u64| {
            self.authorizations
                .get(id)
                .map(|one| (one.status, now < one.expires))
                .unwrap_or((AuthorizationStatus::Over, false))
        };
        let all: Vec<_> = order.authorizations.iter().map(is_valid).collect();
        let status = if order.expires <= now
            || all.iter().any(|(status, live)| {
                !live || matches!(status, AuthorizationStatus::Invalid | AuthorizationStatus::Over)
            }) {
            OrderStatus::Invalid
        } else if all.iter().all(|(status, _)| *status == AuthorizationStatus::Valid) {
            OrderStatus::Ready
        } else {
            OrderStatus::Pending
        };
        if let Some(order) = self.orders.get_mut(&id) {
            order.status = status;
        }
    }

    /// Takes the signing request of an order.
    pub(super) fn finalize(&mut self, account: u64, id: u64, csr: &[u8], now: Timestamp) -> Result<Told<u64>, Refusal> {
        self.own_order(account, id)?;
        self.settle(id, now);
        let order = self.own_order(account, id)?;
        if order.status != OrderStatus::Ready {
            let detail = format!("Order's status ({:?}) is not acceptable for finalization", order.status);
            return Err(Refusal::new(403, "orderNotReady", detail));
        }
        order.key = Some(super::signer::check_csr(csr, &order.names)?);
        order.status = OrderStatus::Processing;
        let polls = self.config.issuance_polls;
        self.own_order(account, id)?.polls = polls;
        if polls == 0 {
            self.issue(id, now);
        }
        Ok(self.told_order(id))
    }

    /// An order of the account for exactly these names that is under way.
    pub(super) fn find_order(
        &mut self,
        account: u64,
        names: &[HostPattern],
        now: Timestamp,
    ) -> Result<Option<u64>, Refusal> {
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        for id in self.account(account)?.orders.clone().into_iter().rev() {
            self.settle(id, now);
            let is_open = |order: &Order| !matches!(order.status, OrderStatus::Valid | OrderStatus::Invalid);
            if self.orders.get(&id).is_some_and(|order| order.names == names && is_open(order) && now < order.expires) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}

const PRUNE_EVERY: u64 = 512;
