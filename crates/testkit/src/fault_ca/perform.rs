//! One request: is it early, does a fault strike, what is done, what is remembered.

use std::time::Duration;

use portward_core::{HostPattern, Timestamp, acme::AcmeProblem};

use super::{Asked, Endpoint, Fault, FaultCa, Outcome, fault::Prey, state::State};

/// Is a refusal with a problem document.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) problem: AcmeProblem,
    pub(super) retry_after: Option<Duration>,
}

/// Says why there is no answer of the kind that was asked for.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// A problem document.
    Refused(Refusal),
    /// A page of a load balancer with that status.
    Html(u16),
    /// Silence.
    Hang,
    /// The connection ends.
    Closed,
}

/// Is what was done, with the wait that is asked for.
pub(super) struct Told<T> {
    pub(super) value: T,
    pub(super) retry_after: Option<Duration>,
}

/// Is an answer.
pub(super) struct Done<T> {
    pub(super) value: T,
    pub(super) retry_after: Option<Duration>,
    /// Whether the answer is to end in the middle.
    pub(super) cut: bool,
    /// Whether challenges of unknown kinds are to stand in it.
    pub(super) strange: bool,
}

/// Says what a request is about.
pub(super) enum About {
    Nothing,
    Names {
        names: Vec<HostPattern>,
        replaces: Option<String>,
    },
    Order(u64),
    Authorization(u64),
    /// As RFC 9773 section 4.1 names certificates.
    Certificate(String),
}

impl FaultCa {
    /// Takes a request through faults and records to what does it.
    pub(super) fn perform<T>(
        &self,
        endpoint: Endpoint,
        account: Option<u64>,
        about: About,
        act: impl FnOnce(&mut State, Timestamp) -> Result<Told<T>, Refusal>,
    ) -> Result<Done<T>, Failure> {
        let now = self.now();
        let mut state = self.lock();
        let (names, subject, replaces) = state.resolve(about);
        state.ledger.arrives(now, endpoint, &subject);
        let prey = Prey { endpoint, has_account: account.is_some(), has_replaces: replaces.is_some() };
        let fault = state.faults.next(&prey, now);
        let result = match &fault {
            Some(Fault::Status { status, retry_after, problem }) => {
                let problem = problem.clone().unwrap_or_else(|| suiting(*status));
                Err(Failure::Refused(Refusal { status: *status, problem, retry_after: *retry_after }))
            }
            Some(Fault::Html(status)) => Err(Failure::Html(*status)),
            Some(Fault::Hang) => Err(Failure::Hang),
            Some(Fault::Outage { .. }) => Err(Failure::Closed),
            Some(Fault::AlreadyReplaced) => Err(Refusal::already_replaced().into()),
            Some(Fault::MalformedReplaces) => {
                Err(Refusal::new(400, "malformed", "parsing replaces: no certificate of ours has that AKI").into())
            }
            Some(Fault::PausedAccount(url)) => Err(Refusal::paused(&names, url).into()),
            Some(Fault::BadNonce) => Err(Refusal::new(400, "badNonce", "JWS has an invalid anti-replay nonce").into()),
            Some(Fault::DropAnswerAfterDoing) => {
                // What the CA would have said is lost, be it yes or no.
                let _ = act(&mut state, now);
                Err(Failure::Closed)
            }
            Some(fault @ (Fault::TruncatedJson | Fault::UnknownChallengeTypes)) => act(&mut state, now)
                .map(|told| Done {
                    value: told.value,
                    retry_after: told.retry_after,
                    cut: *fault == Fault::TruncatedJson,
                    strange: *fault == Fault::UnknownChallengeTypes,
                })
                .map_err(Failure::Refused),
            Some(Fault::AccountGone) => {
                if let Some(account) = account {
                    state.forget_account(account);
                }
                act(&mut state, now).map(Done::from).map_err(Failure::Refused)
            }
            None => act(&mut state, now).map(Done::from).map_err(Failure::Refused),
        };
        let (outcome, status, wait) = match (&result, &fault) {
            (Ok(Done { cut: true, .. }), _) => (Outcome::Fault("truncated"), 200, None),
            (Ok(done), _) => (Outcome::Done, 200, done.retry_after),
            (Err(Failure::Refused(refusal)), _) => {
                let kind = refusal.problem.kind.clone();
                (Outcome::Refused { status: refusal.status, kind }, refusal.status, refusal.retry_after)
            }
            (Err(_), fault) => (Outcome::Fault(fault.as_ref().map_or("", Fault::word)), 0, None),
        };
        if let Some(wait) = wait {
            state.ledger.tells(now, endpoint, &subject, wait, status);
        }
        let names = names.iter().map(ToString::to_string).collect();
        let cheap = state.config.cheap_keys;
        state.ledger.ends(Asked { at: now, endpoint, names, account, replaces, outcome }, cheap);
        result
    }
}

impl Refusal {
    pub(super) fn new(status: u16, word: &str, detail: impl Into<String>) -> Self {
        let problem = problem(word, status, detail);
        Self { status, problem, retry_after: None }
    }

    pub(super) fn already_replaced() -> Self {
        Self::new(
            409,
            "alreadyReplaced",
            "cannot indicate an order replaces a certificate which already has a replacement order",
        )
    }

    pub(super) fn rate_limited(now: Timestamp, what: &str, wait: Duration) -> Self {
        let until = now.plus(wait).to_string().replace('T', " ").replace('Z', " UTC");
        let mut refusal = Self::new(
            429,
            "rateLimited",
            format!("too many {what}, retry after {until}: see https://fault-ca.test/docs/rate-limits/"),
        );
        refusal.retry_after = Some(wait);
        refusal
    }

    fn paused(names: &[HostPattern], url: &str) -> Self {
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Self::new(
            429,
            "rateLimited",
            format!(
                "Your account is temporarily prevented from requesting certificates for {names} and possibly others. Please visit: {url}"
            ),
        )
    }
}

impl<T> Told<T> {
    pub(super) fn at_once(value: T) -> Self {
        Self { value, retry_after: None }
    }
}

impl<T> From<Told<T>> for Done<T> {
    fn from(told: Told<T>) -> Self {
        Self { value: told.value, retry_after: told.retry_after, cut: false, strange: false }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A problem of ACME's.
pub(super) fn problem(word: &str, status: u16, detail: impl Into<String>) -> AcmeProblem {
    AcmeProblem {
        kind: format!("urn:ietf:params:acme:error:{word}"),
        detail: detail.into(),
        status: Some(status),
        subproblems: Vec::new(),
    }
}

fn suiting(status: u16) -> AcmeProblem {
    match status {
        // Let's Encrypt's load balancer says the same for both.
        429 | 503 => problem("rateLimited", status, "Service busy; retry later."),
        401 | 403 => problem("unauthorized", status, "the request is not authorized"),
        400..500 => problem("malformed", status, "the request is malformed"),
        _ => problem("serverInternal", status, "an internal error happened"),
    }
}
