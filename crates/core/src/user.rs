//! People who sign in.

use std::{fmt, sync::Arc};

use crate::{Role, Timestamp};

/// Names a user; it is what they sign in with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(Arc<str>);

/// Says why a text is no [`UserName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not a user name: 1 to 64 of the characters a-z, 0-9, \".\", \"-\", \"_\" and \"@\", of which the first is a letter or a digit"
)]
pub struct UserNameError(String);

/// Is where somebody gets mail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EmailAddress(Arc<str>);

/// Says why a text is no [`EmailAddress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an e-mail address, as in mara@shop.example")]
pub struct EmailError(String);

/// Is somebody who signs in, without what only they know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What they sign in with.
    pub name: UserName,
    /// How much they may.
    pub role: Role,
    /// Where they are notified, if anywhere.
    pub email: Option<EmailAddress>,
    /// Whether they may not sign in for now.
    pub is_disabled: bool,
    /// Since when there is such a user.
    pub created: Timestamp,
}

impl UserName {
    /// Longest name.
    pub const MAX: usize = 64;

    /// Reads a name; upper case is made lower, so that nobody signs in as another one by it.
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        let lower = text.to_ascii_lowercase();
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let is_name = (1..=Self::MAX).contains(&lower.len())
            && lower.bytes().next().is_some_and(is_plain)
            && lower.bytes().all(|b| is_plain(b) || matches!(b, b'.' | b'-' | b'_' | b'@'));
        if is_name { Ok(Self(lower.into())) } else { Err(UserNameError(text.chars().take(2 * Self::MAX).collect())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EmailAddress {
    /// Reads an address; whether mail arrives there is not known until some is sent (RFC 5321 section 4.1.2).
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        let is_address = text.len() <= MAX_EMAIL
            && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"<>,;\"".contains(c))
            && text.rsplit_once('@').is_some_and(|(local, domain)| {
                !local.is_empty() && !local.contains('@') && domain.split('.').all(|label| !label.is_empty())
            });
        if is_address { Ok(Self(text.into())) } else { Err(EmailError(text.chars().take(MAX_EMAIL).collect())) }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 5321 section 4.5.3.1.3, without the angle brackets.
const MAX_EMAIL: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_is_short_plain_and_in_lower_case() {
        for (text, expected) in [
            ("mara", Some("mara")),
            ("Mara.L", Some("mara.l")),
            ("mara@northmole.example", Some("mara@northmole.example")),
            ("7of9", Some("7of9")),
            ("", None),
            ("-mara", None),
            ("mara lindqvist", None),
            ("mara/..", None),
            ("mära", None),
        ] {
            assert_eq!(UserName::parse(text).ok().as_ref().map(UserName::as_str), expected, "{text}");
        }
        assert!(UserName::parse(&"m".repeat(64)).is_ok());
        assert!(UserName::parse(&"m".repeat(65)).is_err());
    }

    #[test]
    fn an_address_has_a_place_and_a_domain() {
        for (text, expected) in [
            ("mara@shop.example", true),
            (" mara+door@shop.example ", true),
            ("mara@localhost", true),
            ("mara", false),
            ("@shop.example", false),
            ("mara@", false),
            ("mara@shop..example", false),
            ("mara@@shop.example", false),
            ("ma ra@shop.example", false),
            ("mara@shop.example\r\nBcc: all@shop.example", false),
        ] {
            assert_eq!(EmailAddress::parse(text).is_ok(), expected, "{text}");
        }
    }
}
