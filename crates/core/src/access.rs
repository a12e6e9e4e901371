//! What can be permitted, and what each role may.

use std::fmt;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident => $text:literal, $purpose:literal,)*) => {
        /// Lists what can be permitted, one by one: a resource and a verb.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable word: `resource:verb`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What it permits, as the end of "the permission to …".
            pub fn purpose(self) -> &'static str {
                match self {
                    $(Self::$name => $purpose,)*
                }
            }
        }
    };
}

permissions! {
    /// To see everything that is not secret, but for users and the audit.
    View => "view", "look at what is configured and served",
    /// To add and remove bindings.
    BindingChange => "binding:change", "change bindings",
    /// To add, edit and remove sites.
    SiteChange => "site:change", "change sites",
    /// To add, replace, renew and remove certificates, and to go back to an older version.
    CertificateChange => "certificate:change", "change certificates",
    /// To take a certificate's private key out of the store.
    CertificateExportPrivateKey => "certificate:export-private-key", "export private keys",
    /// To add and remove issuers and DNS providers.
    IssuerChange => "issuer:change", "change issuers and DNS providers",
    /// To add a DNS provider that is a program, and to have it be another program: it runs as the server's own user, who
    /// can read everything that is stored.
    IssuerRunProgram => "issuer:run-program", "have a program run as a DNS provider",
    /// TeamCity's "Change HTTPS settings": certificate, port and redirect of the server's own name in one.
    HttpsSettingsChange => "https-settings:change", "change HTTPS settings",
    /// To change what applies to the whole server.
    SettingsChange => "settings:change", "change settings",
    /// To see users, and tokens of others.
    UserView => "user:view", "look at users and tokens",
    /// To add, change and remove users.
    UserChange => "user:change", "change users",
    /// To make and revoke tokens.
    TokenChange => "token:change", "make and revoke tokens",
    /// To see who changed what.
    AuditView => "audit:view", "look at the audit",
    /// To change who is notified of what.
    NotificationChange => "notification:change", "change notifications",
    /// To add, approve and remove agents, and to say by which thumbprint each is trusted.
    AgentChange => "agent:change", "change agents",
    /// To have agents asked how they are.
    AgentCheck => "agent:check", "check agents",
    /// To have agents install certificates with their private keys, and install them no longer.
    DeliveryChange => "delivery:change", "change deliveries",
    /// To replace the identity by which agents know the server, and to take it out with its key.
    IdentityChange => "identity:change", "change the server's identity",
    /// To read `/metrics`.
    MetricsView => "metrics:view", "read metrics",
    /// To take a backup of the store.
    StoreBackup => "store:backup", "back up the store",
    /// To replace everything by a backup.
    StoreRestore => "store:restore", "restore the store",
}

/// Says how much a user may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Runs the front door: everything that is served, but no users, no keys out, no settings of the server.
    Operator,
    /// Everything but what makes or unmakes owners, restoring a backup, and programs that run on the machine.
    Administrator,
    /// Everything.
    Owner,
}

impl Permission {
    /// Reads the stable word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.as_str() == text)
    }
}

impl Role {
    /// All there are, from the one that may least.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Administrator, Self::Owner];

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
            Self::Owner => "owner",
        }
    }

    /// Reads the stable word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether who has the role has the permission.
    pub fn has(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Self::Owner => true,
            Self::Administrator => !matches!(permission, P::StoreRestore | P::IssuerRunProgram),
            Self::Operator => matches!(
                permission,
                P::View
                    | P::BindingChange
                    | P::SiteChange
                    | P::CertificateChange
                    | P::IssuerChange
                    | P::HttpsSettingsChange
                    | P::AuditView
                    | P::AgentCheck
                    | P::MetricsView
            ),
            Self::Viewer => permission == P::View,
        }
    }

    /// What the role may.
    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_the_one_below_it_may_and_more() {
        for (lower, higher) in Role::ALL.iter().zip(Role::ALL.iter().skip(1)) {
            assert!(lower.permissions().all(|permission| higher.has(permission)), "{lower} {higher}");
            assert!(lower.permissions().count() < higher.permissions().count(), "{lower} {higher}");
        }
        assert_eq!(Role::Owner.permissions().count(), Permission::ALL.len());
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.as_str()), Some(*permission));
        }
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!((Permission::parse("View"), Role::parse("root")), (None, None));
    }
}
