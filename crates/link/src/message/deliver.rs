//! Certificates for a machine.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{SecretBytes, SecretText};

/// Asks an agent to install a certificate.
///
/// Everything in it is checked against the agent's own policy; a server can name what the policy has, and nothing else.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deliver {
    /// Names the delivery.
    pub delivery: String,
    /// Rises with every change of what is wanted; an agent never goes back.
    pub generation: u64,
    /// Where and how.
    pub install: Install,
    /// Leaf and its issuers, DER in base64 each.
    pub chain: Vec<String>,
    /// The private key, PKCS #8; none if the agent made it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretBytes>,
    /// The certificate for which the agent made the key itself ([`MakeRequest`](super::MakeRequest)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_of: Option<String>,
    /// The password of a PFX or key store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
}

/// Says where a certificate is installed, and how. The texts are those of [`portward_core::Delivery`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Install {
    /// As in `pem`.
    pub format: String,
    /// As many paths as the format has files.
    pub to: Vec<String>,
    /// As in `root:ssl-cert`; empty for the agent's own.
    #[serde(default)]
    pub owner: String,
    /// As in `600`.
    pub mode: String,
    /// The profile of the policy that tells the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<String>,
    /// Where it is seen that the certificate is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<VerifyAt>,
    /// What PFX and key stores call it.
    #[serde(default)]
    pub friendly_name: String,
}

/// Says where it is seen that a certificate is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyAt {
    /// `HOST:PORT`.
    pub address: String,
    /// The name that is asked for in SNI, or an address, which is not.
    pub name: String,
}

/// Says what was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverReply {
    /// The generation that is there now.
    pub generation: u64,
    /// SHA-256 of the leaf that is there now.
    pub thumbprint: String,
    /// Whether it was seen to be served; none if there is nowhere to look.
    pub verified: Option<bool>,
    /// Whether it was there already, and nothing had to be done.
    #[serde(default)]
    pub unchanged: bool,
}

/// Is where an installation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliverStage {
    /// What was sent is looked at: key, dates, paths, policy, room.
    Check,
    /// The files are written beside the ones in use.
    Stage,
    /// The program is asked whether it would take them.
    Test,
    /// The files take the place of those in use.
    Swap,
    /// The program is told.
    Reload,
    /// It is looked at what is served.
    Verify,
    /// What was there before takes its place again.
    RollBack,
}

/// Is what an agent remembers of what it has installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Names the delivery.
    pub delivery: String,
    /// The generation that was applied last.
    pub generation: u64,
    /// SHA-256 of the leaf.
    pub thumbprint: String,
    /// Where and how.
    pub install: Install,
}

/// Asks an agent to look after a delivery no longer; its files stay as they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Withdraw {
    /// Names the delivery.
    pub delivery: String,
}

/// Says whether there was one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WithdrawReply {
    /// Whether there was one.
    pub was_there: bool,
}

impl DeliverStage {
    /// All there are, in their order.
    pub const ALL: [Self; 7] =
        [Self::Check, Self::Stage, Self::Test, Self::Swap, Self::Reload, Self::Verify, Self::RollBack];

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Stage => "stage",
            Self::Test => "test",
            Self::Swap => "swap",
            Self::Reload => "reload",
            Self::Verify => "verify",
            Self::RollBack => "roll-back",
        }
    }
}

impl fmt::Display for DeliverStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
