//! Agents for people.

use portward_api::{AgentChecked, AgentJoinView, AgentReport, AgentView, Effect, StrangerView};
use portward_core::{AgentHealth, AgentName, AgentOrigin};

use super::or_none;
use crate::{
    rail::cut,
    table::{Cell, Colour, Table, Tone},
};

/// One line for each agent.
pub(crate) fn agents(agents: &[AgentView], colour: Colour) -> String {
    if agents.is_empty() {
        return NO_AGENT.to_owned();
    }
    let mut table = Table::new(&["NAME", "HEALTH", "LINK", "VERSION", "DELIVERIES", "WHY"]);
    for agent in agents {
        let why = agent.reasons.first().map(|reason| cut(reason, REASON)).unwrap_or_default();
        table.row([
            (&agent.name).into(),
            health(&agent.health),
            link(agent),
            agent.version.as_deref().unwrap_or_default().into(),
            agent.deliveries.to_string().into(),
            why.into(),
        ]);
    }
    table.render(colour)
}

/// One line for each thing that is known of an agent.
pub(crate) fn agent(agent: &AgentView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["name".into(), (&agent.name).into()]);
    table.row(["health".into(), health(&agent.health)]);
    for reason in &agent.reasons {
        table.row(["".into(), reason.into()]);
    }
    let dialling = match &agent.listening {
        Some(address) => format!("Portward, at {address}"),
        None => "the agent".to_owned(),
    };
    table.row(["who dials".into(), dialling.into()]);
    table.row(["link".into(), link(agent)]);
    let fields = [
        ("address", &agent.address),
        ("last heard", &agent.last_heard),
        ("checked", &agent.checked),
        ("version", &agent.version),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            table.row([name.into(), value.into()]);
        }
    }
    table.row(["thumbprint".into(), (&agent.thumbprint).into()]);
    for (name, value) in [("next", &agent.next_thumbprint), ("before", &agent.previous_thumbprint)] {
        if let Some(value) = value {
            table.row([name.into(), value.into()]);
        }
    }
    table.row(["trusted".into(), format!("{} ({})", agent.trusted, agent.origin).into()]);
    table.row([
        "knows us".into(),
        if agent.trust_is_newest { "by the newest state" } else { "not yet by the newest state" }.into(),
    ]);
    table.row(["deliveries".into(), agent.deliveries.to_string().into()]);
    if let Some(report) = &agent.report {
        rows_of(report, &mut table);
    }
    table.render(colour)
}

fn rows_of(report: &AgentReport, table: &mut Table) {
    table.row(["host name".into(), (&report.host_name).into()]);
    table.row(["platform".into(), (&report.platform).into()]);
    table.row(["runs since".into(), (&report.started).into()]);
    table.row(["clock".into(), clock(report.clock_difference).into()]);
    let identity = format!("since {}, dated until {}", report.identity_since, report.identity_not_after);
    table.row(["identity".into(), identity.into()]);
    for (index, thumbprint) in report.trusts.iter().enumerate() {
        table.row([if index == 0 { "trusts" } else { "" }.into(), thumbprint.into()]);
    }
    for (index, disk) in report.disks.iter().enumerate() {
        let text = format!("{}: {} of {} free", disk.path, size(disk.free), size(disk.total));
        table.row([if index == 0 { "disks" } else { "" }.into(), text.into()]);
    }
    let directories = if report.directories.is_empty() { "nowhere".to_owned() } else { report.directories.join(", ") };
    table.row(["may write".into(), directories.into()]);
    table.row(["profiles".into(), or_none(&report.profiles).into()]);
    if let Some(problem) = &report.policy_problem {
        table.row(["policy".into(), Cell::toned(problem, Tone::Bad)]);
    }
}

/// How agents were found: one of them step by step, several a line each with what to do.
pub(crate) fn agents_checked(checked: &[AgentChecked], colour: Colour) -> String {
    match checked {
        [] => NO_AGENT.to_owned(),
        [one] => steps(one, colour),
        several => {
            let mut table = Table::new(&["NAME", "HEALTH", "WHY"]);
            for agent in several {
                let lines = explained(agent);
                let mut lines = lines.iter();
                let first = lines.next().map_or_else(String::new, ToString::to_string);
                table.row([(&agent.name).into(), health(&agent.health), first.into()]);
                for line in lines {
                    table.row(["".into(), "".into(), (*line).into()]);
                }
            }
            table.render(colour)
        }
    }
}

/// The reasons, and what to do that they do not say already.
fn explained(agent: &AgentChecked) -> Vec<&str> {
    let mut lines: Vec<&str> = agent.reasons.iter().map(String::as_str).collect();
    for remedy in agent.steps.iter().filter_map(|step| step.remedy.as_deref()) {
        if !lines.iter().any(|line| line.contains(remedy)) {
            lines.push(remedy);
        }
    }
    lines
}

fn steps(checked: &AgentChecked, colour: Colour) -> String {
    let verdict = format!("{} is {}", checked.name, tone_of(&checked.health).paint(&checked.health, colour));
    let mut table = Table::of_fields();
    let mut told: Vec<&str> = Vec::new();
    for step in &checked.steps {
        let (mark, tone) = match step.mark.as_str() {
            "good" => ('+', Tone::Good),
            "warning" => ('!', Tone::Warning),
            "bad" => ('x', Tone::Bad),
            _ => ('-', Tone::Plain),
        };
        table.row([Cell::toned(&format!("{mark} {}", step.mark), tone), (&step.step).into(), (&step.message).into()]);
        told.push(&step.message);
        if let Some(remedy) = &step.remedy {
            table.row(["".into(), "".into(), remedy.into()]);
            told.push(remedy);
        }
    }
    // What a step says is said; a reason may have several of them in it.
    for reason in checked
        .reasons
        .iter()
        .filter(|reason| !told.iter().any(|told| reason.contains(told) || told.contains(reason.as_str())))
    {
        table.row(["".into(), "".into(), reason.into()]);
    }
    format!("{verdict} ({} ms).\n{}", checked.milliseconds, table.render(colour))
}

