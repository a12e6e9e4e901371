//! Use cases of users.
//!
//! Nobody gives, changes or takes a role that may more than they do, so an administrator makes no owner and an owner
//! is nobody's but an owner's. One enabled owner with a password here there always is, so that no trouble at an OpenID
//! provider keeps everybody out. Who signs in at one has the role that their groups give.

use portward_api::{Removed, UserCreate, UserUpdate, UserView};
use portward_core::{EmailAddress, Role, SecondFactor, TokenOwner, User, UserId, UserName};
use portward_store::{
    access::{self, StoredUser},
    change::Expected,
    desired::Stored,
    work::{self, ReadWorkError},
};

use super::{Actor, Allowed, App, AppError, Apply, Precondition, Revised, random_hex, right};

impl App {
    /// Lists the users.
    pub(crate) async fn list_users(&self, _by: &Allowed<right::UserView>) -> Result<Vec<UserView>, AppError> {
        let mut views = Vec::new();
        for stored in access::users(&*self.parts.store).await? {
            views.push(self.user_view(&stored.value).await?);
        }
        Ok(views)
    }

    /// Shows one user.
    pub(crate) async fn show_user(
        &self,
        _by: &Allowed<right::UserView>,
        name: &str,
    ) -> Result<Revised<UserView>, AppError> {
        let stored = self.find_user(name).await?;
        Ok(Revised { view: self.user_view(&stored.value).await?, revision: Some(stored.revision) })
    }

    /// Adds a user.
    pub(crate) async fn add_user(
        &self,
        by: &Allowed<right::UserChange>,
        input: &UserCreate,
        apply: Apply,
    ) -> Result<Revised<UserView>, AppError> {
        let name = UserName::parse(&input.name).map_err(|error| AppError::invalid("name", &error))?;
        let role = parse_role(&input.role)?;
        let email = input.email.as_deref().map(parse_email).transpose()?.flatten();
        demand_role(by.actor(), role, &name)?;
        // Before the lock: it takes its time.
        let password = self.new_password(&name, &input.password, SecondFactor::None).await?;
        let _deciding = self.decide().await;
        if access::read_user(&*self.parts.store, &name).await?.is_some() {
            let message = format!("there is a user \"{name}\" already; take another name");
            return Err(AppError::conflict("user-exists", message));
        }
        let user = User { name: name.clone(), role, email, is_disabled: false, created: self.now() };
        let (id, password) = (new_user_id()?, Some(password));
        let user = StoredUser { user, id, epoch: 1, password, identity: None, second_factor: None };
        if apply == Apply::DryRun {
            return Ok(Revised { view: view(&user, None), revision: None });
        }
        let mut change = self.change(by, format!("add user {name} as {role}"));
        change.put_user(&user, Expected::Absent);
        change.forget_sign_ins(&name);
        if role == Role::Owner && !self.has_owner().await? {
            change.put_owned(self.now());
            change.remove_setup(Expected::Any);
        }
        let revision = self.commit(change).await?;
        self.forget_setup_file().await;
        Ok(Revised { view: view(&user, None), revision: Some(revision) })
    }

