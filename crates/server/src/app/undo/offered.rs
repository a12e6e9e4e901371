//! Which changes can still be undone, and by whom: for lists that offer it.

use std::{collections::BTreeSet, sync::PoisonError};

use portward_core::{Revision, Timestamp};

use super::{Kept, UNDO_WITHIN, Undos};
use crate::app::{Actor, App};

impl Undos {
    /// The changes of the last minutes, but those of which a key was written since.
    fn standing(&self, now: Timestamp) -> Vec<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_overtaken =
            |at: usize| kept.iter().skip(at + 1).any(|newer| newer.before.shares_key_with(&kept[at].before));
        let standing =
            kept.iter().enumerate().filter(|(at, kept)| now.since(kept.undo.made) <= UNDO_WITHIN && !is_overtaken(*at));
        standing.map(|(_, kept)| kept.clone()).collect()
    }
}

impl App {
    /// The changes that somebody may undo now, and probably can: what the engine wrote since is found out when they try.
    pub(in crate::app) fn undoable(&self, actor: &Actor) -> BTreeSet<Revision> {
        let standing = self.undos.standing(self.now()).into_iter();
        let may = standing.filter(|kept| kept.undo.permissions.iter().all(|permission| actor.holds(*permission)));
        may.map(|kept| kept.revision).filter(|revision| !self.is_waiting(*revision)).collect()
    }
}
