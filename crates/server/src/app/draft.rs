//! A change that is being put together, with what one needs to make it and to take it back.

use std::ops::{Deref, DerefMut};

use portward_core::{Permission, Timestamp};
use portward_store::change::Change;

use super::undo::Undo;

/// Is a change of somebody who may make it.
#[derive(Debug)]
pub(crate) struct Draft {
    change: Change,
    who: String,
    what: String,
    /// What one needs to make it, the first of all; none for what nobody takes back.
    permissions: Vec<Permission>,
}

impl Draft {
    pub(super) fn new(change: Change, who: String, what: String, permission: Permission) -> Self {
        Self { change, who, what, permissions: vec![permission] }
    }

    /// The change as far as it has come.
    pub(super) fn change(&self) -> &Change {
        &self.change
    }

    /// What it is, as in the audit.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// What one needs to make it; none for what nobody takes back.
    pub(super) fn permission(&self) -> Option<Permission> {
        self.permissions.first().copied()
    }

    /// Says what else one needs to make it, and so to take it back.
    pub(super) fn needs(&mut self, permission: Permission) {
        if !self.permissions.contains(&permission) {
            self.permissions.push(permission);
        }
    }

    /// The change alone, of which nothing is remembered.
    pub(super) fn into_change(self) -> Change {
        self.change
    }

    /// The same, to be taken back by nobody.
    pub(super) fn for_good(self) -> Self {
        Self { permissions: Vec::new(), ..self }
    }

    /// The change, and what is remembered of it to undo it; none for what nobody takes back.
    pub(super) fn into_parts(self, now: Timestamp) -> (Change, Option<Undo>) {
        let Self { change, who, what, permissions } = self;
        let undo = (!permissions.is_empty()).then_some(Undo { who, what, permissions, made: now });
        (change, undo)
    }
}

impl Deref for Draft {
    type Target = Change;

    fn deref(&self) -> &Change {
        &self.change
    }
}

impl DerefMut for Draft {
    fn deref_mut(&mut self) -> &mut Change {
        &mut self.change
    }
}

/// Nobody takes it back.
impl From<Change> for Draft {
    fn from(change: Change) -> Self {
        Self { change, who: String::new(), what: String::new(), permissions: Vec::new() }
    }
}
