//! The calls that Portward makes to an agent, and what the agent answers.
//!
//! A call is a `POST` to `/v1/<name>` with JSON. The answer is lines of JSON: how it goes, as often as there is something
//! to say, and then once what came of it ([`Line`]).
//! Fields that are not known are passed over, and what a newer side adds has a default: agents are updated one by one.

mod deliver;
mod health;
mod identity;
mod request;
mod trust;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    opening::{LONGEST_TEXT, LONGEST_WORD},
    verify::plain,
};

pub use deliver::{Deliver, DeliverReply, DeliverStage, Install, Installed, VerifyAt, Withdraw, WithdrawReply};
pub use health::{
    Disk, Health, HealthReport, HealthWarning, IdentityReport, InstalledReport, PolicyReport, ServedReport, TrustReport,
};
pub use identity::{IdentityAccepted, IdentityAcceptedReply, Rotate, RotateReply};
pub use request::{MakeRequest, MakeRequestReply};
pub use trust::{Trust, TrustReply};

/// Is a call: its name, what is asked, and what is answered.
pub trait Method {
    /// The last part of its path.
    const NAME: &'static str;
    /// What is asked.
    type Request: Serialize + DeserializeOwned + Send;
    /// What is answered.
    type Reply: Serialize + DeserializeOwned + Send;
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident: $method:literal, $request:ty => $reply:ty;)*) => {
        /// The methods, as types.
        pub mod method {
            $($(#[$doc])* #[derive(Debug)] pub enum $name {})*
        }

        $(impl Method for method::$name {
            const NAME: &'static str = $method;
            type Request = $request;
            type Reply = $reply;
        })*

        /// Is a call as an agent gets it.
        #[allow(clippy::large_enum_variant, reason = "there is one of it for each call that runs")]
        #[derive(Debug)]
        pub enum Call {
            $($(#[$doc])* $name($request),)*
        }

        /// Is an answer as an agent gives it.
        #[allow(clippy::large_enum_variant, reason = "there is one of it for each call that runs")]
        #[derive(Debug)]
        pub enum Reply {
            $($(#[$doc])* $name($reply),)*
        }

        impl Call {
            /// Reads a call.
            pub(crate) fn read(name: &str, json: &[u8]) -> Result<Self, Fault> {
                match name {
                    $($method => serde_json::from_slice(json).map(Self::$name).map_err(|error| Fault::unreadable(&error)),)*
                    _ => Err(Fault::unknown(name)),
                }
            }
        }

        impl Reply {
            /// Writes the last line of an answer.
            pub(crate) fn line(&self) -> serde_json::Result<Vec<u8>> {
                match self { $(Self::$name(reply) => serde_json::to_vec(&Line::Done(reply)),)* }
            }
        }
    };
}

calls! {
    /// How the agent is.
    Health: "health", Health => HealthReport;
    /// Whom to trust, and where to dial.
    Trust: "trust", Trust => TrustReply;
    /// Make a new identity, to follow the one in use.
    Rotate: "rotate", Rotate => RotateReply;
    /// The new identity is known: use it from now on.
    IdentityAccepted: "identity-accepted", IdentityAccepted => IdentityAcceptedReply;
    /// Make a private key for a certificate, and sign a request with it.
    MakeRequest: "make-request", MakeRequest => MakeRequestReply;
    /// Install a certificate.
    Deliver: "deliver", Deliver => DeliverReply;
    /// Look after a certificate no longer.
    Withdraw: "withdraw", Withdraw => WithdrawReply;
}

/// Is one line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line<T> {
    /// How it goes.
    Progress(ProgressLine),
    /// What came of it; the last line.
    Done(T),
    /// Why nothing came of it; the last line.
    Fault(Fault),
}

/// Says how it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressLine {
    /// Where it is.
    pub stage: String,
    /// What is done, in words.
    pub message: String,
}

impl ProgressLine {
    /// Takes away what cannot be shown, or is too long to be.
    pub(crate) fn plain(self) -> Self {
        Self { stage: plain(&self.stage, LONGEST_WORD), message: plain(&self.message, LONGEST_TEXT) }
    }
}

/// Says why an agent did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The stable word.
    pub code: String,
    /// Where it happened, if there are stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What, why, and what to do.
    pub message: String,
    /// What a command said, at most its last 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The generation of a delivery that the agent has or had, if what came is not newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

impl Fault {
    /// A fault without a stage.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), stage: None, message: message.into(), output: None, generation: None }
    }

    /// Adds where it happened.
    #[must_use]
    pub fn at(mut self, stage: &str) -> Self {
        self.stage = Some(stage.to_owned());
        self
    }

    /// Adds what a command said.
    #[must_use]
    pub fn with_output(mut self, output: impl Into<String>) -> Self {
        self.output = Some(output.into()).filter(|output| !output.is_empty());
        self
    }

    /// Adds the generation that what came is not newer than.
    #[must_use]
    pub fn after(mut self, generation: u64) -> Self {
        self.generation = Some(generation);
        self
    }

    /// Takes away what cannot be shown, or is too long to be.
    pub(crate) fn plain(self) -> Self {
        let from = self
            .output
            .as_ref()
            .map_or(0, |output| output.floor_char_boundary(output.len().saturating_sub(LONGEST_OUTPUT)));
        Self {
            code: plain(&self.code, LONGEST_WORD),
            stage: self.stage.map(|stage| plain(&stage, LONGEST_WORD)),
            message: plain(&self.message, LONGEST_TEXT),
            output: self
                .output
                .map(|output| output[from..].chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()),
            generation: self.generation,
        }
    }

    fn unreadable(error: &serde_json::Error) -> Self {
        Self::new("unreadable", format!("the call cannot be read: {error}"))
    }

    fn unknown(name: &str) -> Self {
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        Self::new(
            "unknown-call",
            format!("this agent does not know \"{name}\"; it is older than the server: update it"),
        )
    }
}

/// What a command said last says why it failed.
const LONGEST_OUTPUT: usize = 4 * 1024;
