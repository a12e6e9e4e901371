//! What the ACME engine remembers: accounts, renewals, orders under way, attempts, requests, and who failed lately;
//! what is remembered of people: their sessions, when they signed in, when a token was last used;
//! of notices what was told, and what waits to be sent;
//! and of agents how they were last, and what came of deliveries.
//!
//! None of it is asked for by an operator, so it is no part of the desired state and has no audit records;
//! it lies below `work/`, and changes of it do not wake whoever serves.

mod account;
mod agent;
mod attempt;
mod channel;
mod confirmation;
mod delivery;
pub mod ledger;
mod order;
mod park;
mod renewal;
mod session;
mod sign_in;
mod told;

use bytes::Bytes;
use portward_core::{
    AgentName, AttemptId, CertificateId, ChannelId, ConfirmationId, DeliveryId, IssuerId, TokenId, UserName,
    VersionNumber,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use account::{OpenAccountError, StoredAccount};
pub use agent::{AgentWork, EditWorkError, edit_agent_work, forget_agent, put_agent_works};
pub use attempt::{attempt, attempt_ids, find_attempt, newest_attempts};
pub use channel::{
    ChannelWork, Delivered, EditChannelWorkError, QueuedNotice, edit_channel_work, forget_channel, new_notice_id,
    outbox, queued,
};
pub use confirmation::{AskedConfirmation, Confirmation, confirmation, confirmations, confirmations_prefix};
pub use delivery::{DeliveryState, DeliveryWork, edit_delivery_work, put_delivery_works};
pub use order::{OrderProgress, PlacedChallenge, PlacedTxt};
pub use park::parked;
pub use renewal::{Hold, Renewal, RenewalRequest, Window, compromised};
pub use session::{Session, read_session, sessions};
pub use sign_in::{Enrolment, ReadEnrolmentError, SignIns, last_used, read_enrolment, read_sign_ins};
pub use told::{SignInPlaces, ToldProblem};

use crate::{
    Key, Page, Prefix, Read, RecordError, Store, StoreError,
    change::{Change, CommitError, Expected, commit},
};

/// Says why something that the engine remembers could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadWorkError {
    /// The store fails.
    #[error("cannot read what is remembered of renewals")]
    Store(#[from] StoreError),
    /// The record is of a newer Portward, or damaged.
    #[error("cannot read \"{key}\" of the store")]
    Record {
        /// Where it is.
        key: Key,
        /// Why not.
        #[source]
        source: RecordError,
    },
}

/// Is a value with the version of its form.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    value: T,
}

