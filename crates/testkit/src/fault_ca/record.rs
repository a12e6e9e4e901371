//! What was asked, and what tests want to know of it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use portward_core::Timestamp;

use super::{Config, Endpoint, FaultCa};

/// Is a request, as it was asked and answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When, by the CA's clock.
    pub at: Timestamp,
    /// What for.
    pub endpoint: Endpoint,
    /// For which names; empty where there are none, or where what was asked about is unknown.
    pub names: Vec<String>,
    /// Number of the account; none where none is needed.
    pub account: Option<u64>,
    /// What a new order replaces, as RFC 9773 section 4.1 names certificates.
    pub replaces: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
}

/// Says what came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, and answered.
    Done,
    /// A problem document was the answer.
    Refused {
        /// Status of HTTP.
        status: u16,
        /// Type of the problem.
        kind: String,
    },
    /// There was no answer of ACME's; the word says which fault it was.
    Fault(&'static str),
}

/// Holds what was asked, counted so that years of it stay small.
#[derive(Default)]
pub(super) struct Ledger {
    asked: VecDeque<Asked>,
    orders: BTreeMap<String, Vec<Timestamp>>,
    all_orders: Vec<Timestamp>,
    failures: BTreeMap<String, Vec<Timestamp>>,
    issued: BTreeMap<String, Vec<(Timestamp, Timestamp)>>,
    told: BTreeMap<(Endpoint, String), Timestamp>,
    closed_until: Option<Timestamp>,
    violations: Vec<String>,
}

impl Ledger {
    /// Looks whether the request comes before a time that was given out.
    pub(super) fn arrives(&mut self, now: Timestamp, endpoint: Endpoint, subject: &str) {
        if let Some(until) = self.closed_until {
            if now < until {
                let early = format!("{now}: {endpoint:?} for \"{subject}\" although a 503 said to wait until {until}");
                self.violations.push(early);
            } else {
                self.closed_until = None;
            }
        }
        if let Some(until) = self.told.remove(&(endpoint, subject.to_owned()))
            && now < until
        {
            self.violations
                .push(format!("{now}: {endpoint:?} for \"{subject}\" although the CA said to wait until {until}"));
            self.told.insert((endpoint, subject.to_owned()), until);
        }
    }

    /// Remembers a `Retry-After` that is given out.
    pub(super) fn tells(&mut self, now: Timestamp, endpoint: Endpoint, subject: &str, wait: Duration, status: u16) {
        let until = now.plus(wait);
        if status == 503 {
            self.closed_until = self.closed_until.max(Some(until));
        } else {
            self.told.insert((endpoint, subject.to_owned()), until);
        }
    }

    pub(super) fn ends(&mut self, asked: Asked, cheap: bool) {
        if asked.endpoint == Endpoint::NewOrder {
            self.all_orders.push(asked.at);
            for name in &asked.names {
                self.orders.entry(name.clone()).or_default().push(asked.at);
            }
        }
        if cheap && self.asked.len() >= Config::KEPT_ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back(asked);
    }

    pub(super) fn fails(&mut self, name: &str, now: Timestamp) {
        self.failures.entry(name.to_owned()).or_default().push(now);
    }

    pub(super) fn issues(&mut self, name: &str, now: Timestamp, until: Timestamp) {
        self.issued.entry(name.to_owned()).or_default().push((now, until));
    }

    /// Forgets waits that are over.
    pub(super) fn prune(&mut self, now: Timestamp) {
        self.told.retain(|_, until| now < *until);
    }
}

impl FaultCa {
    /// Everything that was asked, in its order; the last of it where [`Config::cheap_keys`] is on.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().ledger.asked.iter().cloned().collect()
    }

    /// When orders were asked for that have the name, whether they were given or not.
    pub fn orders_for(&self, name: &str) -> Vec<Timestamp> {
        self.lock().ledger.orders.get(name).cloned().unwrap_or_default()
    }

    /// Most validations of the name that failed within an hour.
    pub fn failed_validations_in_any_hour(&self, name: &str) -> usize {
        self.lock().ledger.failures.get(name).map_or(0, |times| busiest_hour(times))
    }

    /// Names with the number of their validations that failed.
    pub fn failed_validations(&self) -> BTreeMap<String, usize> {
        self.lock().ledger.failures.iter().map(|(name, times)| (name.clone(), times.len())).collect()
    }

    /// Requests that came before a `Retry-After` was over that had been given out: for the same thing and names, or,
    /// where the status was 503, for anything. Early is what the CA's own clock says is early.
    pub fn retry_after_violations(&self) -> Vec<String> {
        self.lock().ledger.violations.clone()
    }

    /// Certificates that were issued for the name: when, and until when they are valid.
    pub fn issued(&self, name: &str) -> Vec<(Timestamp, Timestamp)> {
        self.lock().ledger.issued.get(name).cloned().unwrap_or_default()
    }

    /// Most orders that were asked for within an hour.
    pub fn orders_in_busiest_hour(&self) -> usize {
        busiest_hour(&self.lock().ledger.all_orders)
    }
}

/// Most times that lie within less than an hour; the times are in their order.
fn busiest_hour(times: &[Timestamp]) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (at, time) in times.iter().enumerate() {
        while time.since(times[first]) >= HOUR {
            first += 1;
        }
        most = most.max(at + 1 - first);
    }
    most
}

const HOUR: Duration = Duration::from_secs(3600);
