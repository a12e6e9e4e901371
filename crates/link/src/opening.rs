//! What each side says first, over TLS and before HTTP/2.

use serde::{Deserialize, Serialize};

use crate::{Instance, LinkError, Offer, verify::plain};

/// Is the first frame of each side.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opening {
    /// It wants the link.
    Hello(Hello),
    /// It does not, and says why; it closes after this.
    Refused(Box<Refusal>),
}

/// Says who is there and what it speaks. Nothing in it says *who* it is: that is the certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// First and last version of the protocol that it knows.
    pub protocols: (u16, u16),
    /// Its version.
    pub version: String,
    /// Names the boot of its machine; empty where that is not known.
    pub boot_id: String,
    /// Names this run of the program.
    pub instance: Instance,
    /// Of an agent: the newest state of trust that it has taken.
    #[serde(default)]
    pub trust: TrustMark,
    /// The identity that is to follow the one of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Offer>,
}

/// Counts the states of trust that a server has announced; they never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrustMark {
    /// Rises when a backup of the server's store is restored, so that what was announced after it was taken does not
    /// count less.
    pub generation: u64,
    /// Rises with each change.
    pub seq: u64,
}

/// Says that a link is refused, why, and what would change that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind of reason.
    pub code: RefusalCode,
    /// The reason in words.
    pub message: String,
    /// SHA-256 of the certificate that was shown.
    pub your_thumbprint: String,
    /// Its SHA-1, for those who look for it in old tools.
    pub your_sha1: String,
    /// SHA-256 of the certificate of who refuses.
    pub my_thumbprint: String,
    /// What would change it: a command, and where it is to be run.
    pub remedy: String,
    /// When it may be tried again, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// Is the kind of reason for which a link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCode {
    /// The thumbprint is not trusted.
    UnknownPin,
    /// Another program with the same identity is connected.
    DuplicateIdentity,
    /// No version of the protocol is known to both.
    Version,
    /// There are too many at the moment.
    Busy,
    /// The join string does not count: it is used up, expired or wrong.
    JoinString,
    /// What was said cannot be read, or is not proved.
    Malformed,
    /// Something newer, which this program does not know.
    #[serde(other)]
    Other,
}

impl Hello {
    /// The hello of this program.
    pub fn new(instance: &Instance) -> Self {
        Self {
            protocols: PROTOCOLS,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: crate::boot_id(),
            instance: instance.clone(),
            trust: TrustMark::default(),
            next: None,
        }
    }

    /// Refuses what no program says, so that it is neither stored nor shown anywhere.
    pub(crate) fn plain(self) -> Result<Self, LinkError> {
        let instance = self.instance.to_string();
        for (what, text) in [("version", &self.version), ("boot_id", &self.boot_id), ("instance", &instance)] {
            if plain(text, LONGEST_WORD) != *text {
                return Err(LinkError::Garbled(format!(
                    "its {what} is longer than {LONGEST_WORD} characters, or has unprintable ones"
                )));
            }
        }
        Ok(self)
    }

    /// The version that both know; the newest one.
    pub fn agree(&self) -> Result<u16, LinkError> {
        let (theirs_from, theirs_to) = self.protocols;
        let (ours_from, ours_to) = PROTOCOLS;
        let newest = theirs_to.min(ours_to);
        if newest >= theirs_from && newest >= ours_from {
            Ok(newest)
        } else {
            Err(LinkError::Version { theirs_from, theirs_to, ours_from, ours_to })
        }
    }
}

impl Refusal {
    /// Takes away what cannot be shown: it comes from somebody who is not always known.
    pub(crate) fn plain(self) -> Self {
        Self {
            message: plain(&self.message, LONGEST_TEXT),
            your_thumbprint: plain(&self.your_thumbprint, LONGEST_WORD),
            your_sha1: plain(&self.your_sha1, LONGEST_WORD),
            my_thumbprint: plain(&self.my_thumbprint, LONGEST_WORD),
            remedy: plain(&self.remedy, LONGEST_TEXT),
            ..self
        }
    }
}

/// Holds a thumbprint.
pub(crate) const LONGEST_WORD: usize = 64;
/// Holds a few sentences.
pub(crate) const LONGEST_TEXT: usize = 2048;
/// The first and the last version of the protocol that this program speaks.
pub const PROTOCOLS: (u16, u16) = (1, 1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_newest_version_that_both_know_is_spoken() {
        let mut hello = Hello::new(&Instance::new());
        for (theirs, agreed) in [((1, 1), Some(1)), ((1, 9), Some(1)), ((2, 9), None), ((0, 0), None), ((5, 1), None)] {
            hello.protocols = theirs;
            assert_eq!(hello.agree().ok(), agreed, "{theirs:?}");
        }
    }

    #[test]
    fn what_a_newer_program_adds_is_passed_over() {
        let json = r#"{"protocols":[1,2],"version":"9.0.0","boot_id":"","instance":"00","mood":"good"}"#;
        assert!(serde_json::from_str::<Hello>(json).is_ok());
        let code: RefusalCode = serde_json::from_str("\"full-moon\"").unwrap();
        assert_eq!(code, RefusalCode::Other);
    }
}
