//! What the things of Portward are, and the rules about them.
//!
//! Everything here is pure: no I/O, no clock, no async, no wire format.
//! Text becomes a type once, at the edge, by a `parse`; inside there is nothing left to check.
//! Where a rule needs the time, it takes a [`Timestamp`].

pub mod acme;
pub mod explain;

mod access;
mod actor_kind;
mod agent;
mod agent_settings;
mod binding;
mod certificate;
mod chain;
mod client_family;
mod confirmation;
mod delivery;
mod force_https;
mod forwarding;
mod header_rules;
mod holders;
mod host;
mod host_map;
mod host_pattern;
mod hsts;
mod id;
mod key_type;
mod network;
mod notice;
mod oidc;
mod passage;
mod password;
mod preset;
mod revision;
mod selection;
mod shards;
mod site;
mod site_limits;
mod sorted;
mod span;
mod thumbprint;
mod timestamp;
mod token;
mod upstream;
mod user;
mod validity;

pub use access::{Permission, Role};
pub use actor_kind::ActorKind;
pub use agent::{
    Agent, AgentHealth, AgentName, AgentNameError, AgentOrigin, AgentPins, DialAddress, DialAddressError, Dialling,
    IdentityState,
};
pub use agent_settings::AgentSettings;
pub use binding::{
    Binding, BindingError, BindingProtocol, BindingUrlError, Scheme, addresses_overlap, sockets_overlap,
};
pub use certificate::{Certificate, CertificateVersion, CertificateVersions, LeafFacts, Management, Source};
pub use chain::Chain;
pub use client_family::client_family;
pub use confirmation::{ConfirmWithin, ConfirmWithinError, NewWay};
pub use delivery::{
    Delivery, DeliveryError, DeliveryFormat, DeliveryPath, FileMode, FileOwner, ProfileName, Verify, wave,
};
pub use force_https::{ForceHttps, RedirectDecision, RequestFacts, decide_redirect, https_port_for, redirect_url};
pub use forwarding::{
    Balance, Forwarding, ForwardingError, HealthPath, PathPrefix, PathRoute, ProxyProtocol, UpstreamHttp,
};
pub use header_rules::{HeaderRuleError, HeaderRules};
pub use holders::Holders;
pub use host::{Authority, Host, HostError, HostName};
pub use host_map::HostMap;
pub use host_pattern::{HostPattern, HostPatterns};
pub use hsts::{Hsts, HstsError, hsts_header};
pub use id::{
    AttemptId, BindingId, CertificateId, ChannelId, ConfirmationId, DeliveryId, DnsProviderId, IdError, IssuerId,
    KeyId, PresetId, SiteId, TokenId, UserId, VersionNumber,
};
pub use key_type::KeyType;
pub use network::{Network, NetworkError};
pub use notice::{NoticeKind, Tone, Wanted, WantedError};
pub use oidc::{GroupRoles, GroupRolesError, Identity, OidcIssuer, OidcIssuerError};
pub use passage::{Passage, PassageError};
pub use password::{PasswordError, SecondFactor, check_password};
pub use preset::Preset;
pub use revision::Revision;
pub use selection::preference;
pub use site::{Settings, Site, SiteCertificate};
pub use site_limits::{BodyLimit, SiteLimitError, SiteLimits, WaitLimit};
pub use sorted::{Difference, Finder, Keyed, Sorted};
pub use span::parse_duration;
pub use thumbprint::{Sha1Thumbprint, Thumbprint, ThumbprintError};
pub use timestamp::{Timestamp, TimestampError};
pub use token::{Token, TokenOwner, TokenText, secret_text};
pub use upstream::{
    Upstream, UpstreamAddress, UpstreamError, UpstreamScheme, UpstreamSocket, UpstreamTrust, Upstreams,
};
pub use user::{EmailAddress, EmailError, User, UserName, UserNameError};
pub use validity::{CertificateStatus, Validity, WarningPolicy};
