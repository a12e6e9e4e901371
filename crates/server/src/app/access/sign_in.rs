//! Signing in and out.

use std::{net::IpAddr, sync::atomic::Ordering, time::Duration};

use http::StatusCode;
use portward_api::{SecretText, SignIn};
use portward_core::{ActorKind, Timestamp, UserName};
use portward_store::{
    access::{self, StoredUser},
    change::{Change, Expected},
    desired::Stored,
    work::{self, Session, SignIns},
};

use super::{
    belongs, hex, is_running, sha256,
    throttle::{Guess, seconds},
    ticket::Ticket,
    work_error,
};
use crate::app::{Actor, App, AppError, Who, random_secret};

/// Says from where somebody signs in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// Their address, as far as it is known.
    pub(crate) address: Option<IpAddr>,
    /// What their browser says of itself.
    pub(crate) agent: Option<String>,
}

/// Is a session that has begun.
pub(crate) struct NewSession {
    /// What the browser shows from now on.
    pub(crate) secret: SecretText,
    /// Who it is.
    pub(crate) actor: Actor,
}

/// Says how far somebody came who showed a password.
pub(crate) enum SignedIn {
    /// They are in.
    Done(NewSession),
    /// The code of their second factor is missing; the ticket saves the password.
    NeedsCode(SecretText),
}

impl App {
    /// Signs somebody in who shows a password, and the code of a second factor where there is one.
    ///
    /// A user who is not known is refused like a wrong password, after the same time.
    pub(crate) async fn sign_in(&self, input: &SignIn, origin: &Origin) -> Result<SignedIn, AppError> {
        let now = self.now();
        let guesses = Guess::password(&input.user, origin.address);
        self.access.throttle.begin(&guesses, now).map_err(too_many)?;
        let user = match UserName::parse(input.user.trim()) {
            Ok(name) => access::read_user(&*self.parts.store, &name).await?.map(|stored| stored.value),
            Err(_) => None,
        };
        let hash = user.as_ref().and_then(|user| user.password.as_ref());
        let verified = self.access.hasher.verify(&input.password, hash).await;
        let is_right = verified.inspect_err(|_| self.access.throttle.take_back(&guesses))?;
        let Some(user) = user.filter(|_| is_right) else {
            self.access.refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                user = shown(&input.user),
                address = origin.address.map(tracing::field::display),
                "a sign-in was refused: user name or password is wrong"
            );
            let wait = self.access.throttle.wait(&guesses, now);
            return Err(AppError::new(
                StatusCode::UNAUTHORIZED,
                "wrong-password",
                format!("User name or password is wrong. You can try again in {}.", seconds(wait)),
            )
            .with_retry_after(wait));
        };
        self.access.throttle.succeeded(&guesses);
        super::refuse_disabled(&user)?;
        if user.second_factor.is_none() {
            return self.begin_session(&user, None, origin).await.map(SignedIn::Done);
        }
        if let Some(code) = &input.code {
            return self.check_code_and_begin(&user, code, origin).await.map(SignedIn::Done);
        }
        let ticket = random_secret()?;
        let of = Ticket::new(user.user.name, user.id, user.epoch, now);
        self.access.tickets.put(sha256(ticket.expose()), of, now);
        Ok(SignedIn::NeedsCode(ticket))
    }

    /// Signs somebody in who showed a password a moment ago, and now the code of the second factor.
    pub(crate) async fn finish_sign_in(
        &self,
        ticket: &SecretText,
        code: &SecretText,
        origin: &Origin,
    ) -> Result<NewSession, AppError> {
        let sha256 = sha256(ticket.expose());
        let over = || {
            let message = "The password was shown too long ago. Sign in again.";
            AppError::new(StatusCode::UNAUTHORIZED, "ticket-expired", message)
        };
        let ticket = self.access.tickets.find(&sha256, self.now()).ok_or_else(over)?;
        let user = access::read_user(&*self.parts.store, &ticket.user).await?.map(|stored| stored.value);
        let is_same = |user: &StoredUser| user.id == ticket.user_id && user.epoch == ticket.epoch;
        let user = user.filter(is_same).ok_or_else(over)?;
        super::refuse_disabled(&user)?;
        let session = self.check_code_and_begin(&user, code, origin).await?;
        self.access.tickets.take(&sha256);
        Ok(session)
    }

    /// Ends the session of somebody.
    pub(crate) async fn sign_out(&self, actor: &Actor) -> Result<(), AppError> {
        let Who::User { session, .. } = actor.who() else {
            let message = "there is no session to end: a token is revoked, the admin socket is just closed";
            return Err(AppError::refused("no-session", message));
        };
        let mut change = self.change_of(actor, "sign out");
        change.remove_session(session);
        self.commit(change).await?;
        Ok(())
    }

    async fn check_code_and_begin(
        &self,
        user: &StoredUser,
        code: &SecretText,
        origin: &Origin,
    ) -> Result<NewSession, AppError> {
        let now = self.now();
        let guess = [Guess::Code(user.user.name.clone())];
        self.access.throttle.begin(&guess, now).map_err(too_many)?;
        match self.check_code(user, code).await? {
            Some(proof) => {
                let session = self.begin_session(user, Some(proof), origin).await?;
                self.access.throttle.succeeded(&guess);
                Ok(session)
            }
            None => {
                self.access.refused.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(user = %user.user.name, "a sign-in was refused: the code is wrong or was used");
                Err(wrong_code(self.access.throttle.wait(&guess, now)))
            }
        }
    }

    /// Begins a session, in one change with what must not happen twice: a code, a recovery code.
    pub(crate) async fn begin_session(
        &self,
        user: &StoredUser,
        proof: Option<Proof>,
        origin: &Origin,
    ) -> Result<NewSession, AppError> {
        let what = match &proof {
            Some(Proof::Recovery { user, .. }) => {
                let left = user.second_factor.as_ref().map_or(0, |factor| factor.recovery.len());
                format!("sign in with a recovery code; {left} are left")
            }
            _ => "sign in".to_owned(),
        };
        let by = user.user.name.to_string();
        let mut change = Change::new(by, what, self.now()).by(ActorKind::User, origin.address);
        let session = self.put_session(change_of_proof(&mut change, proof), &mut change, user, origin).await?;
        if let Some(address) = origin.address {
            self.parts.notices.sign_in(user.user.name.as_str(), address).await;
        }
        Ok(session)
    }

    /// Adds a session to a change, and makes the change.
    pub(super) async fn put_session(
        &self,
        step: Option<u64>,
        change: &mut Change,
        user: &StoredUser,
        origin: &Origin,
    ) -> Result<NewSession, AppError> {
        let (store, now) = (&*self.parts.store, self.now());
        let secret = random_secret()?;
        let sha256 = sha256(secret.expose());
        let session = Session {
            user: user.user.name.clone(),
            user_id: user.id.clone(),
            epoch: user.epoch,
            started: now,
            seen: now,
            address: origin.address.map(|address| address.to_canonical().to_string()),
            agent: origin.agent.as_deref().map(shown),
        };
        change.put_session(&sha256, &session, Expected::Absent);
        let before = work::read_sign_ins(store, &user.user.name).await.map_err(work_error)?;
        let (known, expected) = match before {
            Some(Stored { value, revision }) => (value, Expected::At(revision)),
            None => (SignIns::default(), Expected::Absent),
        };
        if let Some((step, last)) = step.zip(known.step)
            && step <= last
        {
            // Another sign-in with the same code was faster.
            return Err(wrong_code(Duration::ZERO));
        }
        // Only where a code must not count twice, two who sign in at once are in each other's way.
        let expected = if user.second_factor.is_some() { expected } else { Expected::Any };
        // The steps are those of one secret; they end with it.
        let step = if user.second_factor.is_some() { step.or(known.step) } else { None };
        change.put_sign_ins(&user.user.name, &SignIns { last: Some(now), step }, expected);
        self.forget_ended_sessions(change, user, now).await?;
        let change = std::mem::replace(change, Change::of_work());
        self.commit(change).await?;
        Ok(NewSession { actor: Actor::user(user, hex(&sha256)), secret })
    }

    /// Takes sessions away that ended, and the oldest ones of somebody who has very many.
    async fn forget_ended_sessions(
        &self,
        change: &mut Change,
        user: &StoredUser,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let sessions = work::sessions(&*self.parts.store).await.map_err(work_error)?;
        let is_over = |session: &Session| {
            !is_running(session, now) || (session.user == user.user.name && !belongs(session, user))
        };
        let mut gone: Vec<&String> = sessions.iter().filter(|(_, s)| is_over(s)).map(|(sha256, _)| sha256).collect();
        let mut own: Vec<_> = sessions.iter().filter(|(_, session)| belongs(session, user)).collect();
        own.sort_by_key(|(_, session)| session.seen);
        gone.extend(own.iter().take(own.len().saturating_sub(SESSIONS_OF_ONE)).map(|(sha256, _)| sha256));
        for sha256 in gone.into_iter().take(FORGOTTEN_AT_ONCE) {
            change.remove_session(sha256);
        }
        Ok(())
    }
}

