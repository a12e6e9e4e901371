//! Asking agents how they are: on demand and by schedule, one, some or all of them; and if one is not reached, telling how
//! far the way to it goes.

use std::{sync::Arc, time::Duration};

use portward_core::{Agent, AgentHealth, AgentName, DialAddress, Dialling};
use portward_link::{CallError, LinkError, Stage, opening::RefusalCode};
use tokio::{task::JoinSet, time::Instant};

use super::{Agents, Live, Standing, accept::id_of, health::sentence};

/// Is what came of asking one agent.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    /// Which agent.
    pub(crate) name: AgentName,
    /// How it is.
    pub(crate) standing: Standing,
    /// How far the way to it goes.
    pub(crate) steps: Vec<Step>,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Is one step of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// As in `tls`.
    pub(crate) step: &'static str,
    /// How it went.
    pub(crate) mark: Mark,
    /// What was found.
    pub(crate) message: String,
    /// What to do, and where.
    pub(crate) remedy: Option<String>,
}

/// Says how a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// As it should.
    Good,
    /// Not quite.
    Warning,
    /// Not at all.
    Bad,
    /// It was not tried, as one before it failed.
    Skipped,
}

impl Agents {
    /// Asks some agents how they are, many at a time; in their order.
    pub(crate) async fn check(self: &Arc<Self>, names: Vec<AgentName>) -> Vec<Checked> {
        let mut all = Vec::with_capacity(names.len());
        self.check_each(names, |index, checked| all.push((index, checked))).await;
        all.sort_by_key(|(index, _)| *index);
        all.into_iter().map(|(_, checked)| checked).collect()
    }

    /// Asks all agents how they are.
    pub(super) async fn sweep(self: &Arc<Self>) {
        let names = self.roster.all().iter().map(|stored| stored.value.name.clone()).collect();
        let begun = Instant::now();
        let (mut agents, mut healthy) = (0, 0);
        let count = |_, checked: Checked| {
            agents += 1;
            healthy += usize::from(checked.standing.health == AgentHealth::Healthy);
        };
        self.check_each(names, count).await;
        if agents > 0 {
            let took = begun.elapsed().as_millis();
            tracing::debug!(agents, healthy, milliseconds = took, "agents were asked how they are");
        }
    }

    /// Has `take` take each as it comes, with its place among the names.
    async fn check_each(self: &Arc<Self>, names: Vec<AgentName>, mut take: impl FnMut(usize, Checked)) {
        let mut running = JoinSet::new();
        for (index, name) in names.into_iter().enumerate() {
            // Only as many tasks as run: one that waits would take as much memory.
            if running.len() >= CHECKS_AT_ONCE
                && let Some(Ok((index, checked))) = running.join_next().await
            {
                take(index, checked);
            }
            let agents = Arc::clone(self);
            running.spawn(async move { (index, agents.check_one(name).await) });
        }
        while let Some(ended) = running.join_next().await {
            if let Ok((index, checked)) = ended {
                take(index, checked);
            }
        }
    }

    async fn check_one(self: &Arc<Self>, name: AgentName) -> Checked {
        let begun = Instant::now();
        let mut steps = Vec::new();
        if let Some(agent) = self.roster.agent(&name) {
            match self.reach(&agent.value, &mut steps).await {
                Some(live) => self.ask(&name, &live, &mut steps).await,
                None => {
                    let bad = steps.iter().find(|step| step.mark == Mark::Bad);
                    let reason = bad.map_or_else(String::new, |step| match &step.remedy {
                        Some(remedy) => format!("{} {remedy}", step.message),
                        None => step.message.clone(),
                    });
                    self.remember.found(&name, Standing::unavailable(reason, self.now()));
                }
            }
        }
        let standing = self.standing(&name);
        Checked { name, standing, steps, took: begun.elapsed() }
    }

