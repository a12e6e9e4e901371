//! Changes that could shut somebody out, on the wire: what follows from them, and what waits to be confirmed.

use std::ops::Deref;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answers a change: what it made of a thing, what follows from it, and what waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed<T> {
    /// The thing, with its fields beside those below.
    #[serde(flatten)]
    pub result: T,
    /// What breaks, works less well, or stays; for a removal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impacts: Vec<Impact>,
    /// The change goes back by itself unless this is confirmed; none if nothing waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<ConfirmationView>,
}

/// Tells what a change does to something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Impact {
    /// How bad it is.
    pub severity: ImpactSeverity,
    /// What is concerned, as in `site "shop-example"`.
    pub what: String,
    /// What becomes of it, and why.
    pub why: String,
}

/// Says how bad an impact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImpactSeverity {
    /// It does not work any more.
    Breaks,
    /// It works less well.
    Degrades,
    /// It goes on as before.
    Stays,
}

/// Shows a change that goes back by itself unless it is confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfirmationView {
    /// Names it.
    pub id: String,
    /// The revision that the change made.
    pub revision: u64,
    /// Who made it.
    pub who: String,
    /// What it is.
    pub what: String,
    /// When it was made.
    pub made: String,
    /// When it goes back.
    pub deadline: String,
    /// How long it waits, in seconds.
    pub seconds: u64,
    /// How much of that is left.
    pub seconds_left: u64,
    /// By which way a confirmation counts: `any`, `https`, or a scheme and a port as in `https:9443`.
    ///
    /// What comes by the admin socket or the loopback listener counts always.
    pub way: String,
    /// Where that way begins, for a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What was tried by a real connection; empty after a restart of the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trial: Vec<TrialStep>,
}

/// Tells of one step of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrialStep {
    /// Which: `address`, `tcp`, `tls`, `certificate`, `name`, `trust` or `answer`.
    pub step: String,
    /// How it went.
    pub outcome: TrialOutcome,
    /// What was found.
    pub message: String,
}

/// Says how a step of a trial went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrialOutcome {
    /// As it should.
    Passed,
    /// It works, but somebody should look.
    Warned,
    /// It does not work, so the change went back.
    Failed,
}

/// Tells how a change that waited was answered, or how one was undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Answered {
    /// The revision of the change.
    pub change: u64,
    /// What it is.
    pub what: String,
    /// Whether it stays, or went back.
    pub kept: bool,
    /// The revision that is served now.
    pub revision: u64,
    /// What the answer shows about the new way in.
    pub message: String,
}

impl<T> Changed<T> {
    /// Makes another thing of the one that is there.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Changed<U> {
        Changed { result: make(self.result), impacts: self.impacts, confirmation: self.confirmation }
    }
}

/// Nothing follows, and nothing waits.
impl<T> From<T> for Changed<T> {
    fn from(result: T) -> Self {
        Self { result, impacts: Vec::new(), confirmation: None }
    }
}

impl<T> Deref for Changed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.result
    }
}
