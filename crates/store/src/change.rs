//! Changing what operators asked for: one change is one transaction, and its audit record is in it.

mod access;
mod agent;
mod back;
mod certificate;
mod channel;
mod identity;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use aws_lc_rs::digest;
use bytes::Bytes;
use portward_core::{
    ActorKind, Binding, BindingId, CertificateId, DnsProviderId, Host, IssuerId, Settings, Site, SiteId, Timestamp,
    acme::Issuer,
};
use zeroize::Zeroizing;

pub use agent::NewJoin;
pub(crate) use back::Held;
pub use back::{Before, GoBackError, WentBack, go_back, go_back_entirely};
pub use certificate::{KEPT_VERSIONS, NewKey, NewVersion};
pub use identity::NewIdentity;

use crate::{
    Cond, Key, Kv, Op, Read, Revision, Store, StoreError, Txn, TxnOutcome,
    audit::chain::{End, head_key},
    challenge::{HttpChallenge, TlsChallenge},
    desired::{DNS_PROVIDER_VERSION, ISSUER_VERSION},
    hex::hex,
    place::{Place, SettingName},
    records::{
        AgentSettingsRecord, AuditRecord, AuditedRecord, Authentic, BindingRecord, ChallengeRecord, DnsProviderRecord,
        ForceHttpsRecord, IssuerRecord, LetsEncryptRecord, Record, SiteRecord, TlsChallengeRecord,
        TrustedProxiesRecord, WarningRecord, encode, encode_authentic,
    },
    sealing::{Sealer, Secret},
    work::AskedConfirmation,
};

/// Collects what one change does, until [`commit`] does all of it at once.
///
/// Of two edits of the same thing the later one counts.
#[derive(Clone, Debug)]
pub struct Change {
    /// Who does what when; none if nobody needs to know.
    audit: Option<Audit>,
    /// What is written; none deletes.
    edits: BTreeMap<Key, Option<Bytes>>,
    when: BTreeMap<Key, Cond>,
    /// Has it go back by itself.
    confirmation: Option<AskedConfirmation>,
}

/// Is a change that was made.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The revision that it made.
    pub revision: Revision,
    /// What its keys held before.
    pub before: Before,
}

/// Says what must be there before a change; without that the change is refused with [`CommitError::Conflict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Absent,
    /// What that revision wrote.
    At(Revision),
    /// Anything or nothing.
    Any,
}

/// Says why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else changed what this change was about; nothing happened.
    #[error("\"{key}\" is not what was expected: somebody else changed it")]
    Conflict {
        /// The first key that differs.
        key: Key,
        /// The revision that last wrote it; none if it is not there.
        seen: Option<Revision>,
        /// The revision at which that was found.
        at: Revision,
    },
    /// The store fails. If it is [`StoreError::Indeterminate`], nobody knows whether the change was made.
    #[error("cannot store the change")]
    Store(#[from] StoreError),
}

#[derive(Clone, Debug)]
struct Audit {
    who: String,
    actor: Option<ActorKind>,
    address: Option<IpAddr>,
    what: String,
    at: Timestamp,
}

impl Change {
    /// Begins a change. `who` and `what` go to the audit record, and must not have secrets in them.
    pub fn new(who: impl Into<String>, what: impl Into<String>, at: Timestamp) -> Self {
        let audit = Some(Audit { who: who.into(), actor: None, address: None, what: what.into(), at });
        Self { audit, edits: BTreeMap::new(), when: BTreeMap::new(), confirmation: None }
    }

    /// Adds to the audit record in which way somebody acts, and where from if that is elsewhere.
    #[must_use]
    pub fn by(mut self, kind: ActorKind, address: Option<IpAddr>) -> Self {
        if let Some(audit) = &mut self.audit {
            (audit.actor, audit.address) = (Some(kind), address);
        }
        self
    }

    /// Begins a change of [`work`](crate::work) alone: nothing that an operator asked for, so it has no audit record.
    pub fn of_work() -> Self {
        Self { audit: None, edits: BTreeMap::new(), when: BTreeMap::new(), confirmation: None }
    }

    /// Who does what, as the audit record says; none if it has none.
    pub fn says(&self) -> Option<(&str, &str)> {
        self.audit.as_ref().map(|audit| (&*audit.who, &*audit.what))
    }