    /// Finds the link to an agent, or dials it; tells how far that goes.
    async fn reach(self: &Arc<Self>, agent: &Agent, steps: &mut Vec<Step>) -> Option<Live> {
        let pin = agent.pins.current;
        if let Some(live) = self.link(&agent.name) {
            let from = live.caller.peer().address.map_or_else(String::new, |address| format!(" ({address})"));
            steps.push(Step::good("link", format!("It is connected since {}{from}.", live.since)));
            steps.push(Step::good("thumbprint", format!("It shows {}, which is trusted.", live.pin())));
            return Some(live);
        }
        match &agent.dialling {
            Dialling::Polling => {
                steps.push(self.not_connected(agent));
                steps.push(Step::skipped("thumbprint"));
                steps.push(Step::skipped("health"));
                None
            }
            Dialling::Listening(address) => match self.dial_agent(&agent.name, address).await {
                Ok(session) => {
                    steps.push(Step::good("tcp", format!("{address} takes connections.")));
                    steps.push(Step::good("tls", "TLS 1.3, and the protocol of agents is spoken.".to_owned()));
                    steps.push(Step::good("thumbprint", format!("It shows {pin}, as expected.")));
                    self.take(agent.name.clone(), session).await;
                    let live = self.link(&agent.name);
                    if live.is_some() {
                        steps.push(Step::good("link", "The link is up.".to_owned()));
                    }
                    live
                }
                Err(error) => {
                    steps.extend(self.steps_of(&error, agent, address));
                    None
                }
            },
        }
    }

    async fn ask(self: &Arc<Self>, name: &AgentName, live: &Live, steps: &mut Vec<Step>) {
        let asked = self.ask_health(name, live, true).await;
        let standing = self.standing(name);
        let step = match (&asked, standing.health) {
            (Ok(report), AgentHealth::Healthy) => {
                Step::good("health", format!("It is healthy; version {}.", report.version))
            }
            (Ok(_), AgentHealth::HasWarnings) => {
                Step { step: "health", mark: Mark::Warning, message: standing.reasons.join(" "), remedy: None }
            }
            (Ok(_), _) => Step::bad("health", standing.reasons.join(" "), None),
            (Err(CallError::Fault(fault)), _) => Step::bad("health", sentence(&fault.message), None),
            (Err(error), _) => Step::bad(
                "health",
                sentence(&error.to_string()),
                Some(format!("Look at the log there: journalctl -u portward-agent (agent {name}).")),
            ),
        };
        steps.push(step);
    }

    /// Why an agent that dials is not there: what is known of those who came.
    fn not_connected(&self, agent: &Agent) -> Step {
        let name = &agent.name;
        let heard = self.standing(name).last_heard;
        let heard = heard.map_or_else(|| "It was never heard.".to_owned(), |at| format!("It was last heard {at}."));
        let strangers = self.strangers.all(self.now());
        // A machine that was set up anew comes from the same place with another identity.
        let known =
            self.standing(name).address.and_then(|address| address.rsplit_once(':').map(|(ip, _)| ip.to_owned()));
        let other = strangers.iter().find(|stranger| {
            let ip = stranger.address.map(|address| address.ip().to_string());
            stranger.former.as_ref() == Some(name) || (ip.is_some() && ip == known)
        });
        match other {
            Some(stranger) => Step::bad(
                "link",
                format!(
                    "It is not connected. {heard} Expected the thumbprint {}, and {} came (SHA-1 {}, subject {}, {}).",
                    agent.pins.current,
                    stranger.shown.thumbprint,
                    stranger.shown.sha1,
                    stranger.shown.subject,
                    if stranger.former.as_ref() == Some(name) {
                        "which was its own before"
                    } else {
                        "from where it was last"
                    }
                ),
                Some(format!(
                    "If that is what portward-agent show-thumbprint prints there, trust it: portward agent trust {name} --thumbprint {} (or, as another agent: portward agent approve {}).",
                    stranger.shown.thumbprint,
                    id_of(stranger.shown.thumbprint)
                )),
            ),
            None => Step::bad(
                "link",
                format!("It is not connected. {heard}"),
                Some(format!(
                    "See there why: portward-agent status; it has to run, to trust {}, and to reach one of {}.",
                    self.identities()
                        .map_or_else(String::new, |identities| identities.current.thumbprint().to_string()),
                    self.addresses().iter().map(DialAddress::to_string).collect::<Vec<_>>().join(", ")
                )),
            ),
        }
    }

