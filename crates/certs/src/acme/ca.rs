//! What the engine asks of a CA, whoever answers.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use portward_core::{
    HostPattern, Timestamp,
    acme::{AcmeProblem, CaError, ChallengeKind},
};
use zeroize::Zeroizing;

/// Is a CA that speaks ACME. One value serves all accounts and orders of one directory.
///
/// Each call is taken once, or a few times where a nonce was bad, and tells how it failed; none waits for validation or
/// issuance. All of them may be repeated: what has been done before is not done again.
#[async_trait]
pub trait CertificateAuthority: Send + Sync + 'static {
    /// Reads the directory.
    async fn directory(&self) -> Result<DirectoryFacts, CaError>;

    /// Makes an account for a key, or finds the one that the key has already (RFC 8555 section 7.3).
    async fn register(&self, new: &NewAccount) -> Result<RegisteredAccount, CaError>;

    /// Gives the account a new key (RFC 8555 section 7.3.5), which is stored before, so that a crash loses no account.
    ///
    /// Afterwards the CA knows the account by the new key alone. A refusal is one only once the CA was asked for the
    /// account of the new key, and has none.
    async fn roll_over(&self, account: &RegisteredAccount, new: &AccountKey) -> Result<(), RollOverError>;

    /// Asks for a new order.
    async fn new_order(&self, account: &RegisteredAccount, new: &NewOrder) -> Result<Order, CaError>;

    /// Looks for an order of the account that is neither invalid nor expired nor valid and has exactly these names.
    ///
    /// None if there is none, or the CA lists no orders (RFC 8555 section 7.1.2.1 makes the list optional in practice).
    async fn find_order(&self, account: &RegisteredAccount, names: &[HostPattern]) -> Result<Option<Order>, CaError>;

    /// Reads an order.
    async fn order(&self, account: &RegisteredAccount, url: &str) -> Result<Order, CaError>;

    /// Reads an authorization.
    async fn authorization(&self, account: &RegisteredAccount, url: &str) -> Result<Authorization, CaError>;

    /// Tells the CA to look at a challenge of an authorization; one that it is looking at already stays as it is.
    async fn answer(
        &self,
        account: &RegisteredAccount,
        authorization: &str,
        kind: ChallengeKind,
    ) -> Result<(), CaError>;

    /// Sends the certificate signing request of an order that is ready.
    async fn finalize(&self, account: &RegisteredAccount, order: &str, csr_der: &[u8]) -> Result<Order, CaError>;

    /// Downloads the certificate of an order that is valid: the default chain first, then the alternate ones.
    async fn certificate(&self, account: &RegisteredAccount, order: &str) -> Result<Vec<IssuedChain>, CaError>;

    /// Revokes a certificate, given in DER, by its account.
    async fn revoke(
        &self,
        account: &RegisteredAccount,
        leaf_der: &[u8],
        reason: RevocationReason,
    ) -> Result<(), CaError>;

    /// Asks when a certificate, given in DER, should be renewed (RFC 9773 section 4.2).
    async fn renewal_info(&self, leaf_der: &[u8]) -> Result<RenewalAnswer, CaError>;
}

/// Is what a directory says of its CA (RFC 8555 section 7.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryFacts {
    /// Where the terms of service are.
    pub terms_of_service: Option<String>,
    /// Where the CA tells about itself.
    pub website: Option<String>,
    /// Domains that CAA records may name for this CA.
    pub caa_identities: Vec<String>,
    /// Whether accounts need an external account binding.
    pub external_account_required: bool,
    /// Profiles with what they are for; empty if there are none.
    pub profiles: Vec<(String, String)>,
    /// Whether the CA says when to renew (RFC 9773).
    pub has_renewal_info: bool,
    /// The CA's clock, out of the `Date` of its answer.
    pub date: Option<Timestamp>,
}

/// Is the private key of an account: ECDSA on P-256, PKCS #8 in DER.
#[derive(Clone)]
pub struct AccountKey(Arc<Zeroizing<Vec<u8>>>);

/// Says that no account key could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the account key could not be made")]
pub struct AccountKeyError;

/// Is an account that a CA knows.
#[derive(Clone, Debug)]
pub struct RegisteredAccount {
    /// Its URL.
    pub url: String,
    /// Its key.
    pub key: AccountKey,
}

/// Asks for an account.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its key; made and stored before, so that a crash loses no account.
    pub key: AccountKey,
    /// Contact URLs; may be empty.
    pub contacts: Vec<String>,
    /// Whether the operator agreed to the terms of service.
    pub terms_agreed: bool,
    /// The account with the CA that this one belongs to.
    pub eab: Option<EabKey>,
}

