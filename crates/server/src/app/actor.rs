//! Who asks, and what they may.
//!
//! A use case takes an [`Allowed`], which only [`Actor::may`] makes: code that forgets to ask does not compile.

use std::{collections::BTreeSet, fmt, marker::PhantomData, net::IpAddr};

use portward_core::{ActorKind, Permission};

use super::error::AppError;

/// Is somebody who asks for something; the name goes to audit records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Actor {
    name: String,
    kind: ActorKind,
    address: Option<IpAddr>,
    permissions: BTreeSet<Permission>,
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
    HttpsSettingsChange,
    SettingsChange,
    UserView,
    UserChange,
    TokenChange,
    AuditView,
    NotificationChange,
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
        let kind = ActorKind::Socket;
        Self { name, kind, address: None, permissions: Permission::ALL.iter().copied().collect() }
    }

    /// Portward itself. May everything.
    pub(crate) fn portward(task: &str) -> Self {
        let (name, kind) = (format!("portward ({task})"), ActorKind::Portward);
        Self { name, kind, address: None, permissions: Permission::ALL.iter().copied().collect() }
    }

    /// Somebody who may only that.
    #[cfg(test)]
    pub(crate) fn with(permissions: &[Permission]) -> Self {
        let (name, kind) = ("test".to_owned(), ActorKind::User);
        Self { name, kind, address: None, permissions: permissions.iter().copied().collect() }
    }

    /// In which way somebody acts.
    pub(crate) fn kind(&self) -> ActorKind {
        self.kind
    }

    /// Where the client is; none on this machine.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Asks whether the actor has a right.
    pub(crate) fn may<R: Right>(&self) -> Result<Allowed<R>, AppError> {
        if self.permissions.contains(&R::PERMISSION) {
            Ok(Allowed { actor: self.clone(), right: PhantomData })
        } else {
            Err(AppError::not_permitted(format!(
                "{self} lacks the permission to {} ({}); ask somebody who has it",
                R::PERMISSION.purpose(),
                R::PERMISSION
            )))
        }
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
    use super::*;

    #[test]
    fn an_actor_may_what_it_is_permitted_and_nothing_else() {
        let actor = Actor::with(&[Permission::View]);
        assert!(actor.may::<right::View>().is_ok());
        assert_eq!(actor.may::<right::SiteChange>().err().map(|error| error.code()), Some("not-permitted"));
        assert!(Actor::local(0, Some("root")).may::<right::CertificateExportPrivateKey>().is_ok());
    }

    #[test]
    fn an_audit_record_shows_who_it_was() {
        assert_eq!(Actor::local(1000, Some("ada")).to_string(), "ada (uid 1000, admin socket)");
        assert_eq!(Actor::local(4711, None).to_string(), "uid 4711 (admin socket)");
    }
}
