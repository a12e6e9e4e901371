//! Where the next record goes: behind the last one.

use aws_lc_rs::digest;
use bytes::Bytes;
use portward_core::Timestamp;
use ulid::Ulid;

use super::{PAGE_KEYS, prefix};
use crate::{
    Cond, Key, Kv, Page, Read, Store, StoreError,
    hex::hex,
    random,
    records::{AuditHeadRecord, AuditRecord, OlderRecords, decode, encode},
};

/// Is the end of the chain, as it was read; the next record is put there if it is still the end.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Holds while nobody else has written a record.
    pub(crate) cond: Cond,
    link: Link,
}

/// Is what a record says of its place in the chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    /// How many records the chain has with this one.
    pub(crate) number: u64,
    /// The hash of the record before.
    pub(crate) previous: Option<String>,
    /// The hash of the last record of another chain.
    pub(crate) joined: Option<String>,
    /// What has no place in the chain.
    pub(crate) older: Option<OlderRecords>,
    /// The greatest key there is, so that the order of keys is the order of the chain.
    pub(crate) last: Option<Key>,
}

impl End {
    /// Reads where the chain ends.
    pub(crate) async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let (head, _) = store.get(&head_key(), Read::Linearizable).await?;
        Self::of(store, head).await
    }

    /// Takes a head that was read; without one, the chain begins behind all that is there.
    pub(crate) async fn of(store: &dyn Store, head: Option<Kv>) -> Result<Self, StoreError> {
        let cond = match &head {
            Some(kv) => Cond::ModRevision(kv.key.clone(), kv.mod_revision),
            None => Cond::Absent(head_key()),
        };
        let known = head.as_ref().and_then(|kv| match decode::<AuditHeadRecord>(&kv.value) {
            Ok(record) => Some(record),
            Err(error) => {
                tracing::error!(%error, "the end of the audit's chain cannot be read, so the chain begins anew: portward audit verify");
                None
            }
        });
        let link = match known {
            Some(head) => Link {
                number: head.number + 1,
                previous: Some(head.sha256),
                last: Key::parse(&head.key).ok(),
                ..Link::default()
            },
            None => Self::begin(store).await?,
        };
        Ok(Self { cond, link })
    }

    /// Places a record: its key and text, and those of the new head.
    pub(crate) fn place(&self, record: AuditRecord, at: Timestamp) -> [(Key, Bytes); 2] {
        place(self.link.clone(), record, at)
    }

    async fn begin(store: &dyn Store) -> Result<Link, StoreError> {
        let mut older = Older::default();
        let mut last = None;
        let mut page = Some(Page::first(PAGE_KEYS));
        while let Some(asked) = page {
            let listed = store.list(&prefix(), None, asked).await?;
            for kv in &listed.kvs {
                older.add(&hash(&kv.key, &kv.value));
            }
            last = listed.kvs.last().map(|kv| kv.key.clone()).or(last);
            page = listed.following(PAGE_KEYS);
        }
        Ok(Link { number: 1, older: older.records(), last, ..Link::default() })
    }
}

/// Counts and hashes records that have no place in a chain, in the order of their keys.
#[derive(Clone)]
pub(crate) struct Older {
    count: u64,
    context: digest::Context,
}

impl Default for Older {
    fn default() -> Self {
        Self { count: 0, context: digest::Context::new(&digest::SHA256) }
    }
}

impl Older {
    /// Adds a record by its hash.
    pub(crate) fn add(&mut self, hash: &str) {
        self.count += 1;
        self.context.update(hash.as_bytes());
    }

    /// What a record says of them; none if there are none.
    pub(crate) fn records(&self) -> Option<OlderRecords> {
        let sha256 = || hex(self.context.clone().finish().as_ref());
        (self.count > 0).then(|| OlderRecords { count: self.count, sha256: sha256() })
    }
}

/// Places a record in a chain: its key and text, and those of the new head.
pub(crate) fn place(link: Link, mut record: AuditRecord, at: Timestamp) -> [(Key, Bytes); 2] {
    let key = next_key(at, link.last.as_ref());
    record.number = Some(link.number);
    record.previous = link.previous;
    record.joined = link.joined;
    record.older = link.older;
    let value = encode(&record);
    let head = AuditHeadRecord::new(link.number, key.to_string(), hash(&key, &value));
    [(key, value), (head_key(), encode(&head))]
}

/// The hash of a record, as the next one has it: SHA-256 of its key, a line feed and its value.
///
/// The key is in it, as the value does not have it, and a record that is moved is one that is changed.
pub(crate) fn hash(key: &Key, value: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(key.as_str().as_bytes());
    context.update(b"\n");
    context.update(value);
    hex(context.finish().as_ref())
}

/// Where the end of the chain is noted. It is not below `audit/`, where each key is a record.
pub(crate) fn head_key() -> Key {
    Key::of_checked("audit-head".to_owned())
}

/// The next `audit/<day>/<ulid>`: of that time, but never before one that is there, even if the clock was set back.
fn next_key(at: Timestamp, last: Option<&Key>) -> Key {
    let milliseconds = u64::try_from(at.unix()).unwrap_or(0).saturating_mul(1000);
    let last = last.and_then(|key| Ulid::from_string(key.segments().last()?).ok());
    let ulid = match last {
        Some(last) if last.timestamp_ms() >= milliseconds => {
            // A step that nobody else makes: two stores that go on from one backup write different keys.
            let step = 1 + (u64::from_be_bytes(random::bytes()) >> 8);
            Ulid(last.0.saturating_add(step.into()))
        }
        _ => Ulid::from_parts(milliseconds, u128::from_be_bytes(random::bytes())),
    };
    key_of(ulid).unwrap_or_else(|| Key::of_checked(format!("audit/{}/{ulid}", at.date())))
}

/// The key of a ULID; none if it is of a time that no [`Timestamp`] has.
pub(crate) fn key_of(ulid: Ulid) -> Option<Key> {
    let day = day_of(ulid)?;
    Some(Key::of_checked(format!("audit/{day}/{ulid}")))
}

/// The day of a ULID, as its key has it.
pub(crate) fn day_of(ulid: Ulid) -> Option<String> {
    let seconds = i64::try_from(ulid.timestamp_ms() / 1000).ok()?;
    Some(Timestamp::from_unix(seconds).ok()?.date())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn keys_rise_even_if_the_clock_is_set_back() {
        let mut last = next_key(at("2026-11-20T23:59:59Z"), None);
        assert!(last.as_str().starts_with("audit/2026-11-20/"));
        for (time, day) in [
            ("2026-11-20T23:59:59Z", "2026-11-20"),
            ("2026-11-21T00:00:00Z", "2026-11-21"),
            ("2025-01-01T00:00:00Z", "2026-11-21"),
            ("2026-11-22T00:00:00Z", "2026-11-22"),
        ] {
            let next = next_key(at(time), Some(&last));
            assert!(next > last, "{next} {last}");
            assert!(next.as_str().starts_with(&format!("audit/{day}/")), "{next}");
            last = next;
        }
        let other = Key::parse("audit/2026-11-20/none").unwrap();
        assert!(next_key(at("2026-11-20T00:00:00Z"), Some(&other)).as_str().starts_with("audit/2026-11-20/01"));
    }

    #[test]
    fn a_hash_is_of_key_and_value() {
        // printf "audit/a\\n{}" | sha256sum
        let key = Key::parse("audit/a").unwrap();
        assert_eq!(hash(&key, b"{}"), "a8c0fb1b70651e648aeaf604abdb9925a774a7b816729ea654d03c84963273e9");
    }
}
