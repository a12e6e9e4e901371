//! Where each thing lies in the store: the one table of paths.

use portward_core::{
    AgentName, BindingId, CertificateId, ChannelId, DeliveryId, DnsProviderId, Host, IssuerId, KeyId, SiteId, TokenId,
    UserName, VersionNumber,
};

use crate::{Key, Prefix, agents::JoinToken};

/// Is the place of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `meta/schema`: which Portward can read this.
    Schema,
    /// `meta/cluster`: whose this is.
    Cluster,
    /// `meta/seal-check`: proves that a master key is the right one.
    SealCheck,
    /// `settings/<name>`.
    Setting(SettingName),
    /// `bindings/<id>`.
    Binding(BindingId),
    /// `sites/<id>`.
    Site(SiteId),
    /// `certs/<id>/spec`: what the operator said of a certificate.
    CertificateSpec(CertificateId),
    /// `certs/<id>/current`: the number of the version that is served.
    CertificateCurrent(CertificateId),
    /// `certs/<id>/v/<n>`.
    CertificateVersion(CertificateId, VersionNumber),
    /// `chains/<sha256>`: issuers, shared by certificates.
    Issuers(String),
    /// `keys/<key-id>`: a sealed private key.
    PrivateKey(KeyId),
    /// `certs/<id>/acme`: how a certificate is managed.
    CertificateManaged(CertificateId),
    /// `acme/issuers/<id>`.
    Issuer(IssuerId),
    /// `acme/dns/<id>`.
    DnsProvider(DnsProviderId),
    /// `notifications/<id>`: a channel.
    Channel(ChannelId),
    /// `acme/chal/http/<host>/<token>`.
    HttpChallenge(Host, String),
    /// `acme/chal/tls/<host>`.
    TlsChallenge(Host),
    /// `access/users/<name>`.
    User(UserName),
    /// `access/tokens/<id>`.
    Token(TokenId),
    /// `access/setup`: the secret of the setup link.
    Setup,
    /// `access/owned`: that the server has, or had, its first owner.
    Owned,
    /// `access/oidc`: the OpenID provider.
    Oidc,
    /// `identity/<seq>`: what the server shows to agents, with its sealed key.
    Identity(u64),
    /// `identity/trust`: what agents are told of it.
    Trust,
    /// `agents/<name>`.
    Agent(AgentName),
    /// `deliveries/<id>`.
    Delivery(DeliveryId),
    /// `joins/<token>`: the sealed secret of a join string.
    Join(JoinToken),
}

/// Names a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SettingName {
    /// What happens to plain HTTP where a site does not say.
    ForceHttps,
    /// When a certificate's end is warned of.
    Warning,
    /// What is done with agents, and when.
    Agents,
    /// Whose word about clients is taken.
    TrustedProxies,
    /// The certificate for the server's own name.
    LetsEncrypt,
}

impl Place {
    /// The key of the place.
    pub(crate) fn key(&self) -> Key {
        Key::of_checked(match self {
            Self::Schema => "meta/schema".to_owned(),
            Self::Cluster => "meta/cluster".to_owned(),
            Self::SealCheck => "meta/seal-check".to_owned(),
            Self::Setting(name) => format!("settings/{}", name.as_str()),
            Self::Binding(id) => format!("bindings/{id}"),
            Self::Site(id) => format!("sites/{id}"),
            Self::CertificateSpec(id) => format!("certs/{id}/spec"),
            Self::CertificateCurrent(id) => format!("certs/{id}/current"),
            Self::CertificateVersion(id, number) => format!("certs/{id}/v/{number}"),
            Self::Issuers(sha256) => format!("chains/{sha256}"),
            Self::PrivateKey(id) => format!("keys/{id}"),
            Self::CertificateManaged(id) => format!("certs/{id}/acme"),
            Self::Issuer(id) => format!("acme/issuers/{id}"),
            Self::DnsProvider(id) => format!("acme/dns/{id}"),
            Self::Channel(id) => format!("notifications/{id}"),
            Self::TlsChallenge(host) => format!("acme/chal/tls/{}", host_segment(host)),
            Self::HttpChallenge(host, token) => format!("acme/chal/http/{}/{token}", host_segment(host)),
            // No name has a colon, and no key has an at sign.
            Self::User(name) => format!("{USERS}{}", name.as_str().replace('@', ":")),
            Self::Token(id) => format!("{TOKENS}{id}"),
            Self::Setup => "access/setup".to_owned(),
            Self::Owned => "access/owned".to_owned(),
            Self::Oidc => "access/oidc".to_owned(),
            Self::Identity(seq) => format!("identity/{seq}"),
            Self::Trust => "identity/trust".to_owned(),
            // A name begins with a letter or a digit, so it is neither "." nor "..".
            Self::Agent(name) => format!("{AGENTS}{name}"),
            Self::Delivery(id) => format!("{DELIVERIES}{id}"),
            Self::Join(token) => format!("{JOINS}{token}"),
        })
    }

    /// The place that a key stands for; none if it is no place of the desired state.
    pub(crate) fn of(key: &Key) -> Option<Self> {
        Self::of_text(key.as_str())
    }

