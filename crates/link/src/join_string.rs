//! The one line with which an agent joins: where, whom to expect there, and a secret that counts once.

use std::fmt;

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portward_core::{DialAddress, Thumbprint};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Is the secret of a join string.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinSecret(Zeroizing<[u8; 32]>);

/// Is what `portward agent add` prints, and `portward-agent join` takes: `pwa1_` and base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinString {
    /// Where the server is dialled; each is tried.
    pub addresses: Vec<DialAddress>,
    /// Whom to expect there; the first is expected most.
    pub pins: Vec<Thumbprint>,
    /// Names it.
    pub token: String,
    /// What only it says.
    pub secret: JoinSecret,
}

/// Says why a text is no join string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinStringError {
    /// It does not begin as one.
    #[error("this is no join string: it begins with pwa1_, as portward agent add NAME prints it")]
    Prefix,
    /// It is torn, or was changed.
    #[error("the join string is not whole; copy all of the line that portward agent add NAME printed")]
    Torn,
}

#[derive(Serialize, Deserialize)]
struct Written {
    a: Vec<String>,
    p: Vec<String>,
    t: String,
    s: String,
}

impl JoinSecret {
    /// Makes a new one; none if the system gives no random bytes.
    pub fn new() -> Option<Self> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        rand::fill(bytes.as_mut()).ok()?;
        Some(Self(bytes))
    }

    /// Takes bytes over.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl JoinString {
    /// Reads what was printed; white space around it and line ends in it are passed over.
    pub fn parse(text: &str) -> Result<Self, JoinStringError> {
        let text: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect());
        let body = text.strip_prefix(PREFIX).ok_or(JoinStringError::Prefix)?;
        let torn = |()| JoinStringError::Torn;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(body).map_err(|_| torn(()))?;
        // The last four bytes are the beginning of a hash of the others, so that a torn one is seen to be torn.
        let bytes = Zeroizing::new(bytes);
        let (json, sum) = bytes.split_last_chunk::<4>().ok_or_else(|| torn(()))?;
        if Thumbprint::of(json).as_bytes()[..4] != *sum {
            return Err(torn(()));
        }
        let written: Written = serde_json::from_slice(json).map_err(|_| torn(()))?;
        let secret = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(&written.s).map_err(|_| torn(()))?);
        let secret = JoinSecret::from_bytes(secret.as_slice().try_into().map_err(|_| torn(()))?);
        let addresses: Result<Vec<_>, _> = written.a.iter().map(|text| DialAddress::parse(text, None)).collect();
        let pins: Result<Vec<_>, _> = written.p.iter().map(|text| Thumbprint::parse(text)).collect();
        let addresses = addresses.ok().filter(|all| !all.is_empty()).ok_or_else(|| torn(()))?;
        let pins = pins.ok().filter(|all| !all.is_empty()).ok_or_else(|| torn(()))?;
        Ok(Self { addresses, pins, token: written.t, secret })
    }

    /// The line itself, which is a secret.
    pub fn expose(&self) -> Zeroizing<String> {
        let written = Written {
            a: self.addresses.iter().map(ToString::to_string).collect(),
            p: self.pins.iter().map(ToString::to_string).collect(),
            t: self.token.clone(),
            s: BASE64_URL_SAFE_NO_PAD.encode(self.secret.expose()),
        };
        // Texts and lists of them can always be written.
        let mut bytes = Zeroizing::new(serde_json::to_vec(&written).unwrap_or_default());
        let sum = Thumbprint::of(&bytes);
        bytes.extend_from_slice(&sum.as_bytes()[..4]);
        Zeroizing::new(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice())))
    }
}

impl fmt::Debug for JoinSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinSecret(..)")
    }
}

const PREFIX: &str = "pwa1_";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_join_string_is_read_as_it_was_printed_and_not_otherwise() {
        let made = JoinString {
            addresses: vec![DialAddress::parse("portward.example:443", None).unwrap()],
            pins: vec![Thumbprint::of(b"server")],
            token: "0a1b".to_owned(),
            secret: JoinSecret::new().unwrap(),
        };
        let line = made.expose();
        assert_eq!(JoinString::parse(&line).unwrap(), made);
        assert_eq!(JoinString::parse(&format!(" {}\n{}\n", &line[..40], &line[40..])).unwrap(), made);
        assert!(!format!("{made:?}").contains("secret: JoinSecret(\""));
        assert_eq!(JoinString::parse("ptw_abc"), Err(JoinStringError::Prefix));
        for torn in [&line[..line.len() - 1], &line[..line.len() / 2], "pwa1_"] {
            assert_eq!(JoinString::parse(torn), Err(JoinStringError::Torn), "{torn}");
        }
        let mut changed = line.to_string();
        let other = if changed.ends_with('A') { "B" } else { "A" };
        changed.replace_range(20..21, other);
        assert!(JoinString::parse(&changed).is_err());
    }
}
