//! Why a host name answers as it does: what was found on the way, compared with what is configured.
//!
//! Somebody else gathers [`Facts`]; [`explain`] makes findings of them, in the order of the way that a request takes.
//! What could not be looked at is no error: it is told as unknown, and all else is told nevertheless.

mod asked;
mod certificate;
mod reach;
mod serve;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::{
    BindingProtocol, CertificateStatus, ForceHttps, HostPattern, Hsts, LeafFacts, Passage, PathPrefix, SiteId,
    Thumbprint, Timestamp, UpstreamHttp,
};

pub use asked::{Asked, AskedError};

/// Is all that was found.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What is asked about.
    pub asked: Asked,
    /// When.
    pub now: Timestamp,
    /// What DNS says.
    pub dns: Dns,
    /// The addresses of this machine.
    pub own: Vec<IpAddr>,
    /// Where Portward accepts, and where it cannot.
    pub bindings: Vec<BindingFacts>,
    /// Where the connections of the name are passed through; nothing below is looked at then.
    pub passage: Option<PassageFacts>,
    /// What our own binding does; none if there is none to ask.
    pub inside: Option<Look>,
    /// What each address does to which DNS leads, or why it was not looked at.
    pub outside: Vec<(IpAddr, Result<Look, String>)>,
    /// The site that has the name.
    pub site: Option<SiteFacts>,
    /// How many sites there are.
    pub sites: usize,
    /// What is to be presented; none if nothing is.
    pub wanted: Option<WantedCertificate>,
    /// What a browser gets in the clear from our own http binding; none if there is none.
    pub plain: Option<Result<Answered, String>>,
    /// What the application does, at each of the upstreams that the path goes to.
    pub upstreams: Vec<UpstreamFacts>,
}

/// Is what DNS says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dns {
    /// It is an address, and no name.
    NotAsked,
    /// It leads there; nowhere if there are no addresses.
    Leads {
        /// The name at the end of its CNAME records, if it has some.
        alias: Option<String>,
        /// Where to.
        addresses: Vec<IpAddr>,
    },
    /// Nobody could say.
    Failed(String),
}

/// Is one binding as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingFacts {
    /// Names it.
    pub id: String,
    /// What is spoken there.
    pub protocol: BindingProtocol,
    /// Where it was asked for.
    pub wanted: SocketAddr,
    /// Where it is, or why it is not.
    pub bound: Result<SocketAddr, String>,
}

/// Is what passes the connections of the name through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassageFacts {
    /// Names the binding.
    pub binding: String,
    /// What it passes through, and where to.
    pub passage: Passage,
    /// How soon the target takes a connection, or why it does not.
    pub connected: Result<Duration, String>,
}

/// Is the site that has the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteFacts {
    /// Names it.
    pub id: SiteId,
    /// Which of its names fits.
    pub pattern: HostPattern,
    /// What happens to plain HTTP.
    pub force_https: ForceHttps,
    /// What browsers are told to remember.
    pub hsts: Hsts,
    /// Whether it is the portal.
    pub is_portal: bool,
    /// The route that takes the path; none if the upstreams of the site do.
    pub route: Option<PathPrefix>,
    /// Which HTTP upstreams are spoken to in.
    pub http: UpstreamHttp,
}

/// Is the certificate that is to be presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedCertificate {
    /// Names it.
    pub id: String,
    /// Why it is this one.
    pub why: Why,
    /// What the version in the store says that is to be served.
    pub stored: LeafFacts,
    /// What time makes of it.
    pub status: CertificateStatus,
    /// Whether Portward renews it.
    pub managed: bool,
}

/// Says why a certificate is the one that is to be presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The site names it.
    Site,
    /// It is the best one that has the name.
    Name,
    /// Nothing has the name, and it is the binding's default.
    Default,
}

/// Is what was seen of a server at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Where.
    pub at: SocketAddr,
    /// Whether it takes connections, and how soon.
    pub connected: Result<Duration, String>,
    /// Its handshake; none in the clear, and where there was no connection.
    pub tls: Option<Result<TlsFacts, String>>,
    /// What it answers; none where it was not asked.
    pub answer: Option<Result<Answered, String>>,
}

