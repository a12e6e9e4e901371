//! Attempts to get a certificate for people.

use std::fmt::Write;

use portward_api::acme::{AcmeProblemView, AttemptView, OutcomeView};

use crate::{
    table::{Cell, Colour, Table, Tone},
    terminal::printable,
};

/// One line for each attempt.
pub(crate) fn attempts(attempts: &[AttemptView], colour: Colour) -> String {
    if attempts.is_empty() {
        return NO_ATTEMPT.to_owned();
    }
    let mut table = Table::new(&["ID", "CERTIFICATE", "ISSUER", "BEGAN", "STAGE", "OUTCOME"]);
    for attempt in attempts {
        table.row([
            (&attempt.id).into(),
            (&attempt.certificate).into(),
            (&attempt.issuer).into(),
            (&attempt.began).into(),
            (&attempt.stage).into(),
            outcome(attempt.outcome.as_ref()),
        ]);
    }
    table.render(colour)
}

/// One line for each attempt of a certificate, then the newest with all that happened.
pub(crate) fn attempts_with_newest(views: &[AttemptView], colour: Colour) -> String {
    let mut out = attempts(views, colour);
    if let Some(newest) = views.first() {
        out.push('\n');
        out.push_str(&attempt(newest, colour));
    }
    out
}

/// All about one attempt: what was done, what came of it, and what the CA said.
pub(crate) fn attempt(attempt: &AttemptView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["attempt".into(), (&attempt.id).into()]);
    table.row(["certificate".into(), (&attempt.certificate).into()]);
    table.row(["issuer".into(), (&attempt.issuer).into()]);
    table.row(["names".into(), attempt.names.join(", ").into()]);
    table.row(["why".into(), (&attempt.why).into()]);
    table.row(["began".into(), (&attempt.began).into()]);
    table.row(["stage".into(), (&attempt.stage).into()]);
    if let Some(order) = &attempt.order {
        table.row(["order".into(), order.into()]);
    }
    table.row(["outcome".into(), outcome(attempt.outcome.as_ref())]);
    let mut out = table.render(colour);
    if !attempt.timeline.is_empty() {
        let mut timeline = Table::of_fields();
        for event in &attempt.timeline {
            timeline.row([(&event.at).into(), (&event.stage).into(), (&event.what).into()]);
        }
        out.push('\n');
        out.push_str(&timeline.render(colour));
    }
    if let Some(OutcomeView::Failed { cause, remedy, problem, .. }) = &attempt.outcome {
        let mut why = Table::of_fields();
        why.row([Cell::toned("Cause", Tone::Bad), cause.into()]);
        why.row(["Remedy".into(), remedy.into()]);
        out.push('\n');
        out.push_str(&why.render(colour));
        if let Some(problem) = problem {
            out.push('\n');
            out.push_str(&words_of_ca(problem));
        }
    }
    out
}

/// The CA's own words, with nothing left out and nothing changed.
pub(crate) fn words_of_ca(problem: &AcmeProblemView) -> String {
    let status = problem.status.map(|status| format!(" with status {status}")).unwrap_or_default();
    let mut out = format!("The CA said{status}:\n");
    let mut said = |before: &str, text: &str| {
        for line in text.lines().filter(|line| !line.is_empty()) {
            // A String takes all that is written.
            let _ = writeln!(out, "{before}{}", printable(line));
        }
    };
    said("  ", &problem.kind);
    said("  ", &problem.detail);
    for inner in &problem.subproblems {
        said("  ", inner.identifier.as_deref().unwrap_or("(no identifier)"));
        said("    ", &inner.kind);
        said("    ", &inner.detail);
    }
    out
}

/// What came of it, in a few words.
pub(super) fn outcome(outcome: Option<&OutcomeView>) -> Cell {
    match outcome {
        None => "under way".into(),
        Some(OutcomeView::Served { at }) => Cell::toned(&format!("served since {at}"), Tone::Good),
        Some(OutcomeView::Failed { at, code, .. }) => Cell::toned(&format!("failed at {at}: {code}"), Tone::Bad),
    }
}

const NO_ATTEMPT: &str = "No attempt yet. An attempt is one order with a CA. Ask for a certificate: portward certificate request NAME --wait\n";
