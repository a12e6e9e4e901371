//! What will be renewed when, under today's settings and the lifetimes that CAs have announced.

mod busiest;
mod forecast;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc, time::Duration};

use portward_api::acme::{BudgetView, LifetimeChange, PlannedRenewal, SimulateRequest, SimulateView};
use portward_core::{IssuerId, Timestamp};
use portward_store::work::{ReadWorkError, Renewal, ledger};

use self::forecast::{Forecast, Given};
use super::{Allowed, App, AppError, right};

impl App {
    /// Computes what will be renewed until a date, and how near that comes to the limits of the CAs.
    ///
    /// Nothing is put off for a limit that is used up, so that what is too much is seen.
    pub(crate) async fn simulate(
        &self,
        _by: &Allowed<right::View>,
        input: &SimulateRequest,
    ) -> Result<SimulateView, AppError> {
        let now = self.now();
        let until = until(&input.until, now)?;
        // One at a time, even if who asked is gone: it may be of hundreds of thousands of renewals.
        let turn = Arc::clone(&self.simulating).acquire_owned().await;
        let turn = turn.map_err(|error| AppError::internal("the renewals could not be computed", error))?;
        let desired = self.served().desired.clone();
        let renewals = Renewal::read_all(&*self.parts.store).await.map_err(unreadable)?;
        let mut orders: HashMap<IssuerId, Vec<Timestamp>> = HashMap::new();
        for stored in &desired.issuers {
            let id = stored.value.issuer.id.clone();
            let placed = ledger::orders(&*self.parts.store, &id).await.map_err(unreadable)?;
            orders.insert(id, placed);
        }
        // Ten thousand certificates over years take a moment, in which others are served.
        let computed = tokio::task::spawn_blocking(move || {
            let renewals: HashMap<_, _> = renewals.into_iter().collect();
            let given =
                Given { desired: &desired, renewals: &renewals, orders: &orders, now, until, most: MOST_RENEWALS };
            let computed = forecast::forecast(&given).map(|forecast| view(forecast, now, until));
            drop(turn);
            computed
        });
        let computed =
            computed.await.map_err(|error| AppError::internal("the renewals could not be computed", error))?;
        computed.ok_or_else(|| {
            AppError::refused(
                "invalid-value",
                format!("until: there are more than {MOST_RENEWALS} renewals until {until}; give an earlier date"),
            )
        })
    }
}

fn view(forecast: Forecast, now: Timestamp, until: Timestamp) -> SimulateView {
    let Forecast { renewals, budgets, announced } = forecast;
    let renewal = |planned: forecast::Planned| PlannedRenewal {
        at: planned.at.to_string(),
        certificate: planned.certificate.to_string(),
        issuer: planned.issuer.to_string(),
        lifetime_days: days(planned.lifetime),
        why: planned.why,
    };
    let budget = |used: busiest::Used| BudgetView {
        what: used.what,
        limit: busiest::limit_text(used.limit),
        used: used.most,
        allowed: used.limit.count,
    };
    let change = |(issuer, step): (IssuerId, portward_core::acme::AnnouncedLifetime)| LifetimeChange {
        issuer: issuer.to_string(),
        from: step.from.date(),
        lifetime_days: days(step.lifetime),
    };
    SimulateView {
        from: now.to_string(),
        until: until.to_string(),
        renewals: renewals.into_iter().map(renewal).collect(),
        budgets: budgets.into_iter().map(budget).collect(),
        announced: announced.into_iter().map(change).collect(),
    }
}

/// Reads a date or a time; a date means its first second in UTC.
fn until(text: &str, now: Timestamp) -> Result<Timestamp, AppError> {
    let refused = |what: &str| AppError::refused("invalid-value", format!("until: {what}"));
    let until = Timestamp::parse(&format!("{text}T00:00:00Z")).or_else(|_| Timestamp::parse(text)).map_err(|_| {
        refused(&format!("\"{text}\" is neither a date like 2027-06-01 nor a time like 2027-06-01T12:00:00Z"))
    })?;
    if until <= now {
        return Err(refused(&format!("{until} is not after now, which is {now}; give a later date")));
    }
    let last = now.plus(LONGEST);
    if until > last {
        return Err(refused(&format!("{until} is more than five years ahead; give a date until {}", last.date())));
    }
    Ok(until)
}

/// The nearest number of whole days.
fn days(span: Duration) -> u32 {
    u32::try_from((span.as_secs() + DAY / 2) / DAY).unwrap_or(u32::MAX)
}

fn unreadable(error: ReadWorkError) -> AppError {
    match error {
        ReadWorkError::Store(error) => error.into(),
        error => AppError::internal("what is remembered of renewals cannot be read", error),
    }
}

const DAY: u64 = 24 * 3600;
/// Nobody announces more.
const LONGEST: Duration = Duration::from_secs(5 * 366 * DAY);
/// Ten thousand certificates of 45 days for two and a half years; as JSON about 80 MB.
const MOST_RENEWALS: usize = 400_000;