/// Is what a handshake shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// As in `TLS 1.3`.
    pub version: String,
    /// As in `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// What is spoken, as in `h2`.
    pub alpn: Option<String>,
    /// What is presented.
    pub thumbprint: Thumbprint,
    /// What it says; none if it cannot be read.
    pub leaf: Option<LeafFacts>,
    /// How many certificates were sent.
    pub sent: usize,
    /// Whether each of them is signed by the one after it.
    pub in_order: bool,
    /// Whether it is trusted for the name, or why not.
    pub trust: Result<(), String>,
    /// How long it took.
    pub took: Duration,
}

/// Is what a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Where it sends to.
    pub location: Option<String>,
    /// `Strict-Transport-Security`.
    pub hsts: Option<String>,
    /// What calls itself the server.
    pub server: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// Is what was seen of the application at one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamFacts {
    /// As it is configured.
    pub url: String,
    /// Whether it takes connections, and how soon.
    pub connected: Result<Duration, String>,
    /// Its handshake; its trust is that of the site.
    pub tls: Option<Result<TlsFacts, String>>,
    /// What it answers.
    pub answer: Option<Result<Answered, String>>,
}

/// Is one thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// On which part of the way.
    pub step: Step,
    /// From where it was seen; none if that makes no difference.
    pub vantage: Option<Vantage>,
    /// What it means.
    pub mark: Mark,
    /// What was found, and what was expected.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
    /// What was seen, by name.
    pub details: Vec<(&'static str, String)>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The stable word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// Reads the stable word.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Lists the parts of the way.
    Step {
        /// What DNS says.
        Dns => "dns",
        /// Where Portward accepts.
        Binding => "binding",
        /// The connection.
        Connection => "connection",
        /// The handshake.
        Tls => "tls",
        /// What is presented.
        Certificate => "certificate",
        /// Which site it is.
        Site => "site",
        /// What becomes of plain HTTP.
        ForceHttps => "force-https",
        /// What browsers are told to remember.
        Hsts => "hsts",
        /// The application.
        Upstream => "upstream",
        /// What comes back.
        Response => "response",
    }
}

words! {
    /// Says from where something was seen.
    Vantage {
        /// Straight at our own binding.
        Inside => "inside",
        /// Where DNS leads.
        Dns => "dns",
    }
}

words! {
    /// Says what a finding means, the worst last.
    Mark {
        /// It is as it should be.
        Good => "good",
        /// There was nothing to look at.
        Off => "off",
        /// It could not be seen.
        Unknown => "unknown",
        /// Somebody should look.
        Warning => "warning",
        /// It does not work.
        Bad => "bad",
    }
}

impl Finding {
    fn new(step: Step, mark: Mark, message: impl Into<String>) -> Self {
        Self { step, vantage: None, mark, message: message.into(), remedy: None, details: Vec::new() }
    }

    fn from(mut self, vantage: Vantage) -> Self {
        self.vantage = Some(vantage);
        self
    }

    fn fix(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    fn detail(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.details.push((name, value.to_string()));
        self
    }
}

/// Explains what was found, in the order of the way.
pub fn explain(facts: &Facts) -> Vec<Finding> {
    if let Some(passage) = &facts.passage {
        return reach::passed(facts, passage);
    }
    let mut findings = reach::findings(facts);
    findings.extend(certificate::findings(facts));
    findings.extend(serve::findings(facts));
    findings.sort_by_key(|finding| (finding.step, finding.vantage));
    findings
}

/// Says in one sentence how it stands: the worst that was found, and where all is well, that.
pub fn verdict(facts: &Facts, findings: &[Finding]) -> (Mark, String) {
    let asked = &facts.asked;
    let worst = findings.iter().map(|finding| finding.mark).filter(|mark| *mark >= Mark::Warning).max();
    let worst = worst.and_then(|worst| findings.iter().find(|finding| finding.mark == worst));
    if let (None, Some(passed)) = (worst, &facts.passage) {
        return (Mark::Good, format!("{asked} is passed through to {}.", passed.passage.target));
    }
    match worst {
        Some(finding) => (finding.mark, finding.message.clone()),
        None if facts.site.is_none() => (Mark::Unknown, format!("{asked} is not served here.")),
        None if findings.iter().any(|finding| finding.mark == Mark::Unknown) => {
            (Mark::Unknown, format!("{asked} is served as it is configured, as far as it could be seen."))
        }
        None => (Mark::Good, format!("{asked} is served as it is configured.")),
    }
}

/// A time as it is read: milliseconds.
fn took(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// Several things in a sentence.
fn list<T: fmt::Display>(things: impl IntoIterator<Item = T>) -> String {
    things.into_iter().map(|thing| thing.to_string()).collect::<Vec<_>>().join(", ")
}
