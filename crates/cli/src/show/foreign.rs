//! What became of the files of another program.

use portward_api::{Effect, ForeignImported};

use super::{certificate::date, counted, shortened};
use crate::table::{Cell, Colour, Table, Tone};

/// One line for each certificate and each account that was found.
pub(crate) fn imported(view: &ForeignImported, colour: Colour) -> String {
    let mut parts = Vec::new();
    if !view.certificates.is_empty() {
        let mut table = Table::new(&["CERTIFICATE", "NAMES", "NOT AFTER", "OUTCOME", "RENEWED BY", "FOUND IN"]);
        for certificate in &view.certificates {
            let renewed_by = match &certificate.issuer {
                Some(issuer) => issuer.into(),
                None => Cell::toned("nobody", Tone::Warning),
            };
            table.row([
                (&certificate.id).into(),
                shortened(&certificate.names).into(),
                date(&certificate.not_after).into(),
                (&certificate.outcome).into(),
                renewed_by,
                (&certificate.path).into(),
            ]);
        }
        parts.push(table.render(colour));
    }
    if !view.accounts.is_empty() {
        let mut table = Table::new(&["ACCOUNT WITH", "ISSUER", "OUTCOME", "FOUND IN"]);
        for account in &view.accounts {
            let issuer = account.issuer.as_deref().unwrap_or_default();
            table.row([(&account.directory).into(), issuer.into(), (&account.outcome).into(), (&account.path).into()]);
        }
        parts.push(table.render(colour));
    }
    let mut notes = Table::of_fields();
    for certificate in &view.certificates {
        for note in &certificate.notes {
            notes.row([Cell::toned("Note", Tone::Warning), format!("{}: {note}", certificate.id).into()]);
        }
    }
    for note in &view.notes {
        notes.row([Cell::toned("Note", Tone::Warning), note.into()]);
    }
    let notes = notes.render(colour);
    if !notes.is_empty() {
        parts.push(notes);
    }
    parts.join("\n")
}

/// Tells what was found, and whether anything was changed.
pub(crate) fn import_ended(view: &ForeignImported, effect: Effect) -> String {
    let found =
        format!("{} and {}", counted(view.certificates.len(), "certificate"), counted(view.accounts.len(), "account"));
    match effect {
        Effect::DryRun => format!("Found: {found}. Nothing was changed."),
        Effect::Apply if view.certificates.is_empty() && view.accounts.is_empty() => {
            format!("Found: {found}. Is it the right place?")
        }
        Effect::Apply => format!("Found: {found}. What is in the table is stored and served."),
    }
}
