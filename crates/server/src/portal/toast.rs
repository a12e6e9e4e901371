//! What is said once, on the page after a change.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use portward_core::Revision;

use crate::app::Actor;

/// Keeps for each actor what the next page says.
#[derive(Debug, Default)]
pub(crate) struct Toasts {
    left: Mutex<BTreeMap<String, Toast>>,
}

/// Is what a page says once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Toast {
    /// A sentence, in the past tense or of what is true now.
    pub(super) text: String,
    /// The revision that can be undone.
    pub(super) undo: Option<u64>,
}

impl Toasts {
    /// Leaves a sentence, and the change that can be undone.
    pub(super) fn leave(&self, actor: &Actor, text: impl Into<String>, undo: Option<Revision>) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() >= KEPT {
            left.clear();
        }
        left.insert(actor.to_string(), Toast { text: text.into(), undo: undo.map(|revision| revision.0) });
    }

    /// Takes what was left.
    pub(super) fn take(&self, actor: &Actor) -> Option<Toast> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).remove(&actor.to_string())
    }
}

/// More people than that do not change something at the same moment.
const KEPT: usize = 1000;
