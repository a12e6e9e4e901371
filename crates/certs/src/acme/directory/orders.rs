//! Orders: new ones, those that are open already, and what becomes of them.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use instant_acme::{Identifier, OrderState};
use portward_core::{
    Host, HostPattern, Timestamp,
    acme::{AcmeProblem, CaError, Subproblem},
};
use rustls_pki_types::Der;

use super::{
    Directory,
    call::Call,
    certificates::renewal_id,
    jws::Known,
    objects::{AccountBody, OrderBody, OrdersBody},
};
use crate::acme::{NewOrder, Order, OrderStatus, RegisteredAccount};

impl Directory {
    pub(super) async fn ask_for_order(&self, account: &RegisteredAccount, new: &NewOrder) -> Result<Order, CaError> {
        let urls = self.urls().await?;
        let call = self.call("asking for a new order", &urls);
        let identifiers: Vec<Identifier> =
            new.names.iter().map(|name| identifier(&call, name)).collect::<Result<_, _>>()?;
        // To a CA that says nothing about renewal the word would mean nothing (RFC 9773 section 5).
        let replaced = new.replaces.as_deref().filter(|_| urls.renewal_info.is_some()).and_then(renewal_id);
        let library = Self::library_account(&call, &urls, account).await?;
        let asked = call
            .ask(|| async {
                let mut order = instant_acme::NewOrder::new(&identifiers);
                if let Some((key_id, serial)) = &replaced {
                    let (key_id, serial) = (Der::from_slice(key_id), Der::from_slice(serial));
                    order = order.replaces(instant_acme::CertificateIdentifier::new(key_id, serial));
                }
                if let Some(profile) = &new.profile {
                    order = order.profile(profile);
                }
                library.new_order(&order).await
            })
            .await;
        let location = call.last_success().and_then(|answer| answer.location());
        match (asked, location) {
            // The library leaves a relative URL as it is.
            (Ok(order), Some(url)) => Ok(Order { url, ..read(&call, order) }),
            (Ok(order), None) => Ok(read(&call, order)),
            // The order is there, but the library refuses it, as for `replaces` that is not echoed.
            (Err(_), Some(url)) => self.read_order("reading the new order", account, &url).await,
            (Err(error), None) => Err(call.error(Some(&error))),
        }
    }

    pub(super) async fn read_order(
        &self,
        doing: &'static str,
        account: &RegisteredAccount,
        url: &str,
    ) -> Result<Order, CaError> {
        let urls = self.urls().await?;
        let call = self.call(doing, &urls);
        let library = Self::library_account(&call, &urls, account).await?;
        let asked = call.ask(|| library.order(url.to_owned())).await;
        asked.map(|order| read(&call, order)).map_err(|error| call.error(Some(&error)))
    }

    pub(super) async fn finalize_order(
        &self,
        account: &RegisteredAccount,
        url: &str,
        csr_der: &[u8],
    ) -> Result<Order, CaError> {
        let urls = self.urls().await?;
        let call = self.call("finalizing the order", &urls);
        let library = Self::library_account(&call, &urls, account).await?;
        let asked = call.ask(|| async {
            let mut order = library.order(url.to_owned()).await?;
            // What has been sent before is not sent again; an order that is not ready is refused by the CA itself.
            if let instant_acme::OrderStatus::Pending | instant_acme::OrderStatus::Ready = order.state().status {
                order.finalize_csr(csr_der).await?;
            }
            Ok(order)
        });
        asked.await.map(|order| read(&call, order)).map_err(|error| call.error(Some(&error)))
    }

    pub(super) async fn find_open_order(
        &self,
        account: &RegisteredAccount,
        names: &[HostPattern],
    ) -> Result<Option<Order>, CaError> {
        match self.search(account, &names.iter().cloned().collect()).await {
            Ok(Some(url)) => self.read_order("reading the open order", account, &url).await.map(Some),
            Ok(None) => Ok(None),
            // Many CAs list no orders, and each says so in its own way.
            Err(error) if matters(&error) => Err(error),
            Err(_) => Ok(None),
        }
    }

