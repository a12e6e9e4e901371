//! Who asks, and what they may.
//!
//! A use case takes an [`Allowed`], which only [`Actor::may`] makes: code that forgets to ask does not compile.

use std::{collections::BTreeSet, fmt, marker::PhantomData, net::IpAddr};

use portward_core::{ActorKind, Permission, Role, Timestamp, Token, TokenId, TokenOwner, UserId, UserName};
use portward_store::access::StoredUser;

use super::error::AppError;

/// Is somebody who asks for something; the name goes to audit records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Actor {
    name: String,
    kind: ActorKind,
    address: Option<IpAddr>,
    permissions: BTreeSet<Permission>,
    who: Who,
}

/// Says what kind of somebody it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Somebody on the machine itself.
    Machine,
    /// Portward itself.
    Portward,
    /// A user who signed in.
    User {
        /// The user.
        user: Person,
        /// The SHA-256 of the session, in hexadecimal.
        session: String,
    },
    /// A program with a token.
    Token {
        /// Which token.
        id: TokenId,
        /// The user whose it is; none if it was made on the machine itself.
        user: Option<Person>,
        /// When it ends.
        expires: Option<Timestamp>,
    },
}

/// Is the user behind an actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// The name.
    pub(crate) name: UserName,
    /// Tells them from another one of that name.
    pub(crate) id: UserId,
    /// The role that they have now.
    pub(crate) role: Role,
}

/// Proves that an actor has a right.
#[derive(Clone, Debug)]
pub(crate) struct Allowed<R> {
    actor: Actor,
    right: PhantomData<fn() -> R>,
}

/// Is a permission as a type, so that a signature can name it.
pub(crate) trait Right: Send + Sync + 'static {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! rights {
    ($($name:ident,)*) => {
        /// The permissions as types.
        pub(crate) mod right {
            $(
                #[doc = concat!("As a type: [`Permission::", stringify!($name), "`](super::Permission::", stringify!($name), ").")]
                #[derive(Debug)]
                pub(crate) enum $name {}

                impl super::Right for $name {
                    const PERMISSION: super::Permission = super::Permission::$name;
                }
            )*
        }
    };
}

rights! {
    View,
    BindingChange,
    SiteChange,
    CertificateChange,
    CertificateExportPrivateKey,
    IssuerChange,
    IssuerRunProgram,
    HttpsSettingsChange,
    SettingsChange,
    UserView,
    UserChange,
    TokenChange,
    AuditView,
    NotificationChange,
    AgentChange,
    AgentCheck,
    DeliveryChange,
    IdentityChange,
    MetricsView,
    StoreBackup,
    StoreRestore,
}

impl Actor {
    /// A user of this machine on the admin socket: the server's own user, or root. May everything.
    pub(crate) fn local(uid: u32, user: Option<&str>) -> Self {
        let name = match user {
            Some(user) => format!("{user} (uid {uid}, admin socket)"),
            None => format!("uid {uid} (admin socket)"),
        };
        Self::new(name, ActorKind::Socket, Permission::ALL.iter().copied(), Who::Machine)
    }

    /// Portward itself. May everything.
    pub(crate) fn portward(task: &str) -> Self {
        let name = format!("portward ({task})");
        Self::new(name, ActorKind::Portward, Permission::ALL.iter().copied(), Who::Portward)
    }

    /// A user who signed in; may what their role has.
    pub(crate) fn user(stored: &StoredUser, session: String) -> Self {
        let user = Person::of(stored);
        let (name, role) = (user.name.to_string(), user.role);
        Self::new(name, ActorKind::User, role.permissions(), Who::User { user, session })
    }

    /// A program with a token; may what the token has, of a user's token no more than the user may now.
    pub(crate) fn token(token: &Token, owner: Option<&StoredUser>) -> Self {
        let user = owner.map(Person::of);
        let has = |permission: &Permission| user.as_ref().is_none_or(|user| user.role.has(*permission));
        let name = match &token.owner {
            TokenOwner::User { name, .. } => format!("{name} (token {})", token.name),
            TokenOwner::Machine(_) => format!("token {}", token.name),
        };
        let permissions: Vec<Permission> = token.permissions.iter().copied().filter(has).collect();
        let who = Who::Token { id: token.id.clone(), user, expires: token.expires };
        Self::new(name, ActorKind::Token, permissions, who)
    }

    /// Somebody who may only that.
    #[cfg(test)]
    pub(crate) fn with(permissions: &[Permission]) -> Self {
        Self::new("test".to_owned(), ActorKind::User, permissions.iter().copied(), Who::Machine)
    }

