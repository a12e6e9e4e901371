//! What everybody does with their own account: password, sessions, tokens.

use http::StatusCode;
use portward_api::{PasswordChange, SecretText, SessionView, TokenView};
use portward_core::{SecondFactor, TokenOwner, UserName};
use portward_store::{
    access::{self, PasswordHash, StoredUser},
    change::Expected,
    desired::Stored,
    work::{self, Session},
};

use super::{
    belongs, is_running,
    sign_in::{NewSession, Origin},
    throttle::{Guess, seconds},
    work_error,
};
use crate::app::{Actor, App, AppError, Who};

/// Is somebody who signed in, and acts for themselves.
pub(crate) struct Me {
    pub(super) actor: Actor,
    pub(super) stored: Stored<StoredUser>,
    session: String,
}

/// Is a session of one's own.
pub(crate) struct OwnSession {
    /// Its SHA-256 in hexadecimal, which names it and opens nothing.
    pub(crate) id: String,
    /// What is remembered of it.
    pub(crate) session: Session,
    /// Whether it is the one that asks.
    pub(crate) is_this: bool,
}

impl Me {
    /// Refuses what only somebody with a password here has.
    pub(super) fn demand_local(&self) -> Result<(), AppError> {
        let Some(identity) = &self.stored.value.identity else { return Ok(()) };
        let message = format!("you sign in at {}, where your password and second factor are", identity.issuer);
        Err(AppError::conflict("external-user", message))
    }

    /// The user, as they are stored.
    pub(crate) fn user(&self) -> &StoredUser {
        &self.stored.value
    }
}

impl App {
    /// Proves that somebody signed in as a user; tokens and the admin socket have no account.
    pub(crate) async fn me(&self, actor: &Actor) -> Result<Me, AppError> {
        let Who::User { user, session } = actor.who() else {
            let message =
                "this is for somebody who signed in with a password; a token and the admin socket have no account";
            return Err(AppError::new(StatusCode::FORBIDDEN, "no-account", message));
        };
        let stored = access::read_user(&*self.parts.store, &user.name).await?;
        let stored = stored.filter(|stored| stored.value.id == user.id).ok_or_else(|| {
            AppError::new(StatusCode::UNAUTHORIZED, "session-ended", "the session has ended; sign in again")
        })?;
        Ok(Me { actor: actor.clone(), stored, session: session.clone() })
    }

    /// Who asks, and what they may.
    pub(crate) fn show_session(&self, actor: &Actor) -> SessionView {
        let person = actor.person();
        SessionView {
            who: actor.to_string(),
            user: person.map(|person| person.name.to_string()),
            role: person.map(|person| person.role.to_string()),
            token: match actor.who() {
                Who::Token { id, .. } => Some(id.to_string()),
                _ => None,
            },
            permissions: actor.permissions().map(|permission| permission.to_string()).collect(),
        }
    }

    /// Changes one's own password; all sessions end, and a new one begins.
    pub(crate) async fn change_own_password(
        &self,
        me: &Me,
        input: &PasswordChange,
        origin: &Origin,
    ) -> Result<NewSession, AppError> {
        me.demand_local()?;
        self.demand_password(me, &input.current, origin).await?;
        let Stored { value: user, revision } = &me.stored;
        let name = &user.user.name;
        let second = if user.second_factor.is_some() { SecondFactor::Asked } else { SecondFactor::None };
        let hash = self.new_password(name, &input.new, second).await?;
        let user = StoredUser { password: Some(hash), epoch: user.epoch + 1, ..user.clone() };
        let what = format!("change the password of user {name}");
        let mut change = self.change_of(&me.actor, what);
        change.put_user(&user, Expected::At(*revision));
        self.put_session(None, &mut change, &user, origin).await
    }

    /// Lists one's own sessions, the newest first.
    pub(crate) async fn list_own_sessions(&self, me: &Me) -> Result<Vec<OwnSession>, AppError> {
        let now = self.now();
        let all = work::sessions(&*self.parts.store).await.map_err(work_error)?;
        let own = all.into_iter().filter(|(_, session)| belongs(session, &me.stored.value) && is_running(session, now));
        let mut own: Vec<OwnSession> =
            own.map(|(id, session)| OwnSession { is_this: id == me.session, id, session }).collect();
        own.sort_by_key(|own| std::cmp::Reverse(own.session.seen));
        Ok(own)
    }

    /// Ends one of one's own sessions.
    pub(crate) async fn end_own_session(&self, me: &Me, id: &str) -> Result<(), AppError> {
        let own = self.list_own_sessions(me).await?;
        let found = own.iter().find(|own| own.id == id);
        let found = found.ok_or_else(|| {
            AppError::new(StatusCode::NOT_FOUND, "not-found", "there is no such session any more; nothing was changed")
        })?;
        let mut change = self.change_of(&me.actor, "end another session of one's own");
        change.remove_session(&found.id);
        self.commit(change).await?;
        Ok(())
    }

    /// Lists one's own tokens.
    pub(crate) async fn list_own_tokens(&self, me: &Me) -> Result<Vec<TokenView>, AppError> {
        let user = &me.stored.value;
        self.token_views(
            |owner| matches!(owner, TokenOwner::User { name, id } if *name == user.user.name && *id == user.id),
        )
        .await
    }

    /// Revokes a token of one's own.
    pub(crate) async fn revoke_own_token(&self, me: &Me, id: &str) -> Result<(), AppError> {
        if !self.list_own_tokens(me).await?.iter().any(|token| token.id == id) {
            return Err(AppError::not_found("token", id));
        }
        self.revoke(&me.actor, id).await
    }

    /// Refuses a password that nobody should have, and hashes any other.
    pub(in crate::app) async fn new_password(
        &self,
        name: &UserName,
        password: &SecretText,
        second: SecondFactor,
    ) -> Result<PasswordHash, AppError> {
        self.access.hasher.hash_new(name, password, second).await
    }

    /// Asks for the password again, before something that a borrowed session must not do.
    pub(super) async fn demand_password(
        &self,
        me: &Me,
        password: &SecretText,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let (user, now) = (&me.stored.value, self.now());
        let guesses = Guess::password(user.user.name.as_str(), origin.address);
        let too_soon = |wait| {
            let message = format!("Too many tries failed. You can try again in {}.", seconds(wait));
            AppError::new(StatusCode::TOO_MANY_REQUESTS, "too-many-tries", message).with_retry_after(wait)
        };
        self.access.throttle.begin(&guesses, now).map_err(too_soon)?;
        let verified = self.access.hasher.verify(password, user.password.as_ref()).await;
        if verified.inspect_err(|_| self.access.throttle.take_back(&guesses))? {
            self.access.throttle.succeeded(&guesses);
            return Ok(());
        }
        let wait = self.access.throttle.wait(&guesses, now);
        // Not 401: whoever asks is known.
        let message = format!("The password is wrong. You can try again in {}.", seconds(wait));
        Err(AppError::new(StatusCode::FORBIDDEN, "wrong-password", message).with_retry_after(wait))
    }
}
