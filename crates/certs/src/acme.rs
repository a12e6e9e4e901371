//! Speaking ACME (RFC 8555, RFC 8737, RFC 8738, RFC 9773) with a CA.
//!
//! [`CertificateAuthority`] is what the engine asks; each call is one request or a few, does not wait for the CA to get
//! on, and can be repeated after a crash.
//! [`Directory`] is the real one, over HTTPS. No clock, no store: whatever must be remembered goes out and comes in again.

mod ca;
mod challenge_certificate;
mod csr;
mod directory;
mod http;

pub use ca::{
    AccountKey, AccountKeyError, Authorization, AuthorizationStatus, CertificateAuthority, Challenge, ChallengeStatus,
    DirectoryFacts, EabKey, IssuedChain, NewAccount, NewOrder, Order, OrderStatus, RegisteredAccount, RenewalAnswer,
    RevocationReason, RollOverError,
};
pub use challenge_certificate::{ChallengeCertificate, ChallengeCertificateError, challenge_certificate};
pub use csr::{
    CsrError, RequestError, check_request, csr, issued_for, key_authorization_digest, leads_to, new_private_key,
};
pub use directory::{Directory, DirectoryError, DirectoryOptions};
pub use http::{HttpTimeouts, TrustError};
