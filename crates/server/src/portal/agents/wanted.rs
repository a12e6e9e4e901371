//! What the address of the list asks for.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::form::Form;
use crate::agents::Glance;

/// Is which agents are to be shown, in which order.
#[derive(Clone, Default)]
pub(super) struct Wanted {
    /// `attention`, `away`, or all.
    pub(super) show: String,
    /// Words that are looked for.
    pub(super) q: String,
    /// By which column, with a minus if backwards.
    pub(super) sort: String,
    /// Which page.
    pub(super) page: usize,
    /// Words that are looked for on the drift board.
    pub(super) board: String,
}

impl Wanted {
    /// Reads the address.
    pub(super) fn read(query: &Form) -> Self {
        let word = |name: &str| query.filled(name).unwrap_or_default().to_owned();
        Self {
            show: word("show"),
            q: word("q"),
            sort: word("sort"),
            page: word("page").parse().unwrap_or(1),
            board: word("board"),
        }
    }

    /// The address of this view with something changed.
    pub(super) fn path(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut wanted = self.clone();
        wanted.page = 1;
        change(&mut wanted);
        let query = wanted.query();
        if query.is_empty() { "/agents".to_owned() } else { format!("/agents?{query}") }
    }

    /// The address of what changes in it by itself.
    pub(super) fn live(&self) -> String {
        let query = self.query();
        if query.is_empty() { "/machines/live".to_owned() } else { format!("/machines/live?{query}") }
    }

    fn query(&self) -> String {
        let page = if self.page > 1 { self.page.to_string() } else { String::new() };
        let fields =
            [("show", &self.show), ("q", &self.q), ("sort", &self.sort), ("page", &page), ("board", &self.board)];
        let written: Vec<String> = fields
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, KEPT)))
            .collect();
        written.join("&")
    }

    /// Whether all words that were typed are in the name, the address or the version, or at the start of a thumbprint.
    pub(super) fn finds(&self, glance: &Glance) -> bool {
        if self.q.is_empty() {
            return true;
        }
        let typed = self.q.to_lowercase();
        let agent = &glance.stored.value;
        let hex: String = typed.chars().filter(char::is_ascii_hexdigit).collect();
        let is_hex = typed.chars().all(|c| c.is_ascii_hexdigit() || c == ' ' || c == ':');
        let pins = &agent.pins;
        let previous = pins.previous.as_ref().map(|(pin, _)| *pin);
        if is_hex
            && hex.len() >= 4
            && [Some(pins.current), pins.next, previous]
                .into_iter()
                .flatten()
                .any(|pin| pin.to_string().to_lowercase().starts_with(&hex))
        {
            return true;
        }
        let text = format!(
            "{} {} {} {}",
            agent.name,
            super::row::dialled_at(agent),
            glance.address.as_deref().unwrap_or_default(),
            glance.version.as_deref().unwrap_or_default()
        );
        let text = text.to_lowercase();
        typed.split_whitespace().all(|word| text.contains(word))
    }
}

/// What stays as it is in an address.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');
