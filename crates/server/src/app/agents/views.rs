//! What is shown of agents.

use portward_api::{AgentCheckStep, AgentChecked, AgentDisk, AgentReport, AgentView, StrangerView};
use portward_core::{Agent, Dialling, Timestamp};
use portward_link::message::HealthReport;

use super::super::App;
use crate::agents::{
    check::{Checked, Step},
    id_of,
    strangers::Stranger,
};

impl App {
    /// What is shown of an agent.
    pub(crate) fn agent_view(&self, agent: &Agent) -> AgentView {
        let (agents, now) = (self.agents(), self.now());
        let standing = agents.standing(&agent.name);
        let live = agents.link(&agent.name);
        let report = standing.report.as_ref().map(|report| report_view(report, standing.checked.unwrap_or(now)));
        let previous = agent.pins.previous.filter(|(_, until)| now < *until).map(|(pin, _)| pin.to_string());
        AgentView {
            name: agent.name.to_string(),
            health: standing.health.to_string(),
            reasons: standing.reasons,
            dialling: match agent.dialling {
                Dialling::Polling => "polling".to_owned(),
                Dialling::Listening(_) => "listening".to_owned(),
            },
            listening: match &agent.dialling {
                Dialling::Polling => None,
                Dialling::Listening(address) => Some(address.to_string()),
            },
            thumbprint: agent.pins.current.to_string(),
            next_thumbprint: agent.pins.next.map(|pin| pin.to_string()),
            previous_thumbprint: previous,
            trusted: agent.trusted.to_string(),
            origin: agent.origin.to_string(),
            connected: live.is_some(),
            address: standing.address,
            last_heard: if live.is_some() { Some(now) } else { standing.last_heard }.map(|at| at.to_string()),
            checked: standing.checked.map(|at| at.to_string()),
            version: standing.report.map(|report| report.version),
            deliveries: agents.deliveries_to(&agent.name),
            trust_is_newest: agents.trust_is_newest(&agent.name),
            report,
        }
    }
}

fn report_view(report: &HealthReport, checked: Timestamp) -> AgentReport {
    let at = |seconds: i64| Timestamp::from_unix(seconds).map(|at| at.to_string()).unwrap_or_default();
    AgentReport {
        platform: report.platform.clone(),
        host_name: report.host_name.clone(),
        started: at(report.started),
        clock_difference: report.now.saturating_sub(checked.unix()),
        identity_since: at(report.identity.since),
        identity_not_after: at(report.identity.not_after),
        trusts: report.trusts.iter().flat_map(|trust| trust.pins.clone()).collect(),
        disks: report
            .disks
            .iter()
            .map(|disk| AgentDisk { path: disk.path.clone(), free: disk.free, total: disk.total })
            .collect(),
        directories: report.policy.directories.clone(),
        profiles: report.policy.profiles.clone(),
        policy_problem: report.policy.problem.clone(),
    }
}

pub(super) fn stranger_view(stranger: &Stranger) -> StrangerView {
    StrangerView {
        id: id_of(stranger.shown.thumbprint),
        thumbprint: stranger.shown.thumbprint.to_string(),
        sha1: stranger.shown.sha1.to_string(),
        subject: stranger.shown.subject.clone(),
        address: stranger.address.map(|address| address.to_string()).unwrap_or_default(),
        first_seen: stranger.first_seen.to_string(),
        last_seen: stranger.last_seen.to_string(),
        tries: stranger.tries,
        former: stranger.former.as_ref().map(ToString::to_string),
    }
}

pub(super) fn checked_view(checked: &Checked) -> AgentChecked {
    let step = |step: &Step| AgentCheckStep {
        step: step.step.to_owned(),
        mark: step.mark.as_str().to_owned(),
        message: step.message.clone(),
        remedy: step.remedy.clone(),
    };
    AgentChecked {
        name: checked.name.to_string(),
        health: checked.standing.health.to_string(),
        reasons: checked.standing.reasons.clone(),
        steps: checked.steps.iter().map(step).collect(),
        milliseconds: u64::try_from(checked.took.as_millis()).unwrap_or(u64::MAX),
    }
}
