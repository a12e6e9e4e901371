//! What operators were told of that is no event of a certificate: problems, and places of users.

use aws_lc_rs::digest;
use portward_core::{Timestamp, Tone};
use serde::{Deserialize, Serialize};

use super::{PROBLEMS, ReadWorkError, WorkPlace, read, read_all};
use crate::{Store, change::Change, hex::hex, records::text};

/// Is a problem that was told of, and is not gone yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldProblem {
    /// The stable word of the problem.
    pub code: String,
    /// Which thing, as in `binding https-8443`.
    pub subject: String,
    /// How bad it was.
    #[serde(with = "text")]
    pub tone: Tone,
    /// What was wrong.
    pub message: String,
    /// When it was told of.
    #[serde(with = "text")]
    pub at: Timestamp,
}

/// Is from where a user signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignInPlaces {
    /// Networks, the newest last.
    pub networks: Vec<String>,
}

impl ToldProblem {
    /// Reads all of them.
    pub async fn read_all(store: &dyn Store) -> Result<Vec<Self>, ReadWorkError> {
        Ok(read_all(store, PROBLEMS).await?.into_iter().map(|(_, told)| told).collect())
    }

    fn digest(&self) -> String {
        digest_of(&[&self.code, &self.subject])
    }
}

impl SignInPlaces {
    /// Reads from where a user signed in; none if it is not known of any time.
    pub async fn read(store: &dyn Store, user: &str) -> Result<Option<Self>, ReadWorkError> {
        read(store, &WorkPlace::Places(&digest_of(&[user]))).await
    }
}

impl Change {
    /// Remembers that a problem was told of.
    pub fn put_told_problem(&mut self, told: &ToldProblem) {
        self.put_work(&WorkPlace::Problem(&told.digest()), told);
    }

    /// Forgets a problem that is gone.
    pub fn remove_told_problem(&mut self, told: &ToldProblem) {
        self.delete_work(&WorkPlace::Problem(&told.digest()));
    }

    /// Remembers from where a user signed in.
    pub fn put_places(&mut self, user: &str, places: &SignInPlaces) {
        self.put_work(&WorkPlace::Places(&digest_of(&[user])), places);
    }
}

/// Stands for texts that no key may have in it.
fn digest_of(parts: &[&str]) -> String {
    let mut all = digest::Context::new(&digest::SHA256);
    for part in parts {
        all.update(&(part.len() as u64).to_be_bytes());
        all.update(part.as_bytes());
    }
    let mut digest = hex(all.finish().as_ref());
    digest.truncate(32);
    digest
}
