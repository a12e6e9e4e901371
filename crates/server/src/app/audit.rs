//! Use cases of the audit: who changed what, and whether the record of it was touched.

use portward_api::{
    AuditBreakView, AuditChangeView, AuditEndView, AuditPage, AuditQuery, AuditVerification, AuditView,
};
use portward_core::Timestamp;
use portward_store::audit::{self, AuditEntry, AuditFilter, AuditId, Verification};

use super::{Allowed, App, AppError, right};

impl App {
    /// Lists who changed what, the newest first.
    pub(crate) async fn list_audit(
        &self,
        by: &Allowed<right::AuditView>,
        query: &AuditQuery,
    ) -> Result<AuditPage, AppError> {
        let filter = AuditFilter {
            who: query.who.clone(),
            what: query.what.clone(),
            day: query.day.as_deref().map(day).transpose()?,
        };
        let before = query.cursor.as_deref().map(AuditId::parse).transpose();
        let before = before.map_err(|error| AppError::refused("invalid-parameter", format!("cursor: {error}")))?;
        let limit = query.limit.unwrap_or(AUDIT_DEFAULT);
        if !(1..=AUDIT_MOST).contains(&limit) {
            let message = format!("limit: it is a number from 1 to {AUDIT_MOST}");
            return Err(AppError::malformed("invalid-parameter", message));
        }
        let page = audit::page(&*self.parts.store, &filter, before, limit).await?;
        let undoable = self.undoable(by.actor());
        let undo = |entry: &AuditEntry| undoable.contains(&entry.revision).then_some(entry.revision.0);
        let view = |entry: AuditEntry| AuditView { undo: undo(&entry), ..view(entry) };
        Ok(AuditPage {
            items: page.entries.into_iter().map(view).collect(),
            next_cursor: page.next.map(|id| id.to_string()),
        })
    }

    /// Checks that each record follows the one before it, and that the last one is the last.
    ///
    /// `known` is the hash of a record that was kept somewhere else.
    pub(crate) async fn verify_audit(
        &self,
        _by: &Allowed<right::AuditView>,
        known: Option<&str>,
    ) -> Result<AuditVerification, AppError> {
        if known.is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit())) {
            let message =
                "known: it is the hash of a record, 64 hexadecimal digits, as portward audit verify prints it";
            return Err(AppError::malformed("invalid-parameter", message));
        }
        Ok(verification(audit::verify(&*self.parts.store, known).await?))
    }
}

/// The view of what was found of the chain.
pub(crate) fn verification(found: Verification) -> AuditVerification {
    AuditVerification {
        ok: found.broken.is_none() && found.has_known != Some(false),
        records: found.records,
        older: found.older,
        end: found.end.map(|end| AuditEndView {
            id: end.id.map(|id| id.to_string()).unwrap_or_default(),
            number: end.number,
            sha256: end.sha256,
        }),
        broken: found.broken.map(|broken| AuditBreakView {
            key: broken.key.to_string(),
            number: broken.number,
            message: broken.fault.to_string(),
        }),
        breaks: found.breaks,
        has_known: found.has_known,
    }
}

fn view(entry: AuditEntry) -> AuditView {
    let changes = entry.changes.into_iter();
    AuditView {
        id: entry.id.to_string(),
        at: entry.at.to_string(),
        who: entry.who,
        actor: entry.actor.map(|kind| kind.to_string()),
        address: entry.address.map(|address| address.to_string()),
        what: entry.what,
        changes: changes
            .map(|change| AuditChangeView { key: change.key, before: change.before, after: change.after })
            .collect(),
        number: entry.number,
        previous: entry.previous,
        sha256: entry.sha256,
        undo: None,
    }
}

fn day(text: &str) -> Result<Timestamp, AppError> {
    Timestamp::parse(&format!("{text}T00:00:00Z"))
        .map_err(|_| AppError::malformed("invalid-parameter", format!("day: \"{text}\" is not a day like 2026-11-20")))
}

/// How many records a part has if nobody says.
pub(crate) const AUDIT_DEFAULT: usize = 100;
/// How many it may have.
const AUDIT_MOST: usize = 1000;

#[cfg(test)]
mod tests;
