//! What Portward does with all agents by itself, and when.

use std::time::Duration;

use crate::{Timestamp, acme::Jitter};

/// Says when identities are followed by new ones, and how often agents are asked how they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    /// At which age the identity of an agent is followed by a new one; none if it never is by itself.
    pub identity_age: Option<Duration>,
    /// The same of the server's own identity.
    pub server_identity_age: Option<Duration>,
    /// How often agents are asked how they are.
    pub check_every: Duration,
}

impl AgentSettings {
    /// What counts where nothing else is asked for.
    ///
    /// An agent's identity lives for a year. The server's is changed by an operator, who may have chosen it.
    pub const DEFAULT: Self =
        Self { identity_age: Some(YEAR), server_identity_age: None, check_every: Duration::from_secs(600) };

    /// The age at which the identity of one agent is followed by a new one: up to a tenth of that of all
    /// earlier, by its name and thumbprint, so that agents that were made together do not all do it together.
    pub fn identity_ends(age: Duration, name: &str, thumbprint: &str) -> Duration {
        age.saturating_sub(Jitter::of("agent identity", name, thumbprint).within(age / 10))
    }

    /// Whether an identity of that age is one that an operator should be told of: it should have been followed by
    /// another one. For that it has a day more than the age at which it is; where it never is, a year.
    pub fn is_overdue(age: Duration, limit: Option<Duration>) -> bool {
        age > limit.unwrap_or(YEAR) + DAY
    }

    /// The moment at which the server's own identity is followed by a new one, if it is there since `since`.
    pub fn server_identity_ends(&self, since: Timestamp) -> Option<Timestamp> {
        self.server_identity_age.map(|age| since.plus(age))
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What identities of machines are commonly given.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_that_were_made_together_end_one_after_the_other() {
        let mut ends: Vec<Duration> = (0..10_000)
            .map(|number| AgentSettings::identity_ends(YEAR, &format!("agent-{number}"), "thumbprint"))
            .collect();
        ends.sort();
        assert!(ends[0] > YEAR - YEAR / 10 && ends[9_999] <= YEAR, "{:?} to {:?}", ends[0], ends[9_999]);
        // 36 days for ten thousand: 11 an hour, and nowhere many more.
        let most = ends.windows(60).map(|some| some[59] - some[0]).min();
        assert!(most > Some(Duration::from_secs(3600)), "{most:?} for 60");
        let again = AgentSettings::identity_ends(YEAR, "agent-7", "thumbprint");
        assert_eq!(again, AgentSettings::identity_ends(YEAR, "agent-7", "thumbprint"));
        assert_ne!(again, AgentSettings::identity_ends(YEAR, "agent-7", "the one after it"));
    }

    #[test]
    fn an_identity_is_told_of_when_a_day_has_not_been_enough() {
        for (days, limit, is_told) in
            [(366, None, false), (367, None, true), (30, Some(30), false), (31, Some(30), false), (32, Some(30), true)]
        {
            let limit = limit.map(|days| DAY * days);
            assert_eq!(AgentSettings::is_overdue(DAY * days, limit), is_told, "{days} days, {limit:?}");
        }
    }
}
