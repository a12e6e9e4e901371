//! What was applied, for people.

use portward_api::{Applied, AppliedAction};

use super::counted;
use crate::table::Colour;

/// A line for each thing that differs, and one for each field of it.
pub(crate) fn applied(applied: &Applied, is_dry: bool, _colour: Colour) -> String {
    let mut out = String::new();
    for step in &applied.steps {
        let action = match step.action {
            AppliedAction::Add => "add",
            AppliedAction::Edit => "edit",
            AppliedAction::Remove => "remove",
        };
        out.push_str(format!("{action} {} {}", step.kind, step.id).trim_end());
        out.push('\n');
        for change in &step.changes {
            out.push_str(&format!("  {change}\n"));
        }
    }
    for note in &applied.notes {
        out.push_str(&format!("Note: {note}\n"));
    }
    let differing = counted(applied.steps.len(), "difference");
    out.push_str(&match (applied.steps.is_empty(), is_dry, applied.revision) {
        (true, ..) => "Nothing differs.\n".to_owned(),
        (false, true, _) => format!("{differing}; nothing was changed.\n"),
        (false, false, Some(revision)) => format!("{differing} applied and served, as revision {revision}.\n"),
        (false, false, None) => format!("{differing} applied.\n"),
    });
    out
}
