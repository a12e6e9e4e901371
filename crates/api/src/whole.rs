//! Whole numbers in JSON, which has one kind of number: `30.0` is 30 (RFC 8259 section 6).

use std::{fmt, marker::PhantomData};

use serde::{Deserializer, de};

/// Reads a whole number, or null.
pub(crate) fn option<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(Whole(PhantomData))
}

struct Whole<T>(PhantomData<T>);

impl<T: TryFrom<u64>> de::Visitor<'_> for Whole<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        T::try_from(number).map(Some).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "only what comes back the same is taken"
    )]
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        let whole = number as u64;
        if whole as f64 == number {
            return self.visit_u64(whole);
        }
        Err(E::invalid_value(de::Unexpected::Float(number), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Days {
        #[serde(default, deserialize_with = "option")]
        days: Option<u16>,
    }

    #[test]
    fn whole_numbers_are_taken_however_they_are_written() {
        for (text, expected) in [
            (r#"{"days": 30}"#, Some(Some(30))),
            (r#"{"days": 30.0}"#, Some(Some(30))),
            (r#"{"days": 3e1}"#, Some(Some(30))),
            (r#"{"days": null}"#, Some(None)),
            ("{}", Some(None)),
            (r#"{"days": 30.5}"#, None),
            (r#"{"days": -1}"#, None),
            (r#"{"days": 65536}"#, None),
            (r#"{"days": 1e300}"#, None),
            (r#"{"days": "30"}"#, None),
        ] {
            let read = serde_json::from_str::<Days>(text).ok().map(|days| days.days);
            assert_eq!(read, expected, "{text}");
        }
    }
}
