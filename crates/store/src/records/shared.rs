//! What many records have, held once in memory.

use std::{collections::HashSet, sync::Arc};

use portward_core::Forwarding;

/// Holds what many records have, for those that are read together.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    texts: HashSet<Arc<str>>,
    forwarding: Arc<Forwarding>,
}

impl Shared {
    /// The one text for all that are the same.
    pub(crate) fn text(&mut self, text: String) -> Arc<str> {
        match self.texts.get(text.as_str()) {
            Some(known) => Arc::clone(known),
            None => {
                let text: Arc<str> = text.into();
                self.texts.insert(Arc::clone(&text));
                text
            }
        }
    }

    /// How requests reach the upstreams of sites that say nothing of it.
    pub(crate) fn usual_forwarding(&self) -> Arc<Forwarding> {
        Arc::clone(&self.forwarding)
    }
}
