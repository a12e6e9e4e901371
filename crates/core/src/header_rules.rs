//! What becomes of the headers of a site's responses.

use std::sync::Arc;

/// Says which headers of an application's responses are set, and which are taken away.
///
/// Most sites have no rules, and clones share them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct HeaderRules(Option<Arc<Rules>>);

/// Is rules; one at least.
#[derive(Debug, PartialEq, Eq)]
struct Rules {
    set: Vec<(String, String)>,
    remove: Vec<String>,
}

/// Says why a header cannot be set or removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderRuleError {
    /// There is no colon.
    #[error("\"{0}\" is no header; write it as in \"X-Frame-Options: DENY\"")]
    Form(String),
    /// The name is no token (RFC 9110 section 5.1).
    #[error("\"{0}\" is no name of a header: letters, digits and hyphens")]
    Name(String),
    /// The value has what ends a header, or is no text.
    #[error("the value of {0} is empty, too long, or has characters other than visible ASCII and spaces")]
    Value(String),
    /// It belongs to the connection or to the framing of the message.
    #[error("{0} belongs to the connection between Portward and its neighbours, which Portward writes itself")]
    Ours(String),
    /// It has a setting of its own.
    #[error("Strict-Transport-Security is set by the site's HSTS setting, which knows when it must not be sent")]
    Hsts,
    /// It is there twice, or both set and removed.
    #[error("{0} is there twice")]
    Twice(String),
    /// There are too many.
    #[error("a site sets and removes at most {MOST} headers")]
    TooMany,
}

impl HeaderRules {
    /// Checks names and values; names keep their letters, and are compared without regard to case.
    pub fn new(set: Vec<(String, String)>, remove: Vec<String>) -> Result<Self, HeaderRuleError> {
        if set.len() + remove.len() > MOST {
            return Err(HeaderRuleError::TooMany);
        }
        let names: Vec<&String> = set.iter().map(|(name, _)| name).chain(&remove).collect();
        for (at, name) in names.iter().enumerate() {
            check_name(name)?;
            if names[..at].iter().any(|other| other.eq_ignore_ascii_case(name)) {
                return Err(HeaderRuleError::Twice((*name).clone()));
            }
        }
        if let Some((name, _)) = set.iter().find(|(_, value)| !is_value(value)) {
            return Err(HeaderRuleError::Value(name.clone()));
        }
        let is_empty = set.is_empty() && remove.is_empty();
        Ok(Self((!is_empty).then(|| Arc::new(Rules { set, remove }))))
    }

    /// Reads `Name: value`.
    pub fn parse_set(text: &str) -> Result<(String, String), HeaderRuleError> {
        let (name, value) = text.split_once(':').ok_or_else(|| HeaderRuleError::Form(text.to_owned()))?;
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        check_name(&name)?;
        if is_value(&value) { Ok((name, value)) } else { Err(HeaderRuleError::Value(name)) }
    }

    /// Reads the name of a header to remove.
    pub fn parse_remove(text: &str) -> Result<String, HeaderRuleError> {
        check_name(text.trim())?;
        Ok(text.trim().to_owned())
    }

    /// Headers that each response has, in the place of the application's of the same name.
    pub fn set(&self) -> &[(String, String)] {
        self.0.as_ref().map_or(&[], |rules| &rules.set)
    }

    /// Names of headers that no response has.
    pub fn remove(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |rules| &rules.remove)
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the application's header of that name is taken away, be it for ours or for none.
    pub fn replaces(&self, name: &str) -> bool {
        self.set().iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
            || self.remove().iter().any(|other| other.eq_ignore_ascii_case(name))
    }
}

fn check_name(name: &str) -> Result<(), HeaderRuleError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(is_name) {
        return Err(HeaderRuleError::Name(name.to_owned()));
    }
    if name.eq_ignore_ascii_case("strict-transport-security") {
        return Err(HeaderRuleError::Hsts);
    }
    if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
        return Err(HeaderRuleError::Ours(name.to_owned()));
    }
    Ok(())
}

fn is_value(value: &str) -> bool {
    let is_visible = |byte: u8| (b' '..=b'~').contains(&byte);
    !value.is_empty() && value.len() <= VALUE_BYTES && value.trim() == value && value.bytes().all(is_visible)
}

/// Hop-by-hop headers (RFC 9110 section 7.6.1), the framing of a message, what switches protocols, and what describes
/// the bytes of a body that passes as it is.
const OURS: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "host",
    "content-length",
    "content-encoding",
    "content-range",
    "sec-websocket-accept",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
];

/// Rules of one site; a head has a hundred headers at most.
const MOST: usize = 32;
const NAME_BYTES: usize = 128;
/// A Content-Security-Policy may be long.
const VALUE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn rules(set: &[(&str, &str)], remove: &[&str]) -> Result<HeaderRules, HeaderRuleError> {
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        HeaderRules::new(set, remove.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn rules_replace_by_name_in_any_case() {
        let rules = rules(&[("X-Frame-Options", "DENY")], &["Server"]).unwrap();
        assert!(rules.replaces("x-frame-options") && rules.replaces("SERVER") && !rules.replaces("Date"));
        assert!(HeaderRules::default().is_empty() && !rules.is_empty());
    }

    #[test]
    fn a_header_is_read_as_it_is_written() {
        let read = HeaderRules::parse_set("Referrer-Policy:  same-origin ").unwrap();
        assert_eq!(read, ("Referrer-Policy".to_owned(), "same-origin".to_owned()));
        assert_eq!(HeaderRules::parse_set("X-A"), Err(HeaderRuleError::Form("X-A".to_owned())));
        assert_eq!(HeaderRules::parse_set("X-A:"), Err(HeaderRuleError::Value("X-A".to_owned())));
    }

    #[test]
    fn what_frames_a_message_or_splits_a_response_is_refused() {
        let name = |name: &str| name.to_owned();
        for (set, remove, expected) in [
            (&[("X A", "b")][..], &[][..], HeaderRuleError::Name(name("X A"))),
            (&[("", "b")], &[], HeaderRuleError::Name(name(""))),
            (&[("X-A", "b\r\nSet-Cookie: c=d")], &[], HeaderRuleError::Value(name("X-A"))),
            (&[("X-A", "b\0")], &[], HeaderRuleError::Value(name("X-A"))),
            (&[("X-A", " b")], &[], HeaderRuleError::Value(name("X-A"))),
            (&[("Content-Length", "0")], &[], HeaderRuleError::Ours(name("Content-Length"))),
            (&[("host", "a.test")], &[], HeaderRuleError::Ours(name("host"))),
            (&[], &["TRANSFER-ENCODING"], HeaderRuleError::Ours(name("TRANSFER-ENCODING"))),
            (&[], &["upgrade"], HeaderRuleError::Ours(name("upgrade"))),
            (&[("Strict-Transport-Security", "max-age=1")], &[], HeaderRuleError::Hsts),
            (&[("X-A", "1")], &["x-a"], HeaderRuleError::Twice(name("x-a"))),
        ] {
            assert_eq!(rules(set, remove), Err(expected), "{set:?} {remove:?}");
        }
        let many: Vec<String> = (0..=MOST).map(|at| format!("X-{at}")).collect();
        assert_eq!(HeaderRules::new(Vec::new(), many), Err(HeaderRuleError::TooMany));
    }
}