    /// The same, somewhere else than on this machine.
    pub(crate) fn at(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    fn new(name: String, kind: ActorKind, permissions: impl IntoIterator<Item = Permission>, who: Who) -> Self {
        Self { name, kind, address: None, permissions: permissions.into_iter().collect(), who }
    }

    /// In which way somebody acts.
    pub(crate) fn kind(&self) -> ActorKind {
        self.kind
    }

    /// Where the client is; none on this machine.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What kind of somebody it is.
    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// Tells it from everybody else, also from one who has the same name later.
    pub(crate) fn identity(&self) -> String {
        match &self.who {
            Who::Machine | Who::Portward => self.name.clone(),
            Who::User { user, .. } => format!("user {}", user.id),
            Who::Token { id, .. } => format!("token {id}"),
        }
    }

    /// The user, where one signed in or has a token.
    pub(crate) fn person(&self) -> Option<&Person> {
        match &self.who {
            Who::User { user, .. } => Some(user),
            Who::Token { user, .. } => user.as_ref(),
            Who::Machine | Who::Portward => None,
        }
    }

    /// What it may.
    pub(crate) fn permissions(&self) -> impl Iterator<Item = Permission> {
        self.permissions.iter().copied()
    }

    /// Whether it may all that a role may: nobody gives, changes or takes a role that may more than they do.
    pub(crate) fn may_all_of(&self, role: Role) -> bool {
        role.permissions().all(|permission| self.permissions.contains(&permission))
    }

    /// Asks whether the actor has a right.
    pub(crate) fn may<R: Right>(&self) -> Result<Allowed<R>, AppError> {
        self.demand(R::PERMISSION)?;
        Ok(Allowed { actor: self.clone(), right: PhantomData })
    }

    /// Refuses an actor without a permission that is known only when it is looked for, as that of a change that waits.
    pub(crate) fn demand(&self, permission: Permission) -> Result<(), AppError> {
        if self.holds(permission) {
            return Ok(());
        }
        Err(AppError::not_permitted(format!(
            "{self} lacks the permission to {} ({permission}); ask somebody who has it",
            permission.purpose()
        )))
    }

    /// Whether the actor has a permission.
    pub(crate) fn holds(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}

impl Person {
    fn of(stored: &StoredUser) -> Self {
        Self { name: stored.user.name.clone(), id: stored.id.clone(), role: stored.user.role }
    }
}

impl<R> Allowed<R> {
    /// Who it is.
    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_actor_may_what_it_is_permitted_and_nothing_else() {
        let actor = Actor::with(&[Permission::View]);
        assert!(actor.may::<right::View>().is_ok());
        assert_eq!(actor.may::<right::SiteChange>().err().map(|error| error.code()), Some("not-permitted"));
        assert!(Actor::local(0, Some("root")).may::<right::CertificateExportPrivateKey>().is_ok());
    }

    #[test]
    fn a_token_may_no_more_than_its_owner_may_now() {
        let owner = |role| {
            let parse = |text| portward_core::UserName::parse(text);
            let user = portward_core::User {
                name: parse("mara").unwrap(),
                role,
                email: None,
                is_disabled: false,
                created: Timestamp::EPOCH,
            };
            let id = UserId::parse("0a").unwrap();
            StoredUser { user, id, epoch: 0, password: None, identity: None, second_factor: None }
        };
        let of_user = TokenOwner::User { name: owner(Role::Owner).user.name, id: owner(Role::Owner).id };
        let mut token = Token {
            id: TokenId::parse("1").unwrap(),
            name: "ci".to_owned(),
            permissions: [Permission::View, Permission::SiteChange, Permission::UserChange].into(),
            owner: of_user,
            created: Timestamp::EPOCH,
            expires: None,
            revoked: None,
        };
        let operator = Actor::token(&token, Some(&owner(Role::Operator)));
        assert!(operator.may::<right::SiteChange>().is_ok() && operator.may::<right::UserChange>().is_err());
        assert!(operator.may::<right::BindingChange>().is_err());
        assert_eq!(operator.to_string(), "mara (token ci)");
        token.owner = TokenOwner::Machine("root".to_owned());
        let machine = Actor::token(&token, None);
        assert!(machine.may::<right::UserChange>().is_ok() && !machine.may_all_of(Role::Administrator));
        assert_eq!(machine.to_string(), "token ci");
    }

    #[test]
    fn an_audit_record_shows_who_it_was() {
        assert_eq!(Actor::local(1000, Some("ada")).to_string(), "ada (uid 1000, admin socket)");
        assert_eq!(Actor::local(4711, None).to_string(), "uid 4711 (admin socket)");
    }
}
