//! The way of a request, for people.

use portward_api::{ExplainStep, ExplainView};

use crate::table::{Cell, Colour, Table, Tone};

/// The sentence first, then a line for each thing that was found, then what to do.
pub(crate) fn explained(view: &ExplainView, colour: Colour) -> String {
    let mut text = format!("{}\n\n", view.message);
    let mut table = Table::new(&["STEP", "FROM", "MARK", "FOUND"]);
    for step in &view.steps {
        let details: Vec<String> =
            step.details.iter().map(|detail| format!("{} {}", detail.name, detail.value)).collect();
        let found = match details.is_empty() {
            true => step.message.clone(),
            false => format!("{} ({})", step.message, details.join("; ")),
        };
        table.row([step.step.as_str().into(), from(step).into(), mark(&step.mark), found.as_str().into()]);
    }
    text.push_str(&table.render(colour));
    let remedies: Vec<&ExplainStep> = view
        .steps
        .iter()
        .filter(|step| step.remedy.is_some() && matches!(step.mark.as_str(), "bad" | "warning"))
        .collect();
    if !remedies.is_empty() {
        text.push_str("\nWhat to do:\n");
    }
    for step in remedies {
        let remedy = step.remedy.as_deref().unwrap_or_default();
        text.push_str(&format!("  {}: {remedy}\n", step.step));
    }
    text
}

fn from(step: &ExplainStep) -> &str {
    match step.vantage.as_deref() {
        Some("dns") => "where DNS leads",
        Some(_) => "inside",
        None => "",
    }
}

fn mark(mark: &str) -> Cell {
    let tone = match mark {
        "good" => Tone::Good,
        "warning" => Tone::Warning,
        "bad" => Tone::Bad,
        _ => Tone::Plain,
    };
    Cell::toned(mark, tone)
}
