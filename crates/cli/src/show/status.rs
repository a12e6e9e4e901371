//! The status for people.

use portward_api::{Severity, StatusView};

use super::{binding::state, certificate, counted};
use crate::table::{Cell, Colour, Table, Tone};

/// The verdict, then what it rests on.
pub(crate) fn status(status: &StatusView, colour: Colour) -> String {
    let mut out = verdict(status, colour);
    out.push('\n');
    if !status.bindings.is_empty() {
        let mut table = Table::new(&["BINDING", "URL", "STATE", "ADDRESS"]);
        for binding in &status.bindings {
            let address = binding.address.as_deref().unwrap_or_default();
            table.row([(&binding.id).into(), (&binding.url).into(), state(binding.bound), address.into()]);
        }
        out.push('\n');
        out.push_str(&table.render(colour));
    }
    if !status.certificates.is_empty() {
        let mut table = Table::new(&["CERTIFICATE", "NAME", "STATUS", "NOT AFTER"]);
        for view in &status.certificates {
            table.row([
                (&view.id).into(),
                (&view.name).into(),
                certificate::status(&view.status),
                certificate::date(&view.not_after).into(),
            ]);
        }
        out.push('\n');
        out.push_str(&table.render(colour));
    }
    for problem in &status.problems {
        let mut table = Table::of_fields();
        let (word, tone) = match problem.severity {
            Severity::Error => ("Error", Tone::Bad),
            Severity::Warning => ("Warning", Tone::Warning),
        };
        table.row([Cell::toned(word, tone), format!("{}: {}", problem.what, problem.message).into()]);
        if !problem.remedy.is_empty() {
            table.row(["".into(), (&problem.remedy).into()]);
        }
        out.push('\n');
        out.push_str(&table.render(colour));
    }
    out
}

/// One sentence that says how it is.
fn verdict(status: &StatusView, colour: Colour) -> String {
    let errors = status.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let warnings = status.problems.len() - errors;
    let counts = format!("{} and {}", counted(status.bindings.len(), "binding"), counted(status.sites, "site"));
    if !status.ok {
        let text = format!("Not everything is served: {} among {counts}.", counted(errors, "problem"));
        return Tone::Bad.paint(&text, colour);
    }
    if warnings > 0 || !status.certificates.is_empty() {
        let attention = warnings.max(status.certificates.len());
        let verb = if attention == 1 { "needs" } else { "need" };
        let text = format!("Everything is served: {counts}; but {} {verb} attention.", counted(attention, "thing"));
        return Tone::Warning.paint(&text, colour);
    }
    Tone::Good.paint(&format!("Everything is served: {counts}."), colour)
}
