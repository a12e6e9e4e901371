//! Reading the records, the newest first.

use std::collections::VecDeque;

use portward_core::Timestamp;

use super::{
    AuditEntry, AuditId, PAGE_KEYS, chain,
    days::{self, Day},
};
use crate::{
    Key, Kv, Page, Read, Store, StoreError,
    records::{AuditHeadRecord, decode},
};

/// Says which records are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Text in the name of who changed something, of either case.
    pub who: Option<String>,
    /// Text in what was done, or in a key that was written, of either case.
    pub what: Option<String>,
    /// A day, in UTC: that of the records' own time.
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
    // Keys never go back and clocks do, so the key of a record may be of a later day than the record, never of an
    // earlier one.
    let begin = filter.day.map_or(Day::FIRST, Day::at);
    let mut end = match before {
        Some(before) => before.day().next(),
        None => newest_day(store).await?.map_or(Day::END, Day::next),
    };
    let wanted = Wanted::of(filter);
    let (mut looked_at, mut last) = (0, None);
    while let Some(day) = days::newest(store, begin, end).await? {
        for (id, kv) in of_day(store, day, before, MOST_LOOKED_AT + 1 - looked_at).await?.iter().rev() {
            if page.entries.len() >= limit.max(1) || looked_at >= MOST_LOOKED_AT {
                page.next = last;
                return Ok(page);
            }
            looked_at += 1;
            last = Some(*id);
            page.entries.extend(read(*id, kv).filter(|entry| wanted.has(entry)));
        }
        end = day;
    }
    Ok(page)
}

/// Is a filter, ready to be asked often.
struct Wanted {
    who: Option<String>,
    what: Option<String>,
    day: Option<String>,
}

impl Wanted {
    fn of(filter: &AuditFilter) -> Self {
        let lower = |text: &Option<String>| text.as_deref().map(str::to_lowercase);
        Self { who: lower(&filter.who), what: lower(&filter.what), day: filter.day.map(Timestamp::date) }
    }

    fn has(&self, entry: &AuditEntry) -> bool {
        let contains = |text: &str, part: &String| text.to_lowercase().contains(part);
        self.day.as_ref().is_none_or(|day| entry.at.date() == *day)
            && self.who.as_ref().is_none_or(|who| contains(&entry.who, who))
            && self.what.as_ref().is_none_or(|what| {
                contains(&entry.what, what) || entry.changes.iter().any(|change| contains(&change.key, what))
            })
    }
}

/// The day of the newest record, which the head names; none where there is no head yet.
async fn newest_day(store: &dyn Store) -> Result<Option<Day>, StoreError> {
    let (head, _) = store.get(&chain::head_key(), Read::Local).await?;
    let named =
        head.and_then(|kv| decode::<AuditHeadRecord>(&kv.value).ok()).and_then(|head| Key::parse(&head.key).ok());
    Ok(named.as_ref().and_then(AuditId::of).map(AuditId::day))
}

/// The newest records of a day that are older than `before`, in their order: at most so many, whatever the day has.
async fn of_day(
    store: &dyn Store,
    day: Day,
    before: Option<AuditId>,
    most: usize,
) -> Result<VecDeque<(AuditId, Kv)>, StoreError> {
    let mut records = VecDeque::new();
    let Some(prefix) = day.prefix() else { return Ok(records) };
    let mut page = Some(Page::first(PAGE_KEYS));
    while let Some(asked) = page {
        let mut listed = store.list(&prefix, None, asked).await?;
        for kv in std::mem::take(&mut listed.kvs) {
            let Some(id) = AuditId::of(&kv.key) else { continue };
            if before.is_some_and(|before| id >= before) {
                return Ok(records);
            }
            if records.len() >= most {
                records.pop_front();
            }
            records.push_back((id, kv));
        }
        page = listed.following(PAGE_KEYS);
    }
    Ok(records)
}

/// So many are looked at in a fraction of a second.
const MOST_LOOKED_AT: usize = 20_000;

#[cfg(test)]
mod tests;
