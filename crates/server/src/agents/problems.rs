//! What is wrong with agents and deliveries, as problems: shown, counted and told of like all others.

use std::time::Duration;

use portward_core::{AgentHealth, AgentName};

use super::{Agents, accept::id_of, deliveries::State, health::ended};
use crate::problem::{Problem, Subject};

impl Agents {
    /// Has what is served tell of what is wrong.
    pub(super) fn tell_problems(&self) {
        let mut problems = self.refused_records();
        problems.extend(self.unhealthy());
        problems.extend(self.undelivered());
        problems.extend(self.unrecognised());
        problems.extend(self.stuck());
        problems.extend(self.old());
        self.parts.served.set_problems_of_agents(problems);
    }

    fn unhealthy(&self) -> Vec<Problem> {
        let now = self.now();
        let (mut unhealthy, mut away): (Vec<Problem>, Vec<(AgentName, String)>) = (Vec::new(), Vec::new());
        self.remember.each(|name, standing| match standing.health {
            AgentHealth::Unhealthy => {
                let reasons = standing.reasons.join(" ");
                let remedy = format!("portward agent check {name}");
                let subject = Subject::Agent(name.clone());
                let message = format!("The agent {name} is unhealthy: {reasons}");
                unhealthy.push(Problem::error("agent-unhealthy", subject, message, remedy));
            }
            AgentHealth::Unavailable if standing.last_heard.is_none_or(|at| now.since(at) > AWAY) => {
                away.push((name.clone(), standing.reasons.join(" ")));
            }
            _ => {}
        });
        unhealthy.sort_by(|a, b| a.message.cmp(&b.message));
        // An agent that polls and is gone is known by its link alone until it is asked.
        away.retain(|(name, _)| self.links.of(name).is_none() && self.roster.agent(name).is_some());
        away.sort();
        if away.len() > EACH {
            let names: Vec<&str> = away.iter().take(EACH).map(|(name, _)| name.as_str()).collect();
            let message = format!("{} agents are not connected, among them {}.", away.len(), names.join(", "));
            let remedy = "portward agent check --all";
            unhealthy.push(Problem::error("agent-unavailable", Subject::Agents, message, remedy));
        } else {
            unhealthy.extend(away.into_iter().map(|(name, reasons)| {
                let message = format!("The agent {name} is not connected. {reasons}");
                let remedy = format!("portward agent check {name}");
                Problem::error("agent-unavailable", Subject::Agent(name), message.trim_end().to_owned(), remedy)
            }));
        }
        unhealthy
    }

    fn undelivered(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for standing in self.delivered() {
            let (delivery, work) = (&standing.stored.value.delivery, &standing.work);
            let what = format!("certificate {} on {}", delivery.certificate, delivery.agent);
            let subject = Subject::Delivery(delivery.id.clone());
            match standing.state {
                State::Failed => {
                    let stage = work.stage.as_deref().map_or_else(String::new, |stage| format!(" ({stage})"));
                    let said = work.output.as_deref().map(|output| format!(" It said: {}", ended(output.trim())));
                    let why = ended(work.message.as_deref().unwrap_or("the agent does not say why"));
                    let message = format!(
                        "The {what} could not be installed{stage}: {why}{} What was there before goes on being used.",
                        said.unwrap_or_default()
                    );
                    let remedy = format!(
                        "portward delivery show {}; when it is mended: portward delivery retry {}",
                        delivery.id, delivery.id
                    );
                    problems.push(Problem::error("delivery-failed", subject, message, remedy));
                }
                State::Drifted => {
                    let message = format!("The {what} is not the one that was installed; it is installed again.");
                    let remedy = format!("portward delivery show {}", delivery.id);
                    problems.push(Problem::warning("delivery-drifted", subject, message, remedy));
                }
                _ => {}
            }
        }
        problems
    }

    fn unrecognised(&self) -> Option<Problem> {
        let now = self.now();
        let strangers = self.strangers.all(now);
        let first = strangers.iter().find(|stranger| now.since(stranger.last_seen) < COMES_AGAIN)?;
        let from = first.address.map_or_else(String::new, |address| format!(" from {}", address.ip()));
        let others = match strangers.len() {
            1 => String::new(),
            count => format!(" ({} in all)", count),
        };
        let message = format!(
            "Somebody who is not trusted wants to be an agent{from}{others}: {} with the thumbprint {}.",
            first.shown.subject, first.shown.thumbprint
        );
        let remedy = format!(
            "compare with portward-agent show-thumbprint there; then portward agent approve {}",
            id_of(first.shown.thumbprint)
        );
        Some(Problem::warning("agent-unrecognised", Subject::Agents, message, remedy))
    }

    fn old(&self) -> Option<Problem> {
        let (thumbprint, since) = self.old_identity().filter(|_| self.roster.len() > 0)?;
        let days = self.now().since(since).as_secs() / (24 * 3600);
        let message = format!(
            "The server's identity {thumbprint} is in use for {days} days, since {since}; the longer a key is used, the more copies of it there may be."
        );
        let remedy = "portward identity rotate; agents follow by themselves (or for good: portward settings edit --server-identity-days 365)";
        Some(Problem::warning("identity-old", Subject::Agents, message, remedy))
    }

    fn stuck(&self) -> Option<Problem> {
        let rotation = self.rotation()?;
        let age = self.now().since(rotation.since);
        if rotation.laggards.is_empty() || age < STUCK {
            return None;
        }
        let names: Vec<&str> = rotation.laggards.iter().take(EACH).map(AgentName::as_str).collect();
        let message = format!(
            "The rotation of the server's identity that began at {} waits for {} of {} agents, among them {}; the old identity is kept for them.",
            rotation.since,
            rotation.laggards.len(),
            rotation.agents,
            names.join(", ")
        );
        let remedy = "have them run, or remove those that are no more: portward agent remove NAME";
        Some(Problem::warning("rotation-stuck", Subject::Agents, message, remedy))
    }
}

/// A machine that starts anew is back before that.
const AWAY: Duration = Duration::from_secs(5 * 60);
/// So many are told of one by one.
const EACH: usize = 10;
/// An agent that is not trusted comes again within a minute.
const COMES_AGAIN: Duration = Duration::from_secs(10 * 60);
/// By then somebody should look.
const STUCK: Duration = Duration::from_secs(24 * 3600);
