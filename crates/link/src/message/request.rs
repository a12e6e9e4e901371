//! A private key that is made on a machine, and never leaves it.

use serde::{Deserialize, Serialize};

/// Asks an agent to make a private key for a certificate, and to sign a request with it. The key stays on its machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakeRequest {
    /// Names the certificate; [`Deliver::key_of`](super::Deliver::key_of) names it again.
    pub certificate: String,
    /// Host names, wildcards and addresses.
    pub names: Vec<String>,
    /// As in `ecdsa-p256`.
    pub algorithm: String,
    /// Whether a key that is in use for the certificate is taken again.
    #[serde(default)]
    pub keep: bool,
}

/// Is a signing request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakeRequestReply {
    /// PKCS #10 (RFC 2986), DER in base64.
    pub request: String,
}
