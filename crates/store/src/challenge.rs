//! Answers to http-01 and tls-alpn-01 challenges, as every node needs them.

use portward_core::Host;

use crate::place::is_challenge_token;

/// Is what a CA expects at `/.well-known/acme-challenge/<token>` of a host (RFC 8555 section 8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpChallenge {
    host: Host,
    token: String,
    key_authorization: String,
    port: u16,
}

/// Is what a CA expects in a handshake for `acme-tls/1` (RFC 8737 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsChallenge {
    /// The host whose control is to be shown.
    pub host: Host,
    /// SHA-256 of the key authorization.
    pub digest: [u8; 32],
}

/// Says why something is no [`HttpChallenge`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpChallengeError {
    /// The token is not base64url, empty or too long.
    #[error("the challenge token is not 1 to 128 characters of base64url")]
    Token,
    /// The key authorization is not the token, a dot and a thumbprint.
    #[error("the key authorization is not the challenge token, a dot and a thumbprint in base64url")]
    KeyAuthorization,
}

impl HttpChallenge {
    /// Takes a challenge; the key authorization must be that of the token (RFC 8555 section 8.1).
    ///
    /// The port is the one at which the CA asks, mostly 80.
    pub fn parse(host: Host, token: &str, key_authorization: &str, port: u16) -> Result<Self, HttpChallengeError> {
        if !is_challenge_token(token) {
            return Err(HttpChallengeError::Token);
        }
        let thumbprint = key_authorization.strip_prefix(token).and_then(|rest| rest.strip_prefix('.'));
        if !thumbprint.is_some_and(is_challenge_token) {
            return Err(HttpChallengeError::KeyAuthorization);
        }
        Ok(Self { host, token: token.to_owned(), key_authorization: key_authorization.to_owned(), port })
    }

    /// The host whose control is to be shown.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The last segment of the path.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Where the CA asks.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The body of the answer.
    pub fn key_authorization(&self) -> &str {
        &self.key_authorization
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_what_a_ca_could_ask_for_is_a_challenge() {
        let host = Host::parse("shop.test").unwrap();
        assert!(HttpChallenge::parse(host.clone(), "a_B-9", "a_B-9.thumb", 80).is_ok());
        for (token, authorization, expected) in [
            ("", ".thumb", HttpChallengeError::Token),
            ("a/b", "a/b.thumb", HttpChallengeError::Token),
            ("a.b", "a.b.thumb", HttpChallengeError::Token),
            ("<script>", "<script>.thumb", HttpChallengeError::Token),
            (&"t".repeat(129), "t.thumb", HttpChallengeError::Token),
            ("a", "b.thumb", HttpChallengeError::KeyAuthorization),
            ("a", "a", HttpChallengeError::KeyAuthorization),
            ("a", "a.", HttpChallengeError::KeyAuthorization),
            ("a", "a.<script>", HttpChallengeError::KeyAuthorization),
        ] {
            assert_eq!(
                HttpChallenge::parse(host.clone(), token, authorization, 80),
                Err(expected),
                "{token} {authorization}"
            );
        }
    }
}
