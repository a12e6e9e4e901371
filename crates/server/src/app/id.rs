//! Ids for new things: readable for what operators name on the command line, random for the rest.

use aws_lc_rs::rand;
use portward_api::SecretText;
use portward_core::{KeyId, secret_text};
use zeroize::Zeroizing;

use super::AppError;

/// Makes an id out of a text, as `shop-example` of `Shop.example`; with a number at its end if it is taken.
pub(crate) fn slug(text: &str, fallback: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut slug = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() == MAX_SLUG {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    let slug = if slug.is_empty() { fallback } else { slug };
    if !is_taken(slug) {
        return slug.to_owned();
    }
    let mut number: u64 = 2;
    loop {
        let numbered = format!("{slug}-{number}");
        if !is_taken(&numbered) {
            return numbered;
        }
        number += 1;
    }
}

/// Makes an id for a private key, which nobody else has.
pub(crate) fn new_key_id() -> Result<KeyId, AppError> {
    let text = random_hex::<16>()?;
    KeyId::parse(&text).map_err(|error| AppError::internal("no id could be made for the private key", error))
}

/// Random bytes as hexadecimal digits, two for each.
pub(crate) fn random_hex<const N: usize>() -> Result<String, AppError> {
    Ok(random_bytes::<N>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Makes a secret of 256 bits, in letters and digits.
pub(crate) fn random_secret() -> Result<SecretText, AppError> {
    loop {
        if let Some(text) = secret_text(&*random_bytes()?) {
            return Ok(SecretText::new(text));
        }
    }
}

/// Random bytes, wiped when they go.
pub(crate) fn random_bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, AppError> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::fill(&mut *bytes).map_err(|_| AppError::internal("the system gives no random bytes", "no random bytes"))?;
    Ok(bytes)
}

/// Leaves room for a number in the 64 characters of an id.
const MAX_SLUG: usize = 40;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_core::SiteId;

    use super::*;

    #[test]
    fn an_id_is_made_of_what_people_call_the_thing() {
        for (text, expected) in [
            ("Shop.example", "shop-example"),
            ("*.shop.example", "shop-example"),
            ("10.0.0.1", "10-0-0-1"),
            ("::1", "1"),
            ("*", "thing"),
            ("Ünïcode ☃", "n-code"),
            ("", "thing"),
        ] {
            let id = slug(text, "thing", |_| false);
            assert_eq!(id, expected, "{text}");
            assert!(SiteId::parse(&id).is_ok());
        }
        let long = slug(&"a.".repeat(200), "thing", |id| id.len() == 39);
        assert!(SiteId::parse(&long).is_ok(), "{long}");
    }

    #[test]
    fn a_taken_id_gets_a_number() {
        assert_eq!(slug("a", "thing", |id| id == "a" || id == "a-2"), "a-3");
    }

    #[test]
    fn ids_of_keys_differ() {
        assert_ne!(new_key_id().unwrap(), new_key_id().unwrap());
    }
}
