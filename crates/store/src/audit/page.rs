//! Reading the records, the newest first.

use std::time::Duration;

use portward_core::Timestamp;

use super::{AuditEntry, AuditId, PAGE_KEYS, chain, prefix};
use crate::{
    Key, Kv, Page, Prefix, Read, Store, StoreError,
    records::{AuditHeadRecord, decode},
};

/// Says which records are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Text in the name of who changed something, of either case.
    pub who: Option<String>,
    /// Text in what was done, or in a key that was written, of either case.
    pub what: Option<String>,
    /// A day, in UTC.
    pub day: Option<Timestamp>,
}

/// Is a part of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// The newest first.
    pub entries: Vec<AuditEntry>,
    /// What the next part begins before; none if this is the last one.
    ///
    /// Where few records are wanted, a part ends when many were looked at, though it may be empty.
    pub next: Option<AuditId>,
}

/// The record that a watch gives; none if it is no record, or cannot be read.
pub fn entry(kv: &Kv) -> Option<AuditEntry> {
    read(AuditId::of(&kv.key)?, kv)
}

fn read(id: AuditId, kv: &Kv) -> Option<AuditEntry> {
    let sha256 = chain::hash(&kv.key, &kv.value);
    decode(&kv.value).and_then(|record| AuditEntry::of(id, record, sha256, kv.mod_revision)).ok()
}

/// Reads at most `limit` records that are wanted and older than `before`, the newest first.
///
/// Records that cannot be read are left out; [`verify`](super::verify()) tells of them.
pub async fn page(
    store: &dyn Store,
    filter: &AuditFilter,
    before: Option<AuditId>,
    limit: usize,
) -> Result<AuditPage, StoreError> {
    let mut page = AuditPage { entries: Vec::new(), next: None };
    let first = store.list(&prefix(), None, Page::first(1)).await?;
    let Some(oldest) = first.kvs.first().and_then(|kv| AuditId::of(&kv.key)).map(AuditId::day) else { return Ok(page) };
    let newest = newest_day(store).await?.unwrap_or_else(|| oldest.clone());
    // Nothing is there between the newest record and an id far ahead of it.
    let newest = match before {
        Some(before) => before.day().min(newest),
        None => newest,
    };
    let (from, to) = match filter.day.map(Timestamp::date) {
        Some(day) if day > newest || day < oldest => return Ok(page),
        Some(day) => (day.clone(), day),
        None => (newest, oldest),
    };
    let wanted = Wanted::of(filter);
    let (mut day, mut looked_at, mut last) = (from, 0, None);
    loop {
        for kv in of_day(store, &day).await?.iter().rev() {
            let Some(id) = AuditId::of(&kv.key).filter(|id| before.is_none_or(|before| *id < before)) else { continue };
            if page.entries.len() >= limit.max(1) || looked_at >= MOST_LOOKED_AT {
                page.next = last;
                return Ok(page);
            }
            looked_at += 1;
            last = Some(id);
            page.entries.extend(read(id, kv).filter(|entry| wanted.has(entry)));
        }
        match day_before(&day) {
            Some(earlier) if day > to => day = earlier,
            _ => return Ok(page),
        }
    }
}

/// Is a filter, ready to be asked often.
struct Wanted {
    who: Option<String>,
    what: Option<String>,
}

impl Wanted {
    fn of(filter: &AuditFilter) -> Self {
        let lower = |text: &Option<String>| text.as_deref().map(str::to_lowercase);
        Self { who: lower(&filter.who), what: lower(&filter.what) }
    }

    fn has(&self, entry: &AuditEntry) -> bool {
        let contains = |text: &str, part: &String| text.to_lowercase().contains(part);
        self.who.as_ref().is_none_or(|who| contains(&entry.who, who))
            && self.what.as_ref().is_none_or(|what| {
                contains(&entry.what, what) || entry.changes.iter().any(|change| contains(&change.key, what))
            })
    }
}

/// The day of the newest record: the head names it, and where there is none yet, all are looked through.
async fn newest_day(store: &dyn Store) -> Result<Option<String>, StoreError> {
    let (head, _) = store.get(&chain::head_key(), Read::Local).await?;
    let named =
        head.and_then(|kv| decode::<AuditHeadRecord>(&kv.value).ok()).and_then(|head| Key::parse(&head.key).ok());
    if let Some(id) = named.as_ref().and_then(AuditId::of) {
        return Ok(Some(id.day()));
    }
    let all = all_below(store, &prefix()).await?;
    Ok(all.last().and_then(|kv| AuditId::of(&kv.key)).map(AuditId::day))
}

async fn of_day(store: &dyn Store, day: &str) -> Result<Vec<Kv>, StoreError> {
    all_below(store, &Prefix::of_checked(format!("audit/{day}/"))).await
}

async fn all_below(store: &dyn Store, prefix: &Prefix) -> Result<Vec<Kv>, StoreError> {
    let mut kvs = Vec::new();
    let mut page = Some(Page::first(PAGE_KEYS));
    while let Some(asked) = page {
        let mut listed = store.list(prefix, None, asked).await?;
        kvs.append(&mut listed.kvs);
        page = listed.following(PAGE_KEYS);
    }
    Ok(kvs)
}

fn day_before(day: &str) -> Option<String> {
    let midnight = Timestamp::parse(&format!("{day}T00:00:00Z")).ok()?;
    let earlier = midnight.minus(Duration::from_secs(1)).date();
    (earlier.as_str() < day).then_some(earlier)
}

/// So many are looked at in a fraction of a second.
const MOST_LOOKED_AT: usize = 20_000;

#[cfg(test)]
mod tests;