/// Who wants to be trusted, and how that is answered.
pub(crate) fn waiting_agents(waiting: &[StrangerView]) -> String {
    if waiting.is_empty() {
        return NOBODY_WAITS.to_owned();
    }
    let mut text = match waiting.len() {
        1 => "1 waits to be approved. ".to_owned(),
        count => format!("{count} wait to be approved. "),
    };
    text.push_str("Compare the thumbprint on the machine first: portward-agent show-thumbprint\n");
    let mut table = Table::of_fields();
    for stranger in waiting {
        table.row([
            (&stranger.id).into(),
            "came from".into(),
            format!("{}, {}", stranger.address, stranger.last_seen).into(),
        ]);
        table.row(["".into(), "thumbprint".into(), (&stranger.thumbprint).into()]);
        table.row(["".into(), "says it is".into(), (&stranger.subject).into()]);
        if let Some(former) = &stranger.former {
            table.row(["".into(), "before".into(), format!("this thumbprint was that of {former}").into()]);
        }
        table.row(["".into(), "approve".into(), approval(stranger).into()]);
    }
    text + table.render(Colour::None).trim_end()
}

/// The command that trusts somebody, with a name if they bring none.
fn approval(stranger: &StrangerView) -> String {
    let said = stranger.subject.strip_prefix("CN=").is_some_and(|name| AgentName::parse(name).is_ok());
    let name = if said || stranger.former.is_some() { "" } else { " --name NAME" };
    format!("portward agent approve {}{name}", stranger.id)
}

/// Tells of a join string, beside the string itself.
pub(crate) fn join_created(join: &AgentJoinView) -> String {
    format!(
        "The line lets one machine join as {}, until {}; it is not shown again.\nThe agent will dial {}.\nOn the machine, as root: portward-agent join -   (then paste the line)",
        join.name,
        join.expires,
        join.addresses.join(", ")
    )
}

/// Tells of a join string that would be made.
pub(crate) fn join_dry(join: &AgentJoinView) -> String {
    format!(
        "A line would let one machine join as {}, until {}, dialling {}. Nothing was changed.",
        join.name,
        join.expires,
        join.addresses.join(", ")
    )
}

/// Tells that an agent is trusted.
pub(crate) fn agent_trusted(agent: &AgentView, effect: Effect) -> String {
    let name = &agent.name;
    if effect == Effect::DryRun {
        return format!("The agent {name} would be trusted. Nothing was changed.");
    }
    let comes = match &agent.listening {
        Some(address) => format!("is dialled at {address}"),
        None => "comes within a minute if it runs".to_owned(),
    };
    let mut text = format!("The agent {name} is trusted, and {comes}. See how it is: portward agent check {name}");
    if AgentOrigin::parse(&agent.origin) == Some(AgentOrigin::Thumbprint) {
        text.push_str(BOTH_WAYS);
    }
    text
}

/// Tells that an agent has a new identity.
pub(crate) fn agent_rotated(agent: &AgentView) -> String {
    format!(
        "The agent {0} has a new identity, and shows it from its next connection on. See: portward agent show {0}",
        agent.name
    )
}

fn health(word: &str) -> Cell {
    Cell::toned(word, tone_of(word))
}

fn tone_of(word: &str) -> Tone {
    match AgentHealth::parse(word) {
        Some(AgentHealth::Healthy) => Tone::Good,
        Some(AgentHealth::HasWarnings) => Tone::Warning,
        Some(AgentHealth::Unhealthy | AgentHealth::Unavailable) => Tone::Bad,
        Some(AgentHealth::Unknown) | None => Tone::Plain,
    }
}

fn link(agent: &AgentView) -> Cell {
    match (&agent.last_heard, agent.connected) {
        (_, true) => "up".into(),
        (Some(last), false) => Cell::toned(&format!("down since {last}"), Tone::Warning),
        (None, false) => "never seen".into(),
    }
}

fn clock(difference: i64) -> String {
    let seconds = difference.unsigned_abs();
    match difference {
        0 => "as ours".to_owned(),
        1.. => format!("{seconds} s ahead of ours"),
        _ => format!("{seconds} s behind ours"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    match bytes {
        0..MIB => format!("{} KiB", bytes / 1024),
        _ if bytes < 1024 * MIB => format!("{} MiB", bytes / MIB),
        _ => format!("{:.1} GiB", bytes as f64 / (1024 * MIB) as f64),
    }
}

/// Where a reason is cut in a list; `portward agent show` has all of it.
const REASON: usize = 60;
const BOTH_WAYS: &str = "\nIt has to trust this server too, if it does not yet: portward-agent configure --trust=THUMBPRINT, with the one that portward show-thumbprint prints.";
const NO_AGENT: &str = "No agent yet. An agent on another machine installs the certificates of this server there. Let one join: portward agent add NAME\n";
const NOBODY_WAITS: &str = "Nobody waits to be approved. Who calls and is not trusted is listed here.";