/// Says why an account was not given a new key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollOverError {
    /// The CA refuses, and knows the account by its old key still.
    #[error(transparent)]
    Refused(CaError),
    /// Nobody knows by which of the keys the CA knows the account.
    #[error(transparent)]
    Unsure(CaError),
}

/// Is the key of an external account binding (RFC 8555 section 7.3.4), for HMAC with SHA-256.
#[derive(Clone)]
pub struct EabKey {
    /// What the CA calls it.
    pub key_id: String,
    /// The MAC key itself, decoded.
    pub mac_key: Zeroizing<Vec<u8>>,
}

/// Asks for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Names and addresses.
    pub names: Vec<HostPattern>,
    /// A profile of the CA.
    pub profile: Option<String>,
    /// Leaf in DER that the new certificate replaces (RFC 9773 section 5).
    pub replaces: Option<Arc<[u8]>>,
}

/// Is an order as the CA shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its URL.
    pub url: String,
    /// How far it has come.
    pub status: OrderStatus,
    /// URLs of its authorizations.
    pub authorizations: Vec<String>,
    /// Why it is invalid.
    pub error: Option<AcmeProblem>,
    /// How long the CA asks to wait before the order is read again.
    pub retry_after: Option<Duration>,
}

/// Is the state of an order (RFC 8555 section 7.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStatus {
    /// Authorizations are missing.
    Pending,
    /// It can be finalized.
    Ready,
    /// The certificate is being issued.
    Processing,
    /// The certificate is there.
    Valid,
    /// It has come to nothing.
    Invalid,
}

/// Is an authorization as the CA shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Its URL.
    pub url: String,
    /// The name, with `*.` where the authorization is for a wildcard.
    pub name: HostPattern,
    /// How far it has come.
    pub status: AuthorizationStatus,
    /// The challenges of kinds that are known here; others are left out.
    pub challenges: Vec<Challenge>,
    /// How long the CA asks to wait before the authorization is read again.
    pub retry_after: Option<Duration>,
}

/// Is the state of an authorization (RFC 8555 section 7.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizationStatus {
    /// A challenge is to be answered.
    Pending,
    /// Control is shown.
    Valid,
    /// A challenge failed.
    Invalid,
    /// It ended in another way: deactivated, expired or revoked.
    Over,
}

/// Is a challenge as the CA shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// What is to be done.
    pub kind: ChallengeKind,
    /// How far it has come.
    pub status: ChallengeStatus,
    /// The token, base64url.
    pub token: String,
    /// Token, dot and thumbprint of the account key (RFC 8555 section 8.1).
    pub key_authorization: String,
    /// Why it failed.
    pub error: Option<AcmeProblem>,
}

/// Is the state of a challenge (RFC 8555 section 7.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeStatus {
    /// The CA waits to be told.
    Pending,
    /// The CA is looking.
    Processing,
    /// The CA has seen the answer.
    Valid,
    /// The CA has not.
    Invalid,
}

/// Is a chain that was issued, as PEM text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedChain {
    /// Leaf first (RFC 8555 section 9.1).
    pub pem: String,
}

/// Is an answer about renewal (RFC 9773 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalAnswer {
    /// When the window begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// A page that explains it.
    pub explanation_url: Option<String>,
    /// How long not to ask again; none if the CA does not say.
    pub retry_after: Option<Duration>,
}

/// Says why a certificate is revoked (RFC 5280 section 5.3.1, as far as subscribers may say).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevocationReason {
    /// None is given.
    #[default]
    Unspecified,
    /// Somebody else has the private key.
    KeyCompromise,
    /// Another certificate took its place.
    Superseded,
    /// It is not used any more.
    CessationOfOperation,
}

impl AccountKey {
    /// Makes a new key.
    pub fn generate() -> Result<Self, AccountKeyError> {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let document = made.map_err(|_| AccountKeyError)?;
        Ok(Self::from_pkcs8_der(Zeroizing::new(document.as_ref().to_vec())))
    }

    /// Takes a key, PKCS #8 in DER; whether it is of a kind that CAs take shows when it is used.
    pub fn from_pkcs8_der(der: Zeroizing<Vec<u8>>) -> Self {
        Self(Arc::new(der))
    }

    /// The key, PKCS #8 in DER.
    pub fn as_pkcs8_der(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey(..)")
    }
}

impl fmt::Debug for EabKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EabKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}