    /// What is known of each step when one of them failed.
    fn steps_of(&self, error: &LinkError, agent: &Agent, address: &DialAddress) -> Vec<Step> {
        let failed = error.stage();
        let name = &agent.name;
        let ours = self.identities().map(|identities| identities.current.thumbprint().to_string()).unwrap_or_default();
        let (message, remedy) = match error {
            LinkError::Mismatch(mismatch) => (
                format!(
                    "Expected the thumbprint {}, and {} came (SHA-1 {}, subject {}, issuer {}).",
                    agent.pins.current,
                    mismatch.shown.thumbprint,
                    mismatch.shown.sha1,
                    mismatch.shown.subject,
                    mismatch.shown.issuer
                ),
                format!(
                    "If that is what portward-agent show-thumbprint prints on that machine, trust it: portward agent trust {name} --thumbprint {} --listening {address}. If not, something stands between, as a proxy that looks into TLS.",
                    mismatch.shown.thumbprint
                ),
            ),
            LinkError::Refused(refusal) if refusal.code == RefusalCode::UnknownPin => (
                format!(
                    "The agent does not trust this server: it was shown {} (SHA-1 {}), and says: {}.",
                    refusal.your_thumbprint, refusal.your_sha1, refusal.message
                ),
                format!("On the agent's machine: portward-agent configure --trust={ours}"),
            ),
            LinkError::Refused(refusal) => (sentence(&refusal.message), sentence(&refusal.remedy)),
            LinkError::Dns { .. } => (
                sentence(&error.to_string()),
                format!(
                    "Give an address, or a name that DNS knows here: portward agent trust {name} --thumbprint {} --listening HOST:PORT",
                    agent.pins.current
                ),
            ),
            LinkError::Tcp { .. } => (
                sentence(&error.to_string()),
                format!(
                    "See there whether it runs and listens (portward-agent status), and whether a firewall lets {address} through."
                ),
            ),
            other => (
                sentence(&other.to_string()),
                format!("See what is at {address}, and what portward-agent status says there."),
            ),
        };
        let mut steps = Vec::new();
        for (stage, step) in WAY {
            match stage.cmp(&failed) {
                std::cmp::Ordering::Less => steps.push(Step::good(step, passed(*stage, address))),
                std::cmp::Ordering::Equal => steps.push(Step::bad(step, message.clone(), Some(remedy.clone()))),
                std::cmp::Ordering::Greater => steps.push(Step::skipped(step)),
            }
        }
        steps.push(Step::skipped("health"));
        steps
    }
}

impl Step {
    fn good(step: &'static str, message: String) -> Self {
        Self { step, mark: Mark::Good, message, remedy: None }
    }

    fn bad(step: &'static str, message: String, remedy: Option<String>) -> Self {
        Self { step, mark: Mark::Bad, message, remedy }
    }

    fn skipped(step: &'static str) -> Self {
        Self { step, mark: Mark::Skipped, message: "It was not tried.".to_owned(), remedy: None }
    }
}

impl Mark {
    /// The stable word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Skipped => "skipped",
        }
    }
}

fn passed(stage: Stage, address: &DialAddress) -> String {
    match stage {
        Stage::Dns => format!("{} is found.", address.host),
        Stage::Tcp => format!("{address} takes connections."),
        Stage::Tls => "TLS 1.3, and the protocol of agents is spoken.".to_owned(),
        _ => "As expected.".to_owned(),
    }
}

/// The way to an agent that listens, step by step.
const WAY: &[(Stage, &str)] = &[
    (Stage::Dns, "dns"),
    (Stage::Tcp, "tcp"),
    (Stage::Tls, "tls"),
    (Stage::Thumbprint, "thumbprint"),
    (Stage::Opening, "opening"),
];
/// Ten thousand agents are asked within a minute also when one in a hundred takes its time.
const CHECKS_AT_ONCE: usize = 256;
