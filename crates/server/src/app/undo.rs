//! Undoing a change: what it replaced is put back, as long as nobody changed it since.
//!
//! What the last changes replaced is kept in memory for a while; private keys in it are sealed as in the store.

mod offered;

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::StatusCode;
use portward_api::Answered;
use portward_core::{CertificateId, Permission, Revision, Timestamp};
use portward_store::{
    change::{Before, Change, CommitError, Committed, GoBackError, WentBack, go_back, go_back_entirely},
    work,
};

use super::{Actor, Allowed, App, AppError, right, sites};

/// Keeps what the last changes replaced.
#[derive(Debug, Default)]
pub(super) struct Undos {
    kept: Mutex<VecDeque<Kept>>,
}

/// Is what is remembered of a change, to undo it.
#[derive(Clone, Debug)]
pub(super) struct Undo {
    /// Who made it.
    pub(super) who: String,
    /// What it was, as in the audit.
    pub(super) what: String,
    /// What one needs to undo it: what one needed to make it.
    pub(super) permissions: Vec<Permission>,
    /// When it was made.
    pub(super) made: Timestamp,
}

#[derive(Clone, Debug)]
struct Kept {
    undo: Undo,
    revision: Revision,
    before: Before,
    /// Whether who made it was told that it can be undone.
    is_offered: bool,
}

impl Undos {
    /// Keeps what a change replaced, if one can go back from it at all.
    pub(super) fn keep(&self, undo: Undo, committed: &Committed) {
        if !committed.before.is_for_back() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = undo.made;
        kept.push_back(Kept {
            undo,
            revision: committed.revision,
            before: committed.before.clone(),
            is_offered: false,
        });
        let mut bytes: usize = kept.iter().map(|kept| kept.before.bytes()).sum();
        while let Some(oldest) = kept.front() {
            if now.since(oldest.undo.made) <= UNDO_WITHIN && kept.len() <= MOST && bytes <= MOST_BYTES {
                break;
            }
            bytes -= oldest.before.bytes();
            kept.pop_front();
        }
    }

    /// The change that somebody made just now, once.
    fn offer(&self, who: &str, now: Timestamp) -> Option<Revision> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = kept.iter_mut().rev().find(|kept| kept.undo.who == who)?;
        let is_new = !newest.is_offered && now.since(newest.undo.made) <= JUST_NOW;
        newest.is_offered = true;
        is_new.then_some(newest.revision)
    }

    fn find(&self, revision: Revision, now: Timestamp) -> Option<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().find(|kept| kept.revision == revision && now.since(kept.undo.made) <= UNDO_WITHIN);
        found.cloned()
    }

    fn forget(&self, revision: Revision) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).retain(|kept| kept.revision != revision);
    }
}

impl App {
    /// The change that somebody made just now, to offer that it is undone; once, and not what waits to be confirmed.
    pub(crate) fn offer_undo(&self, actor: &Actor) -> Option<Revision> {
        let revision = self.undos.offer(&actor.to_string(), self.now())?;
        (!self.is_waiting(revision)).then_some(revision)
    }

    /// Puts back what a change replaced, in one change of its own.
    pub(crate) async fn undo(&self, by: &Allowed<right::View>, revision: u64) -> Result<Answered, AppError> {
        let revision = Revision(revision);
        let kept = self.undos.find(revision, self.now()).ok_or_else(|| {
            let message = format!(
                "revision {revision} cannot be undone: a change can be for {} minutes, by the server that made it; portward audit list shows what it was",
                UNDO_WITHIN.as_secs() / 60
            );
            AppError::new(StatusCode::NOT_FOUND, "not-found", message)
        })?;
        for permission in &kept.undo.permissions {
            by.actor().demand(*permission)?;
        }
        let deciding = self.decide().await;
        self.refuse_undo(&kept.before, revision).await?;
        let what = &kept.undo.what;
        let audit = format!("go back to before revision {revision} ({what})");
        let change = self.change_of(by.actor(), audit);
        let back = self.put_back(change, &kept.before, revision, what).await?;
        drop(deciding);
        self.undos.forget(revision);
        self.in_effect(back).await?;
        Ok(Answered {
            change: revision.0,
            what: what.clone(),
            kept: false,
            revision: back.0,
            message: format!("what was there before revision {revision} is served again"),
        })
    }

    /// Goes back from a change, with a change that may have more in it; what contradicts it is refused.
    pub(super) async fn put_back(
        &self,
        change: Change,
        before: &Before,
        made: Revision,
        what: &str,
    ) -> Result<Revision, AppError> {
        self.refuse_to_put_back(before).await?;
        let back = go_back(&*self.parts.store, change, before, made).await;
        back.map(|committed| committed.revision).map_err(|error| cannot_go_back(error, made, what))
    }

    /// The same for a change that was tried or waited: what a CA has issued since does not keep it from going back.
    pub(super) async fn put_back_entirely(
        &self,
        change: Change,
        before: &Before,
        made: Revision,
        what: &str,
    ) -> Result<WentBack, AppError> {
        self.refuse_to_put_back(before).await?;
        let back = go_back_entirely(&*self.parts.store, change, before, made).await;
        let back = back.map_err(|error| cannot_go_back(error, made, what))?;
        for id in &back.gone {
            // It is gone all the same.
            if let Err(error) = work::forget_certificate(&*self.parts.store, id).await {
                let error = super::chain_text(&error);
                tracing::warn!(certificate.id = %id, error, "what is remembered of a certificate could not be forgotten");
            }
        }
        Ok(back)
    }

    async fn refuse_to_put_back(&self, before: &Before) -> Result<(), AppError> {
        self.refuse_at_the_end()?;
        let desired = self.desired().await?;
        before.sites().iter().try_for_each(|site| sites::check_names(site, &desired))
    }
}

fn cannot_go_back(error: GoBackError, made: Revision, what: &str) -> AppError {
    let reason = match error {
        GoBackError::Commit(CommitError::Store(error)) => return error.into(),
        GoBackError::Commit(CommitError::Conflict { key, .. }) => format!("\"{key}\" was changed since"),
        error => error.to_string(),
    };
    AppError::conflict(
        "cannot-go-back",
        format!("there is no way back to before revision {made} ({what}): {reason}. Nothing was changed"),
    )
}

/// What is said of certificates that stay although the change that added them goes back; nothing where there are none.
pub(crate) fn said_of_left(left: &[CertificateId]) -> String {
    let Some(first) = left.first() else { return String::new() };
    let all: Vec<String> = left.iter().map(ToString::to_string).collect();
    format!(
        "; of what it added these certificates stay, as one change has no room for all that was issued meanwhile: {}. To remove one: portward certificate remove {first}",
        all.join(", ")
    )
}

/// A page that follows a change comes at once.
const JUST_NOW: Duration = Duration::from_secs(10);
/// How long a change can be undone.
pub(crate) const UNDO_WITHIN: Duration = Duration::from_secs(600);
/// More changes than that are not looked back on in ten minutes.
const MOST: usize = 200;
/// A handful of removed certificates with all their versions.
const MOST_BYTES: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests;
