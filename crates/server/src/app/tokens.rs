//! Use cases of tokens.

use std::{collections::BTreeSet, time::Duration};

use portward_api::{Removed, SecretText, TokenCreate, TokenCreated, TokenView};
use portward_core::{Permission, Timestamp, Token, TokenId, TokenOwner, TokenText, parse_duration};
use portward_store::{
    access::{self, StoredToken},
    change::{Change, Expected},
    desired::Stored,
    work::{self, ReadWorkError},
};

use super::{Actor, Allowed, App, AppError, Apply, Who, random_hex, random_secret, right};

impl App {
    /// Lists the tokens that count, and those that have expired.
    pub(crate) async fn list_tokens(&self, _by: &Allowed<right::UserView>) -> Result<Vec<TokenView>, AppError> {
        self.token_views(|_| true).await
    }

    /// Makes a token, which may no more than who makes it, and lives no longer.
    pub(crate) async fn create_token(
        &self,
        by: &Allowed<right::TokenChange>,
        input: &TokenCreate,
        apply: Apply,
    ) -> Result<TokenCreated, AppError> {
        let (actor, now) = (by.actor(), self.now());
        let name = parse_name(&input.name)?;
        let permissions = parse_permissions(&input.permissions)?;
        let has: BTreeSet<Permission> = actor.permissions().collect();
        if let Some(beyond) = permissions.iter().find(|permission| !has.contains(permission)) {
            return Err(AppError::not_permitted(format!(
                "{actor} lacks the permission to {} ({beyond}), and so would the token; leave it out, or ask somebody who has it",
                beyond.purpose()
            )));
        }
        let expires = expiry(input.expires.as_deref(), actor, now)?;
        let owner = match actor.person() {
            Some(person) => TokenOwner::User { name: person.name.clone(), id: person.id.clone() },
            None => TokenOwner::Machine(actor.to_string()),
        };
        let _deciding = self.decide().await;
        let all = access::tokens(&*self.parts.store).await?;
        let of_owner = all.iter().filter(|stored| is_same_owner(&stored.value.token.owner, &owner));
        if of_owner.filter(|stored| stored.value.token.revoked.is_none()).count() >= TOKENS_OF_ONE {
            let message =
                format!("there are {TOKENS_OF_ONE} tokens of {actor} already; revoke one: portward token revoke ID");
            return Err(AppError::conflict("too-many-tokens", message));
        }
        let id = TokenId::parse(&random_hex::<6>()?)
            .map_err(|error| AppError::internal("no id could be made for the token", error))?;
        let text = TokenText::new(id.clone(), random_secret()?.expose());
        let token = Token { id, name, permissions, owner, created: now, expires, revoked: None };
        let view = view(&token, None, None, now);
        if apply == Apply::DryRun {
            return Ok(TokenCreated { secret: None, token: view });
        }
        let what = format!("create token {} ({}) with {}", token.id, token.name, view.permissions.join(", "));
        let mut change = self.change(by, what);
        forget_old(&mut change, &all, now);
        change.put_token(&StoredToken { token, sha256: super::access::sha256(text.expose()) }, Expected::Absent);
        self.commit(change).await?;
        Ok(TokenCreated { secret: Some(SecretText::new(text.expose().to_owned())), token: view })
    }

    /// Revokes a token; the next request with it is refused.
    pub(crate) async fn revoke_token(
        &self,
        by: &Allowed<right::TokenChange>,
        id: &str,
        apply: Apply,
    ) -> Result<Removed, AppError> {
        let token = self.find_token(id).await?.value.token;
        if apply == Apply::Now {
            self.revoke(by.actor(), id).await?;
        }
        Ok(Removed { id: token.id.to_string(), warnings: Vec::new() })
    }

    /// Revokes a token for somebody who may.
    pub(super) async fn revoke(&self, actor: &Actor, id: &str) -> Result<(), AppError> {
        let _deciding = self.decide().await;
        let Stored { value: mut stored, revision } = self.find_token(id).await?;
        let now = self.now();
        let what = format!("revoke token {} ({})", stored.token.id, stored.token.name);
        let mut change = self.change_of(actor, what);
        stored.token.revoked = Some(now);
        change.put_token(&stored, Expected::At(revision));
        change.forget_token_use(&stored.token.id);
        self.commit(change).await?;
        Ok(())
    }

