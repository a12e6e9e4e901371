//! One agent: how it is and why, how far the way to it goes, who it is, what it says of itself, what is delivered to it.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use portward_api::{AgentCheckStep, AgentDisk, AgentView};
use portward_core::{AgentHealth, Timestamp};
use serde_json::json;

use super::{
    super::{
        answer,
        deliveries::{Row, rows},
        equivalents::{DifferenceLine, Equivalents, curl, word},
        for_people::for_people,
        form::Form,
        frame::{Frame, Nav},
        slip::Slip,
        view::{Mark, When, in_fours, span},
        visit::Visit,
    },
    Head, moment,
    row::health,
};
use crate::app::{AppError, Right, right};

#[derive(Template)]
#[template(path = "agents/detail.html")]
struct DetailPage {
    frame: Frame,
    head: Head,
    part: Part,
    /// What is typed on the machine of an agent that was never heard.
    first: Option<First>,
    change: ChangeForm,
    refused: Option<(&'static str, String)>,
    may_change: bool,
    equivalents: Equivalents,
}

/// Is what of the page changes by itself.
#[derive(Template)]
#[template(path = "agents/detail-live.html")]
struct Part {
    name: String,
    mark: Mark,
    word: String,
    reasons: Vec<String>,
    steps: Vec<Step>,
    checked: Option<When>,
    asked: Option<When>,
    remedies: Vec<String>,
    /// Thumbprint, what it is, and its id in the page.
    prints: Vec<Print>,
    trusted: Option<When>,
    origin: &'static str,
    listening: Option<String>,
    address: Option<String>,
    heard: Option<When>,
    trust_is_newest: bool,
    report: Option<Report>,
    deliveries: Vec<Row>,
    may_check: bool,
    may_deliver: bool,
}

/// Is both, for the page that is open.
#[derive(Template)]
#[template(source = "{{ head|safe }}{{ part|safe }}", ext = "html")]
struct Live {
    head: Head,
    part: Part,
}

struct Step {
    name: String,
    mark: Mark,
    label: &'static str,
    message: String,
    remedy: Option<String>,
}

struct Print {
    title: &'static str,
    about: &'static str,
    id: &'static str,
    hex: String,
}

/// Is what the agent said of itself.
struct Report {
    version: String,
    platform: String,
    host_name: String,
    started: Option<When>,
    clock_mark: Mark,
    clock: String,
    since: Option<When>,
    not_after: Option<When>,
    trusts: Vec<String>,
    disks: Vec<Disk>,
    directories: Vec<String>,
    profiles: Vec<String>,
    policy_problem: Option<String>,
}

struct Disk {
    path: String,
    mark: Mark,
    room: String,
}

struct First {
    trust: String,
    dial: Option<String>,
}

struct ChangeForm {
    thumbprint: String,
    listening: String,
    is_listening: bool,
    slip: Option<Slip>,
}

impl ChangeForm {
    fn at(&self, field: &str) -> Option<&str> {
        self.slip.as_ref()?.at(field)
    }
}

/// Shows it.
pub(in crate::portal) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None, None).await?)
}

/// Shows what of it changes, for the page that is open.
pub(in crate::portal) async fn show_live(visit: Visit<right::View>) -> Result<Response, AppError> {
    let view = visit.app.show_agent(&visit.by, visit.param("name")).await?.view;
    let (head, part) = parts(&visit, &view).await?;
    answer::html(&Live { head, part })
}

/// Shows it again, as something was not done; `at` says at which form.
pub(super) async fn refuse<R: Right>(
    visit: &Visit<R>,
    at: &'static str,
    error: AppError,
    typed: Option<&Form>,
) -> Result<Response, AppError> {
    if [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&error.status()) || error.status().is_server_error() {
        return Err(error);
    }
    let status = error.status();
    answer::with_status(status, &page(visit, Some((at, error)), typed).await?)
}

