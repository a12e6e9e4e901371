//! Lists that are filtered, sorted and cut into pages by their address.

use std::{fmt::Display, ops::Range};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    form::Form,
    view::{counted, grouped},
};

/// Is what the address of a list asks for.
#[derive(Clone)]
pub(super) struct Listing {
    /// Where the list is.
    path: &'static str,
    /// Which view of it; empty for all.
    pub(super) show: String,
    /// Words that are looked for.
    pub(super) q: String,
    /// By which column, with a minus if backwards.
    pub(super) sort: String,
    /// Which page, from 1.
    page: usize,
    /// What else this list asks for.
    rest: Vec<(&'static str, String)>,
}

/// Is one view of a list.
pub(super) struct Segment {
    pub(super) word: &'static str,
    pub(super) count: String,
    pub(super) path: String,
    pub(super) is_current: bool,
}

/// Is the head of a column.
pub(super) struct Column {
    pub(super) word: &'static str,
    /// Where it leads: to the list sorted by it.
    pub(super) path: Option<String>,
    /// As in `aria-sort`; empty if the list is not sorted by it.
    pub(super) sorted: &'static str,
    pub(super) class: &'static str,
}

/// Is a page of a list, and where to go on from it.
pub(super) struct Pager {
    pub(super) text: String,
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
    /// Which of the rows are on it.
    pub(super) rows: Range<usize>,
}

impl Listing {
    /// Reads the address, with the words `rest` that this list has beside those of each.
    pub(super) fn read(path: &'static str, query: &Form, rest: &[&'static str]) -> Self {
        let word = |name: &str| query.filled(name).unwrap_or_default().to_owned();
        Self {
            path,
            show: word("show"),
            q: word("q"),
            sort: word("sort"),
            page: word("page").parse().unwrap_or(1),
            rest: rest.iter().map(|name| (*name, word(name))).collect(),
        }
    }

    /// What is asked for by one of the words that this list alone has; empty if nothing is.
    pub(super) fn word(&self, name: &str) -> &str {
        self.rest.iter().find(|(word, _)| *word == name).map_or("", |(_, value)| value)
    }

    /// By which column it is sorted, [the first way](SORT) if nothing else is asked for; and whether backwards.
    pub(super) fn order(&self) -> (&str, bool) {
        match self.sort.strip_prefix('-') {
            Some(word) => (word, true),
            None if self.sort.is_empty() => (SORT, false),
            None => (&self.sort, false),
        }
    }

    /// The address of the first page of this view with something changed.
    pub(super) fn path(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut changed = Self { page: 1, ..self.clone() };
        change(&mut changed);
        changed.at(self.path)
    }

    /// The address of the same view at another path.
    pub(super) fn at(&self, path: &str) -> String {
        let page = if self.page > 1 { self.page.to_string() } else { String::new() };
        let all = [("show", &self.show), ("q", &self.q), ("sort", &self.sort), ("page", &page)];
        let rest = self.rest.iter().map(|(name, value)| (*name, value));
        let written: Vec<String> = all
            .into_iter()
            .chain(rest)
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, KEPT)))
            .collect();
        if written.is_empty() { path.to_owned() } else { format!("{path}?{}", written.join("&")) }
    }

    /// Its views: what each shows, its word, and how many are in it.
    pub(super) fn segments<const N: usize>(&self, counts: [(&str, &'static str, usize); N]) -> Vec<Segment> {
        let segment = |(show, word, count): (&str, _, usize)| Segment {
            word,
            count: grouped(count as u64),
            path: self.path(|wanted| show.clone_into(&mut wanted.show)),
            is_current: self.show == show,
        };
        counts.into_iter().map(segment).collect()
    }

    /// The heads of its columns: the word, what sorts by it, empty if nothing does, and its class.
    pub(super) fn columns<const N: usize>(&self, columns: [(&'static str, &str, &'static str); N]) -> Vec<Column> {
        let order = self.order();
        let column = |(word, sort, class): (_, &str, _)| {
            let sorted = match order {
                (by, true) if by == sort => "descending",
                (by, false) if by == sort => "ascending",
                _ => "",
            };
            let next = if sorted == "ascending" { format!("-{sort}") } else { sort.to_owned() };
            let path = (!sort.is_empty()).then(|| self.path(|wanted| wanted.sort = next));
            Column { word, path, sorted, class }
        };
        columns.into_iter().map(column).collect()
    }

    /// The page that is asked for, or the last one if there are not so many.
    pub(super) fn pager(&self, found: usize, noun: &str) -> Pager {
        let pages = found.div_ceil(ROWS).max(1);
        let page = self.page.clamp(1, pages);
        let text = match pages {
            1 => format!("{} on 1 page.", counted(found, noun)),
            pages => format!("{}, page {page} of {pages}.", counted(found, noun)),
        };
        let to = |page: usize| self.path(|wanted| wanted.page = page);
        let rows = (page - 1) * ROWS..found.min(page * ROWS);
        Pager { text, previous: (page > 1).then(|| to(page - 1)), next: (page < pages).then(|| to(page + 1)), rows }
    }

    /// How many of all are found, and in which order if that is the first one.
    pub(super) fn tally(&self, found: usize, total: usize) -> String {
        let order = if self.order() == (SORT, false) { ", most urgent first" } else { "" };
        format!("{} of {}{order}", grouped(found as u64), grouped(total as u64))
    }

    /// Whether all words that were typed are in a text, or what was typed is the start of a thumbprint.
    pub(super) fn finds(
        &self,
        thumbprints: impl IntoIterator<Item = impl Display>,
        text: impl FnOnce() -> String,
    ) -> bool {
        if self.q.is_empty() {
            return true;
        }
        let typed = self.q.to_lowercase();
        let hex: String = typed.chars().filter(|c| !matches!(c, ' ' | ':')).collect();
        let is_hex = hex.len() >= 4 && hex.chars().all(|c| c.is_ascii_hexdigit());
        if is_hex && thumbprints.into_iter().any(|print| print.to_string().to_lowercase().starts_with(&hex)) {
            return true;
        }
        let text = text().to_lowercase();
        typed.replace('\'', "’").split_whitespace().all(|word| text.contains(word))
    }
}

/// What lists are sorted by where nothing else is asked for: what needs somebody comes first.
const SORT: &str = "status";
/// A page of a list: with more it would not be there at once on a slow line.
const ROWS: usize = 50;
/// What stays as it is in an address.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');
