//! Which passwords are taken.
//!
//! Length is what counts; nobody is told which characters to take (NIST SP 800-63B section 3.1.1.2).

use crate::UserName;

/// Says whether something else than the password is asked for at sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondFactor {
    /// The password is all.
    None,
    /// A code is asked for as well.
    Asked,
}

/// Says why a password is not taken; it quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// It is guessed too soon.
    #[error("{length} character{}. {least} or more.", if *.length == 1 { "" } else { "s" })]
    TooShort {
        /// How many characters it has.
        length: usize,
        /// How many it needs.
        least: usize,
    },
    /// Nobody types that.
    #[error("{0} characters. {max} at most.", max = MAX)]
    TooLong(usize),
    /// It is tried first.
    #[error("It is the user name. Take something that nobody expects.")]
    IsUserName,
    /// It is on every list of those who guess.
    #[error("It is one of the passwords that are tried first. Take words that nobody expects.")]
    Common,
}

/// Says whether a password can be that of a user.
pub fn check_password(user: &UserName, password: &str, second: SecondFactor) -> Result<(), PasswordError> {
    let length = password.chars().count();
    let least = match second {
        SecondFactor::None => ALONE,
        SecondFactor::Asked => WITH_SECOND,
    };
    if length > MAX {
        return Err(PasswordError::TooLong(length));
    }
    let lower = password.to_lowercase();
    if is_repeated(&lower, user.as_str()) {
        return Err(PasswordError::IsUserName);
    }
    if length < least {
        return Err(PasswordError::TooShort { length, least });
    }
    if is_common(&lower) { Err(PasswordError::Common) } else { Ok(()) }
}

/// Whether a password is on the list, or what lazy fingers make of it.
fn is_common(lower: &str) -> bool {
    COMMON.iter().any(|common| common.starts_with(lower) || is_repeated(lower, common))
        || is_walk(lower)
        || has_few_letters(lower)
}

/// Whether a text is another one, once or several times, cut off or not.
fn is_repeated(text: &str, part: &str) -> bool {
    text.len() >= part.len() && text.chars().zip(part.chars().cycle()).all(|(have, want)| have == want)
}

/// Whether each character follows the one before it, as in `123456789012345` or `abcdefghijklmno`.
fn is_walk(lower: &str) -> bool {
    let follows = |a: char, b: char| {
        let (a, b) = (u32::from(a), u32::from(b));
        a + 1 == b
            || b + 1 == a
            || (a, b) == (u32::from('9'), u32::from('0'))
            || (a, b) == (u32::from('0'), u32::from('9'))
    };
    lower.chars().zip(lower.chars().skip(1)).all(|(a, b)| follows(a, b))
}

/// Whether there are hardly different characters, as in `aaaaaaaabbbbbbb`.
fn has_few_letters(lower: &str) -> bool {
    let mut different: Vec<char> = lower.chars().collect();
    different.sort_unstable();
    different.dedup();
    different.len() < LEAST_DIFFERENT
}

/// NIST SP 800-63B section 3.1.1.2: 15 where the password is all, 8 where something else is asked for too.
const ALONE: usize = 15;
const WITH_SECOND: usize = 8;
/// Far above the 64 that must be possible, and nothing that argon2 takes longer for.
const MAX: usize = 128;
const LEAST_DIFFERENT: usize = 4;

/// The ones that lists of guesses begin with, as far as they are long enough once or repeated; and our own name.
const COMMON: &[&str] = &[
    "password",
    "passw0rd",
    "p@ssword",
    "p@ssw0rd",
    "passwort",
    "password1",
    "password123",
    "password123456",
    "password1234567",
    "mypassword",
    "thisismypassword",
    "correcthorsebatterystaple",
    "correct horse battery staple",
    "qwerty",
    "qwerty123",
    "qwerty123456789",
    "qwertyuiop",
    "qwertyuiopasdfg",
    "qwertyuiopasdfghjkl",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiop",
    "qwertzuiopasdfghjkl",
    "azertyuiop",
    "asdfghjkl",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb",
    "1q2w3e4r",
    "1qaz2wsx",
    "qazwsxedc",
    "zaq12wsx",
    "iloveyou",
    "letmein",
    "letmeinplease",
    "welcome",
    "welcome1",
    "welcome123",
    "admin",
    "admin123",
    "administrator",
    "changeme",
    "changeit",
    "secret",
    "default",
    "master",
    "monkey",
    "dragon",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "trustno1",
    "whatever",
    "starwars",
    "computer",
    "internet",
    "abc123",
    "a1b2c3",
    "abcd1234",
    "test1234",
    "hunter2",
    "portward",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn length_counts_and_what_is_tried_first_is_refused() {
        let user = UserName::parse("mara").unwrap();
        let short = |length| Err(PasswordError::TooShort { length, least: 15 });
        for (password, expected) in [
            ("correct horse", short(13)),
            ("", short(0)),
            ("four plain words here", Ok(())),
            ("ÄÖÜ äöü ßßß ☃☃☃☃", Ok(())),
            ("  spaces count  ", Ok(())),
            ("Mara", Err(PasswordError::IsUserName)),
            ("maramaramaramaramara", Err(PasswordError::IsUserName)),
            ("PasswordPassword", Err(PasswordError::Common)),
            ("correcthorsebatterystaple", Err(PasswordError::Common)),
            ("123456789012345", Err(PasswordError::Common)),
            ("abcdefghijklmnop", Err(PasswordError::Common)),
            ("aaaaaaaaaaaaaaaa", Err(PasswordError::Common)),
            ("ababababababcccc", Err(PasswordError::Common)),
            ("qwertyuiopasdfgh", Err(PasswordError::Common)),
        ] {
            assert_eq!(check_password(&user, password, SecondFactor::None), expected, "{password}");
        }
        assert_eq!(check_password(&user, "lime tree", SecondFactor::Asked), Ok(()));
        assert!(check_password(&user, &"lime tree ".repeat(12), SecondFactor::None).is_ok());
        assert_eq!(
            check_password(&user, &"lime tree ".repeat(13), SecondFactor::None),
            Err(PasswordError::TooLong(130))
        );
    }

    #[test]
    fn an_error_says_how_many_and_how_many_more() {
        let error = PasswordError::TooShort { length: 13, least: 15 };
        assert_eq!(error.to_string(), "13 characters. 15 or more.");
        assert_eq!(PasswordError::TooShort { length: 1, least: 15 }.to_string(), "1 character. 15 or more.");
    }
}