async fn page<R: Right>(
    visit: &Visit<R>,
    refused: Option<(&'static str, AppError)>,
    typed: Option<&Form>,
) -> Result<DetailPage, AppError> {
    let by = visit.may::<right::View>()?;
    let view = visit.app.show_agent(&by, visit.param("name")).await?.view;
    let slip = refused.as_ref().filter(|(at, _)| *at == "change");
    let slip =
        slip.map(|(_, error)| Slip::of(error, &["thumbprint", "listening"], &[("thumbprint-in-use", "thumbprint")]));
    let said = |name: &str, stored: &str| typed.and_then(|form| form.given(name)).unwrap_or(stored).to_owned();
    let stored = view.listening.clone().unwrap_or_default();
    let (head, part) = parts(visit, &view).await?;
    Ok(DetailPage {
        frame: visit.frame(Nav::Agents, view.name.clone()),
        first: first(visit, &view),
        change: ChangeForm {
            thumbprint: said("thumbprint", &in_fours(&view.thumbprint)),
            is_listening: said("dialling", &view.dialling) == "listening",
            listening: said("listening", &stored),
            slip,
        },
        refused: refused.map(|(at, error)| (at, answer::sentence(&error))),
        may_change: visit.may::<right::AgentChange>().is_ok(),
        equivalents: Equivalents {
            cli: format!("portward agent show {0}\nportward agent check {0}", word(&view.name)),
            curl: curl(&http::Method::POST, "/api/v1/agent-checks", Some(&json!({ "names": [view.name] }))),
            ..Equivalents::default()
        },
        head,
        part,
    })
}

impl DetailPage {
    /// Why the form at a place was not taken.
    fn refusal(&self, at: &str) -> Option<&str> {
        self.refused.as_ref().filter(|(refused, _)| *refused == at).map(|(_, text)| text.as_str())
    }
}

async fn parts<R: Right>(visit: &Visit<R>, view: &AgentView) -> Result<(Head, Part), AppError> {
    let (by, now) = (visit.may::<right::View>()?, visit.app.now());
    let heard_at = view.last_heard.as_deref().and_then(|at| Timestamp::parse(at).ok());
    let health_of = AgentHealth::parse(&view.health).unwrap_or(AgentHealth::Unknown);
    let (mark, word) = health(health_of, view.connected, heard_at, now);
    let deliveries = visit.app.list_deliveries(&by).await?;
    let of_it: Vec<_> = deliveries.into_iter().filter(|delivery| delivery.agent == view.name).collect();
    let found = visit.app.checks().found(&view.name);
    let steps: Vec<Step> =
        found.as_ref().map(|found| found.checked.steps.iter().map(step).collect()).unwrap_or_default();
    // What was found step by step says it apart from what to do.
    let bad: Vec<String> =
        steps.iter().filter(|step| step.mark == Mark::Bad).map(|step| step.message.clone()).collect();
    let is_newest = found.as_ref().is_some_and(|found| found.checked.reasons == view.reasons);
    let reasons =
        if is_newest && !bad.is_empty() { bad } else { view.reasons.iter().map(|reason| for_people(reason)).collect() };
    let mut facts = vec![match &view.listening {
        Some(address) => format!("Portward dials it at {address}"),
        None => "it dials".to_owned(),
    }];
    if let Some(version) = &view.version {
        facts.push(format!("version {version}"));
    }
    let mut prints = vec![Print {
        title: "SHA-256",
        about: "It has to show this one. Compare with portward-agent show-thumbprint there.",
        id: "current",
        hex: in_fours(&view.thumbprint),
    }];
    if let Some(next) = &view.next_thumbprint {
        prints.push(Print {
            title: "Next",
            about: "SHA-256 too. It offered this one itself, and shows it from its next connection on.",
            id: "next",
            hex: in_fours(next),
        });
    }
    if let Some(previous) = &view.previous_thumbprint {
        prints.push(Print {
            title: "Before",
            about: "SHA-256 too. It still counts, for a while.",
            id: "previous",
            hex: in_fours(previous),
        });
    }
    let head = Head { mark, word: word.clone(), facts };
    let part = Part {
        name: view.name.clone(),
        mark,
        word,
        reasons,
        remedies: steps.iter().filter(|step| step.mark == Mark::Bad).filter_map(|step| step.remedy.clone()).collect(),
        steps,
        checked: found.map(|found| When::new(found.at, now)),
        asked: moment(view.checked.as_deref(), now),
        prints,
        trusted: moment(Some(&view.trusted), now),
        origin: match view.origin.as_str() {
            "joined" => "it joined with a join string",
            "approved" => "it came by itself and was approved",
            _ => "its thumbprint was given",
        },
        listening: view.listening.clone(),
        address: view.address.clone(),
        heard: moment(view.last_heard.as_deref(), now),
        trust_is_newest: view.trust_is_newest,
        report: view.report.as_ref().map(|report| Report {
            version: view.version.clone().unwrap_or_default(),
            platform: report.platform.clone(),
            host_name: report.host_name.clone(),
            started: moment(Some(&report.started), now),
            clock_mark: if !view.connected {
                Mark::Unknown
            } else if report.clock_difference.unsigned_abs() > CLOCK {
                Mark::Warn
            } else {
                Mark::Ok
            },
            // What it said last is compared with the time at which it was called last, and may not have answered.
            clock: if view.connected { clock(report.clock_difference) } else { "not known now".to_owned() },
            since: moment(Some(&report.identity_since), now),
            not_after: moment(Some(&report.identity_not_after), now),
            trusts: report.trusts.iter().map(|pin| in_fours(pin)).collect(),
            disks: report.disks.iter().map(disk).collect(),
            directories: report.directories.clone(),
            profiles: report.profiles.clone(),
            policy_problem: report.policy_problem.clone(),
        }),
        deliveries: rows(&of_it, now),
        may_check: visit.may::<right::AgentCheck>().is_ok(),
        may_deliver: visit.may::<right::DeliveryChange>().is_ok(),
    };
    Ok((head, part))
}

fn step(step: &AgentCheckStep) -> Step {
    let (mark, label) = match step.mark.as_str() {
        "good" => (Mark::Ok, "good"),
        "warning" => (Mark::Warn, "warning"),
        "bad" => (Mark::Bad, "failed"),
        _ => (Mark::Off, "not tried"),
    };
    let name = match step.step.as_str() {
        "dns" => "Name",
        "tcp" => "Connection",
        "tls" => "TLS",
        "thumbprint" => "Thumbprint",
        "opening" => "Opening",
        "link" => "Link",
        "health" => "Health",
        other => other,
    };
    Step {
        name: name.to_owned(),
        mark,
        label,
        message: for_people(&step.message),
        remedy: step.remedy.as_deref().map(for_people),
    }
}

/// What is to be done on the machine before it is heard first; nothing once it was, or if it joined.
fn first<R: Right>(visit: &Visit<R>, view: &AgentView) -> Option<First> {
    if view.last_heard.is_some() || view.origin == "joined" {
        return None;
    }
    let ours = visit.app.agents().identities()?.current.thumbprint();
    let addresses = visit.app.agents().addresses().iter().map(ToString::to_string).collect::<Vec<_>>();
    let port = view.listening.as_deref().and_then(|address| address.rsplit_once(':'));
    let listen = port.map_or(String::new(), |(_, port)| format!(" --port={port}"));
    let dial = view.listening.is_none().then(|| {
        let places = if addresses.is_empty() { "HOST:PORT".to_owned() } else { addresses.join(" ") };
        format!("portward-agent poll-server {places}")
    });
    Some(First { trust: format!("portward-agent configure --trust={ours}{listen}"), dial })
}

fn clock(ahead: i64) -> String {
    match ahead {
        -2..=2 => "as the server’s".to_owned(),
        ahead if ahead > 0 => format!("{} ahead of the server’s", span(ahead.unsigned_abs())),
        ahead => format!("{} behind the server’s", span(ahead.unsigned_abs())),
    }
}

fn disk(disk: &AgentDisk) -> Disk {
    let per_cent = if disk.total == 0 { 0 } else { disk.free / (disk.total / 100).max(1) };
    Disk {
        path: disk.path.clone(),
        mark: if per_cent < 5 { Mark::Warn } else { Mark::Ok },
        room: format!("{} free of {}", size(disk.free), size(disk.total)),
    }
}

/// As in "12 GB".
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        1_000_000_000..1_000_000_000_000 => format!("{} GB", bytes / 1_000_000_000),
        _ => format!("{:.1} TB", bytes as f64 / 1e12),
    }
}

/// As the judge of health has it.
const CLOCK: u64 = 60;
