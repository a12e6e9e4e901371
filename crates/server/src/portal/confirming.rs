//! The question whether a change stays that could shut somebody out, on every page until it is answered.

use axum::response::Response;
use portward_api::{TrialOutcome, TrialStep};
use portward_core::Timestamp;

use super::{
    answer,
    view::{Mark, grouped},
    visit::Visit,
};
use crate::{
    app::{Actor, App, AppError, right},
    web::{Listener, Way},
};

/// Is what the dialog says.
pub(super) struct Confirming {
    /// Names the change.
    pub(super) id: String,
    /// What it is.
    pub(super) what: String,
    /// The revision that it made.
    pub(super) revision: String,
    /// Seconds that are left.
    pub(super) left: u64,
    /// Of how many.
    pub(super) of: u64,
    /// The part of the ring that is left, in hundredths.
    pub(super) arc: String,
    /// When it goes back.
    pub(super) deadline: String,
    /// What was tried: mark, what the mark says, and what was found.
    pub(super) checks: Vec<(Mark, &'static str, String)>,
    /// Where the new way begins.
    pub(super) url: Option<String>,
    /// Whether the page came by it.
    pub(super) is_new_way: bool,
    /// By which way the page came, in words.
    pub(super) came: &'static str,
    /// Where one is, and stays.
    pub(super) next: String,
}

impl Confirming {
    /// What waits first of what somebody may answer, on a page that came a way; `next` is where one goes on.
    pub(super) fn of(app: &App, actor: &Actor, way: Option<&Way>, next: impl FnOnce() -> String) -> Option<Self> {
        let waiting = app.first_confirmation(actor)?;
        let view = app.confirmation_view(&waiting);
        let came = match way.map(|way| way.listener) {
            Some(Listener::Binding) => "over the new way in",
            _ => "on the machine itself, where nobody is shut out",
        };
        Some(Self {
            id: view.id,
            what: view.what,
            revision: grouped(view.revision),
            left: view.seconds_left,
            of: view.seconds,
            arc: hundredths(view.seconds_left, view.seconds),
            deadline: time_of_day(waiting.deadline),
            checks: checks(&view.trial),
            url: view.url,
            is_new_way: app.is_new_way(&waiting, way),
            came,
            next: next(),
        })
    }
}

/// Takes the answer.
pub(super) async fn answer(mut visit: Visit<right::View>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let next = local(form.text("next"));
    let id = visit.param("id").to_owned();
    let answered = match form.text("answer") {
        "keep" => visit.app.keep(&visit.by, &id, visit.way.as_ref()).await?,
        _ => visit.app.go_back(&visit.by, &id).await?,
    };
    let said = if answered.kept {
        "The new settings stay.".to_owned()
    } else {
        format!("What was there before revision {} is served again.", grouped(answered.change))
    };
    Ok(visit.done(&next, said))
}

/// Takes a change back.
pub(super) async fn undo(mut visit: Visit<right::View>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let revision = form.text("revision").parse().map_err(|_| AppError::not_found("revision", form.text("revision")))?;
    let undone = visit.app.undo(&visit.by, revision).await?;
    Ok(visit.told(&visit.referer(), format!("Undone: {}.", undone.what)))
}

/// A path of the portal; its start for anything else.
///
/// Browsers take out tabs and ends of lines, and read `\` as `/` (WHATWG URL, section 4.4): none of them is in a path.
pub(super) fn local(path: &str) -> String {
    let is_local = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains(|c: char| c == '\\' || c.is_control() || c.is_whitespace());
    if is_local { path.to_owned() } else { "/".to_owned() }
}

/// What was tried, in few lines: what passed at several addresses is one.
fn checks(steps: &[TrialStep]) -> Vec<(Mark, &'static str, String)> {
    let passed = |names: &[&str]| {
        let steps = steps.iter().filter(|step| step.outcome == TrialOutcome::Passed && names.contains(&&*step.step));
        let mut messages: Vec<&str> = steps.map(|step| step.message.as_str()).collect();
        messages.dedup();
        messages.join(", ")
    };
    let lines = [passed(&["tcp"]), passed(&["tls", "certificate", "name"])];
    let mut checks: Vec<_> = lines
        .into_iter()
        .filter(|line| !line.is_empty())
        .map(|line| (Mark::Ok, "passed", answer::as_sentence(&line)))
        .collect();
    for step in steps.iter().filter(|step| step.outcome != TrialOutcome::Passed) {
        let line = answer::as_sentence(&step.message);
        if !checks.iter().any(|(_, _, text)| *text == line) {
            checks.push((Mark::Warn, "warning", line));
        }
    }
    checks
}

fn hundredths(left: u64, of: u64) -> String {
    let tenths = left * 1000 / of.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// As in "14:33:18 UTC".
fn time_of_day(at: Timestamp) -> String {
    format!("{} UTC", at.to_string().get(11..19).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for (path, expected) in [
            ("/bindings?a=b", "/bindings?a=b"),
            ("//evil.example", "/"),
            ("https://evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("/\r\n/evil.example", "/"),
            (" //evil.example", "/"),
            ("", "/"),
        ] {
            assert_eq!(local(path), expected, "{path}");
        }
    }

    #[test]
    fn the_ring_is_full_at_first_and_empty_at_the_end() {
        assert_eq!(
            (hundredths(60, 60), hundredths(43, 60), hundredths(0, 60)),
            ("100.0".into(), "71.6".into(), "0.0".into())
        );
    }
}
