//! Tokens of programs, and the texts that secrets have.

use std::{collections::BTreeSet, fmt};

use crate::{Permission, Timestamp, TokenId, UserId, UserName};

/// Is what a program shows to be let in, without the secret of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Names it, and is a part of its text.
    pub id: TokenId,
    /// What people call it.
    pub name: String,
    /// What it permits at most.
    pub permissions: BTreeSet<Permission>,
    /// Who made it; of what a user may no more, their tokens may nothing.
    pub owner: TokenOwner,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends; none if it does not end by itself.
    pub expires: Option<Timestamp>,
    /// When somebody revoked it; none if nobody did.
    pub revoked: Option<Timestamp>,
}

/// Says whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenOwner {
    /// A user's.
    User {
        /// Their name.
        name: UserName,
        /// Tells them from another one of that name.
        id: UserId,
    },
    /// Somebody's on the machine itself, as in `ada (uid 1000, admin socket)`.
    Machine(String),
}

/// Is the text of a token: `ptw_`, its id, its secret, and a check sum, so that scanners of leaked secrets and people
/// with half a token see what they have.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText {
    id: TokenId,
    text: String,
}

impl TokenText {
    /// Puts a token together; `secret` is made by [`secret_text`].
    pub fn new(id: TokenId, secret: &str) -> Self {
        let body = format!("{PREFIX}{id}_{secret}");
        let text = format!("{body}{}", checksum(&body));
        Self { id, text }
    }

    /// Reads a token; none if it is none, or was not copied whole.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let id = TokenId::parse(id).ok()?;
        let is_whole = secret.len() == SECRET + CHECKSUM && secret.bytes().all(|b| b.is_ascii_alphanumeric());
        let (body, sum) = text.split_at_checked(text.len().checked_sub(CHECKSUM)?)?;
        (is_whole && checksum(body) == sum).then(|| Self { id, text: text.to_owned() })
    }

    /// Which token it is.
    pub fn id(&self) -> &TokenId {
        &self.id
    }

    /// All of it: a secret.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenText({}, ..)", self.id)
    }
}

/// Makes a text of 256 bits out of random bytes; none if these do not suffice, as happens once in 10^15 times.
///
/// Of the 62 letters and digits each is as likely as any other.
pub fn secret_text(random: &[u8; 96]) -> Option<String> {
    // 248 is the largest multiple of 62: what lies above would favour the first letters.
    let usable = random.iter().filter(|byte| **byte < 248);
    let text: String = usable.take(SECRET).map(|byte| char::from(LETTERS[usize::from(byte % 62)])).collect();
    (text.len() == SECRET).then_some(text)
}

/// CRC-32 (ISO 3309), in six letters and digits.
fn checksum(text: &str) -> String {
    let crc = !text.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    });
    let mut rest = crc as usize;
    let mut letters = [b'0'; CHECKSUM];
    for letter in letters.iter_mut().rev() {
        *letter = LETTERS[rest % 62];
        rest /= 62;
    }
    letters.iter().map(|letter| char::from(*letter)).collect()
}

const PREFIX: &str = "ptw_";
const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 of 62 letters are 256 bits.
const SECRET: usize = 43;
/// 32 bits.
const CHECKSUM: usize = 6;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn token() -> TokenText {
        let bytes: [u8; 96] = std::array::from_fn(|index| u8::try_from(index * 2).unwrap());
        TokenText::new(TokenId::parse("0123456789ab").unwrap(), &secret_text(&bytes).unwrap())
    }

    #[test]
    fn a_token_is_read_as_it_is_written() {
        let token = token();
        assert_eq!(token.expose().len(), 4 + 12 + 1 + 43 + 6);
        assert_eq!(TokenText::parse(token.expose()), Some(token.clone()));
        assert_eq!(token.id().as_str(), "0123456789ab");
        assert_eq!(format!("{token:?}"), "TokenText(0123456789ab, ..)");
    }

    #[test]
    fn every_part_and_every_slip_of_a_token_is_none() {
        let token = token();
        let text = token.expose();
        for end in 0..text.len() {
            assert_eq!(TokenText::parse(&text[..end]), None, "{end}");
        }
        for at in 0..text.len() {
            let mut slipped = text.to_owned().into_bytes();
            slipped[at] = if slipped[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(TokenText::parse(std::str::from_utf8(&slipped).unwrap()), None, "{at}");
        }
        for other in [format!("{text}x"), format!(" {text}"), "ptw_ä_ü".to_owned(), String::new()] {
            assert_eq!(TokenText::parse(&other), None, "{other}");
        }
    }

    #[test]
    fn the_check_sum_is_that_of_everybody() {
        // The check value of CRC-32: 0xCBF43926.
        let value = checksum("123456789").bytes().fold(0_u64, |sum, letter| {
            sum * 62 + u64::try_from(LETTERS.iter().position(|known| *known == letter).unwrap()).unwrap()
        });
        assert_eq!(value, 0xCBF4_3926);
    }

    #[test]
    fn bytes_that_would_favour_a_letter_are_left_out() {
        assert_eq!(secret_text(&[255; 96]), None);
        assert_eq!(secret_text(&[62; 96]).unwrap(), "0".repeat(43));
    }
}