fn wrong_code(wait: Duration) -> AppError {
    let message = format!("The code is wrong, or was used already. You can try again in {}.", seconds(wait));
    AppError::new(StatusCode::UNAUTHORIZED, "wrong-code", message).with_retry_after(wait)
}

/// Is what proved a second factor, and must not prove it again.
pub(crate) enum Proof {
    /// A code of RFC 6238, of that step.
    Step(u64),
    /// A recovery code: the user without it.
    Recovery {
        /// As they are to be stored.
        user: Box<StoredUser>,
        /// Over what was read.
        expected: Expected,
    },
}

fn change_of_proof(change: &mut Change, proof: Option<Proof>) -> Option<u64> {
    match proof {
        None => None,
        Some(Proof::Step(step)) => Some(step),
        Some(Proof::Recovery { user, expected }) => {
            change.put_user(&user, expected);
            None
        }
    }
}

/// Names of strangers, and of browsers, as far as they are worth keeping.
fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(SHOWN).collect()
}

pub(super) fn too_many(wait: std::time::Duration) -> AppError {
    let message = format!("Too many tries failed. You can try again in {}.", seconds(wait));
    AppError::new(StatusCode::TOO_MANY_REQUESTS, "too-many-tries", message).with_retry_after(wait)
}

/// More browsers than that nobody has open.
const SESSIONS_OF_ONE: usize = 50;
/// Fits into one transaction with all else.
const FORGOTTEN_AT_ONCE: usize = 50;
const SHOWN: usize = 200;
