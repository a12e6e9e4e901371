//! The rail of an attempt: how far an order has come, and its timeline.

use portward_api::acme::{AttemptView, EventView, OutcomeView};
use portward_core::{Timestamp, acme::Stage};

use super::view::{Mark, sentence_case, time_of_day};

/// Is one station of the rail.
pub(super) struct Station {
    /// Its name.
    pub(super) name: &'static str,
    /// `done`, `now`, `stop`, `next` or `never`.
    pub(super) class: &'static str,
    /// Its mark.
    pub(super) mark: Mark,
    /// What the mark says.
    pub(super) label: &'static str,
    /// What stands below it.
    pub(super) sub: String,
}

/// Is one entry of the timeline.
pub(super) struct Entry {
    pub(super) time: String,
    pub(super) machine: String,
    pub(super) mark: Mark,
    pub(super) label: &'static str,
    pub(super) text: String,
    /// The CA's own words.
    pub(super) verbatim: Option<String>,
}

/// Says how an attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    /// It is under way.
    On,
    /// Its certificate is served.
    Served,
    /// It failed.
    Failed,
}

impl Going {
    /// How that attempt goes.
    pub(super) fn of(attempt: &AttemptView) -> Self {
        match &attempt.outcome {
            None => Self::On,
            Some(OutcomeView::Served { .. }) => Self::Served,
            Some(OutcomeView::Failed { .. }) => Self::Failed,
        }
    }
}

