//! What goes wrong on purpose, and when.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use portward_core::{Timestamp, acme::AcmeProblem};

use super::dice::Dice;

/// Is a thing that a CA is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// The directory.
    Directory,
    /// A nonce; the direct front needs none.
    NewNonce,
    /// An account, new or found by its key.
    NewAccount,
    /// A new order.
    NewOrder,
    /// The list of an account's orders.
    Orders,
    /// An order.
    Order,
    /// An authorization.
    Authorization,
    /// To look at a challenge.
    Challenge,
    /// To issue.
    Finalize,
    /// A certificate.
    Certificate,
    /// When to renew.
    RenewalInfo,
    /// To revoke.
    Revoke,
    /// A new key for an account.
    KeyChange,
}

/// Is a thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done; the answer is a problem document, one that suits the status if none is given.
    Status {
        /// Status of HTTP, as 429 or 503.
        status: u16,
        /// The header `Retry-After`.
        retry_after: Option<Duration>,
        /// The problem.
        problem: Option<AcmeProblem>,
    },
    /// Nothing is done; the answer is a page of a load balancer.
    Html(u16),
    /// It is done, and the answer ends in the middle.
    TruncatedJson,
    /// Nothing is done, and there is never an answer.
    Hang,
    /// It is done, and the answer is lost.
    DropAnswerAfterDoing,
    /// An order with `replaces` is refused: that certificate has been replaced already. Waits for such an order.
    AlreadyReplaced,
    /// An order with `replaces` is refused as malformed. Waits for such an order.
    MalformedReplaces,
    /// Challenges of kinds that nobody knows yet stand beside the known ones.
    UnknownChallengeTypes,
    /// The account is paused for the names, and the text names the page where that can be ended.
    PausedAccount(String),
    /// The CA has lost the account that asks, for good. Waits for a request of an account.
    AccountGone,
    /// The nonce is refused.
    BadNonce,
    /// Nobody listens between the two times; the end is not in it.
    Outage {
        /// Its begin.
        from: Timestamp,
        /// Its end.
        until: Timestamp,
    },
}

/// Holds what is still to go wrong.
#[derive(Default)]
pub(super) struct Faults {
    queued: BTreeMap<Endpoint, VecDeque<(Fault, u32)>>,
    chances: Vec<(Option<Endpoint>, f64, Fault)>,
    dice: Dice,
}

/// Says what a fault must know of a request to strike.
pub(super) struct Prey {
    pub(super) endpoint: Endpoint,
    pub(super) has_account: bool,
    pub(super) has_replaces: bool,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Directory,
        Self::NewNonce,
        Self::NewAccount,
        Self::NewOrder,
        Self::Orders,
        Self::Order,
        Self::Authorization,
        Self::Challenge,
        Self::Finalize,
        Self::Certificate,
        Self::RenewalInfo,
        Self::Revoke,
        Self::KeyChange,
    ];
}

impl Fault {
    /// A status with `Retry-After` and a problem that suits it.
    pub fn status(status: u16, retry_after: Option<Duration>) -> Self {
        Self::Status { status, retry_after, problem: None }
    }

    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Html(_) => "html",
            Self::TruncatedJson => "truncated",
            Self::Hang => "hang",
            Self::DropAnswerAfterDoing => "answer lost",
            Self::AlreadyReplaced => "already replaced",
            Self::MalformedReplaces => "malformed replaces",
            Self::UnknownChallengeTypes => "unknown challenges",
            Self::PausedAccount(_) => "paused",
            Self::AccountGone => "account gone",
            Self::BadNonce => "bad nonce",
            Self::Outage { .. } => "outage",
        }
    }

    fn strikes(&self, prey: &Prey, now: Timestamp) -> bool {
        match self {
            Self::AlreadyReplaced | Self::MalformedReplaces => prey.has_replaces,
            Self::AccountGone => prey.has_account,
            Self::Outage { from, until } => *from <= now && now < *until,
            _ => true,
        }
    }

    fn ends_by_itself(&self) -> bool {
        matches!(self, Self::Outage { .. })
    }
}

impl Faults {
    pub(super) fn queue(&mut self, endpoint: Endpoint, fault: Fault, times: u32) {
        self.queued.entry(endpoint).or_default().push_back((fault, times));
    }

    pub(super) fn chance(&mut self, endpoint: Option<Endpoint>, chance: f64, fault: Fault) {
        self.chances.push((endpoint, chance, fault));
    }

    pub(super) fn seed(&mut self, seed: u64) {
        self.dice = Dice::new(seed);
    }

    pub(super) fn clear(&mut self) {
        self.queued.clear();
        self.chances.clear();
    }

    /// The fault for a request: of those that wait for it the first, else by chance.
    pub(super) fn next(&mut self, prey: &Prey, now: Timestamp) -> Option<Fault> {
        if let Some(queue) = self.queued.get_mut(&prey.endpoint) {
            queue.retain(|(fault, _)| !matches!(fault, Fault::Outage { until, .. } if *until <= now));
            if let Some(at) = queue.iter().position(|(fault, _)| fault.strikes(prey, now)) {
                let (fault, times) = &mut queue[at];
                let struck = fault.clone();
                if !fault.ends_by_itself() && *times != FOREVER {
                    *times -= 1;
                    if *times == 0 {
                        queue.remove(at);
                    }
                }
                return Some(struck);
            }
        }
        let dice = &mut self.dice;
        let chances = self.chances.iter().filter(|(endpoint, ..)| endpoint.is_none_or(|one| one == prey.endpoint));
        chances
            .filter(|(_, chance, _)| dice.chance(*chance))
            .map(|(_, _, fault)| fault)
            .find(|fault| fault.strikes(prey, now))
            .cloned()
    }
}

/// As many times as it is asked.
pub(super) const FOREVER: u32 = u32::MAX;
