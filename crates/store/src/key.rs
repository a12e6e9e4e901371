//! Paths of things in the store.
//!
//! A key is relative to its cluster: where engines are shared, they put `/portward/<cluster-id>/v1/` before it.

use std::{fmt, sync::Arc};

/// Names one thing in the store, as in `certs/01k9x/v/3`.
///
/// Segments of `A-Z a-z 0-9 . _ : - *` are separated by `/`; none is empty, `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// Names all keys below a path, as in `certs/01k9x/`, or all keys there are.
///
/// It ends at a border of segments: `certs/1` is no prefix of `certs/10`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(Arc<str>);

/// Says why a text is no [`Key`] or [`Prefix`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing is there.
    #[error("the key is empty")]
    Empty,
    /// It has more bytes than [`Key::MAX_BYTES`].
    #[error("the key has {0} bytes; at most {max} are allowed", max = Key::MAX_BYTES)]
    TooLong(usize),
    /// A segment is empty, `.` or `..`.
    #[error("the key \"{0}\" has an empty segment, or one that is \".\" or \"..\"")]
    Segment(String),
    /// It has a character that no key has.
    #[error("the key \"{key}\" has the character {character:?}; allowed are A-Z a-z 0-9 . _ : - *")]
    Character {
        /// The text that was read.
        key: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// A prefix lacks the `/` at its end.
    #[error("the prefix \"{0}\" does not end with \"/\"")]
    OpenEnd(String),
}

impl Key {
    /// Longest key; far below the limits of every engine, and long enough for a host name and two ids.
    pub const MAX_BYTES: usize = 512;

    /// Reads a key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// Takes a path that was put together from checked parts.
    pub(crate) fn of_checked(text: String) -> Self {
        debug_assert_eq!(check(&text), Ok(()));
        Self(text.into())
    }

    /// The key as text, without a `/` at its start.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts between the `/`.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl Prefix {
    /// Reads a prefix: a key with `/` at its end, or nothing, which means [`Prefix::all`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Ok(Self::all());
        }
        let inner = text.strip_suffix('/').ok_or_else(|| KeyError::OpenEnd(text.to_owned()))?;
        check(inner)?;
        Ok(Self(text.into()))
    }

    /// Takes a prefix of our own layout.
    pub(crate) fn of_checked(text: String) -> Self {
        debug_assert!(Self::parse(&text).is_ok());
        Self(text.into())
    }

    /// The prefix of every key.
    pub fn all() -> Self {
        Self("".into())
    }

    /// The prefix as text: empty, or with `/` at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key lies below.
    pub fn contains(&self, key: &Key) -> bool {
        key.0.starts_with(&*self.0)
    }

    /// The least text that is greater than every key below; none if that is all keys.
    pub(crate) fn end(&self) -> Option<String> {
        // `0` follows `/` in ASCII, and a prefix ends with `/`.
        self.0.strip_suffix('/').map(|inner| format!("{inner}0"))
    }
}

/// A key is found by its text; both are in the same order.
impl std::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({})", self.0)
    }
}

fn check(text: &str) -> Result<(), KeyError> {
    // All keys of a store pass here when it is read.
    if is_plain(text) {
        return Ok(());
    }
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    if text.len() > Key::MAX_BYTES {
        return Err(KeyError::TooLong(text.len()));
    }
    if let Some(character) = text.chars().find(|c| !is_allowed(*c)) {
        return Err(KeyError::Character { key: text.to_owned(), character });
    }
    if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(KeyError::Segment(text.to_owned()));
    }
    Ok(())
}

/// Whether nothing is wrong with a key in which no segment begins with a dot, as hardly any does.
fn is_plain(text: &str) -> bool {
    let mut before = b'/';
    for byte in text.bytes() {
        if !is_allowed(char::from(byte)) || before == b'/' && matches!(byte, b'/' | b'.') {
            return false;
        }
        before = byte;
    }
    before != b'/' && text.len() <= Key::MAX_BYTES
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '/' | '.' | '_' | ':' | '-' | '*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_key_is_a_path_of_plain_segments() {
        for good in ["a", "acme/chal/http/*.shop.test/a_B-c", "sites/::1", "a/...", &"k".repeat(512)] {
            assert_eq!(Key::parse(good).unwrap().as_str(), good);
        }
        for (bad, expected) in [
            ("", KeyError::Empty),
            ("/a", KeyError::Segment("/a".to_owned())),
            ("a/", KeyError::Segment("a/".to_owned())),
            ("a//b", KeyError::Segment("a//b".to_owned())),
            ("a/../b", KeyError::Segment("a/../b".to_owned())),
            (".", KeyError::Segment(".".to_owned())),
            ("a b", KeyError::Character { key: "a b".to_owned(), character: ' ' }),
            ("ü", KeyError::Character { key: "ü".to_owned(), character: 'ü' }),
            ("a\0", KeyError::Character { key: "a\0".to_owned(), character: '\0' }),
            (&"k".repeat(513), KeyError::TooLong(513)),
        ] {
            assert_eq!(Key::parse(bad), Err(expected), "{bad:?}");
        }
    }

    #[test]
    fn a_prefix_contains_whole_segments_only() {
        let prefix = Prefix::parse("certs/1/").unwrap();
        for (key, inside) in [("certs/1/spec", true), ("certs/10/spec", false), ("certs/1", false), ("a", false)] {
            let key = Key::parse(key).unwrap();
            assert_eq!(prefix.contains(&key), inside, "{key}");
            let end = prefix.end().unwrap();
            assert_eq!(key.as_str() >= prefix.as_str() && key.as_str() < end.as_str(), inside, "{key}");
            assert!(Prefix::all().contains(&key));
        }
        assert_eq!(Prefix::parse("").unwrap(), Prefix::all());
        assert_eq!(Prefix::parse("certs"), Err(KeyError::OpenEnd("certs".to_owned())));
        assert_eq!(Prefix::parse("/"), Err(KeyError::Empty));
    }
}