    /// The views of the tokens that are not revoked, of some owners.
    pub(super) async fn token_views(
        &self,
        is_wanted: impl Fn(&TokenOwner) -> bool,
    ) -> Result<Vec<TokenView>, AppError> {
        let store = &*self.parts.store;
        let used = work::last_used(store).await.map_err(|error| match error {
            ReadWorkError::Store(error) => AppError::from(error),
            error @ ReadWorkError::Record { .. } => {
                AppError::internal("it cannot be read when tokens were used", error)
            }
        })?;
        let users = access::users(store).await?;
        let mut views = Vec::new();
        for Stored { value: StoredToken { token, .. }, .. } in access::tokens(store).await? {
            if token.revoked.is_some() || !is_wanted(&token.owner) {
                continue;
            }
            let role = match &token.owner {
                TokenOwner::Machine(_) => None,
                TokenOwner::User { name, id } => {
                    let owner = users.iter().find(|user| user.value.user.name == *name && user.value.id == *id);
                    // A token whose owner is gone counts no more.
                    let Some(owner) = owner else { continue };
                    Some(owner.value.user.role)
                }
            };
            views.push(view(&token, role, used.get(&token.id).copied(), self.now()));
        }
        views.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        Ok(views)
    }

    async fn find_token(&self, id: &str) -> Result<Stored<StoredToken>, AppError> {
        let missing = || AppError::not_found("token", id);
        let parsed = TokenId::parse(id).map_err(|_| missing())?;
        let stored = access::read_token(&*self.parts.store, &parsed).await?;
        stored.filter(|stored| stored.value.token.revoked.is_none()).ok_or_else(missing)
    }
}

fn view(token: &Token, role: Option<portward_core::Role>, used: Option<Timestamp>, now: Timestamp) -> TokenView {
    let counts = |permission: &&Permission| role.is_none_or(|role| role.has(**permission));
    TokenView {
        id: token.id.to_string(),
        name: token.name.clone(),
        permissions: token.permissions.iter().filter(counts).map(ToString::to_string).collect(),
        owner: match &token.owner {
            TokenOwner::User { name, .. } => name.to_string(),
            TokenOwner::Machine(who) => who.clone(),
        },
        created: token.created.to_string(),
        expires: token.expires.map(|at| at.to_string()),
        expired: token.expires.is_some_and(|end| end <= now),
        last_used: used.map(|at| at.to_string()),
    }
}

fn parse_name(text: &str) -> Result<String, AppError> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        let message =
            format!("name: it is what people call the token, 1 to {NAME} characters, as in \"deploy from CI\"");
        return Err(AppError::refused("invalid-value", message));
    }
    Ok(name.to_owned())
}

fn parse_permissions(texts: &[String]) -> Result<BTreeSet<Permission>, AppError> {
    let known = || Permission::ALL.iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join(", ");
    if texts.is_empty() {
        let message = format!("permissions: a token without any opens nothing; give some of {}", known());
        return Err(AppError::refused("invalid-value", message));
    }
    let parse = |text: &String| {
        Permission::parse(text).ok_or_else(|| {
            let message = format!("permissions: \"{text}\" is not one of {}", known());
            AppError::refused("invalid-value", message)
        })
    };
    texts.iter().map(parse).collect()
}

/// When a token ends; one that is made with another token not after that one.
fn expiry(text: Option<&str>, actor: &Actor, now: Timestamp) -> Result<Option<Timestamp>, AppError> {
    let asked = match text {
        None => None,
        Some(text) => {
            let span = parse_duration(text).filter(|span| !span.is_zero() && *span <= LONGEST).ok_or_else(|| {
                let message = format!("expires: \"{text}\" is not a time from 1s to 10y, as in 90d");
                AppError::refused("invalid-value", message)
            })?;
            Some(now.plus(span))
        }
    };
    let bound = match actor.who() {
        Who::Token { expires, .. } => *expires,
        _ => None,
    };
    match (asked, bound) {
        (Some(asked), Some(bound)) if asked > bound => Err(AppError::not_permitted(format!(
            "the token that asks ends at {bound}, so the new one cannot end at {asked}; give less, or leave it out"
        ))),
        (None, bound) => Ok(bound),
        (asked, _) => Ok(asked),
    }
}

fn is_same_owner(one: &TokenOwner, other: &TokenOwner) -> bool {
    match (one, other) {
        (TokenOwner::Machine(_), TokenOwner::Machine(_)) => true,
        (one, other) => one == other,
    }
}

/// Takes tokens away of which it need not be known any more that they were revoked.
fn forget_old(change: &mut Change, tokens: &[Stored<StoredToken>], now: Timestamp) {
    let is_old = |stored: &&Stored<StoredToken>| {
        stored.value.token.revoked.is_some_and(|revoked| now.since(revoked) > REMEMBERED)
    };
    for stored in tokens.iter().filter(is_old).take(FORGOTTEN_AT_ONCE) {
        change.remove_token(&stored.value.token.id, Expected::At(stored.revision));
    }
}

/// Longest name of a token.
const NAME: usize = 64;
/// Machines that nobody looks after for longer should not have a key.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Nobody keeps an eye on more, and all are removed with their owner in one change.
const TOKENS_OF_ONE: usize = 90;
/// So long a program that goes on with a revoked token is told that it was revoked.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);
/// Fits into one transaction.
const FORGOTTEN_AT_ONCE: usize = 50;

#[cfg(test)]
mod tests;