/// The stations of an attempt.
pub(super) fn stations(attempt: &AttemptView) -> Vec<Station> {
    let going = Going::of(attempt);
    let stage = Stage::parse(&attempt.stage).unwrap_or(Stage::Planned);
    let at = match going {
        Going::Served => STATIONS.len(),
        Going::On | Going::Failed => working_at(stage),
    };
    let station = |(index, (of, name)): (usize, &(Stage, &'static str))| {
        let is_first = index == at;
        let (class, mark, label) = match going {
            _ if index < at => ("done", Mark::Ok, "done"),
            Going::Failed if is_first => ("stop", Mark::Bad, "failed"),
            Going::Failed => ("never", Mark::Off, "not reached"),
            _ if is_first => ("now", Mark::Run, "running"),
            _ => ("next", Mark::Off, "to come"),
        };
        let sub = match class {
            "done" if *of == Stage::Published => "seen on the wire".to_owned(),
            "done" => reached(attempt, *of).map(time_of_day).unwrap_or_default(),
            "now" => last(attempt).map(|since| format!("since {}", time_of_day(since))).unwrap_or_default(),
            "next" if *of == Stage::Published => "seen on the wire".to_owned(),
            _ => String::new(),
        };
        Station { name, class, mark, label, sub }
    };
    STATIONS.iter().enumerate().map(station).collect()
}

/// Where the rail stands: its stage is reached, and what comes after it is being done.
pub(super) fn standing(attempt: &AttemptView) -> (Mark, String) {
    let at = working_at(Stage::parse(&attempt.stage).unwrap_or(Stage::Planned));
    let name = STATIONS.get(at).map_or("Served", |(_, name)| name);
    match Going::of(attempt) {
        Going::Served => (Mark::Ok, "Served".to_owned()),
        Going::Failed => (Mark::Bad, format!("Failed at {name}")),
        Going::On => (Mark::Run, DOING.get(at).copied().unwrap_or("Under way").to_owned()),
    }
}

/// The timeline of an attempt.
pub(super) fn timeline(attempt: &AttemptView) -> Vec<Entry> {
    let going = Going::of(attempt);
    let last = attempt.timeline.len().saturating_sub(1);
    let entry = |(index, event): (usize, &EventView)| {
        let is_last = index == last;
        let (mark, label) = match going {
            Going::On if is_last => (Mark::Run, "running"),
            Going::Failed if is_last => (Mark::Bad, "failed"),
            _ if event.what.starts_with("advice: ") => (Mark::Warn, "remark"),
            _ if event.what.starts_with("waiting for ") => (Mark::Off, "waited"),
            _ => (Mark::Ok, "done"),
        };
        let at = Timestamp::parse(&event.at).unwrap_or(Timestamp::EPOCH);
        Entry {
            time: time_of_day(at),
            machine: event.at.clone(),
            mark,
            label,
            text: sentence_case(&event.what),
            verbatim: (is_last && going == Going::Failed).then(|| problem_document(attempt)).flatten(),
        }
    };
    attempt.timeline.iter().enumerate().map(entry).collect()
}

/// The problem document of the CA, as it sent it.
fn problem_document(attempt: &AttemptView) -> Option<String> {
    let Some(OutcomeView::Failed { problem: Some(problem), .. }) = &attempt.outcome else { return None };
    serde_json::to_string_pretty(problem).ok()
}

/// The station at which is worked once a stage is reached.
fn working_at(stage: Stage) -> usize {
    match stage {
        Stage::Planned => 1,
        Stage::Ordered => 2,
        Stage::Challenged | Stage::Ready => 3,
        Stage::Finalizing => 4,
        Stage::Issued | Stage::Published => 6,
    }
}

/// When a stage was reached.
fn reached(attempt: &AttemptView, stage: Stage) -> Option<Timestamp> {
    let at_least = |event: &&EventView| Stage::parse(&event.stage).is_some_and(|reached| reached >= stage);
    attempt.timeline.iter().find(at_least).and_then(|event| Timestamp::parse(&event.at).ok())
}

fn last(attempt: &AttemptView) -> Option<Timestamp> {
    Timestamp::parse(&attempt.timeline.last()?.at).ok()
}

/// The stations, each with the stage that makes it done.
const STATIONS: [(Stage, &str); 7] = [
    (Stage::Planned, "Plan"),
    (Stage::Ordered, "Order"),
    (Stage::Challenged, "Challenge"),
    (Stage::Ready, "Validate"),
    (Stage::Finalizing, "Finalize"),
    (Stage::Issued, "Install"),
    (Stage::Published, "Served"),
];
/// What is done at each of them.
const DOING: [&str; 7] =
    ["Planning", "Ordering", "Placing answers", "Validating", "Finalizing", "Installing", "Looking at the wire"];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn attempt(stage: Stage, outcome: Option<OutcomeView>) -> AttemptView {
        let events = Stage::ALL.into_iter().filter(|each| *each <= stage).enumerate();
        let timeline = events.map(|(second, stage)| EventView {
            at: format!("2026-11-20T14:10:{second:02}Z"),
            stage: stage.to_string(),
            what: format!("it is {stage}"),
        });
        AttemptView {
            id: "000000001-00".to_owned(),
            certificate: "shop".to_owned(),
            issuer: "letsencrypt".to_owned(),
            names: vec!["shop.test".to_owned()],
            why: "a third of its lifetime is left".to_owned(),
            began: "2026-11-20T14:10:00Z".to_owned(),
            stage: stage.to_string(),
            order: None,
            timeline: timeline.collect(),
            outcome,
        }
    }

    fn classes(stage: Stage, outcome: Option<OutcomeView>) -> String {
        stations(&attempt(stage, outcome)).iter().map(|station| station.class).collect::<Vec<_>>().join(" ")
    }

    fn failed() -> Option<OutcomeView> {
        let (at, code, cause, remedy) =
            ("2026-11-20T14:10:09Z".to_owned(), String::new(), String::new(), String::new());
        Some(OutcomeView::Failed { at, code, cause, remedy, problem: None })
    }

    #[test]
    fn the_rail_shows_what_is_done_what_is_being_done_and_where_it_stopped() {
        for (stage, outcome, expected) in [
            (Stage::Planned, None, "done now next next next next next"),
            (Stage::Challenged, None, "done done done now next next next"),
            (Stage::Ready, None, "done done done now next next next"),
            (Stage::Issued, None, "done done done done done done now"),
            (Stage::Ready, failed(), "done done done stop never never never"),
            (Stage::Published, Some(OutcomeView::Served { at: String::new() }), "done done done done done done done"),
        ] {
            assert_eq!(classes(stage, outcome), expected, "{stage}");
        }
        assert_eq!(standing(&attempt(Stage::Ready, failed())), (Mark::Bad, "Failed at Validate".to_owned()));
        assert_eq!(standing(&attempt(Stage::Planned, None)), (Mark::Run, "Ordering".to_owned()));
    }

    #[test]
    fn the_timeline_tells_what_happened_and_how_it_ended() {
        let mut attempt = attempt(Stage::Ordered, failed());
        attempt.timeline[0].what = "advice: port 80 does not answer".to_owned();
        let entries = timeline(&attempt);
        let told: Vec<_> = entries.iter().map(|entry| (entry.time.as_str(), entry.mark, entry.text.as_str())).collect();
        assert_eq!(
            told,
            [("14:10:00", Mark::Warn, "Advice: port 80 does not answer"), ("14:10:01", Mark::Bad, "It is ordered"),]
        );
    }
}