    /// The same for a key that is only looked at.
    pub(crate) fn of_text(key: &str) -> Option<Self> {
        let mut segments = [""; MOST_SEGMENTS];
        let mut count = 0;
        for segment in key.split('/') {
            *segments.get_mut(count)? = segment;
            count += 1;
        }
        match *segments.get(..count)? {
            ["meta", "schema"] => Some(Self::Schema),
            ["meta", "cluster"] => Some(Self::Cluster),
            ["meta", "seal-check"] => Some(Self::SealCheck),
            ["settings", name] => SettingName::parse(name).map(Self::Setting),
            ["bindings", id] => BindingId::parse(id).ok().map(Self::Binding),
            ["sites", id] => SiteId::parse(id).ok().map(Self::Site),
            ["certs", id, "spec"] => CertificateId::parse(id).ok().map(Self::CertificateSpec),
            ["certs", id, "current"] => CertificateId::parse(id).ok().map(Self::CertificateCurrent),
            ["certs", id, "v", number] => {
                // One spelling for each number, so that no two keys mean the same version.
                let parsed: u32 = number.parse().ok()?;
                let plain = parsed > 0 && parsed.to_string() == number;
                let id = CertificateId::parse(id).ok().filter(|_| plain)?;
                Some(Self::CertificateVersion(id, VersionNumber(parsed)))
            }
            ["chains", sha256] => is_sha256(sha256).then(|| Self::Issuers(sha256.to_owned())),
            ["keys", id] => KeyId::parse(id).ok().map(Self::PrivateKey),
            ["certs", id, "acme"] => CertificateId::parse(id).ok().map(Self::CertificateManaged),
            ["acme", "issuers", id] => IssuerId::parse(id).ok().map(Self::Issuer),
            ["acme", "dns", id] => DnsProviderId::parse(id).ok().map(Self::DnsProvider),
            ["notifications", id] => ChannelId::parse(id).ok().map(Self::Channel),
            ["acme", "chal", "tls", host] => Host::parse(host).ok().map(Self::TlsChallenge),
            ["acme", "chal", "http", host, token] => {
                let host = Host::parse(host).ok()?;
                is_challenge_token(token).then(|| Self::HttpChallenge(host, token.to_owned()))
            }
            ["access", "users", name] => {
                // One spelling for each name, so that no two keys mean the same user.
                let parsed = UserName::parse(&name.replace(':', "@")).ok()?;
                (parsed.as_str().replace('@', ":") == name).then_some(Self::User(parsed))
            }
            ["access", "tokens", id] => TokenId::parse(id).ok().map(Self::Token),
            ["access", "setup"] => Some(Self::Setup),
            ["access", "owned"] => Some(Self::Owned),
            ["access", "oidc"] => Some(Self::Oidc),
            ["identity", "trust"] => Some(Self::Trust),
            ["identity", seq] => {
                // One spelling for each number, as of versions.
                let parsed: u64 = seq.parse().ok()?;
                (parsed > 0 && parsed.to_string() == seq).then_some(Self::Identity(parsed))
            }
            // One spelling for each name: reading one makes it lower case.
            ["agents", name] => AgentName::parse(name).ok().filter(|read| read.as_str() == name).map(Self::Agent),
            ["deliveries", id] => DeliveryId::parse(id).ok().map(Self::Delivery),
            ["joins", token] => JoinToken::parse(token).map(Self::Join),
            _ => None,
        }
    }

    /// The prefixes below which everything is that decides what is served.
    ///
    /// Who may do what (`access/`) is read when somebody asks, so a change of it wakes nobody who serves;
    /// so are agents, their deliveries, and joins.
    pub(crate) fn prefixes() -> Vec<Prefix> {
        [
            "meta/",
            "settings/",
            "bindings/",
            "sites/",
            "chains/",
            "keys/",
            CERTIFICATES,
            "acme/",
            "notifications/",
            "identity/",
        ]
        .map(|text| Prefix::of_checked(text.to_owned()))
        .into()
    }
}

impl SettingName {
    fn as_str(self) -> &'static str {
        match self {
            Self::ForceHttps => "force-https",
            Self::Warning => "warning",
            Self::Agents => "agents",
            Self::TrustedProxies => "trusted-proxies",
            Self::LetsEncrypt => "letsencrypt",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::ForceHttps, Self::Warning, Self::Agents, Self::TrustedProxies, Self::LetsEncrypt]
            .into_iter()
            .find(|name| name.as_str() == text)
    }
}

/// No place has more; `acme/chal/http/<host>/<token>` has as many.
const MOST_SEGMENTS: usize = 5;
/// Below it are certificates; in a list of everything they come behind the sites, keys and issuers that they refer to.
pub(crate) const CERTIFICATES: &str = "certs/";
/// Below this are users.
pub(crate) const USERS: &str = "access/users/";
/// Below this are tokens.
pub(crate) const TOKENS: &str = "access/tokens/";
/// Below this are agents.
pub(crate) const AGENTS: &str = "agents/";
/// Below this are deliveries.
pub(crate) const DELIVERIES: &str = "deliveries/";
/// Below this are joins.
pub(crate) const JOINS: &str = "joins/";

