//! What is said once, on the page after a change.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::app::Actor;

/// Keeps for each actor what the next page says.
#[derive(Debug, Default)]
pub(crate) struct Toasts {
    left: Mutex<BTreeMap<String, String>>,
}

impl Toasts {
    /// Leaves a sentence, in the past tense or of what is true now.
    pub(crate) fn leave(&self, actor: &Actor, text: impl Into<String>) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() >= KEPT {
            left.clear();
        }
        left.insert(actor.to_string(), text.into());
    }

    /// Takes what was left.
    pub(crate) fn take(&self, actor: &Actor) -> Option<String> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).remove(&actor.to_string())
    }
}

/// More people than that do not change something at the same moment.
const KEPT: usize = 1000;
