//! Looking at agents that are to be linked all the time, from both ends.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use portward_api::Client;
use tokio::{task::JoinHandle, time::MissedTickBehavior};

use super::Fleet;

/// Looks until it is ended.
pub struct Watch {
    ends: Arc<AtomicBool>,
    here: JoinHandle<Seen>,
    there: JoinHandle<Seen>,
}

/// Is what was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How often the agents were looked at.
    pub looks_at_agents: usize,
    /// How often the server was asked.
    pub looks_at_server: usize,
    /// Each agent that was seen without a link, by whom, and when.
    pub gaps: Vec<String>,
}

impl Watch {
    /// Looks at the links that some agents have, and at what the server says of them.
    pub fn begin(fleet: &Fleet, server: &Client, which: Range<usize>) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let here = tokio::spawn(at_agents(fleet.clone(), which.clone(), Arc::clone(&ends)));
        let there = tokio::spawn(at_server(server.clone(), fleet.names(which), Arc::clone(&ends)));
        Self { ends, here, there }
    }

    /// Ends, and gives what was seen.
    pub async fn end(self) -> Seen {
        self.ends.store(true, Ordering::Relaxed);
        let (here, there) = (self.here.await.unwrap(), self.there.await.unwrap());
        let gaps = here.gaps.into_iter().chain(there.gaps).collect();
        Seen { looks_at_agents: here.looks_at_agents, looks_at_server: there.looks_at_server, gaps }
    }
}

async fn at_agents(fleet: Fleet, which: Range<usize>, ends: Arc<AtomicBool>) -> Seen {
    let (mut seen, begun) = (Seen::default(), Instant::now());
    let mut ticks = tokio::time::interval(AT_AGENTS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !ends.load(Ordering::Relaxed) {
        ticks.tick().await;
        seen.looks_at_agents += 1;
        for member in &fleet.lock()[which.clone()] {
            if member.agent.as_ref().is_none_or(|agent| agent.links() == 0) {
                seen.gaps.push(format!("{} has no link after {:?}", member.name, begun.elapsed()));
            }
        }
    }
    seen
}

async fn at_server(server: Client, names: Vec<String>, ends: Arc<AtomicBool>) -> Seen {
    let (mut seen, begun) = (Seen::default(), Instant::now());
    let mut ticks = tokio::time::interval(AT_SERVER);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !ends.load(Ordering::Relaxed) {
        ticks.tick().await;
        let agents = match server.list_agents().await {
            Ok(agents) => agents,
            Err(error) => {
                seen.gaps.push(format!("the server was not asked: {error}"));
                continue;
            }
        };
        seen.looks_at_server += 1;
        // Both are in the order of their names.
        let mut listed = agents.iter();
        for name in &names {
            let agent = listed.by_ref().find(|agent| agent.name == *name);
            if agent.is_none_or(|agent| !agent.connected) {
                seen.gaps.push(format!("the server has no link to {name} after {:?}", begun.elapsed()));
            }
        }
    }
    seen
}

/// A link that ends and comes back takes a second.
const AT_AGENTS: Duration = Duration::from_millis(5);
const AT_SERVER: Duration = Duration::from_millis(50);
