//! Names that Portward gives to things; each kind of thing has a type of its own.

use std::{fmt, sync::Arc};

/// Says why a text is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an id: 1 to 64 of the characters a-z, 0-9 and -")]
pub struct IdError(String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads an id: 1 to 64 characters of `a-z`, `0-9` and `-`.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                if is_id(text) { Ok(Self(text.into())) } else { Err(IdError(text.to_owned())) }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// Names a [`Binding`](crate::Binding).
    BindingId
}
id! {
    /// Names a [`Site`](crate::Site).
    SiteId
}
id! {
    /// Names a [`Certificate`](crate::Certificate); it stays while versions come and go.
    CertificateId
}
id! {
    /// Names a sealed private key in the store.
    KeyId
}
id! {
    /// Names an [`Issuer`](crate::acme::Issuer).
    IssuerId
}
id! {
    /// Names who writes TXT records for dns-01.
    DnsProviderId
}
id! {
    /// Names the settings that an application wants of its site.
    PresetId
}
id! {
    /// Names one attempt to get a certificate.
    AttemptId
}
id! {
    /// Names a change that waits to be confirmed.
    ConfirmationId
}
id! {
    /// Tells a [`User`](crate::User) from another one who had the same name before.
    UserId
}
id! {
    /// Names a [`Token`](crate::Token).
    TokenId
}
id! {
    /// Names where notices are sent.
    ChannelId
}
id! {
    /// Names what is wanted of one certificate on one machine.
    DeliveryId
}

/// Numbers the versions of one certificate, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionNumber(pub u32);

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_lower_case_and_safe_in_a_path() {
        for good in ["a", "01k9x-7", &"a".repeat(64)] {
            assert!(SiteId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a/b", "..", "a b", "ä", &"a".repeat(65)] {
            assert!(SiteId::parse(bad).is_err(), "{bad}");
        }
    }
}
