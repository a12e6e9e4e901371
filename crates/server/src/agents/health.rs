//! How an agent is, judged from what it says.

use std::time::Duration;

use portward_core::{AgentHealth, AgentSettings, Timestamp};
use portward_link::{
    CallError,
    message::{HealthReport, ServedReport},
};

use super::{Live, ages};

/// Says how an agent was found last.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// How it is.
    pub(crate) health: AgentHealth,
    /// Why it is not healthy, a sentence each.
    pub(crate) reasons: Vec<String>,
    /// When it was asked; none if it never was.
    pub(crate) checked: Option<Timestamp>,
    /// When it was last heard.
    pub(crate) last_heard: Option<Timestamp>,
    /// Where it was.
    pub(crate) address: Option<String>,
    /// What it said.
    pub(crate) report: Option<HealthReport>,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            health: AgentHealth::Unknown,
            reasons: Vec::new(),
            checked: None,
            last_heard: None,
            address: None,
            report: None,
        }
    }
}

impl Standing {
    /// An agent that was called and did not answer as it should.
    pub(crate) fn failed(error: &CallError, now: Timestamp) -> Self {
        let health = match error {
            CallError::Fault(_) | CallError::Garbled(_) => AgentHealth::Unhealthy,
            CallError::TimedOut(_) | CallError::Lost(_) => AgentHealth::Unavailable,
        };
        Self { health, reasons: vec![sentence(&error.to_string())], checked: Some(now), ..Self::default() }
    }

    /// An agent that was not reached.
    pub(crate) fn unavailable(reason: String, now: Timestamp) -> Self {
        Self { health: AgentHealth::Unavailable, reasons: vec![reason], checked: Some(now), ..Self::default() }
    }
}

/// Judges what an agent says of itself.
///
/// `identity_age` is the age at which its identity is followed by a new one, if it is by itself.
pub(crate) fn judge(report: &HealthReport, live: &Live, identity_age: Option<Duration>, now: Timestamp) -> Standing {
    let (mut wrong, mut warnings) = (Vec::new(), Vec::new());
    // Without a policy an agent is as it is meant to be, as long as nothing is installed.
    if let Some(problem) = report.policy.problem.as_ref().filter(|_| !report.installed.is_empty()) {
        wrong.push(format!("Its policy {} does not count: {problem}", report.policy.path));
    }
    for installed in &report.installed {
        if let Some(problem) = &installed.problem {
            wrong.push(format!("{}: {problem}", installed.delivery));
        }
        match &installed.served {
            Some(ServedReport::Thumbprint(served)) if *served != installed.thumbprint => wrong.push(format!(
                "{}: the certificate {served} is served there, and {} was installed; run its reload there",
                installed.delivery, installed.thumbprint
            )),
            Some(ServedReport::Unseen(why)) => {
                wrong.push(format!("{}: it cannot be seen what is served: {why}", installed.delivery));
            }
            _ => {}
        }
    }
    let of_policy = |code: &str| code == "policy" && !wrong.is_empty();
    // An agent goes by a year, and does not know what is wanted here.
    let of_age = |code: &str| code == "identity-age";
    let told = report.warnings.iter().filter(|warning| !of_policy(&warning.code) && !of_age(&warning.code));
    warnings.extend(told.map(|warning| sentence(&warning.message)));
    let ahead = report.now.saturating_sub(now.unix());
    if ahead.unsigned_abs() > CLOCK.as_secs() {
        let (seconds, way) = (ahead.unsigned_abs(), if ahead > 0 { "ahead of" } else { "behind" });
        warnings.push(format!(
            "Its clock is {seconds} s {way} the server's; set it (chrony or systemd-timesyncd), as certificates have dates."
        ));
    }
    let age = ages::age(report, now, now);
    if AgentSettings::is_overdue(age, identity_age) {
        let by_itself = match identity_age {
            Some(age) => format!("; it should have made a new one after {} at most", days(age)),
            None => String::new(),
        };
        warnings.push(format!(
            "It has its identity for {}{by_itself}; have it make one: portward agent rotate NAME, or there: portward-agent new-certificate.",
            days(age)
        ));
    }
    if report.version != env!("CARGO_PKG_VERSION") {
        warnings.push(format!(
            "It is version {}, and the server is {}; install the server's version there.",
            report.version,
            env!("CARGO_PKG_VERSION")
        ));
    }
    if report.user_id != 0 && !report.installed.is_empty() {
        warnings.push("It does not run as root, and installs files only where its own user may.".to_owned());
    }
    let health = match (wrong.is_empty(), warnings.is_empty()) {
        (false, _) => AgentHealth::Unhealthy,
        (true, false) => AgentHealth::HasWarnings,
        (true, true) => AgentHealth::Healthy,
    };
    wrong.append(&mut warnings);
    Standing {
        health,
        reasons: wrong,
        checked: Some(now),
        last_heard: Some(now),
        address: live.caller.peer().address.map(|address| address.to_string()),
        report: Some(report.clone()),
    }
}

fn days(age: Duration) -> String {
    match age.as_secs() / DAY {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// An error as a sentence of its own.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let rest = letters.as_str();
    ended(&format!("{first}{rest}"))
}

/// A text with what ends a sentence.
pub(super) fn ended(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{text}{end}")
}

const DAY: u64 = 24 * 3600;
/// A clock that is further off than this is set by nobody.
const CLOCK: Duration = Duration::from_secs(60);
