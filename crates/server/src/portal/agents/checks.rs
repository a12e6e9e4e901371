//! Asking agents how they are: one of them, or all with a page that tells how far that is.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use askama::Template;
use axum::response::Response;
use portward_api::{AgentChecked, AgentsCheck};
use portward_core::{AgentHealth, Timestamp};
use tokio::{sync::Semaphore, task::JoinSet};

use super::super::{
    answer,
    equivalents::{DifferenceLine, Equivalents, curl},
    for_people::for_people,
    frame::{Frame, Nav},
    view::{Mark, When, counted, grouped, time_of_day},
    visit::Visit,
};
use crate::app::{Allowed, App, AppError, right};

/// Keeps what the newest checks found; none of it is needed after a restart.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    runs: Mutex<VecDeque<Arc<Run>>>,
    next: AtomicU64,
    /// What was found of single agents, step by step.
    found: Mutex<BTreeMap<String, Found>>,
}

/// Is how far the way to an agent went.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// When it was asked.
    pub(super) at: Timestamp,
    /// What came of it.
    pub(super) checked: AgentChecked,
}

/// Is a check of all agents.
#[derive(Debug)]
struct Run {
    id: u64,
    began: Timestamp,
    total: usize,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    done: usize,
    counts: BTreeMap<AgentHealth, usize>,
    /// Those that are not healthy.
    unwell: Vec<Line>,
    newest: VecDeque<Line>,
    ended: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Line {
    name: String,
    health: AgentHealth,
    says: String,
    milliseconds: u64,
    at: Timestamp,
}

#[derive(Template)]
#[template(path = "agents/check.html")]
struct CheckPage {
    frame: Frame,
    equivalents: Equivalents,
    part: CheckPart,
}

/// Is what of the page changes while agents are asked.
#[derive(Template)]
#[template(path = "agents/check-live.html")]
struct CheckPart {
    id: u64,
    mark: Mark,
    verdict: String,
    about: String,
    began: When,
    is_on: bool,
    /// In per mille, for the bar.
    done: usize,
    counts: Vec<(Mark, String)>,
    unwell: Vec<ShownLine>,
    /// How many others are not healthy.
    others: Option<String>,
    newest: Vec<ShownLine>,
}

struct ShownLine {
    time: String,
    machine: String,
    mark: Mark,
    label: &'static str,
    name: String,
    says: String,
}

impl Checks {
    /// What was found when an agent was asked last.
    pub(super) fn found(&self, name: &str) -> Option<Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn keep(&self, at: Timestamp, checked: &AgentChecked) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= FOUND {
            let oldest = found.iter().min_by_key(|(_, found)| found.at).map(|(name, _)| name.clone());
            oldest.into_iter().for_each(|name| drop(found.remove(&name)));
        }
        found.insert(checked.name.clone(), Found { at, checked: checked.clone() });
    }

    fn run(&self, id: &str) -> Option<Arc<Run>> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.iter().find(|run| run.id.to_string() == id).cloned()
    }

    /// Begins a run; if one is under way, that one is it.
    fn begin(&self, total: usize, now: Timestamp) -> (Arc<Run>, bool) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = runs.iter().find(|run| run.lock().ended.is_none()) {
            return (Arc::clone(run), false);
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let run = Arc::new(Run { id, began: now, total, progress: Mutex::default() });
        runs.push_back(Arc::clone(&run));
        if runs.len() > RUNS {
            runs.pop_front();
        }
        (run, true)
    }
}

impl Run {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn came(&self, checked: Option<&AgentChecked>, now: Timestamp) {
        let mut progress = self.lock();
        progress.done += 1;
        let Some(checked) = checked else { return };
        let health = AgentHealth::parse(&checked.health).unwrap_or(AgentHealth::Unknown);
        *progress.counts.entry(health).or_default() += 1;
        let says = if checked.reasons.is_empty() {
            "It is healthy.".to_owned()
        } else {
            for_people(&checked.reasons.join(" "))
        };
        let line = Line { name: checked.name.clone(), health, says, milliseconds: checked.milliseconds, at: now };
        if health != AgentHealth::Healthy && progress.unwell.len() < UNWELL {
            progress.unwell.push(line.clone());
        }
        progress.newest.push_front(line);
        progress.newest.truncate(NEWEST);
    }
}

/// Asks all agents, and leads to the page that tells how far that is.
pub(in crate::portal) async fn begin(visit: Visit<right::AgentCheck>) -> Result<Response, AppError> {
    let glances = visit.app.survey_agents(&visit.may()?);
    let names: Vec<String> = glances.iter().map(|glance| glance.stored.value.name.to_string()).collect();
    let (run, is_new) = visit.app.checks().begin(names.len(), visit.app.now());
    let path = format!("/agent-checks/{}", run.id);
    if is_new {
        let by = Arc::new(visit.may::<right::AgentCheck>()?);
        tokio::spawn(ask_all(Arc::clone(&visit.app), by, names, run));
    }
    Ok(answer::see_other(&path))
}

async fn ask_all(app: Arc<App>, by: Arc<Allowed<right::AgentCheck>>, names: Vec<String>, run: Arc<Run>) {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = JoinSet::new();
    for name in names {
        let (app, by, run) = (Arc::clone(&app), Arc::clone(&by), Arc::clone(&run));
        let at_once = Arc::clone(&at_once);
        asked.spawn(async move {
            let _permit = at_once.acquire().await;
            // Who was removed meanwhile is not there to be asked.
            let came = app.check_agents(&by, &AgentsCheck { names: vec![name] }).await.ok();
            let checked = came.as_ref().and_then(|came| came.first());
            if let Some(checked) = checked {
                app.checks().keep(app.now(), checked);
            }
            run.came(checked, app.now());
        });
    }
    while asked.join_next().await.is_some() {}
    run.lock().ended = Some(app.now());
}

