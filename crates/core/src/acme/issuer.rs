//! Issuers: ACME servers that certificates are asked of.

use std::{net::SocketAddr, sync::Arc};

use super::ChallengeKind;
use crate::IssuerId;

/// Is an ACME server with all that is to be known before it is asked.
///
/// The account key, and the MAC key of an external account binding, lie sealed elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Names the issuer.
    pub id: IssuerId,
    /// URL of its directory (RFC 8555 section 7.1.1); always https.
    pub directory: String,
    /// Who vouches for the directory's own certificate.
    pub trust: DirectoryTrust,
    /// Contact URLs for the account, as in `mailto:ops@shop.example`; may be empty.
    pub contacts: Vec<String>,
    /// Whether the operator agreed to the terms of service; without that no account is made.
    pub terms_agreed: bool,
    /// Key identifier of the external account binding (RFC 8555 section 7.3.4), where there is one.
    pub eab_key_id: Option<String>,
    /// Profile that is asked for where a certificate does not say.
    pub profile: Option<String>,
    /// Challenge that is taken where a certificate does not say.
    pub challenge: Option<ChallengeKind>,
    /// Common name of a root or issuer; of alternate chains the first that has it is taken.
    pub preferred_chain: Option<String>,
    /// Where the CA looks for answers to challenges.
    pub ports: IssuerPorts,
    /// Resolvers that see DNS as the CA sees it; those of the machine if there are none.
    pub resolvers: Vec<SocketAddr>,
}

/// Says who vouches for the certificate of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryTrust {
    /// The authorities that the machine trusts.
    System,
    /// These, in DER, and no others.
    Authorities(Vec<Arc<[u8]>>),
}

/// Holds the ports at which a CA looks for answers. Only test CAs and port forwarding make others than the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuerPorts {
    /// For http-01; 80 in RFC 8555 section 8.3.
    pub http: u16,
    /// For tls-alpn-01; 443 in RFC 8737 section 3.
    pub tls: u16,
}

impl Default for IssuerPorts {
    fn default() -> Self {
        Self { http: 80, tls: 443 }
    }
}

impl Issuer {
    /// Directory of Let's Encrypt.
    pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
    /// Directory of Let's Encrypt's staging environment, whose certificates nobody trusts.
    pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
}