    async fn search(
        &self,
        account: &RegisteredAccount,
        names: &BTreeSet<HostPattern>,
    ) -> Result<Option<String>, CaError> {
        let urls = self.urls().await?;
        let call = self.call("looking for an open order", &urls);
        let signer = Self::signer(&call, &account.key)?;
        let known = Known::Account(&account.url);
        let answer = call.post(&signer, known, &account.url, b"").await?;
        let mut page = call.read::<AccountBody>(&answer)?.orders;
        let mut orders = VecDeque::new();
        for _ in 0..MAX_PAGES {
            let Some(url) = page else {
                break;
            };
            let list = call.post(&signer, known, &url, b"").await?;
            orders.extend(call.read::<OrdersBody>(&list)?.orders);
            page = list.links("next").into_iter().next();
        }
        // What is looked for was made a moment ago, so that it is at the end of a list that grows there, or the beginning.
        for turn in 0..MAX_ORDERS {
            let order = if turn % 2 == 0 { orders.pop_back() } else { orders.pop_front() };
            let Some(order) = order else {
                break;
            };
            let answer = match call.post(&signer, known, &order, b"").await {
                Ok(answer) => answer,
                Err(error) if matters(&error) => return Err(error),
                Err(_) => continue,
            };
            let Ok(body) = call.read::<OrderBody>(&answer) else {
                continue;
            };
            let open = matches!(body.status.as_str(), "pending" | "ready" | "processing");
            let expires = body.expires.as_deref().and_then(|text| Timestamp::parse(text).ok());
            let expired = expires.zip(answer.date()).is_some_and(|(expires, now)| expires <= now);
            if open && !expired && body.names().as_ref() == Some(names) {
                return Ok(Some(order));
            }
        }
        Ok(None)
    }
}

/// Whether a failure tells of the CA, and not only that it lists no orders.
fn matters(error: &CaError) -> bool {
    error.is_rate_limit() || (error.is_outage() && !matches!(error.status, Some(400..=499 | 501)))
}

fn identifier(call: &Call, name: &HostPattern) -> Result<Identifier, CaError> {
    match name {
        HostPattern::Any => Err(call.unsupported("", "no CA issues for every host (*)")),
        HostPattern::Exact(Host::Ip(address)) => Ok(Identifier::Ip(*address)),
        name => Ok(Identifier::Dns(name.to_string())),
    }
}

/// The order with what the library leaves out of the answer.
fn read(call: &Arc<Call>, order: instant_acme::Order) -> Order {
    let (url, OrderState { status, authorizations, error, .. }) = order.into_parts();
    Order {
        url,
        status: match status {
            instant_acme::OrderStatus::Pending => OrderStatus::Pending,
            instant_acme::OrderStatus::Ready => OrderStatus::Ready,
            instant_acme::OrderStatus::Processing => OrderStatus::Processing,
            instant_acme::OrderStatus::Valid => OrderStatus::Valid,
            instant_acme::OrderStatus::Invalid => OrderStatus::Invalid,
        },
        authorizations: authorizations.into_iter().map(|authorization| authorization.url).collect(),
        error: error.map(problem),
        retry_after: call.last_success().and_then(|answer| answer.retry_after()),
    }
}

pub(super) fn problem(problem: instant_acme::Problem) -> AcmeProblem {
    let subproblem = |subproblem: instant_acme::Subproblem| Subproblem {
        identifier: subproblem.identifier.map(|identifier| identifier.authorized(false).to_string()),
        kind: subproblem.r#type.unwrap_or_default(),
        detail: subproblem.detail.unwrap_or_default(),
    };
    AcmeProblem {
        kind: problem.r#type.unwrap_or_default(),
        detail: problem.detail.unwrap_or_default(),
        status: problem.status,
        subproblems: problem.subproblems.into_iter().map(subproblem).collect(),
    }
}

/// A list that goes on for longer is not worth the requests: a new order is one. Pebble has three orders on a page.
const MAX_PAGES: usize = 100;
/// Each is read by a request of its own.
const MAX_ORDERS: usize = 100;
