//! Joining: an agent that is not known shows that it has a join string, and is trusted from then on.

use aws_lc_rs::{constant_time, hmac};
use portward_core::Thumbprint;
use serde::{Deserialize, Serialize};

use crate::{
    join_string::JoinSecret,
    opening::{LONGEST_TEXT, LONGEST_WORD, Refusal, TrustMark},
    verify::plain,
};

/// Is what an agent says that wants to join.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrol {
    /// Names the join string; it is no secret.
    pub token: String,
    /// Shows that the secret is known, in hexadecimal digits.
    pub proof: String,
    /// What it would be called; what the join string says counts more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its version.
    pub version: String,
}

/// Answers [`Enrol`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnrolAnswer {
    /// It is trusted now.
    Enrolled(Enrolled),
    /// It is not, and here is why.
    Refused(Box<Refusal>),
}

/// Is what an agent is told that has joined.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrolled {
    /// What it is called.
    pub name: String,
    /// Where it dials from now on, `HOST:PORT` each.
    pub addresses: Vec<String>,
    /// The thumbprints of the server that it trusts from now on; the one to expect is the first.
    pub pins: Vec<String>,
    /// Which state of trust that is.
    pub trust: TrustMark,
}

/// Proves in one session, for one certificate, that the secret of a join string is known.
///
/// It is bound to the session, so that whoever reads it cannot use it anywhere else.
#[derive(Debug)]
pub struct EnrolProof {
    message: Vec<u8>,
}

impl Enrol {
    /// Takes away what cannot be shown: it comes from somebody who is not known. The proof is compared as it is.
    pub(crate) fn plain(self) -> Self {
        Self {
            token: plain(&self.token, LONGEST_TEXT),
            name: self.name.map(|name| plain(&name, LONGEST_TEXT)),
            version: plain(&self.version, LONGEST_WORD),
            ..self
        }
    }
}

impl EnrolProof {
    pub(crate) fn new(binding: [u8; 32], agent: Thumbprint) -> Self {
        let mut message = b"portward-enroll/1\0".to_vec();
        message.extend_from_slice(&binding);
        message.extend_from_slice(agent.as_bytes());
        Self { message }
    }

    /// The proof, in hexadecimal digits.
    pub(crate) fn by(&self, secret: &JoinSecret) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose()), &self.message);
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether `proof` was made with that secret.
    pub fn is(&self, proof: &str, secret: &JoinSecret) -> bool {
        constant_time::verify_slices_are_equal(self.by(secret).as_bytes(), proof.as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_counts_for_its_session_its_agent_and_its_secret() {
        let (a, b) = (Thumbprint::of(b"a"), Thumbprint::of(b"b"));
        let (secret, other) = (JoinSecret::from_bytes([1; 32]), JoinSecret::from_bytes([2; 32]));
        let proof = EnrolProof::new([7; 32], a).by(&secret);
        assert!(EnrolProof::new([7; 32], a).is(&proof, &secret));
        assert!(!EnrolProof::new([8; 32], a).is(&proof, &secret));
        assert!(!EnrolProof::new([7; 32], b).is(&proof, &secret));
        assert!(!EnrolProof::new([7; 32], a).is(&proof, &other));
        assert!(!EnrolProof::new([7; 32], a).is("", &secret));
    }
}