    /// Has the change go back by itself unless it is confirmed: what it replaces is kept with it.
    pub fn ask_confirmation(&mut self, asked: AskedConfirmation) {
        self.confirmation = Some(asked);
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Whether all of another change fits into the same transaction.
    pub fn has_room_for(&self, other: &Self) -> bool {
        self.has_room_beside(OWN_KEYS, other)
    }

    /// The same, where a transaction writes that many keys beside the edits.
    fn has_room_beside(&self, own_keys: usize, other: &Self) -> bool {
        let keys =
            |change: &Self| -> BTreeSet<Key> { change.edits.keys().chain(change.when.keys()).cloned().collect() };
        let bytes = |change: &Self| -> usize {
            let edited = |(key, value): (&Key, &Option<Bytes>)| {
                2 * key.as_str().len() + value.as_ref().map_or(0, Bytes::len) + AUDITED_BYTES
            };
            let held: usize = change.when.keys().map(|key| key.as_str().len()).sum();
            change.edits.iter().map(edited).sum::<usize>() + held
        };
        keys(self).union(&keys(other)).count() + own_keys <= Txn::MAX_OPS
            && bytes(self) + bytes(other) + own_keys * Key::MAX_BYTES <= Txn::MAX_BYTES
    }

    /// Does what another change does too; of two edits of the same thing that of the other counts.
    pub fn absorb(&mut self, other: Self) {
        self.edits.extend(other.edits);
        self.when.extend(other.when);
    }

    /// Writes a binding.
    pub fn put_binding(&mut self, binding: &Binding, expected: Expected) {
        self.put(&Place::Binding(binding.id.clone()), &BindingRecord::from(binding), expected);
    }

    /// Takes a binding away.
    pub fn remove_binding(&mut self, id: &BindingId, expected: Expected) {
        self.delete(&Place::Binding(id.clone()), expected);
    }

    /// Writes a site.
    pub fn put_site(&mut self, site: &Site, expected: Expected) {
        self.put(&Place::Site(site.id.clone()), &SiteRecord::from(site), expected);
    }

    /// Takes a site away.
    pub fn remove_site(&mut self, id: &SiteId, expected: Expected) {
        self.delete(&Place::Site(id.clone()), expected);
    }

    /// Writes what applies to the whole server.
    pub fn put_settings(&mut self, settings: &Settings) {
        let force_https = ForceHttpsRecord::from(settings.force_https);
        self.put(&Place::Setting(SettingName::ForceHttps), &force_https, Expected::Any);
        self.put(&Place::Setting(SettingName::Warning), &WarningRecord::from(settings.warning), Expected::Any);
        self.put(&Place::Setting(SettingName::Agents), &AgentSettingsRecord::from(settings.agents), Expected::Any);
        let place = Place::Setting(SettingName::TrustedProxies);
        match settings.trusted_proxies.as_slice() {
            // An older Portward knows of no such record.
            [] => self.delete(&place, Expected::Any),
            networks => self.put(&place, &TrustedProxiesRecord::new(networks), Expected::Any),
        }
    }

    /// Writes which certificate is for the server's own name, or that none is.
    pub fn put_letsencrypt(&mut self, certificate: Option<&CertificateId>) {
        let place = Place::Setting(SettingName::LetsEncrypt);
        match certificate {
            Some(id) => self.put(&place, &LetsEncryptRecord::new(id.clone()), Expected::Any),
            None => self.delete(&place, Expected::Any),
        }
    }

    /// Writes an issuer; the MAC key of its external account binding is sealed.
    pub fn put_issuer(&mut self, issuer: &Issuer, eab_mac_key: Option<&Secret>, sealer: &Sealer, expected: Expected) {
        let place = Place::Issuer(issuer.id.clone());
        let sealed = eab_mac_key.map(|secret| sealer.seal(&place.key(), ISSUER_VERSION, secret));
        self.put(&place, &IssuerRecord::new(issuer, sealed), expected);
    }

    /// Takes an issuer away.
    pub fn remove_issuer(&mut self, id: &IssuerId, expected: Expected) {
        self.delete(&Place::Issuer(id.clone()), expected);
    }

    /// Writes a DNS provider; the secret ones of its settings are sealed.
    pub fn put_dns_provider(
        &mut self,
        id: &DnsProviderId,
        kind: &str,
        settings: BTreeMap<String, String>,
        secrets: &BTreeMap<String, Zeroizing<String>>,
        sealer: &Sealer,
        expected: Expected,
    ) {
        let place = Place::DnsProvider(id.clone());
        let plain: BTreeMap<&String, &str> = secrets.iter().map(|(name, value)| (name, value.as_str())).collect();
        // A map of text to text can always be written.
        let sealed = (!plain.is_empty()).then(|| {
            let secret = Secret::from(serde_json::to_vec(&plain).unwrap_or_default());
            sealer.seal(&place.key(), DNS_PROVIDER_VERSION, &secret)
        });
        let names = secrets.keys().cloned().collect();
        self.put(&place, &DnsProviderRecord::new(kind.to_owned(), settings, names, sealed), expected);
    }

    /// Takes a DNS provider away.
    pub fn remove_dns_provider(&mut self, id: &DnsProviderId, expected: Expected) {
        self.delete(&Place::DnsProvider(id.clone()), expected);
    }

    /// Writes the answer to an http-01 challenge.
    pub fn put_http_challenge(&mut self, challenge: &HttpChallenge) {
        let record = ChallengeRecord::new(challenge.key_authorization().to_owned(), challenge.port());
        self.put(&http_challenge(challenge), &record, Expected::Any);
    }

    /// Takes the answer to an http-01 challenge away.
    pub fn remove_http_challenge(&mut self, host: &Host, token: &str) {
        self.delete(&Place::HttpChallenge(host.clone(), token.to_owned()), Expected::Any);
    }

    /// Writes the answer to a tls-alpn-01 challenge.
    pub fn put_tls_challenge(&mut self, challenge: &TlsChallenge) {
        let record = TlsChallengeRecord::new(hex(&challenge.digest));
        self.put(&Place::TlsChallenge(challenge.host.clone()), &record, Expected::Any);
    }

    /// Takes the answer to a tls-alpn-01 challenge away.
    pub fn remove_tls_challenge(&mut self, host: &Host) {
        self.delete(&Place::TlsChallenge(host.clone()), Expected::Any);
    }

    /// Makes the change depend on a certificate being there, as a site or binding that names one does.
    pub fn require_certificate(&mut self, id: &CertificateId) {
        let key = Place::CertificateSpec(id.clone()).key();
        self.when.entry(key.clone()).or_insert(Cond::Present(key));
    }

    /// Makes the change depend on an issuer being there, as a certificate that is asked of it does.
    pub fn require_issuer(&mut self, id: &IssuerId) {
        let key = Place::Issuer(id.clone()).key();
        self.when.entry(key.clone()).or_insert(Cond::Present(key));
    }

    fn put<R: Record>(&mut self, place: &Place, record: &R, expected: Expected) {
        self.edit(place.key(), Some(encode(record)), expected);
    }

    fn put_authentic<R: Authentic>(&mut self, place: &Place, record: R, sealer: &Sealer, expected: Expected) {
        let key = place.key();
        let value = encode_authentic(record, &key, sealer);
        self.edit(key, Some(value), expected);
    }

    fn delete(&mut self, place: &Place, expected: Expected) {
        self.edit(place.key(), None, expected);
    }

    pub(crate) fn edit(&mut self, key: Key, value: Option<Bytes>, expected: Expected) {
        match expected {
            Expected::Absent => self.when.insert(key.clone(), Cond::Absent(key.clone())),
            Expected::At(revision) => self.when.insert(key.clone(), Cond::ModRevision(key.clone(), revision)),
            Expected::Any => None,
        };
        self.edits.insert(key, value);
    }

    /// The transaction, for what was just read of the keys that are edited, and of where the audit ends.
    ///
    /// Each of these keys is held to what was read, so that the audit record tells the truth.
    fn transaction(&self, seen: &BTreeMap<Key, Option<Kv>>, end: Option<&End>) -> Txn {
        let mut when = self.when.clone();
        let mut changes = Vec::with_capacity(self.edits.len());
        let mut then = Vec::with_capacity(self.edits.len() + 2);
        for (key, value) in &self.edits {
            let before = seen.get(key).and_then(Option::as_ref);
            // What the caller expects is stronger than what we saw, except that a thing is merely there.
            let pinned = match before {
                Some(kv) => Cond::ModRevision(key.clone(), kv.mod_revision),
                None => Cond::Absent(key.clone()),
            };
            match when.get(key) {
                Some(Cond::Absent(_) | Cond::ModRevision(..)) => {}
                Some(Cond::Present(_)) if before.is_none() => {}
                _ => {
                    when.insert(key.clone(), pinned);
                }
            }
            changes.push(AuditedRecord {
                key: key.to_string(),
                before: before.map(|kv| sha256(&kv.value)),
                after: value.as_deref().map(sha256),
            });
            then.push(match value {
                Some(value) => Op::Put { key: key.clone(), value: value.clone(), lease: None },
                None => Op::Delete(key.clone()),
            });
        }
        if let (Some(audit), Some(end)) = (&self.audit, end) {
            let placed = end.place(audit.record(changes), audit.at);
            then.extend(placed.map(|(key, value)| Op::Put { key, value, lease: None }));
            when.insert(end.cond.key().clone(), end.cond.clone());
        }
        if let (Some(asked), Some(Audit { who, what, at, .. })) = (&self.confirmation, &self.audit) {
            let (key, value) = asked.entry(who, what, *at, &Before::of(&self.edits, seen));
            when.insert(key.clone(), Cond::Absent(key.clone()));
            then.push(Op::Put { key, value, lease: None });
        }
        Txn { when: when.into_values().collect(), then, ..Txn::new() }
    }
}

impl Audit {
    fn record(&self, changes: Vec<AuditedRecord>) -> AuditRecord {
        let mut record = AuditRecord::new(self.at.to_string(), self.who.clone(), self.what.clone(), changes);
        record.actor = self.actor.map(|kind| kind.as_str().to_owned());
        record.address = self.address.map(|address| address.to_string());
        record
    }
}

/// Makes a change: all of it with its audit record at one revision, or nothing; a change without edits makes no revision of its own.
///
/// Where the outcome of the transaction is not known, it is asked for, and the same transaction is sent again.
pub async fn commit(store: &dyn Store, change: Change) -> Result<Revision, CommitError> {
    Ok(commit_keeping(store, change).await?.revision)
}

/// Makes a change as [`commit`] does, and keeps what its keys held before.
pub async fn commit_keeping(store: &dyn Store, change: Change) -> Result<Committed, CommitError> {
    let mut end = match change.audit {
        Some(_) => Some(End::read(store).await?),
        None => None,
    };
    let mut seen = read(store, &change).await?;
    let (mut attempt, mut overtaken) = (1, 0);
    loop {
        let txn = change.transaction(&seen, end.as_ref());
        let conditions = txn.when.clone();
        let (at, found) = match settle(store, txn).await? {
            TxnOutcome::Committed(revision) => {
                return Ok(Committed { revision, before: Before::of(&change.edits, &seen) });
            }
            TxnOutcome::Conflict { at, seen } => (at, seen),
        };
        let mut conflict = None;
        let mut is_overtaken = false;
        for (cond, found) in conditions.iter().zip(found).filter(|(cond, found)| !cond.holds(found.as_ref())) {
            if *cond.key() == head_key() {
                // Whoever was faster has written another record, and ours goes behind it.
                is_overtaken = true;
                end = Some(End::of(store, found).await?);
                continue;
            }
            let is_expected = change.when.get(cond.key()) == Some(cond);
            let seen = found.map(|kv| kv.mod_revision);
            conflict = Some(CommitError::Conflict { key: cond.key().clone(), seen, at });
            if is_expected {
                attempt = MAX_ATTEMPTS;
                break;
            }
        }
        match conflict {
            Some(conflict) if attempt >= MAX_ATTEMPTS => return Err(conflict),
            // What only we had read ourselves is read again, a few times; what the caller expects is not to be had.
            Some(_) => {
                attempt += 1;
                seen = read(store, &change).await?;
            }
            // Each time that we are overtaken, somebody else has come to an end.
            None if is_overtaken && overtaken < MAX_OVERTAKEN => overtaken += 1,
            None => return Err(CommitError::Conflict { key: head_key(), seen: None, at }),
        }
    }
}

/// Reads the keys that a change writes.
async fn read(store: &dyn Store, change: &Change) -> Result<BTreeMap<Key, Option<Kv>>, StoreError> {
    let mut seen = BTreeMap::new();
    for key in change.edits.keys() {
        let (kv, _) = store.get(key, Read::Linearizable).await?;
        seen.insert(key.clone(), kv);
    }
    Ok(seen)
}

/// Does a transaction and finds out what became of it, even if the first answer got lost.
pub async fn settle(store: &dyn Store, txn: Txn) -> Result<TxnOutcome, StoreError> {
    let op_id = txn.op_id.clone();
    let mut outcome = store.txn(txn.clone()).await;
    for _ in 1..MAX_ATTEMPTS {
        let Err(StoreError::Indeterminate { .. }) = outcome else { break };
        if let Ok(Some(revision)) = store.happened(&op_id).await {
            return Ok(TxnOutcome::Committed(revision));
        }
        // The id makes a second sending harmless, even if the first one is still on its way.
        outcome = store.txn(txn.clone()).await;
    }
    outcome
}

fn http_challenge(challenge: &HttpChallenge) -> Place {
    Place::HttpChallenge(challenge.host().clone(), challenge.token().to_owned())
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// What a transaction writes beside the edits: an audit record, and where the audit ends.
const AUDIT_KEYS: usize = 2;
/// The same, and what waits to be confirmed.
const OWN_KEYS: usize = AUDIT_KEYS + 1;
/// What an audit record has for one edit: two hashes in hexadecimal digits, beside the key.
const AUDITED_BYTES: usize = 256;
/// How often a change is tried against others that write the same keys, and a lost answer is asked for.
const MAX_ATTEMPTS: u32 = 4;
/// How often others may write an audit record before ours; more do not write at the same moment.
const MAX_OVERTAKEN: u32 = 1000;

#[cfg(test)]
mod tests;
