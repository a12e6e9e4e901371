//! A chain, drawn piece by piece: private key, leaf, intermediates, root, and what ties them.

use portward_certs::{FactsError, facts};
use portward_core::{CertificateVersion, Chain, LeafFacts, Timestamp};

use super::{
    certificates::common_name,
    view::{counted, day, span},
};

/// Is one piece, with what ties it to the piece before.
pub(super) struct Piece {
    /// The tie; none at the first piece.
    pub(super) tie: Option<Tie>,
    /// As in "Leaf".
    pub(super) kind: &'static str,
    /// Its icon.
    pub(super) icon: &'static str,
    /// `leaf`, `unsent`, or nothing.
    pub(super) class: &'static str,
    /// What it is called.
    pub(super) title: String,
    /// What there is to know of it.
    pub(super) lines: Vec<String>,
    /// What matters most of it.
    pub(super) strong: Option<String>,
    /// Where it came from.
    pub(super) from: Option<String>,
}

/// Is what ties two pieces.
#[derive(Clone, Copy)]
pub(super) struct Tie {
    /// As in "signed by".
    pub(super) word: &'static str,
    /// Whether it does not hold.
    pub(super) is_broken: bool,
}

impl Tie {
    pub(super) const FITS: Self = Self { word: "fits", is_broken: false };
    pub(super) const MISFIT: Self = Self { word: "does not fit", is_broken: true };
    pub(super) const SIGNED: Self = Self { word: "signed by", is_broken: false };
    pub(super) const MISSING: Self = Self { word: "missing", is_broken: true };
}

/// How many columns the style sheet needs; a chain that is longer stands upright.
pub(super) fn class(pieces: &[Piece]) -> &'static str {
    match pieces.len() {
        0..=2 => "two",
        3 => "three",
        4 => "",
        _ => "long",
    }
}

/// The pieces of a version that is stored.
pub(super) fn of_version(version: &CertificateVersion, now: Timestamp) -> Vec<Piece> {
    let mut pieces = vec![Piece::key(version.facts.key_type.to_string(), vec!["Sealed in the store".to_owned()])];
    pieces.push(Piece { tie: Some(Tie::FITS), ..Piece::leaf(&version.facts, now) });
    pieces.extend(issuers(&version.chain));
    if version.facts.self_signed {
        return pieces;
    }
    if version.chain.intermediates.is_empty() && version.chain.root.is_none() {
        pieces.push(Piece::missing(&version.facts.issuer, None));
    }
    pieces
}

/// The pieces above the leaf.
fn issuers(chain: &Chain) -> impl Iterator<Item = Piece> {
    let intermediates = chain.intermediates.iter().map(|der| Piece::issuer(der, Role::Intermediate));
    let root = chain.root.iter().map(|der| Piece::issuer(der, Role::Root));
    intermediates.chain(root)
}

/// Says what an issuer is in a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Sent to clients.
    Intermediate,
    /// Clients have it.
    Root,
}

impl Piece {
    /// A private key of a type.
    pub(super) fn key(key_type: String, lines: Vec<String>) -> Self {
        Self {
            tie: None,
            kind: "Private key",
            icon: "i-key",
            class: "",
            title: key_type,
            lines,
            strong: None,
            from: None,
        }
    }

    /// The leaf.
    pub(super) fn leaf(facts: &LeafFacts, now: Timestamp) -> Self {
        let mut names = facts.names.iter().map(ToString::to_string);
        let title = names.next().unwrap_or_else(|| common_name(&facts.subject));
        let others: Vec<String> = names.collect();
        let mut lines = Vec::new();
        match others.as_slice() {
            [] => {}
            few if few.len() <= MOST_NAMES => lines.extend(few.iter().map(|name| format!("and {name}"))),
            many => lines.push(format!("and {}", counted(many.len(), "other name"))),
        }
        lines.push(format!("{} to {}", day(facts.validity.not_before), day(facts.validity.not_after)));
        let strong = if now > facts.validity.not_after {
            format!("expired {} ago", span(now.since(facts.validity.not_after).as_secs()))
        } else {
            format!("{} left", span(facts.validity.not_after.since(now).as_secs()))
        };
        Self {
            tie: None,
            kind: if facts.self_signed { "Leaf, self-signed" } else { "Leaf" },
            icon: "i-cert",
            class: "leaf",
            title,
            lines,
            strong: Some(strong),
            from: None,
        }
    }

    /// An issuer. Its key may be of a type that we cannot serve with; its name is shown all the same.
    pub(super) fn issuer(der: &[u8], role: Role) -> Self {
        let (title, mut lines) = match facts(der) {
            Ok(facts) => {
                let until = format!("until {}", day(facts.validity.not_after));
                (common_name(&facts.subject), vec![until, facts.key_type.to_string()])
            }
            Err(FactsError::UnsupportedKey { subject, algorithm }) => (common_name(&subject), vec![algorithm]),
            Err(FactsError::Broken(_)) => ("cannot be read".to_owned(), Vec::new()),
        };
        let is_root = role == Role::Root;
        if is_root {
            lines.push("Clients have it: not sent".to_owned());
        }
        Self {
            tie: Some(Tie::SIGNED),
            kind: if is_root { "Root" } else { "Intermediate" },
            icon: "i-cert",
            class: if is_root { "unsent" } else { "" },
            title,
            lines,
            strong: None,
            from: None,
        }
    }

    /// An issuer that nobody gave.
    pub(super) fn missing(issuer: &str, url: Option<&str>) -> Self {
        let mut lines = vec!["Nobody gave it".to_owned()];
        if let Some(url) = url {
            lines.push(format!("Published at {url}"));
        }
        Self {
            tie: Some(Tie::MISSING),
            kind: "Intermediate",
            icon: "i-cert",
            class: "unsent",
            title: common_name(issuer),
            lines,
            strong: None,
            from: None,
        }
    }
}

/// More than these make the piece taller than the others.
const MOST_NAMES: usize = 3;