/// Is a place below `work/`.
#[derive(Clone, Debug)]
pub(crate) enum WorkPlace<'a> {
    Account(&'a IssuerId),
    Park(&'a IssuerId),
    IssuerLedger(&'a IssuerId),
    NameLedger(&'a str),
    Renewal(&'a CertificateId),
    Compromised(&'a CertificateId),
    Order(&'a CertificateId),
    Attempt(&'a CertificateId, &'a AttemptId),
    Request(&'a CertificateId),
    Notice(&'a CertificateId, VersionNumber, &'a str),
    Confirmation(&'a ConfirmationId),
    Session(&'a str),
    SignIns(&'a UserName),
    Enrolment(&'a UserName),
    TokenUse(&'a TokenId),
    /// A notice that waits to be sent on a channel.
    Outbox(&'a ChannelId, &'a str),
    /// What is remembered of a channel.
    Channel(&'a ChannelId),
    /// A problem that was told of, by a digest of what it is.
    Problem(&'a str),
    /// From where a user signed in, by a digest of the name.
    Places(&'a str),
    /// What is remembered of an agent.
    Agent(&'a AgentName),
    /// What is remembered of a delivery.
    Delivery(&'a DeliveryId),
}

impl WorkPlace<'_> {
    pub(crate) fn key(&self) -> Key {
        Key::of_checked(match self {
            Self::Account(issuer) => format!("work/account/{issuer}"),
            Self::Park(issuer) => format!("{PARKS}{issuer}"),
            Self::IssuerLedger(issuer) => format!("work/ledger/issuer/{issuer}"),
            Self::NameLedger(name) => format!("work/ledger/name/{name}"),
            Self::Renewal(certificate) => format!("work/renewal/{certificate}"),
            Self::Compromised(certificate) => format!("work/compromised/{certificate}"),
            Self::Order(certificate) => format!("work/order/{certificate}"),
            Self::Attempt(certificate, attempt) => format!("work/attempt/{certificate}/{attempt}"),
            Self::Request(certificate) => format!("{REQUESTS}{certificate}"),
            Self::Notice(certificate, version, kind) => format!("work/notice/{certificate}/{version}/{kind}"),
            Self::Confirmation(id) => format!("{CONFIRMATIONS}{id}"),
            Self::Session(sha256) => format!("{SESSIONS}{sha256}"),
            Self::SignIns(user) => format!("work/sign-in/{}", user_segment(user)),
            Self::Enrolment(user) => format!("work/enrolment/{}", user_segment(user)),
            Self::TokenUse(token) => format!("{TOKEN_USES}{token}"),
            Self::Outbox(channel, id) => format!("{OUTBOX}{channel}/{id}"),
            Self::Channel(channel) => format!("{CHANNELS}{channel}"),
            Self::Problem(digest) => format!("{PROBLEMS}{digest}"),
            Self::Places(digest) => format!("work/places/{digest}"),
            Self::Agent(name) => format!("{AGENTS}{name}"),
            Self::Delivery(id) => format!("{DELIVERIES}{id}"),
        })
    }
}

/// Below this is until when CAs are not asked.
const PARKS: &str = "work/park/";
/// Below this are the requests of operators.
const REQUESTS: &str = "work/request/";
/// Below this are changes that wait to be confirmed.
pub(crate) const CONFIRMATIONS: &str = "work/confirmation/";
/// Below this are sessions, by the SHA-256 of what is shown.
pub(crate) const SESSIONS: &str = "work/session/";
/// Below this is when tokens were last used.
const TOKEN_USES: &str = "work/token-use/";
/// Below this are notices that wait to be sent.
const OUTBOX: &str = "work/outbox/";
/// Below this is what is remembered of channels.
const CHANNELS: &str = "work/channel/";
/// Below this are the problems that were told of.
const PROBLEMS: &str = "work/problem/";
/// Below this is what is remembered of agents.
const AGENTS: &str = "work/agent/";
/// Below this is what is remembered of deliveries.
const DELIVERIES: &str = "work/delivery/";
/// Fits into one transaction.
const AT_ONCE: usize = 50;

/// The prefix of requests, for a watch.
pub fn requests() -> Prefix {
    Prefix::of_checked(REQUESTS.to_owned())
}

/// The certificate that a key below [`requests`] or below `certs/` is about.
pub fn certificate_of(key: &Key) -> Option<CertificateId> {
    let mut segments = key.segments();
    let id = match (segments.next()?, segments.next()?) {
        ("work", "request") => segments.next()?,
        ("certs", id) => id,
        _ => return None,
    };
    CertificateId::parse(id).ok()
}

/// Whether an operator has been told of something about a version, as of its end.
pub async fn is_noticed(
    store: &dyn Store,
    certificate: &CertificateId,
    version: VersionNumber,
    kind: &str,
) -> Result<bool, StoreError> {
    let (kv, _) = store.get(&WorkPlace::Notice(certificate, version, kind).key(), Read::Local).await?;
    Ok(kv.is_some())
}

/// Forgets what operators have been told about a certificate that is removed: of another one with its id they are told.
pub async fn forget_notices(store: &dyn Store, certificate: &CertificateId) -> Result<(), CommitError> {
    forget_below(store, &Prefix::of_checked(format!("work/notice/{certificate}/"))).await
}

/// Forgets how a certificate that is gone was renewed, and what was told of it: another one with its id has no past.
///
/// An order under way is forgotten by the engine, which takes away the answers to its challenges.
pub async fn forget_certificate(store: &dyn Store, certificate: &CertificateId) -> Result<(), CommitError> {
    let mut change = Change::of_work();
    change.remove_renewal(certificate);
    change.remove_compromised(certificate);
    change.remove_request(certificate);
    commit(store, change).await?;
    forget_below(store, &Prefix::of_checked(format!("work/attempt/{certificate}/"))).await?;
    forget_notices(store, certificate).await
}

async fn forget_below(store: &dyn Store, prefix: &Prefix) -> Result<(), CommitError> {
    loop {
        let listed = store.list(prefix, None, Page::first(AT_ONCE)).await?;
        if listed.kvs.is_empty() {
            return Ok(());
        }
        let mut change = Change::of_work();
        for kv in listed.kvs {
            change.edit(kv.key, None, Expected::Any);
        }
        commit(store, change).await?;
    }
}

impl Change {
    /// Remembers that an operator has been told of something about a version.
    pub fn put_notice(&mut self, certificate: &CertificateId, version: VersionNumber, kind: &str) {
        let key = WorkPlace::Notice(certificate, version, kind).key();
        self.edit(key, Some(Bytes::from_static(b"{\"v\":1}")), Expected::Any);
    }

    fn put_work<T: Serialize>(&mut self, place: &WorkPlace<'_>, value: &T) {
        self.put_work_if(place, value, Expected::Any);
    }

    fn put_work_if<T: Serialize>(&mut self, place: &WorkPlace<'_>, value: &T, expected: Expected) {
        // What cannot be written as JSON has keys that are no text, and nothing here has.
        let bytes = serde_json::to_vec(&Versioned { v: VERSION, value }).unwrap_or_default();
        self.edit(place.key(), Some(bytes.into()), expected);
    }

    fn delete_work(&mut self, place: &WorkPlace<'_>) {
        self.edit(place.key(), None, Expected::Any);
    }
}

/// No name has a colon, and no key has an at sign.
fn user_segment(user: &UserName) -> String {
    user.as_str().replace('@', ":")
}

async fn read<T: DeserializeOwned>(store: &dyn Store, place: &WorkPlace<'_>) -> Result<Option<T>, ReadWorkError> {
    let (kv, _) = store.get(&place.key(), Read::Linearizable).await?;
    kv.map(|kv| decode(&kv.key, &kv.value)).transpose()
}

fn decode<T: DeserializeOwned>(key: &Key, value: &[u8]) -> Result<T, ReadWorkError> {
    let record = |source| ReadWorkError::Record { key: key.clone(), source };
    let malformed = |error: serde_json::Error| record(RecordError::Malformed(error.into()));
    let versioned: Versioned<serde_json::Value> = serde_json::from_slice(value).map_err(malformed)?;
    if versioned.v > VERSION {
        return Err(record(RecordError::Newer { v: versioned.v, known: VERSION }));
    }
    serde_json::from_value(versioned.value).map_err(malformed)
}

async fn read_all<T: DeserializeOwned>(store: &dyn Store, prefix: &str) -> Result<Vec<(Key, T)>, ReadWorkError> {
    let prefix = Prefix::of_checked(prefix.to_owned());
    let mut found = Vec::new();
    let mut page = Some(Page::first(PAGE_KEYS));
    while let Some(asked) = page {
        let listed = store.list(&prefix, None, asked).await?;
        for kv in &listed.kvs {
            found.push((kv.key.clone(), decode(&kv.key, &kv.value)?));
        }
        page = listed.following(PAGE_KEYS);
    }
    Ok(found)
}

/// The version of the forms of all records here.
const VERSION: u32 = 1;
const PAGE_KEYS: usize = 1000;

#[cfg(test)]
mod tests;
