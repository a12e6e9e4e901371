//! Secrets on their way to the server: wiped when dropped, and never shown.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};
use zeroize::Zeroizing;

/// Holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

/// Holds the content of a file that may have a private key in it; in JSON it is base64 (RFC 4648 section 4).
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretText {
    /// Takes a text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl SecretBytes {
    /// Takes bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_string(TextVisitor).map(Self)
    }
}

impl Serialize for SecretBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(BASE64_STANDARD.encode(&*self.0)))
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_string(TextVisitor)?;
        // The error of the decoder names a byte of the input; ours does not.
        let bytes = BASE64_STANDARD.decode(text.as_bytes()).map_err(|_| de::Error::custom("a file is not base64"))?;
        Ok(Self::new(bytes))
    }
}

impl ToSchema for SecretText {}

impl PartialSchema for SecretText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let text = text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)));
        text.description(Some("Is a secret: taken, and never shown.")).write_only(true).into()
    }
}

impl ToSchema for SecretBytes {}

impl PartialSchema for SecretBytes {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let text = text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Byte)));
        let about = "Is the content of a file that may have a private key in it, in base64 (RFC 4648 section 4).";
        text.description(Some(about)).content_encoding("base64").write_only(true).into()
    }
}

/// Takes a text in without quoting it in an error.
struct TextVisitor;

impl de::Visitor<'_> for TextVisitor {
    type Value = Zeroizing<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Zeroizing::new(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Zeroizing::new(text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn secrets_go_through_json_and_stay_out_of_debug() {
        let text = SecretText::new("marker".to_owned());
        let bytes = SecretBytes::new(b"marker".to_vec());
        assert_eq!(serde_json::to_string(&text).unwrap(), "\"marker\"");
        assert_eq!(serde_json::to_string(&bytes).unwrap(), "\"bWFya2Vy\"");
        assert_eq!(serde_json::from_str::<SecretText>("\"marker\"").unwrap(), text);
        assert_eq!(serde_json::from_str::<SecretBytes>("\"bWFya2Vy\"").unwrap(), bytes);
        assert_eq!(format!("{text:?} {bytes:?}"), "SecretText(..) SecretBytes(6 bytes)");
    }

    #[test]
    fn what_is_no_base64_is_refused_without_being_quoted() {
        let error = serde_json::from_str::<SecretBytes>("\"mar!ker\"").unwrap_err().to_string();
        assert!(error.starts_with("a file is not base64"), "{error}");
    }
}