/// Whether a text is a token of RFC 8555 section 8.3: base64url, and not longer than any server makes it.
pub(crate) fn is_challenge_token(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn host_segment(host: &Host) -> String {
    match host {
        Host::Name(name) => name.as_str().to_owned(),
        // Without the brackets that an IPv6 address has in a URL.
        Host::Ip(address) => address.to_string(),
    }
}

/// Whether a text is a SHA-256 as we write it.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_place_and_its_key_say_the_same() {
        let id = CertificateId::parse("01k9").unwrap();
        for (place, key) in [
            (Place::Schema, "meta/schema"),
            (Place::Cluster, "meta/cluster"),
            (Place::SealCheck, "meta/seal-check"),
            (Place::Setting(SettingName::ForceHttps), "settings/force-https"),
            (Place::Setting(SettingName::Warning), "settings/warning"),
            (Place::Setting(SettingName::TrustedProxies), "settings/trusted-proxies"),
            (Place::Setting(SettingName::Agents), "settings/agents"),
            (Place::Setting(SettingName::LetsEncrypt), "settings/letsencrypt"),
            (Place::Binding(BindingId::parse("b1").unwrap()), "bindings/b1"),
            (Place::Site(SiteId::parse("s1").unwrap()), "sites/s1"),
            (Place::CertificateSpec(id.clone()), "certs/01k9/spec"),
            (Place::CertificateCurrent(id.clone()), "certs/01k9/current"),
            (Place::CertificateVersion(id, VersionNumber(12)), "certs/01k9/v/12"),
            (Place::Issuers("0a".repeat(32)), &format!("chains/{}", "0a".repeat(32))),
            (Place::PrivateKey(KeyId::parse("k-1").unwrap()), "keys/k-1"),
            (
                Place::HttpChallenge(Host::parse("shop.test").unwrap(), "a_B-9".to_owned()),
                "acme/chal/http/shop.test/a_B-9",
            ),
            (Place::CertificateManaged(CertificateId::parse("01k9").unwrap()), "certs/01k9/acme"),
            (Place::Issuer(IssuerId::parse("letsencrypt").unwrap()), "acme/issuers/letsencrypt"),
            (Place::DnsProvider(DnsProviderId::parse("cloudflare").unwrap()), "acme/dns/cloudflare"),
            (Place::Channel(ChannelId::parse("ops").unwrap()), "notifications/ops"),
            (Place::TlsChallenge(Host::parse("[::1]").unwrap()), "acme/chal/tls/::1"),
            (Place::HttpChallenge(Host::parse("[::1]").unwrap(), "t".to_owned()), "acme/chal/http/::1/t"),
            (Place::User(UserName::parse("mara@shop.test").unwrap()), "access/users/mara:shop.test"),
            (Place::Token(TokenId::parse("0a").unwrap()), "access/tokens/0a"),
            (Place::Setup, "access/setup"),
            (Place::Owned, "access/owned"),
            (Place::Oidc, "access/oidc"),
            (Place::Identity(12), "identity/12"),
            (Place::Identity(u64::MAX), "identity/18446744073709551615"),
            (Place::Trust, "identity/trust"),
            (Place::Agent(AgentName::parse("web_03.shop-test").unwrap()), "agents/web_03.shop-test"),
            (Place::Agent(AgentName::parse("a..b").unwrap()), "agents/a..b"),
            (Place::Agent(AgentName::parse("0..").unwrap()), "agents/0.."),
            (Place::Delivery(DeliveryId::parse("shop-web-03").unwrap()), "deliveries/shop-web-03"),
            (Place::Join(JoinToken::parse("0a1b").unwrap()), "joins/0a1b"),
        ] {
            assert_eq!(place.key().as_str(), key);
            assert_eq!(Place::of(&place.key()), Some(place));
            let is_served = Place::prefixes().iter().any(|prefix| prefix.contains(&Key::parse(key).unwrap()));
            let is_asked_for =
                ["access/", "agents/", "deliveries/", "joins/"].iter().any(|start| key.starts_with(start));
            assert_eq!(is_served, !is_asked_for, "{key}");
        }
    }

    #[test]
    fn a_key_that_is_no_place_is_none() {
        for key in [
            "bindings/UPPER",
            "certs/a/v/0",
            "certs/a/v/01",
            "certs/a/v/-1",
            "certs/a/v/99999999999",
            "certs/a/else",
            "chains/abc",
            "settings/unknown",
            "acme/chal/http/shop.test/to:ken",
            "meta/else",
            "access/users/Mara",
            "access/users/-",
            "access/else",
            "identity/0",
            "identity/01",
            "identity/18446744073709551616",
            "identity/else",
            "agents/Web-03",
            "agents/.web",
            "agents/web/03",
            "deliveries/UPPER",
            "joins/UPPER",
            "joins/a.b",
            "ops/1",
        ] {
            assert_eq!(Place::of(&Key::parse(key).unwrap()), None, "{key}");
        }
    }
}
