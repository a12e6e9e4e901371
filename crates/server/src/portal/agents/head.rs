//! The line below the title of a thing that changes by itself: how it is, and what there is to know.

use askama::Template;

use super::super::view::Mark;

/// Is that line.
#[derive(Template)]
#[template(path = "agents/head.html")]
pub(in crate::portal) struct Head {
    pub(in crate::portal) mark: Mark,
    pub(in crate::portal) word: String,
    pub(in crate::portal) facts: Vec<String>,
}
