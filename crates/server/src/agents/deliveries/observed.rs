//! What an agent says that is on its machine, and what that tells of its deliveries.

use std::sync::Arc;

use portward_core::{AgentName, DeliveryId, Thumbprint};
use portward_link::message::{HealthReport, InstalledReport, ServedReport};
use portward_store::work::{DeliveryState, DeliveryWork};

use super::{
    Deliveries, NOTHING,
    wanted::{is_in_doubt, wanted},
};
use crate::agents::{Agents, Live};

impl Deliveries {
    /// Whether an agent has said on that link what is on its machine.
    pub(super) fn has_reported(&self, agent: &AgentName, link: u64) -> bool {
        self.lock().reported.get(agent).is_some_and(|last| *last >= link)
    }

    /// Notes that it has; gives whether that is news. What comes late on a link that another one replaced is none.
    fn note_report(&self, agent: &AgentName, link: u64) -> bool {
        let mut inside = self.lock();
        let last = inside.reported.get(agent).copied();
        inside.reported.insert(agent.clone(), last.map_or(link, |last| last.max(link)));
        last.is_none_or(|last| last < link)
    }
}

impl Agents {
    /// Takes note of what an agent says that is on its machine.
    pub(in crate::agents) fn observe(self: &Arc<Self>, agent: &AgentName, live: &Live, report: &HealthReport) {
        let desired = Arc::clone(&self.parts.served.now().desired);
        let entries = self.deliveries.of(agent);
        let (mut is_changed, mut has_doubt) = (false, false);
        for entry in entries.iter().filter(|entry| entry.work.state != DeliveryState::Running) {
            let id = &entry.stored.value.delivery.id;
            let installed = report.installed.iter().find(|installed| installed.delivery == id.as_str());
            let wanted = wanted(&entry.stored.value, &desired);
            let in_doubt = |work: &DeliveryWork| {
                let wanted = wanted.as_ref().filter(|wanted| is_in_doubt(work, wanted));
                wanted.map(|wanted| wanted.version.facts.thumbprint)
            };
            // Ten thousand reports in which nothing is new make nothing be written or looked at.
            if seen_in(&entry.work, installed, in_doubt(&entry.work)) != entry.work {
                self.deliveries.edit(id, |work| {
                    // An installation may have begun meanwhile, and knows better.
                    if work.state != DeliveryState::Running {
                        *work = seen_in(work, installed, in_doubt(work));
                    }
                });
                is_changed = true;
            }
            has_doubt |= in_doubt(&entry.work).is_some();
        }
        for installed in &report.installed {
            if let Ok(id) = DeliveryId::parse(&installed.delivery)
                && entries.iter().all(|entry| entry.stored.value.delivery.id != id)
            {
                self.withdraw(agent, &id);
            }
        }
        let is_first = self.deliveries.note_report(agent, live.id);
        if is_changed || is_first && has_doubt {
            self.changed.notify_one();
        }
    }
}

/// What is known of a delivery after its agent has said what is on its machine. Of one that was sent, and of which no
/// answer came, `in_doubt` is the leaf that was sent.
fn seen_in(work: &DeliveryWork, installed: Option<&InstalledReport>, in_doubt: Option<Thumbprint>) -> DeliveryWork {
    let mut seen = work.clone();
    match installed {
        Some(installed) => {
            seen.stored = Some(installed.stored.clone().unwrap_or_else(|| NOTHING.to_owned()));
            seen.generation = seen.generation.max(installed.generation);
            if let Some(ServedReport::Thumbprint(served)) = &installed.served {
                seen.served = Some(served.clone());
            }
            if let Some(leaf) = in_doubt
                && installed.generation == work.generation
                && installed.thumbprint == leaf.to_string()
            {
                seen.state = DeliveryState::Installed;
                seen.thumbprint = Some(leaf);
                (seen.stage, seen.message, seen.output) = (None, None, None);
                (seen.tries, seen.next_try) = (0, None);
            }
        }
        // It was set up anew, and knows nothing of it.
        None if work.state == DeliveryState::Installed => seen.stored = Some(NOTHING.to_owned()),
        None => {}
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(name: &str) -> Thumbprint {
        Thumbprint::of(name.as_bytes())
    }

    fn lost() -> DeliveryWork {
        DeliveryWork {
            generation: 8,
            tries: 2,
            message: Some("the link was lost".to_owned()),
            ..DeliveryWork::default()
        }
    }

    fn report(generation: u64, name: &str) -> InstalledReport {
        InstalledReport {
            delivery: "shop".to_owned(),
            generation,
            thumbprint: leaf(name).to_string(),
            stored: Some(leaf(name).to_string()),
            problem: None,
            served: None,
        }
    }

    #[test]
    fn what_an_agent_did_without_a_link_is_installed() {
        let seen = seen_in(&lost(), Some(&report(8, "new")), Some(leaf("new")));
        assert_eq!((seen.state, seen.thumbprint), (DeliveryState::Installed, Some(leaf("new"))));
        assert_eq!((seen.tries, seen.next_try, seen.message), (0, None, None));
    }

    #[test]
    fn what_is_not_what_was_sent_stays_in_doubt() {
        for (installed, in_doubt) in [
            (Some(report(7, "new")), Some(leaf("new"))),
            (Some(report(9, "new")), Some(leaf("new"))),
            (Some(report(8, "old")), Some(leaf("new"))),
            (Some(report(8, "new")), None),
            (None, Some(leaf("new"))),
        ] {
            let seen = seen_in(&lost(), installed.as_ref(), in_doubt);
            assert_eq!((seen.state, seen.tries), (DeliveryState::Pending, 2), "{installed:?} {in_doubt:?}");
        }
    }
}