    /// Changes a user; what the input leaves out stays. Sessions end where somebody may no more what they could.
    pub(crate) async fn edit_user(
        &self,
        by: &Allowed<right::UserChange>,
        name: &str,
        input: &UserUpdate,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Revised<UserView>, AppError> {
        let role = input.role.as_deref().map(parse_role).transpose()?;
        let email = input.email.as_deref().map(parse_email).transpose()?;
        let name = self.find_user(name).await?.value.user.name;
        let is_self = by.actor().person().is_some_and(|person| person.name == name);
        if is_self && (input.password.is_some() || input.second_factor.is_some()) {
            let message =
                "your own password and second factor are changed on your account page, where the password is asked for";
            return Err(AppError::refused("own-password", message));
        }
        let password = match &input.password {
            // That there is a second factor makes no password of somebody else's choice shorter.
            Some(password) => Some(self.new_password(&name, password, SecondFactor::None).await?),
            None => None,
        };
        let _deciding = self.decide().await;
        let Stored { value: before, revision } = self.find_user(name.as_str()).await?;
        precondition.check("user", name.as_str(), revision)?;
        demand_role(by.actor(), before.user.role, &name)?;
        if let Some(identity) = &before.identity {
            refuse_for_external(&name, &identity.issuer, role.is_some_and(|role| role != before.user.role), input)?;
        }
        let mut user = before.clone();
        let mut done = Vec::new();
        if let Some(role) = role.filter(|role| *role != before.user.role) {
            demand_role(by.actor(), role, &name)?;
            user.user.role = role;
            done.push(format!("change the role of user {name} from {} to {role}", before.user.role));
        }
        if let Some(disabled) = input.disabled.filter(|disabled| *disabled != before.user.is_disabled) {
            user.user.is_disabled = disabled;
            done.push(format!("{} user {name}", if disabled { "disable" } else { "enable" }));
        }
        if let Some(password) = password {
            user.password = Some(password);
            done.push(format!("change the password of user {name}"));
        }
        match input.second_factor {
            Some(false) if user.second_factor.take().is_some() => {
                done.push(format!("turn off the second factor of user {name}"));
            }
            Some(true) if user.second_factor.is_none() => {
                let message = "only the user can set up a second factor, on their account page";
                return Err(AppError::refused("own-second-factor", message));
            }
            _ => {}
        }
        if !done.is_empty() {
            user.epoch += 1;
        }
        if let Some(email) = email.filter(|email| *email != before.user.email) {
            user.user.email = email;
            done.push(format!("change the e-mail address of user {name}"));
        }
        if is_owner(&before) && !is_owner(&user) {
            self.demand_other_owner(&name).await?;
        }
        if done.is_empty() || apply == Apply::DryRun {
            return Ok(Revised { view: self.user_view(&user).await?, revision: Some(revision) });
        }
        let mut change = self.change(by, done.join(", "));
        change.put_user(&user, Expected::At(revision));
        let revision = self.commit(change).await?;
        Ok(Revised { view: self.user_view(&user).await?, revision: Some(revision) })
    }

    /// Removes a user with their tokens; their sessions end.
    pub(crate) async fn remove_user(
        &self,
        by: &Allowed<right::UserChange>,
        name: &str,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Removed, AppError> {
        let _deciding = self.decide().await;
        let Stored { value: user, revision } = self.find_user(name).await?;
        let name = &user.user.name;
        precondition.check("user", name.as_str(), revision)?;
        demand_role(by.actor(), user.user.role, name)?;
        if is_owner(&user) {
            self.demand_other_owner(name).await?;
        }
        let tokens = access::tokens(&*self.parts.store).await?;
        let owns =
            |owner: &TokenOwner| matches!(owner, TokenOwner::User { name: of, id } if of == name && *id == user.id);
        let tokens: Vec<_> = tokens.into_iter().filter(|stored| owns(&stored.value.token.owner)).collect();
        let alive = tokens.iter().filter(|stored| stored.value.token.revoked.is_none()).count();
        let warnings = match alive {
            0 => Vec::new(),
            1 => vec!["1 token of theirs counts no more".to_owned()],
            alive => vec![format!("{alive} tokens of theirs count no more")],
        };
        if apply == Apply::Now {
            let mut change = self.change(by, format!("remove user {name}"));
            change.remove_user(name, Expected::At(revision));
            change.forget_sign_ins(name);
            // Those beyond count no more either, as their owner is gone.
            for stored in tokens.iter().take(TOKENS_AT_ONCE) {
                change.remove_token(&stored.value.token.id, Expected::Any);
            }
            self.commit(change).await?;
        }
        Ok(Removed { id: name.to_string(), warnings })
    }

    async fn find_user(&self, name: &str) -> Result<Stored<StoredUser>, AppError> {
        let missing = || AppError::not_found("user", name);
        let parsed = UserName::parse(name).map_err(|_| missing())?;
        access::read_user(&*self.parts.store, &parsed).await?.ok_or_else(missing)
    }

    async fn demand_other_owner(&self, name: &UserName) -> Result<(), AppError> {
        let users = access::users(&*self.parts.store).await?;
        if users.iter().any(|other| is_owner(&other.value) && other.value.user.name != *name) {
            return Ok(());
        }
        Err(AppError::conflict(
            "last-owner",
            format!(
                "\"{name}\" is the only owner who can sign in with a password, so nobody could own this server; make another owner first: portward user add NAME --role owner --password-stdin"
            ),
        ))
    }

    pub(crate) async fn user_view(&self, user: &StoredUser) -> Result<UserView, AppError> {
        let sign_ins = work::read_sign_ins(&*self.parts.store, &user.user.name).await;
        let sign_ins = sign_ins.map_err(|error| match error {
            ReadWorkError::Store(error) => AppError::from(error),
            error @ ReadWorkError::Record { .. } => AppError::internal("it cannot be read who signed in", error),
        })?;
        Ok(view(user, sign_ins.and_then(|stored| stored.value.last).map(|at| at.to_string())))
    }
}

/// Makes what tells a user from another one of the same name.
pub(crate) fn new_user_id() -> Result<UserId, AppError> {
    UserId::parse(&random_hex::<16>()?).map_err(|error| AppError::internal("no id could be made for the user", error))
}

/// Reads an address; empty is none.
pub(super) fn parse_email(text: &str) -> Result<Option<EmailAddress>, AppError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    EmailAddress::parse(text).map(Some).map_err(|error| AppError::invalid("email", &error))
}

/// The view of a user.
pub(super) fn view(user: &StoredUser, last_sign_in: Option<String>) -> UserView {
    UserView {
        name: user.user.name.to_string(),
        role: user.user.role.to_string(),
        email: user.user.email.as_ref().map(ToString::to_string),
        disabled: user.user.is_disabled,
        second_factor: user.second_factor.is_some(),
        issuer: user.identity.as_ref().map(|identity| identity.issuer.clone()),
        subject: user.identity.as_ref().map(|identity| identity.subject.clone()),
        created: user.user.created.to_string(),
        last_sign_in,
    }
}

fn parse_role(text: &str) -> Result<Role, AppError> {
    Role::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        AppError::refused("invalid-value", format!("role: \"{text}\" is not one of {}", known.join(", ")))
    })
}

