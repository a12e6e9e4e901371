//! The audit for people.

use portward_api::{AuditPage, AuditVerification, AuditView};

use crate::table::{Colour, Table};

/// One line for each record.
pub(crate) fn audit(page: &AuditPage, colour: Colour) -> String {
    if page.items.is_empty() && page.next_cursor.is_none() {
        return EMPTY.to_owned();
    }
    let mut table = Table::new(&["WHEN", "WHO", "WHAT", "ID"]);
    for record in &page.items {
        table.row([(&record.at).into(), who(record).as_str().into(), (&record.what).into(), (&record.id).into()]);
    }
    let mut text = table.render(colour);
    if let Some(next) = &page.next_cursor {
        text.push_str(&format!("Older ones: --before {next}\n"));
    }
    text
}

/// Whether all is whole, and if not, where and why.
pub(crate) fn audit_verified(verified: &AuditVerification) -> String {
    let mut text = String::new();
    match &verified.broken {
        Some(broken) => {
            let number = broken.number.map(|number| format!(", number {number}")).unwrap_or_default();
            text.push_str(&format!(
                "The audit is broken at {}{number}: {}.\n",
                broken.key, broken.message
            ));
            if verified.breaks > 1 {
                text.push_str(&format!("It is the first of {} such places.\n", verified.breaks));
            }
            text.push_str("Compare with a backup from before: portward store restore puts its audit records beside those that are here.\n");
        }
        None => match &verified.end {
            Some(end) => text.push_str(&format!(
                "The audit is whole: {} records, each of which follows the one before it.\nThe last one is {} with the hash {}\nKeep the hash somewhere else; portward audit verify --known HASH shows later that nothing up to it was written anew.\n",
                verified.records, end.id, end.sha256
            )),
            None => text.push_str("There is no record in the audit yet.\n"),
        },
    }
    if verified.older > 0 {
        text.push_str(&format!(
            "{} records are older than the chain; the first one in it says which they were.\n",
            verified.older
        ));
    }
    match verified.has_known {
        Some(true) => text.push_str("The record with the hash that was asked for is there.\n"),
        Some(false) => text.push_str(
            "No record has the hash that was asked for: what came before it was changed or taken away, and the rest written anew.\n",
        ),
        None => {}
    }
    text
}

fn who(record: &AuditView) -> String {
    match &record.address {
        Some(address) => format!("{} from {address}", record.who),
        None => record.who.clone(),
    }
}

const EMPTY: &str = "No record. Every change of bindings, sites, certificates and settings leaves one here.\n";
