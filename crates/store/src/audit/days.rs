//! The days that have records, found without walking through those that have none.

use portward_core::Timestamp;

use super::{AuditId, PAGE_KEYS, prefix};
use crate::{Key, Page, Prefix, Store, StoreError};

/// Is a day in UTC, as keys have it: so many days after 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(u64);

impl Day {
    /// The first one that a key can have.
    pub(super) const FIRST: Self = Self(0);
    /// The one after the last of the year 9999.
    pub(super) const END: Self = Self(2_932_897);

    /// The day of so many seconds after 1970-01-01.
    pub(super) fn of_seconds(seconds: u64) -> Self {
        Self(seconds / DAY_SECONDS)
    }

    /// The day of a time; of one before 1970 the first, as keys have none before it.
    pub(super) fn at(time: Timestamp) -> Self {
        Self::of_seconds(u64::try_from(time.unix()).unwrap_or(0))
    }

    /// The day after it.
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// All records of the day are below it; none if no [`Timestamp`] has the day.
    pub(super) fn prefix(self) -> Option<Prefix> {
        Some(Prefix::of_checked(format!("audit/{}/", self.date()?)))
    }

    /// Lies behind the records of all earlier days, and before those of this one.
    fn border(self) -> Option<Key> {
        Some(Key::of_checked(format!("audit/{}", self.date()?)))
    }

    fn date(self) -> Option<String> {
        let midnight = i64::try_from(self.0.checked_mul(DAY_SECONDS)?).ok()?;
        Some(Timestamp::from_unix(midnight).ok()?.date())
    }
}

/// The newest day from `begin` on and before `end` that has a record.
///
/// Steps that double lead back to one that has, and halves to the newest: the next day costs one read, and a gap of a
/// thousand years some forty.
pub(super) async fn newest(store: &dyn Store, begin: Day, end: Day) -> Result<Option<Day>, StoreError> {
    let (mut begin, mut end, mut step, mut found) = (begin, end, 1, None);
    while begin < end {
        let from = Day(end.0.saturating_sub(step)).max(begin);
        match first_from(store, from).await?.filter(|day| *day < end) {
            Some(day) => (found, begin) = (Some(day), day.next()),
            None => end = from,
        }
        step = if found.is_none() { step * 2 } else { end.0.saturating_sub(begin.0).div_ceil(2) };
    }
    Ok(found)
}

/// The first day from `from` on that has a record.
async fn first_from(store: &dyn Store, from: Day) -> Result<Option<Day>, StoreError> {
    let Some(after) = from.border() else { return Ok(None) };
    let mut page = Some(Page { after: Some(after), limit: 1 });
    while let Some(asked) = page {
        let listed = store.list(&prefix(), None, asked).await?;
        if let Some(id) = listed.kvs.iter().find_map(|kv| AuditId::of(&kv.key)) {
            return Ok(Some(id.day()));
        }
        // What is no record is passed over.
        page = listed.following(PAGE_KEYS);
    }
    Ok(None)
}

const DAY_SECONDS: u64 = 86_400;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use ulid::Ulid;

    use super::*;
    use crate::{Txn, audit::chain::key_of, memory::MemoryStore};

    fn day(text: &str) -> Day {
        Day::at(Timestamp::parse(&format!("{text}T12:00:00Z")).unwrap())
    }

    async fn with(days: &[&str]) -> MemoryStore {
        let store = MemoryStore::new();
        for text in days {
            let seconds = Timestamp::parse(&format!("{text}T23:59:59Z")).unwrap().unix();
            let key = key_of(Ulid::from_parts(u64::try_from(seconds).unwrap() * 1000, 7)).unwrap();
            store.txn(Txn::new().put(key, "{}")).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn days_with_records_are_found_from_the_newest_to_the_oldest() {
        let dates = ["1970-01-01", "2024-02-29", "2026-11-18", "2026-11-19", "2026-12-31", "2099-01-01", "9999-12-31"];
        let store = with(&dates).await;
        store.txn(Txn::new().put(Key::parse("audit/2027-01-01/none").unwrap(), "{}")).await.unwrap();
        let (mut end, mut found) = (Day::END, Vec::new());
        while let Some(day) = newest(&store, Day::FIRST, end).await.unwrap() {
            found.insert(0, day);
            end = day;
        }
        assert_eq!(found, dates.map(day));
        for (begin, end, expected) in [
            ("2026-11-19", "2026-12-31", Some("2026-11-19")),
            ("2026-11-20", "2026-12-31", None),
            ("2026-11-20", "2099-01-02", Some("2099-01-01")),
            ("2027-01-01", "2027-01-02", None),
        ] {
            let found = newest(&store, day(begin), day(end)).await.unwrap();
            assert_eq!(found, expected.map(day), "{begin} to {end}");
        }
    }

    #[tokio::test]
    async fn nothing_is_found_where_nothing_is() {
        assert_eq!(newest(&MemoryStore::new(), Day::FIRST, Day::END).await.unwrap(), None);
        assert_eq!(Day::END.prefix(), None, "the year 9999 is the last");
        assert_eq!(Day::at(Timestamp::parse("1969-12-31T00:00:00Z").unwrap()), Day::FIRST);
    }
}