/// Refuses what concerns a role that may more than who asks.
fn demand_role(actor: &Actor, role: Role, name: &UserName) -> Result<(), AppError> {
    if actor.may_all_of(role) {
        return Ok(());
    }
    Err(AppError::not_permitted(format!(
        "{actor} may not make, change or remove the {role} \"{name}\", as the role may more than they may; ask an owner"
    )))
}

/// Refuses what is decided at the provider of somebody who signs in there.
fn refuse_for_external(name: &UserName, issuer: &str, is_role: bool, input: &UserUpdate) -> Result<(), AppError> {
    if is_role {
        let message = format!(
            "the role of \"{name}\" follows their groups at {issuer}; change the groups there, or which role a group gives: portward oidc set --role GROUP=ROLE"
        );
        return Err(AppError::conflict("external-user", message));
    }
    if input.password.is_some() {
        let message = format!(
            "\"{name}\" signs in at {issuer} and has no password here; for a password of their own remove the user, and add them: portward user add {name}"
        );
        return Err(AppError::conflict("external-user", message));
    }
    Ok(())
}

/// Whether somebody can sign in as an owner whatever becomes of an OpenID provider.
fn is_owner(user: &StoredUser) -> bool {
    user.user.role == Role::Owner && !user.user.is_disabled && user.password.is_some()
}

/// Fits into one transaction.
const TOKENS_AT_ONCE: usize = 90;

#[cfg(test)]
mod tests;
