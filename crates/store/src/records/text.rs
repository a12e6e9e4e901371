//! Values that are written as text in JSON, for `serde(with)`.

use portward_core::{
    AgentHealth, AgentName, AgentOrigin, AttemptId, BindingId, CertificateId, ChannelId, DeliveryFormat, DeliveryPath,
    DialAddress, DnsProviderId, EmailAddress, FileMode, FileOwner, HostPattern, HostPatterns, IdentityState, IssuerId,
    NewWay, NoticeKind, Permission, ProfileName, Role, Thumbprint, Timestamp, Tone, UserId, UserName, Verify,
    VersionNumber,
    acme::{ChallengeKind, Check, Stage, Verdict},
};
use serde::{Deserialize, Deserializer, Serializer, de::Error};

use super::RecordError;

/// Is a value with one spelling.
pub(crate) trait Text: Sized {
    /// Writes the spelling.
    fn write(&self) -> String;
    /// Reads it; none if it is none.
    fn read(text: &str) -> Option<Self>;
}

macro_rules! text {
    ($($name:ty => $read:expr,)*) => {
        $(impl Text for $name {
            fn write(&self) -> String {
                self.to_string()
            }

            fn read(text: &str) -> Option<Self> {
                #[allow(clippy::redundant_closure_call, reason = "some are paths, some are closures")]
                ($read)(text)
            }
        })*
    };
}

text! {
    AgentHealth => Self::parse,
    AgentName => |text| Self::parse(text).ok(),
    AgentOrigin => Self::parse,
    AttemptId => |text| Self::parse(text).ok(),
    BindingId => |text| Self::parse(text).ok(),
    CertificateId => |text| Self::parse(text).ok(),
    ChallengeKind => Self::parse,
    ChannelId => |text| Self::parse(text).ok(),
    DeliveryFormat => |text| Self::parse(text).ok(),
    DeliveryPath => |text| Self::parse(text).ok(),
    DialAddress => |text| Self::parse(text, None).ok(),
    DnsProviderId => |text| Self::parse(text).ok(),
    Check => Self::parse,
    EmailAddress => |text| Self::parse(text).ok(),
    FileMode => |text| Self::parse(text).ok(),
    // It has no spelling where nothing is said.
    FileOwner => |text| Self::parse(text).ok(),
    HostPattern => |text| Self::parse(text).ok(),
    IdentityState => Self::parse,
    IssuerId => |text| Self::parse(text).ok(),
    NewWay => Self::parse,
    NoticeKind => Self::parse,
    Permission => Self::parse,
    ProfileName => |text| Self::parse(text).ok(),
    Role => Self::parse,
    Stage => Self::parse,
    Thumbprint => |text| Self::parse(text).ok(),
    Timestamp => |text| Self::parse(text).ok(),
    Tone => Self::parse,
    UserId => |text| Self::parse(text).ok(),
    UserName => |text| Self::parse(text).ok(),
    Verdict => Self::parse,
    Verify => |text| Self::parse(text).ok(),
    VersionNumber => |text: &str| text.parse().ok().map(Self),
}

/// Reads the names of a site or a leaf. There are many of these, so no more room is taken than they need.
pub(crate) fn host_patterns(texts: &[String]) -> Result<HostPatterns, RecordError> {
    let mut names = HostPatterns::with_capacity(texts.len());
    for text in texts {
        names.push(HostPattern::parse(text).map_err(|error| RecordError::invalid("names", error))?);
    }
    Ok(names)
}

/// Writes a value.
pub(crate) fn serialize<T: Text, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.write())
}

/// Reads a value.
pub(crate) fn deserialize<'de, T: Text, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    T::read(&text).ok_or_else(|| D::Error::custom(format_args!("\"{text}\" is not what belongs here")))
}

/// The same for a value that may be missing.
pub(crate) mod option {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Text;

    pub(crate) fn serialize<T: Text, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.serialize_str(&value.write()),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T: Text, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let value = T::read(&text);
        value.map(Some).ok_or_else(|| D::Error::custom(format_args!("\"{text}\" is not what belongs here")))
    }
}

/// The same for several values.
pub(crate) mod list {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Text;

    pub(crate) fn serialize<T: Text, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(Text::write))
    }

    pub(crate) fn deserialize<'de, T: Text, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let values = texts.iter().map(|text| T::read(text)).collect::<Option<_>>();
        values.ok_or_else(|| D::Error::custom("a list has something that does not belong there"))
    }
}
