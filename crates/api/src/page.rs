//! Lists on the wire: a page at a time.

use serde::{Deserialize, Serialize};

/// Is a part of a list, in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// What is listed.
    pub items: Vec<T>,
    /// What `cursor` is for the following page; null after the last one.
    pub next_cursor: Option<String>,
}

/// How many items a page has if `limit` is left out.
pub const PAGE_DEFAULT: usize = 100;
/// How many items a page may have.
pub const PAGE_MOST: usize = 1000;
