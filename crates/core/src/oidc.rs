//! Signing in elsewhere, by OpenID Connect: whose provider, who somebody is there, and which role their groups give.

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc};

use crate::{Authority, Host, Role, Scheme};

/// Is the address of an OpenID provider, as it names itself: every character counts (OpenID Connect Core section 2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OidcIssuer(Arc<str>);

/// Says why a text is no [`OidcIssuer`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcIssuerError {
    /// It is no URL of that shape.
    #[error(
        "\"{0}\" is not the address of a provider: it is a URL without ? and #, as in https://login.shop.example/realms/main"
    )]
    Shape(String),
    /// Others could read along.
    #[error("\"{0}\" is not https; plain http is taken for a provider on this very machine alone")]
    Plain(String),
}

/// Is somebody as their provider knows them: only both together never mean somebody else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The provider, as it names itself.
    pub issuer: String,
    /// Its name for them, which it never gives to anybody else.
    pub subject: String,
}

/// Says which group gives which role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRoles(BTreeMap<String, Role>);

/// Says why a list is no [`GroupRoles`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupRolesError {
    /// Nobody could sign in.
    #[error("no group gives a role, so nobody could sign in; map at least one, as in admins=administrator")]
    Empty,
    /// More than anybody can look after.
    #[error("{0} groups are mapped; {max} can be", max = GroupRoles::MOST)]
    TooMany(usize),
    /// A group without a name, or a very long one.
    #[error("a group has 1 to {max} characters, none of which is a control character", max = GroupRoles::LONGEST)]
    Group,
    /// The role is not known.
    #[error("\"{role}\", which the group \"{group}\" should give, is no role; the roles are {known}", known = role_words())]
    Role {
        /// The group.
        group: String,
        /// What was given as its role.
        role: String,
    },
}

impl OidcIssuer {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, OidcIssuerError> {
        let shape = || OidcIssuerError::Shape(text.chars().take(LONGEST_URL).collect());
        if text.len() > LONGEST_URL
            || text.contains(|c: char| matches!(c, '?' | '#' | '@' | '\\') || !c.is_ascii_graphic())
        {
            return Err(shape());
        }
        match endpoint_scheme(text).ok_or_else(shape)? {
            (Scheme::Http, host) if !is_this_machine(&host) => Err(OidcIssuerError::Plain(text.to_owned())),
            _ => Ok(Self(text.into())),
        }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the provider describes itself (OpenID Connect Discovery section 4.1).
    pub fn configuration_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.0.trim_end_matches('/'))
    }

    /// Whether an address that the provider names may be used: https, or as plain as the provider itself is.
    pub fn may_name(&self, url: &str) -> bool {
        match endpoint_scheme(url) {
            Some((Scheme::Https, _)) => true,
            Some((Scheme::Http, host)) => is_this_machine(&host) && self.is_plain(),
            None => false,
        }
    }

    /// Whether the provider is on this machine, and asked without TLS.
    pub fn is_plain(&self) -> bool {
        self.0.starts_with("http:")
    }
}

impl GroupRoles {
    /// The most groups that can be mapped.
    pub const MOST: usize = 200;
    /// Longest name of a group.
    pub const LONGEST: usize = 256;

    /// Reads pairs of group and role.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, GroupRolesError> {
        let mut roles = BTreeMap::new();
        for (group, role) in pairs {
            let group = group.trim();
            if group.is_empty() || group.chars().count() > Self::LONGEST || group.chars().any(char::is_control) {
                return Err(GroupRolesError::Group);
            }
            let unknown = || GroupRolesError::Role { group: group.to_owned(), role: role.chars().take(64).collect() };
            roles.insert(group.to_owned(), Role::parse(role.trim()).ok_or_else(unknown)?);
        }
        match roles.len() {
            0 => Err(GroupRolesError::Empty),
            all if all > Self::MOST => Err(GroupRolesError::TooMany(all)),
            _ => Ok(Self(roles)),
        }
    }

    /// The highest role that one of the groups gives; none if no group is mapped.
    pub fn role_of<'a>(&self, groups: impl IntoIterator<Item = &'a str>) -> Option<Role> {
        groups.into_iter().filter_map(|group| self.0.get(group).copied()).max()
    }

    /// Each group with its role, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Role)> {
        self.0.iter().map(|(group, role)| (group.as_str(), *role))
    }
}