/// Asks one agent, and leads to its page.
pub(in crate::portal) async fn check_one(visit: Visit<right::AgentCheck>) -> Result<Response, AppError> {
    let name = visit.param("name").to_owned();
    let came = visit.app.check_agents(&visit.by, &AgentsCheck { names: vec![name.clone()] }).await?;
    let mut health = String::new();
    for checked in &came {
        visit.app.checks().keep(visit.app.now(), checked);
        health.clone_from(&checked.health);
    }
    let says = match AgentHealth::parse(&health) {
        Some(AgentHealth::Healthy) => format!("{name} is healthy."),
        Some(AgentHealth::HasWarnings) => format!("{name} answers, and has warnings."),
        Some(AgentHealth::Unhealthy) => format!("{name} answers, and is unhealthy."),
        _ => format!("{name} is not reached."),
    };
    Ok(visit.told(&format!("/agents/{name}"), says))
}

/// Shows a run.
pub(in crate::portal) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let part = part(&visit)?;
    answer::html(&CheckPage {
        frame: visit.frame(Nav::Agents, "Agents are asked"),
        equivalents: Equivalents {
            cli: "portward agent check --all".to_owned(),
            curl: curl(&http::Method::POST, "/api/v1/agent-checks", Some(&serde_json::json!({ "names": [] }))),
            ..Equivalents::default()
        },
        part,
    })
}

/// Shows what of it changes, for the page that is open.
pub(in crate::portal) async fn show_live(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&part(&visit)?)
}

fn part(visit: &Visit<right::View>) -> Result<CheckPart, AppError> {
    let id = visit.param("id");
    let run = visit.app.checks().run(id).ok_or_else(|| AppError::not_found("check", id))?;
    let (progress, now) = (run.lock(), visit.app.now());
    let unwell: usize =
        progress.counts.iter().filter(|(health, _)| **health != AgentHealth::Healthy).map(|(_, count)| count).sum();
    let is_on = progress.ended.is_none();
    let worst = progress.counts.keys().max_by_key(|health| mark(**health)).map_or(Mark::Ok, |health| mark(*health));
    let verdict = match (is_on, run.total, unwell) {
        (true, total, _) => format!("{} of {} asked", grouped(progress.done as u64), grouped(total as u64)),
        (false, 0, _) => "There is no agent to ask".to_owned(),
        (false, 1, 0) => "The agent is healthy".to_owned(),
        (false, total, 0) => format!("All {} are healthy", counted(total, "agent")),
        (false, total, unwell) => {
            format!("{} of {} are not healthy", grouped(unwell as u64), counted(total, "agent"))
        }
    };
    let others = unwell - progress.unwell.len().min(unwell);
    Ok(CheckPart {
        id: run.id,
        mark: match (is_on, run.total) {
            (true, _) => Mark::Run,
            (false, 0) => Mark::Off,
            _ => worst,
        },
        verdict,
        about: match progress.ended {
            Some(ended) => {
                let took = ended.since(run.began).as_secs();
                if took < 2 { "within 2 seconds".to_owned() } else { format!("in {took} seconds") }
            }
            None => format!("{AT_ONCE} at a time"),
        },
        began: When::new(run.began, now),
        is_on,
        done: (progress.done * 1000).checked_div(run.total).unwrap_or(1000),
        counts: AgentHealth::ALL
            .iter()
            .filter_map(|health| {
                let count = *progress.counts.get(health)?;
                Some((mark(*health), format!("{} {}", grouped(count as u64), word(*health))))
            })
            .collect(),
        unwell: progress.unwell.iter().map(shown).collect(),
        others: (others > 0).then(|| format!("{} more are not healthy.", grouped(others as u64))),
        // Why somebody is not well stands above.
        newest: progress.newest.iter().map(|line| ShownLine { says: answered(line), ..shown(line) }).collect(),
    })
}

fn shown(line: &Line) -> ShownLine {
    ShownLine {
        time: time_of_day(line.at),
        machine: line.at.to_string(),
        mark: mark(line.health),
        label: word(line.health),
        name: line.name.clone(),
        says: line.says.clone(),
    }
}

fn answered(line: &Line) -> String {
    format!("{}, {} ms", word(line.health), grouped(line.milliseconds))
}

fn mark(health: AgentHealth) -> Mark {
    match health {
        AgentHealth::Healthy => Mark::Ok,
        AgentHealth::HasWarnings => Mark::Warn,
        AgentHealth::Unhealthy => Mark::Bad,
        AgentHealth::Unavailable | AgentHealth::Unknown => Mark::Unknown,
    }
}

fn word(health: AgentHealth) -> &'static str {
    match health {
        AgentHealth::Healthy => "healthy",
        AgentHealth::HasWarnings => "with warnings",
        AgentHealth::Unhealthy => "unhealthy",
        AgentHealth::Unavailable => "out of reach",
        AgentHealth::Unknown => "not known",
    }
}

/// As many as one check of all asks.
const AT_ONCE: usize = 256;
/// Runs that can be looked at.
const RUNS: usize = 20;
/// Agents of which is kept what was found.
const FOUND: usize = 2000;
/// More causes are not read.
const UNWELL: usize = 100;
/// What is seen of those who answered last.
const NEWEST: usize = 12;
