//! What is wrong with a certificate that could be read.

use std::fmt;

use portward_core::Timestamp;

/// Is one thing found wrong with a bundle, and what follows from it.
///
/// `Display` is the whole message for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub defect: Defect,
    /// Whether it stops an import.
    pub weight: Weight,
}

/// Says whether a finding stops an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weight {
    /// The certificate must not be taken.
    Refuses,
    /// The certificate may be taken; the operator is told.
    Warns,
}

/// Lists what can be wrong with a certificate that could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// Its time is over.
    #[error(
        "the certificate {subject} expired on {since} ({days} days ago); renew it, or take it nevertheless with --allow-expired"
    )]
    Expired {
        /// Subject of the leaf.
        subject: String,
        /// Its last second.
        since: Timestamp,
        /// Whole days since then.
        days: u64,
    },
    /// Its time has not come.
    #[error(
        "the certificate {subject} is not valid before {from}; wait, correct this machine's clock if it is wrong, or take it nevertheless with --allow-expired"
    )]
    NotYetValid {
        /// Subject of the leaf.
        subject: String,
        /// Its first second.
        from: Timestamp,
    },
    /// A certificate of the chain is out of its time, not the leaf.
    #[error(
        "the issuer {subject} in the chain expired on {since}, so clients will not trust the certificate; give the present issuer certificate of the authority"
    )]
    IssuerExpired {
        /// Subject of the issuer.
        subject: String,
        /// Its last second.
        since: Timestamp,
    },
    /// A signature that clients rely on is made with a broken hash.
    #[error(
        "the certificate {subject} is signed with {algorithm}, which clients do not accept any more; ask the authority for a new certificate signed with SHA-256"
    )]
    WeakSignature {
        /// Subject of the certificate.
        subject: String,
        /// Name of the algorithm.
        algorithm: String,
    },
    /// The key of an issuer is too short.
    #[error(
        "the issuer {subject} has an RSA key of {bits} bits, which clients do not accept any more; use a certificate of another issuer"
    )]
    WeakIssuerKey {
        /// Subject of the issuer.
        subject: String,
        /// Size of the modulus.
        bits: u32,
    },
    /// No issuer of the leaf was given.
    #[error("the chain is incomplete: the certificate of the issuer {issuer} is missing, so clients that do not know it will refuse the connection; add it to the files{}", download(.url.as_deref()))]
    IncompleteChain {
        /// Subject of the missing certificate.
        issuer: String,
        /// Where the authority publishes it, as the leaf says.
        url: Option<String>,
    },
    /// The leaf has no names that a client could compare.
    #[error(
        "the certificate {subject} has no subject alternative names (DNS names or IP addresses), so it is valid for no site; browsers do not look at the common name: request it again with its names as SAN"
    )]
    NoNames {
        /// Subject of the leaf.
        subject: String,
    },
    /// The leaf does not cover a name that it is wanted for.
    #[error("the certificate is not valid for {name}; it has {}", list(.has))]
    NameNotCovered {
        /// The wanted name.
        name: String,
        /// The names of the leaf.
        has: Vec<String>,
    },
    /// The leaf is the certificate of an authority.
    #[error(
        "the certificate {subject} is one of a certification authority (CA:TRUE), meant to sign others; clients may refuse it from a server: issue a server certificate with it instead"
    )]
    CaAsLeaf {
        /// Subject of the leaf.
        subject: String,
    },
    /// The leaf says that it is not meant for TLS servers.
    #[error(
        "the certificate {subject} is not meant for servers: its extended key usage is {usages}; request it for serverAuth"
    )]
    NotForServers {
        /// Subject of the leaf.
        subject: String,
        /// The usages that it lists.
        usages: String,
    },
}

impl Finding {
    /// The stable word for programs, in kebab case.
    pub fn code(&self) -> &'static str {
        self.defect.code()
    }

    /// Whether it stops an import.
    pub fn refuses(&self) -> bool {
        self.weight == Weight::Refuses
    }
}

impl Defect {
    /// The stable word for programs, in kebab case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::IssuerExpired { .. } => "issuer-expired",
            Self::WeakSignature { .. } => "weak-signature",
            Self::WeakIssuerKey { .. } => "weak-issuer-key",
            Self::IncompleteChain { .. } => "incomplete-chain",
            Self::NoNames { .. } => "no-names",
            Self::NameNotCovered { .. } => "name-not-covered",
            Self::CaAsLeaf { .. } => "ca-as-leaf",
            Self::NotForServers { .. } => "not-for-servers",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.defect.fmt(f)
    }
}

fn download(url: Option<&str>) -> String {
    url.map(|url| format!(" (the certificate says it can be fetched from {url})")).unwrap_or_default()
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "no names".to_owned() } else { names.join(", ") }
}
