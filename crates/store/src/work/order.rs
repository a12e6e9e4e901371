//! Orders under way: each step is written here before the next one is taken.

use portward_core::{
    AgentName, AttemptId, CertificateId, DnsProviderId, HostPattern, IssuerId, Thumbprint, Timestamp, VersionNumber,
    acme::{Advice, ChallengeKind, Check, Stage, Verdict},
};
use serde::{Deserialize, Serialize};

use super::{ReadWorkError, WorkPlace, read, read_all};
use crate::{
    Key, Store,
    change::Change,
    records::{base64, text},
    sealing::{Sealed, Sealer, Secret, UnsealError},
};

/// Is how far the order for one certificate has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderProgress {
    /// The attempt that it belongs to.
    #[serde(with = "text")]
    pub attempt: AttemptId,
    /// Who is asked.
    #[serde(with = "text")]
    pub issuer: IssuerId,
    /// How far it has come.
    #[serde(with = "text")]
    pub stage: Stage,
    /// When it was planned.
    #[serde(with = "text")]
    pub planned: Timestamp,
    /// When the stage began.
    #[serde(with = "text")]
    pub since: Timestamp,
    /// What is asked for.
    #[serde(with = "text::list")]
    pub names: Vec<HostPattern>,
    /// The profile that is asked for.
    pub profile: Option<String>,
    /// Leaf that it replaces (RFC 9773 section 5); none if that is not said.
    #[serde(with = "text::option")]
    pub replaces: Option<Thumbprint>,
    /// URL of the order; none before the CA has answered.
    pub url: Option<String>,
    /// Answers that are in place, or are being put there.
    pub challenges: Vec<PlacedChallenge>,
    /// The private key for the certificate, PKCS #8 in DER, sealed.
    key: Option<Sealed>,
    /// The signing request of a key that is elsewhere; none before it was made.
    #[serde(default)]
    request: Option<RequestRecord>,
    /// The version that it became.
    #[serde(with = "text::option")]
    pub version: Option<VersionNumber>,
    /// Until when the CA told not to ask on; none if it did not.
    #[serde(with = "text::option", default)]
    pub not_before: Option<Timestamp>,
    /// What was seen before the CA was told to look.
    #[serde(default)]
    advice: Vec<AdviceRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RequestRecord {
    #[serde(with = "text")]
    agent: AgentName,
    #[serde(with = "base64")]
    der: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AdviceRecord {
    #[serde(with = "text")]
    check: Check,
    #[serde(with = "text")]
    verdict: Verdict,
    message: String,
    remedy: Option<String>,
}

/// Is an answer to a challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedChallenge {
    /// URL of the authorization.
    pub authorization: String,
    /// What control is shown of.
    #[serde(with = "text")]
    pub name: HostPattern,
    /// How.
    #[serde(with = "text")]
    pub kind: ChallengeKind,
    /// The token.
    pub token: String,
    /// Token, dot and thumbprint of the account key.
    pub key_authorization: String,
    /// For dns-01: the record.
    pub txt: Option<PlacedTxt>,
}

/// Is a TXT record for dns-01.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedTxt {
    /// The zone.
    pub zone: String,
    /// The name, after delegations were followed.
    pub name: String,
    /// The value.
    pub value: String,
    /// Who writes it; none if the operator places it by hand.
    #[serde(with = "text::option")]
    pub provider: Option<DnsProviderId>,
}

impl PlacedTxt {
    /// Whether the operator places it.
    pub fn by_hand(&self) -> bool {
        self.provider.is_none()
    }
}

impl OrderProgress {
    /// Begins an order: it is planned, and nothing else.
    pub fn plan(attempt: AttemptId, issuer: IssuerId, names: Vec<HostPattern>, now: Timestamp) -> Self {
        Self {
            attempt,
            issuer,
            stage: Stage::Planned,
            planned: now,
            since: now,
            names,
            profile: None,
            replaces: None,
            url: None,
            challenges: Vec::new(),
            key: None,
            request: None,
            version: None,
            not_before: None,
            advice: Vec::new(),
        }
    }

    /// Reads the order for a certificate.
    pub async fn read(store: &dyn Store, certificate: &CertificateId) -> Result<Option<Self>, ReadWorkError> {
        read(store, &WorkPlace::Order(certificate)).await
    }

    /// Reads the orders for all certificates.
    pub async fn read_all(store: &dyn Store) -> Result<Vec<(CertificateId, Self)>, ReadWorkError> {
        let all = read_all(store, ORDERS).await?;
        let id = |key: &Key| key.segments().nth(2).and_then(|id| CertificateId::parse(id).ok());
        Ok(all.into_iter().filter_map(|(key, order)| Some((id(&key)?, order))).collect())
    }

    /// Remembers what was seen before the CA was told to look, for when it refuses.
    pub fn set_advice(&mut self, advice: &[Advice]) {
        let record = |Advice { check, verdict, message, remedy }: &Advice| AdviceRecord {
            check: *check,
            verdict: *verdict,
            message: message.clone(),
            remedy: remedy.clone(),
        };
        self.advice = advice.iter().map(record).collect();
    }

    /// What was seen before the CA was told to look; nothing before that.
    pub fn advice(&self) -> Vec<Advice> {
        let advice = |AdviceRecord { check, verdict, message, remedy }: &AdviceRecord| Advice {
            check: *check,
            verdict: *verdict,
            message: message.clone(),
            remedy: remedy.clone(),
        };
        self.advice.iter().map(advice).collect()
    }

    /// Whether the private key is made already, wherever it is.
    pub fn has_key(&self) -> bool {
        self.key.is_some() || self.request.is_some()
    }

    /// Keeps the signing request of an agent, on whose machine the private key stays (PKCS #10, DER).
    pub fn set_request(&mut self, agent: AgentName, request: Vec<u8>) {
        self.request = Some(RequestRecord { agent, der: request });
    }

    /// The signing request of that agent; none before it was made, or if it is another one's.
    pub fn request(&self, agent: &AgentName) -> Option<&[u8]> {
        self.request.as_ref().filter(|request| request.agent == *agent).map(|request| request.der.as_slice())
    }

    /// Keeps the private key, sealed.
    pub fn set_key(&mut self, certificate: &CertificateId, key: &Secret, sealer: &Sealer) {
        self.key = Some(sealer.seal(&WorkPlace::Order(certificate).key(), KEY, key));
    }

    /// Opens the private key; none before it is made.
    pub fn open_key(&self, certificate: &CertificateId, sealer: &Sealer) -> Result<Option<Secret>, UnsealError> {
        let key = WorkPlace::Order(certificate).key();
        self.key.as_ref().map(|sealed| sealer.open(&key, KEY, sealed)).transpose()
    }
}

impl Change {
    /// Writes how far an order has come.
    pub fn put_order(&mut self, certificate: &CertificateId, order: &OrderProgress) {
        self.put_work(&WorkPlace::Order(certificate), order);
    }

    /// Forgets an order, as it is over.
    pub fn remove_order(&mut self, certificate: &CertificateId) {
        self.delete_work(&WorkPlace::Order(certificate));
    }
}

/// Below this are the orders under way.
const ORDERS: &str = "work/order/";
const KEY: u64 = 1;
