//! What the doctor found, for people.

use portward_api::StoreFindingView;

use crate::table::{Cell, Colour, Table, Tone};

/// One line for each finding, and what to do below.
pub(crate) fn findings(findings: &[StoreFindingView], colour: Colour) -> String {
    let mut table = Table::new(&["WHAT", "IS", "SEEN"]);
    for finding in findings {
        let tone = match finding.verdict.as_str() {
            "good" => Tone::Good,
            "warning" => Tone::Warning,
            _ => Tone::Bad,
        };
        table.row([(&finding.what).into(), Cell::toned(&finding.verdict, tone), (&finding.seen).into()]);
    }
    let mut text = table.render(colour);
    for finding in findings.iter().filter(|finding| !finding.remedy.is_empty()) {
        text.push_str(&format!("{}: {}\n", finding.what, finding.remedy));
    }
    text
}
