//! How the CA behaves where nothing goes wrong on purpose.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use portward_core::{
    HostPattern,
    acme::{AcmeProblem, ChallengeKind},
};

/// Is the behaviour of a [`FaultCa`](super::FaultCa); all of it can be changed while it runs.
#[derive(Clone)]
pub struct Config {
    /// Lifetime of certificates without a profile.
    pub lifetime: Duration,
    /// Profiles with the lifetime of their certificates; another one is refused.
    pub profiles: BTreeMap<String, Duration>,
    /// How long an authorization that became valid is used for later orders.
    pub authorization_reuse: Duration,
    /// How long orders and pending authorizations live.
    pub order_lifetime: Duration,
    /// How challenges are looked at.
    pub validation: Validation,
    /// How often an authorization is read as pending after its challenge was answered, before the verdict shows.
    pub validation_polls: u32,
    /// How often an order is read as processing after it was finalized, before the certificate is there.
    pub issuance_polls: u32,
    /// `Retry-After` of what is not ready yet.
    pub poll_after: Option<Duration>,
    /// Whether `Retry-After` is a date and not a number of seconds, over HTTPS (RFC 9110 section 10.2.3).
    pub retry_after_dates: bool,
    /// When the CA says to renew; none if it has no renewalInfo.
    pub ari: Option<Ari>,
    /// Whether accounts need an external account binding: key identifier and MAC key.
    pub eab: Option<(String, Vec<u8>)>,
    /// Whether accounts show a list of their orders; Let's Encrypt's do not.
    pub orders_list: bool,
    /// Whether a new order gives the pending or ready one that the account has for the same names, as Boulder does.
    pub reuse_orders: bool,
    /// Limits of its own.
    pub limits: Option<Limits>,
    /// Names that it never issues for.
    pub refused_names: BTreeSet<String>,
    /// Most names in an order.
    pub max_names: usize,
    /// Whether a certificate has `www.` beside each name that was asked for, as some CAs of companies add it.
    pub adds_www: bool,
    /// Whether there is a second chain, to another root.
    pub alternate_chain: bool,
    /// Whether what is over is forgotten, so that a simulation of years stays small: only the last
    /// [`Config::KEPT_ASKED`] requests are remembered one by one, and neither orders nor certificates that ended.
    pub cheap_keys: bool,
}

/// Says how challenges are looked at.
#[derive(Clone)]
pub enum Validation {
    /// Each is good.
    AlwaysValid,
    /// None is.
    AlwaysInvalid(AcmeProblem),
    /// The CA asks on loopback: for http-01 and tls-alpn-01 at these ports. Each dns-01 is good.
    Real {
        /// Port for http-01.
        http_port: u16,
        /// Port for tls-alpn-01.
        tls_port: u16,
    },
    /// Names with their verdicts; those of other names are good.
    Scripted(BTreeMap<String, Verdict>),
    /// A function of the test looks. It must not call the CA, which waits for it.
    By(Arc<dyn Fn(&Look) -> Verdict + Send + Sync>),
}

/// Is the outcome of looking at a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Control is shown.
    Valid,
    /// It is not.
    Invalid(AcmeProblem),
    /// There is no verdict, ever.
    Never,
}

/// Is what a CA looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The name, with `*.` for a wildcard.
    pub name: HostPattern,
    /// The challenge that was answered.
    pub kind: ChallengeKind,
    /// Its token.
    pub token: String,
    /// What the answer must be made of.
    pub key_authorization: String,
}

/// Says when certificates should be renewed (RFC 9773).
#[derive(Clone, Debug, PartialEq)]
pub struct Ari {
    /// Begin of the window, as a part of the lifetime.
    pub from: f64,
    /// End of the window, as a part of the lifetime.
    pub until: f64,
    /// A page that explains it.
    pub explanation_url: Option<String>,
    /// How long not to ask again.
    pub retry_after: Option<Duration>,
}

/// Holds limits such as Let's Encrypt's, counted in sliding windows. A renewal with `replaces` is free of the last two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Failed validations per account and name in an hour.
    pub failed_validations: usize,
    /// Orders per account in three hours; those for a set that the CA has issued for before are free.
    pub orders: usize,
    /// Certificates per exact set of names in seven days.
    pub same_set: usize,
}

impl Config {
    /// Requests that are remembered one by one where [`Config::cheap_keys`] is on.
    pub const KEPT_ASKED: usize = 10_000;
}

impl Default for Config {
    /// 90 days, no profiles, everything valid at once, no limits; the rest as at Let's Encrypt.
    fn default() -> Self {
        Self {
            lifetime: 90 * DAY,
            profiles: BTreeMap::new(),
            authorization_reuse: 30 * DAY,
            order_lifetime: 7 * DAY,
            validation: Validation::AlwaysValid,
            validation_polls: 0,
            issuance_polls: 0,
            poll_after: Some(Duration::from_secs(3)),
            retry_after_dates: false,
            ari: Some(Ari::default()),
            eab: None,
            orders_list: false,
            reuse_orders: true,
            limits: None,
            refused_names: BTreeSet::new(),
            max_names: 100,
            adds_www: false,
            alternate_chain: false,
            cheap_keys: false,
        }
    }
}

impl Default for Ari {
    /// A window of two hundredths of the lifetime when a third is left, and six hours of `Retry-After`, as Boulder's.
    fn default() -> Self {
        Self { from: 0.66, until: 0.68, explanation_url: None, retry_after: Some(Duration::from_secs(6 * 3600)) }
    }
}

impl Default for Limits {
    /// Those of Let's Encrypt.
    fn default() -> Self {
        Self { failed_validations: 5, orders: 300, same_set: 5 }
    }
}

impl fmt::Debug for Validation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlwaysValid => f.write_str("AlwaysValid"),
            Self::AlwaysInvalid(problem) => f.debug_tuple("AlwaysInvalid").field(problem).finish(),
            Self::Real { http_port, tls_port } => write!(f, "Real {{ {http_port}, {tls_port} }}"),
            Self::Scripted(verdicts) => f.debug_tuple("Scripted").field(verdicts).finish(),
            Self::By(_) => f.write_str("By(..)"),
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);
