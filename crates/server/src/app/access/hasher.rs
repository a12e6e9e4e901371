//! Hashing passwords: argon2id, which is made to take time and memory, so only a few at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{self, phc},
};
use http::StatusCode;
use portward_api::SecretText;
use portward_core::{SecondFactor, UserName, check_password};
use portward_store::access::PasswordHash;
use tokio::sync::Semaphore;

use crate::app::{AppError, random_bytes};

/// Hashes and verifies.
pub(crate) struct Hasher {
    room: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(AT_ONCE)), waiting: AtomicUsize::new(0) }
    }
}

impl Hasher {
    /// Refuses a password that a user should not have, and hashes any other.
    pub(crate) async fn hash_new(
        &self,
        user: &UserName,
        password: &SecretText,
        second: SecondFactor,
    ) -> Result<PasswordHash, AppError> {
        check_password(user, password.expose(), second)
            .map_err(|error| AppError::refused("weak-password", format!("password: {error}")))?;
        self.hash(password).await
    }

    async fn hash(&self, password: &SecretText) -> Result<PasswordHash, AppError> {
        let salt = random_bytes::<SALT>()?;
        let password = password.clone();
        let hashed = self.work(move || {
            let hash = argon2()?.hash_password_with_salt(password.expose().as_bytes(), &*salt)?;
            Ok(PasswordHash::from(hash.to_string()))
        });
        hashed.await?.map_err(|error: password_hash::Error| {
            AppError::internal("the password could not be hashed", error.to_string())
        })
    }

    /// Whether a password is the one of a hash. Without a hash it takes as long, and is not.
    pub(super) async fn verify(&self, password: &SecretText, hash: Option<&PasswordHash>) -> Result<bool, AppError> {
        let (password, hash) = (password.clone(), hash.cloned());
        let verified = self.work(move || {
            let text = hash.as_ref().map_or(NOBODYS, PasswordHash::expose);
            argon2()?.verify_password(password.expose().as_bytes(), &phc::PasswordHash::new(text)?)
        });
        match verified.await? {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(AppError::internal("the password could not be verified", error.to_string())),
        }
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
        let waiting = Waiting::begin(&self.waiting)?;
        let permit = Arc::clone(&self.room).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        let done = done.await.map_err(|error| AppError::internal("the password could not be worked on", error));
        drop(waiting);
        done
    }
}

/// Counts those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Result<Self, AppError> {
        let waiting = Self(count);
        if count.fetch_add(1, Ordering::SeqCst) >= QUEUE {
            let message = "too many people sign in at this moment; try again in a few seconds";
            return Err(AppError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message));
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn argon2() -> Result<Argon2<'static>, password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| password_hash::Error::ParamsInvalid)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// OWASP's cheat sheet on password storage: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes; RFC 9106 section 3.1.
const SALT: usize = 16;
/// Two cores at most are busy with strangers.
const AT_ONCE: usize = 2;
/// A few seconds of waiting.
const QUEUE: usize = 64;
/// What nobody's password has: a hash of zeros, with the parameters of a real one.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn text(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_no_other() {
        let hasher = Hasher::default();
        let hash = hasher.hash(&text("lime tree by the door")).await.unwrap();
        assert!(hasher.verify(&text("lime tree by the door"), Some(&hash)).await.unwrap());
        assert!(!hasher.verify(&text("lime tree by the doo"), Some(&hash)).await.unwrap());
        assert!(!hasher.verify(&text("lime tree by the door"), None).await.unwrap());
        let other = hasher.hash(&text("lime tree by the door")).await.unwrap();
        assert_ne!(hash, other, "each has a salt of its own");
        let parameters = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(parameters(hash.expose()), parameters(NOBODYS), "nobody's takes as long as a real one");
    }

    #[tokio::test]
    async fn a_damaged_hash_is_an_error_and_lets_nobody_in() {
        let hasher = Hasher::default();
        for damaged in ["", "x", "$argon2id$v=19$m=19456,t=2,p=1$AAAA"] {
            let verified = hasher.verify(&text(""), Some(&damaged.to_owned().into())).await;
            assert_eq!(verified.map_err(|error| error.code()), Err("internal"), "{damaged}");
        }
    }

    #[tokio::test]
    async fn those_who_come_when_too_many_wait_are_sent_away() {
        let hasher = Hasher::default();
        hasher.waiting.store(QUEUE, Ordering::SeqCst);
        assert_eq!(hasher.hash(&text("x")).await.map_err(|error| error.code()), Err("busy"));
        assert_eq!(hasher.waiting.load(Ordering::SeqCst), QUEUE);
    }
}
