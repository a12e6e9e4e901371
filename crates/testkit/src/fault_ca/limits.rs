//! Limits of the CA's own, in sliding windows.

use std::{collections::VecDeque, time::Duration};

use portward_core::{HostPattern, Timestamp};

use super::{perform::Refusal, state::State};

impl State {
    /// Whether the account may order for the names; `is_replacement` where it replaces a certificate of the CA.
    pub(super) fn check_limits(
        &mut self,
        account: u64,
        names: &[HostPattern],
        is_replacement: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(limits) = self.config.limits.clone() else { return Ok(()) };
        let is_renewal = self.same_set.contains_key(names);
        let one = self.account(account)?;
        for name in names {
            if let Some(times) = one.failures.get_mut(name)
                && let Some(wait) = full(times, limits.failed_validations, HOUR, now)
            {
                let what = format!("failed authorizations ({}) for \"{name}\" in the last 1h0m0s", times.len());
                return Err(Refusal::rate_limited(now, &what, wait));
            }
        }
        if is_replacement {
            return Ok(());
        }
        if let Some(wait) = full(&mut one.order_times, limits.orders, 3 * HOUR, now)
            && !is_renewal
        {
            let what = format!("new orders ({}) from this account in the last 3h0m0s", one.order_times.len());
            return Err(Refusal::rate_limited(now, &what, wait));
        }
        if let Some(times) = self.same_set.get_mut(names)
            && let Some(wait) = full(times, limits.same_set, WEEK, now)
        {
            let what = format!(
                "certificates ({}) already issued for this exact set of identifiers in the last 168h0m0s",
                times.len()
            );
            return Err(Refusal::rate_limited(now, &what, wait));
        }
        if !is_renewal {
            self.account(account)?.order_times.push_back(now);
        }
        Ok(())
    }
}

/// How long until there is room, if there is none. Times that are out of the window are taken away.
fn full(times: &mut VecDeque<Timestamp>, limit: usize, window: Duration, now: Timestamp) -> Option<Duration> {
    while times.front().is_some_and(|first| first.plus(window) <= now) {
        times.pop_front();
    }
    let blocking = times.len().checked_sub(limit)?;
    times.get(blocking).map(|time| time.plus(window).since(now))
}

pub(super) const HOUR: Duration = Duration::from_secs(3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
