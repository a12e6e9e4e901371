//! What is in certificate files, for people.

use portward_api::{InspectedFileView, InspectionView};

use super::certificate::date;
use crate::table::{Cell, Colour, Table, Tone};

/// One line for each file, then the chain, then what an import would come to.
pub(crate) fn inspection(inspection: &InspectionView, colour: Colour) -> String {
    let mut table = Table::new(&["FILE", "WHAT IS IN IT", "REMARK"]);
    for file in &inspection.files {
        table.row([(&file.name).into(), pieces(file).into(), remark(file)]);
    }
    let mut out = table.render(colour);
    out.push('\n');
    let mut chain = Table::of_fields();
    match &inspection.key {
        Some(key) if key.fits => {
            chain.row(["private key".into(), (&key.key_type).into(), Cell::toned("fits", Tone::Good)])
        }
        Some(key) => chain.row(["private key".into(), (&key.key_type).into(), Cell::toned("does not fit", Tone::Bad)]),
        None => chain.row(["private key".into(), "".into(), Cell::toned("missing", Tone::Bad)]),
    }
    for certificate in &inspection.chain {
        let until = format!("until {}", date(&certificate.not_after));
        chain.row([(&certificate.role).into(), (&certificate.subject).into(), until.into()]);
    }
    if let Some(missing) = &inspection.missing {
        chain.row(["intermediate".into(), (&missing.subject).into(), Cell::toned("missing", Tone::Bad)]);
    }
    out.push_str(&chain.render(colour));
    out.push('\n');
    match (&inspection.taken, &inspection.refusal) {
        (_, Some(refusal)) => out.push_str(&format!("It cannot be imported as it is: {}\n", refusal.message)),
        (Some(taken), None) => out.push_str(&(super::taken(taken, portward_api::Effect::DryRun) + "\n")),
        (None, None) => {}
    }
    out
}

fn pieces(file: &InspectedFileView) -> String {
    let pieces: Vec<&str> = file.pieces.iter().map(|piece| piece.kind.as_str()).collect();
    if pieces.is_empty() { "nothing that can be used".to_owned() } else { pieces.join(", ") }
}

fn remark(file: &InspectedFileView) -> Cell {
    if let Some(refusal) = &file.refusal {
        return Cell::toned(&refusal.message, Tone::Bad);
    }
    if !file.old_ciphers.is_empty() {
        let text = format!("old encryption: {}", file.old_ciphers.join(", "));
        return Cell::toned(&text, Tone::Warning);
    }
    let has = |fate: &str| file.pieces.iter().any(|piece| piece.fate == fate);
    match (has("used"), has("repeated")) {
        (true, _) => Cell::toned("used", Tone::Good),
        (false, true) => "another file has it too".into(),
        (false, false) => "not used".into(),
    }
}
