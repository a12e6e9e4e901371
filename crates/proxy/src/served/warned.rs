//! Warnings that every connection would repeat, said once in a while.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use portward_core::BindingId;
use tokio::time::Instant;

/// Remembers what was warned of, for all workers together.
#[derive(Debug, Default)]
pub(crate) struct Warned(Mutex<HashMap<Warning, Instant>>);

/// Is something that concerns no single connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Warning {
    /// A binding has no certificate to show.
    NoCertificate(BindingId),
    /// A proxy before a binding does not say who its clients are.
    NoProxyHeader(BindingId),
    /// No more connections are taken.
    Connections,
}

impl Warned {
    /// Tells whether it is time to say it (again), and takes it as said then.
    pub(crate) fn is_due(&self, warning: Warning) -> bool {
        let now = Instant::now();
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Bindings come and go; so do their entries.
        said.retain(|_, at| now.duration_since(*at) < PAUSE);
        let due = !said.contains_key(&warning);
        if due {
            said.insert(warning, now);
        }
        due
    }
}

/// Often enough to be seen by who looks at the log now, seldom enough for a disk.
const PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_warning_is_due_once_a_minute() {
        let warned = Warned::default();
        let binding = |id| Warning::NoCertificate(BindingId::parse(id).unwrap());
        for (after, warning, due) in [
            (0, binding("a"), true),
            (0, binding("b"), true),
            (0, Warning::Connections, true),
            (59, binding("a"), false),
            (1, binding("a"), true),
            (0, binding("a"), false),
            (0, binding("b"), true),
            (59, binding("a"), false),
        ] {
            tokio::time::advance(Duration::from_secs(after)).await;
            assert_eq!(warned.is_due(warning.clone()), due, "{after} s later: {warning:?}");
        }
    }
}
