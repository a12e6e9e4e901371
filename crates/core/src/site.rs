//! Sites: host names, and what is served for them.

use std::sync::Arc;

use crate::{
    AgentSettings, CertificateId, ForceHttps, Forwarding, HeaderRules, HostPatterns, Hsts, Network, PresetId, SiteId,
    SiteLimits, Upstream, UpstreamTrust, Upstreams, WarningPolicy,
};

/// Is a set of host names and what is served for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Names the site.
    pub id: SiteId,
    /// Its host names; never empty, and no other site has any of them.
    pub names: HostPatterns,
    /// The application, or the portal alone; requests go to these as `forwarding` says. Never empty.
    pub upstreams: Upstreams,
    /// Which certificate of an https upstream is accepted.
    pub upstream_trust: UpstreamTrust,
    /// How requests reach the upstreams; as it comes if it is the portal.
    pub forwarding: Arc<Forwarding>,
    /// What happens to plain HTTP; none for the server's default.
    pub force_https: Option<ForceHttps>,
    /// What browsers are told to remember.
    pub hsts: Hsts,
    /// What is presented for its names.
    pub certificate: SiteCertificate,
    /// What one request may take.
    pub limits: SiteLimits,
    /// What becomes of the headers of its responses.
    pub headers: HeaderRules,
    /// The preset that it was made with; what it brought is in the other fields.
    pub preset: Option<PresetId>,
}

impl Site {
    /// All its upstreams, those of routes too.
    pub fn all_upstreams(&self) -> impl Iterator<Item = &Upstream> {
        self.upstreams.iter().chain(self.forwarding.routes.iter().flat_map(|route| &route.upstreams))
    }

    /// Whether the portal is served for its names.
    pub fn is_portal(&self) -> bool {
        self.upstreams.contains(&Upstream::Portal)
    }
}

/// Says which certificate is presented for the names of a site.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum SiteCertificate {
    /// The best one of the library that has the name.
    #[default]
    Auto,
    /// That one.
    Fixed(CertificateId),
}

/// Holds what applies to the whole server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What happens to plain HTTP where a site does not say.
    pub force_https: ForceHttps,
    /// When a certificate's end is warned of.
    pub warning: WarningPolicy,
    /// What is done with agents, and when.
    pub agents: AgentSettings,
    /// Proxies before this server: what they say of their clients in `X-Forwarded-For` and its like is believed.
    pub trusted_proxies: Vec<Network>,
    /// The certificate for the server's own name, as `portward letsencrypt configure` made it.
    pub letsencrypt: Option<CertificateId>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            force_https: ForceHttps::Off,
            warning: WarningPolicy::DEFAULT,
            agents: AgentSettings::DEFAULT,
            trusted_proxies: Vec::new(),
            letsencrypt: None,
        }
    }
}
