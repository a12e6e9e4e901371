//! Changing what operators asked for: one change is one transaction, and its audit record is in it.

mod access;
mod certificate;

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use bytes::Bytes;
use portward_core::{
    Binding, BindingId, CertificateId, DnsProviderId, Host, IssuerId, Settings, Site, SiteId, Timestamp, acme::Issuer,
};
use ulid::Ulid;
use zeroize::Zeroizing;

pub use certificate::{KEPT_VERSIONS, NewVersion};

use crate::{
    Cond, Key, Kv, Op, Read, Revision, Store, StoreError, Txn, TxnOutcome,
    challenge::{HttpChallenge, TlsChallenge},
    desired::{DNS_PROVIDER_VERSION, ISSUER_VERSION},
    hex::hex,
    place::{Place, SettingName},
    random,
    records::{
        AuditRecord, AuditedRecord, BindingRecord, ChallengeRecord, DnsProviderRecord, ForceHttpsRecord, IssuerRecord,
        LetsEncryptRecord, Record, SiteRecord, TlsChallengeRecord, WarningRecord, encode,
    },
    sealing::{Sealer, Secret},
};

/// Collects what one change does, until [`commit`] does all of it at once.
///
/// Of two edits of the same thing the later one counts.
#[derive(Debug)]
pub struct Change {
    /// Who does what when; none if nobody needs to know.
    audit: Option<Audit>,
    /// What is written; none deletes.
    edits: BTreeMap<Key, Option<Bytes>>,
    when: BTreeMap<Key, Cond>,
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
    what: String,
    at: Timestamp,
}

impl Change {
    /// Begins a change. `who` and `what` go to the audit record, and must not have secrets in them.
    pub fn new(who: impl Into<String>, what: impl Into<String>, at: Timestamp) -> Self {
        let audit = Some(Audit { who: who.into(), what: what.into(), at });
        Self { audit, edits: BTreeMap::new(), when: BTreeMap::new() }
    }

    /// Begins a change of [`work`](crate::work) alone: nothing that an operator asked for, so it has no audit record.
    pub fn of_work() -> Self {
        Self { audit: None, edits: BTreeMap::new(), when: BTreeMap::new() }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
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

    /// The transaction, for what was just read of the keys that are edited.
    ///
    /// Each of these keys is held to what was read, so that the audit record tells the truth.
    fn transaction(&self, seen: &BTreeMap<Key, Option<Kv>>) -> Txn {
        let mut when = self.when.clone();
        let mut changes = Vec::with_capacity(self.edits.len());
        let mut then = Vec::with_capacity(self.edits.len() + 1);
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
        if let Some(Audit { who, what, at }) = &self.audit {
            let (key, value) = audit_entry(*at, who, what, changes);
            then.push(Op::Put { key, value, lease: None });
        }
        Txn { when: when.into_values().collect(), then, ..Txn::new() }
    }
}

/// Makes a change: all of it with its audit record at one revision, or nothing; a change without edits makes no revision of its own.
///
/// Where the outcome of the transaction is not known, it is asked for, and the same transaction is sent again.
pub async fn commit(store: &dyn Store, change: Change) -> Result<Revision, CommitError> {
    let mut attempt = 1;
    loop {
        let mut seen = BTreeMap::new();
        for key in change.edits.keys() {
            let (kv, _) = store.get(key, Read::Linearizable).await?;
            seen.insert(key.clone(), kv);
        }
        let txn = change.transaction(&seen);
        let conditions = txn.when.clone();
        let (at, found) = match settle(store, txn).await? {
            TxnOutcome::Committed(revision) => return Ok(revision),
            TxnOutcome::Conflict { at, seen } => (at, seen),
        };
        let mut conflict = None;
        for (cond, found) in conditions.iter().zip(found).filter(|(cond, found)| !cond.holds(found.as_ref())) {
            let is_expected = change.when.get(cond.key()) == Some(cond);
            let seen = found.map(|kv| kv.mod_revision);
            conflict = Some(CommitError::Conflict { key: cond.key().clone(), seen, at });
            if is_expected {
                attempt = MAX_ATTEMPTS;
                break;
            }
        }
        // What only we had read ourselves is read again, a few times; what the caller expects is not to be had.
        match conflict {
            Some(conflict) if attempt >= MAX_ATTEMPTS => return Err(conflict),
            _ => attempt += 1,
        }
    }
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

/// Makes a record for `audit/<day>/<ulid>`: in the order of time, and no two at the same place.
pub(crate) fn audit_entry(at: Timestamp, who: &str, what: &str, changes: Vec<AuditedRecord>) -> (Key, Bytes) {
    let milliseconds = u64::try_from(at.unix()).unwrap_or(0).saturating_mul(1000);
    let ulid = Ulid::from_parts(milliseconds, u128::from_be_bytes(random::bytes()));
    let record = AuditRecord::new(at.to_string(), who.to_owned(), what.to_owned(), changes);
    (Key::of_checked(format!("audit/{}/{ulid}", at.date())), encode(&record))
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// How often a change is tried against others that write the same keys, and a lost answer is asked for.
const MAX_ATTEMPTS: u32 = 4;

#[cfg(test)]
mod tests;
