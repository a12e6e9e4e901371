//! Who somebody is, and how they show it.
//!
//! What is revoked, disabled or removed counts at once: users, tokens and sessions are read from the store each time.
//! Whoever does not know a secret learns nothing: unknown, revoked and wrong look the same to them.

pub(crate) mod account;
pub(crate) mod certificate;
pub(crate) mod hasher;
mod noted;
pub(crate) mod oidc;
pub(crate) mod second_factor;
pub(crate) mod setup;
pub(crate) mod sign_in;
mod throttle;
mod ticket;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aws_lc_rs::{constant_time, digest};
use http::StatusCode;
use portward_core::{TokenOwner, TokenText};
use portward_store::{
    access::{self, StoredUser},
    change::{Change, Expected, commit},
    desired::Stored,
    work::{self, ReadWorkError, Session},
};

use super::{Actor, App, AppError};

use hasher::Hasher;
use noted::Noted;
use throttle::Throttle;
use ticket::Tickets;

/// Is what a request shows to say who asks.
#[derive(Clone, Copy)]
pub(crate) enum Credential<'a> {
    /// A token of the API, as in `Authorization: Bearer` (RFC 6750 section 2.1).
    Token(&'a str),
    /// The session of somebody who signed in, as in the cookie.
    Session(&'a str),
    /// The same, shown by an open page that asks by itself: that is no use of the session.
    OpenPage(&'a str),
}

/// Says who asks with a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Somebody who clicks.
    Somebody,
    /// A page that is open.
    ThePage,
}

/// Is what is remembered of people who sign in, for as long as the process lives.
#[derive(Default)]
pub(super) struct Access {
    hasher: Hasher,
    throttle: Throttle,
    tickets: Tickets,
    noted: Noted,
    oidc: oidc::Oidc,
    /// Sign-ins that were refused.
    refused: AtomicU64,
    /// Whether it was seen that there is an owner; that ends with a restore only.
    owned: AtomicBool,
}

impl App {
    /// Finds out who shows a credential.
    pub(crate) async fn identify(&self, credential: Credential<'_>) -> Result<Actor, AppError> {
        match credential {
            Credential::Token(text) => self.identify_token(text).await,
            Credential::Session(text) => self.identify_session(text, By::Somebody).await,
            Credential::OpenPage(text) => self.identify_session(text, By::ThePage).await,
        }
    }

    /// Whether there is, or was, an owner; before that nobody can be asked to sign in.
    ///
    /// Each request from outside asks it, so what is true once is not read again.
    pub(crate) async fn has_owner(&self) -> Result<bool, AppError> {
        if self.access.owned.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let is_owned = access::is_owned(&*self.parts.store).await?;
        self.access.owned.store(is_owned, Ordering::Relaxed);
        Ok(is_owned)
    }

    /// Asks the store again whether there is an owner, as another store has taken its place.
    pub(super) fn forget_owner(&self) {
        self.access.owned.store(false, Ordering::Relaxed);
    }

    /// How many sign-ins were refused since the start: a wrong password, or a wrong code.
    pub(crate) fn sign_ins_refused(&self) -> u64 {
        self.access.refused.load(Ordering::Relaxed)
    }

    async fn identify_token(&self, text: &str) -> Result<Actor, AppError> {
        let unknown = || unauthenticated("not-authenticated", "the token is not known; it may have been revoked");
        let text = TokenText::parse(text).ok_or_else(unknown)?;
        let store = &*self.parts.store;
        let Some(Stored { value: stored, .. }) = access::read_token(store, text.id()).await? else {
            return Err(unknown());
        };
        if !is_same(&sha256(text.expose()), &stored.sha256) {
            return Err(unknown());
        }
        // From here on the caller has the whole secret, and may know what became of it.
        let (token, now) = (stored.token, self.now());
        if token.revoked.is_some() {
            return Err(unauthenticated(
                "token-revoked",
                "the token was revoked; make another one: portward token create",
            ));
        }
        if token.expires.is_some_and(|end| end <= now) {
            return Err(unauthenticated(
                "token-expired",
                "the token has expired; make another one: portward token create",
            ));
        }
        let owner = match &token.owner {
            TokenOwner::Machine(_) => None,
            TokenOwner::User { name, id } => {
                let owner = access::read_user(store, name).await?.map(|stored| stored.value);
                let owner = owner.filter(|owner| owner.id == *id).ok_or_else(unknown)?;
                refuse_disabled(&owner)?;
                Some(owner)
            }
        };
        if self.access.noted.is_news(&format!("token {}", token.id), now) {
            let mut change = Change::of_work();
            change.put_token_use(&token.id, now);
            self.note(change);
        }
        Ok(Actor::token(&token, owner.as_ref()))
    }

    async fn identify_session(&self, text: &str, by: By) -> Result<Actor, AppError> {
        let ended = || unauthenticated("session-ended", "the session has ended; sign in again");
        let sha256 = sha256(text);
        let store = &*self.parts.store;
        let stored = work::read_session(store, &sha256).await.map_err(work_error)?.ok_or_else(ended)?;
        let (session, now) = (stored.value, self.now());
        if !is_running(&session, now) {
            return Err(ended());
        }
        let user = access::read_user(store, &session.user).await?.map(|stored| stored.value);
        let user = user.filter(|user| belongs(&session, user)).ok_or_else(ended)?;
        refuse_disabled(&user)?;
        let name = hex(&sha256);
        if by == By::Somebody && now.since(session.seen) >= noted::PERIOD && self.access.noted.is_news(&name, now) {
            let mut change = Change::of_work();
            // Only over what was read: a session that ends at this moment stays ended.
            change.put_session(&sha256, &Session { seen: now, ..session }, Expected::At(stored.revision));
            self.note(change);
        }
        Ok(Actor::user(&user, name))
    }

    /// Writes something that nobody waits for.
    fn note(&self, change: Change) {
        let store = std::sync::Arc::clone(&self.parts.store);
        tokio::spawn(async move {
            if let Err(error) = commit(&*store, change).await {
                tracing::debug!(%error, "when somebody was seen was not noted");
            }
        });
    }
}

/// 401 with a code of its own.
fn unauthenticated(code: &'static str, message: &str) -> AppError {
    AppError::new(StatusCode::UNAUTHORIZED, code, message)
}

fn refuse_disabled(user: &StoredUser) -> Result<(), AppError> {
    if user.user.is_disabled {
        let message = "the user is disabled; an administrator can enable it: portward user enable";
        return Err(unauthenticated("user-disabled", message));
    }
    Ok(())
}

/// Whether a session has ended neither by itself nor for want of use.
fn is_running(session: &Session, now: portward_core::Timestamp) -> bool {
    now.since(session.started) < ABSOLUTE_END && now.since(session.seen) < IDLE_END
}

/// Whether a session is of this user, as they are now.
fn belongs(session: &Session, user: &StoredUser) -> bool {
    session.user == user.user.name && session.user_id == user.id && session.epoch == user.epoch
}

fn work_error(error: ReadWorkError) -> AppError {
    match error {
        ReadWorkError::Store(error) => AppError::from(error),
        error @ ReadWorkError::Record { .. } => AppError::internal("it cannot be read who signed in", error),
    }
}

/// The SHA-256 of a secret, which is all that is stored of it.
pub(super) fn sha256(text: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

fn is_same(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A working day without a click ends a session (OWASP ASVS 5.0, 7.3.1).
const IDLE_END: std::time::Duration = std::time::Duration::from_secs(8 * 3600);
/// Once a week everybody shows their password (OWASP ASVS 5.0, 7.3.2).
const ABSOLUTE_END: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

#[cfg(test)]
mod tests;