impl fmt::Display for OidcIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Scheme and host of a URL; none if it has no such shape.
fn endpoint_scheme(url: &str) -> Option<(Scheme, Host)> {
    let (scheme, rest) = match url.split_once("://")? {
        ("https", rest) => (Scheme::Https, rest),
        ("http", rest) => (Scheme::Http, rest),
        _ => return None,
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    Some((scheme, Authority::parse(authority).ok()?.host))
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Ip(IpAddr::V4(address)) => address.is_loopback(),
        Host::Ip(IpAddr::V6(address)) => address.is_loopback(),
        Host::Name(name) => name.as_str() == "localhost",
    }
}

fn role_words() -> String {
    Role::ALL.map(Role::as_str).join(", ")
}

/// Longer than that nobody names a provider.
const LONGEST_URL: usize = 500;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_provider_is_asked_over_https_or_on_this_machine() {
        for (text, expected) in [
            ("https://login.shop.example", true),
            ("https://login.shop.example:8443/realms/main/", true),
            ("https://[2001:db8::1]/", true),
            ("http://127.0.0.1:9000/o", true),
            ("http://[::1]:9000", true),
            ("http://localhost", true),
            ("http://login.shop.example", false),
            ("http://10.0.0.7", false),
            ("http://localhost.evil.example", false),
            ("https://user@login.shop.example", false),
            ("https://login.shop.example/?x", false),
            ("https://login.shop.example/#x", false),
            ("https://login.shop.example/a b", false),
            ("ftp://login.shop.example", false),
            ("login.shop.example", false),
            ("https://", false),
            ("", false),
        ] {
            assert_eq!(OidcIssuer::parse(text).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_provider_describes_itself_below_its_address() {
        for text in ["https://a.test/realms/main", "https://a.test/realms/main/"] {
            let issuer = OidcIssuer::parse(text).unwrap();
            assert_eq!(issuer.configuration_url(), "https://a.test/realms/main/.well-known/openid-configuration");
            assert_eq!(issuer.as_str(), text);
        }
    }

    #[test]
    fn what_a_provider_names_is_no_plainer_than_itself() {
        let (secure, plain) =
            (OidcIssuer::parse("https://a.test").unwrap(), OidcIssuer::parse("http://[::1]").unwrap());
        for (url, by_secure, by_plain) in [
            ("https://b.test/token?tenant=1", true, true),
            ("http://127.0.0.1:1/token", false, true),
            ("http://b.test/token", false, false),
            ("javascript:alert(1)", false, false),
            ("//b.test", false, false),
        ] {
            assert_eq!((secure.may_name(url), plain.may_name(url)), (by_secure, by_plain), "{url}");
        }
    }

    #[test]
    fn the_highest_role_of_all_groups_counts() {
        let roles = GroupRoles::parse([("ops", "operator"), ("admins", "administrator"), ("all", "viewer")]).unwrap();
        for (groups, expected) in [
            (&["all", "ops"][..], Some(Role::Operator)),
            (&["admins", "all"], Some(Role::Administrator)),
            (&["Admins", "other"], None),
            (&[], None),
        ] {
            assert_eq!(roles.role_of(groups.iter().copied()), expected, "{groups:?}");
        }
    }

    #[test]
    fn a_mapping_that_makes_no_sense_is_refused() {
        assert_eq!(GroupRoles::parse([]), Err(GroupRolesError::Empty));
        assert_eq!(GroupRoles::parse([(" ", "viewer")]), Err(GroupRolesError::Group));
        let error = GroupRoles::parse([("ops", "root")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"root\", which the group \"ops\" should give, is no role; the roles are viewer, operator, administrator, owner"
        );
        let many: Vec<String> = (0..=GroupRoles::MOST).map(|number| number.to_string()).collect();
        let error = GroupRoles::parse(many.iter().map(|group| (group.as_str(), "viewer")));
        assert_eq!(error, Err(GroupRolesError::TooMany(201)));
    }
}
