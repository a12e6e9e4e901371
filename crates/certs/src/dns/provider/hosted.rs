//! Hosted DNS, by the crate dns-update.
//!
//! Most providers have no way to add one value to a name: what is there is read, changed and written back. The writes of
//! one writer are therefore taken one after another; who makes another writer of the same provider waits for the first.

use std::time::Duration;

use async_trait::async_trait;
use dns_update::{DnsRecord, DnsRecordType, DnsUpdater};
use tokio::{sync::Mutex, time::timeout};

use super::{
    Given, Make, NotOpened, ProviderKind, ProviderSetting,
    said::{Secrets, outside, timed_out, txt_error},
};
use crate::dns::{TxtError, TxtRecord, TxtWriter};

mod clouds;
mod panels;
mod tokens;

/// Says how a hosted provider is made.
#[derive(Clone, Copy)]
pub(super) struct Hosted {
    /// Time to live of the record in seconds: short, and not shorter than the provider takes.
    ttl: u32,
    values: Values,
    updater: fn(&Given) -> Result<DnsUpdater, NotOpened>,
}

/// Says how many values a name can have.
#[derive(Clone, Copy)]
enum Values {
    Many,
    /// One takes the place of another, so a wildcard and its apex cannot be validated at the same time.
    One,
}

struct Writer {
    provider: &'static str,
    updater: DnsUpdater,
    ttl: u32,
    values: Values,
    secrets: Secrets,
    turn: Mutex<()>,
}

impl Hosted {
    pub(super) fn open(self, kind: &ProviderKind, given: &Given) -> Result<Box<dyn TxtWriter>, NotOpened> {
        let updater = (self.updater)(given)?;
        Ok(Box::new(Writer {
            provider: kind.name,
            updater,
            ttl: self.ttl,
            values: self.values,
            secrets: given.secrets.clone(),
            turn: Mutex::new(()),
        }))
    }
}

#[async_trait]
impl TxtWriter for Writer {
    async fn add(&self, record: &TxtRecord) -> Result<(), TxtError> {
        let (name, zone, values) = (&record.name, &record.zone, vec![DnsRecord::TXT(record.value.clone())]);
        self.in_turn(record, async {
            match self.values {
                Values::Many => self.updater.add_to_rrset(name, DnsRecordType::TXT, self.ttl, values, zone).await,
                Values::One => self.updater.set_rrset(name, DnsRecordType::TXT, self.ttl, values, zone).await,
            }
        })
        .await
    }

    async fn remove(&self, record: &TxtRecord) -> Result<(), TxtError> {
        let (name, zone, values) = (&record.name, &record.zone, vec![DnsRecord::TXT(record.value.clone())]);
        self.in_turn(record, async {
            match self.values {
                Values::Many => self.updater.remove_from_rrset(name, DnsRecordType::TXT, values, zone).await,
                Values::One => self.updater.set_rrset(name, DnsRecordType::TXT, self.ttl, Vec::new(), zone).await,
            }
        })
        .await
    }
}

impl Writer {
    async fn in_turn(
        &self,
        record: &TxtRecord,
        write: impl Future<Output = dns_update::Result<()>>,
    ) -> Result<(), TxtError> {
        if !record.is_inside_zone() {
            return Err(outside(self.provider, record));
        }
        let _turn = self.turn.lock().await;
        match timeout(WITHIN, write).await {
            Ok(result) => result.map_err(|error| txt_error(self.provider, &error, record, &self.secrets)),
            Err(_) => Err(timed_out(self.provider, WITHIN)),
        }
    }
}

/// A kind whose names have as many values as are wanted.
const fn kind(
    word: &'static str,
    name: &'static str,
    sentence: &'static str,
    settings: &'static [ProviderSetting],
    ttl: u32,
    updater: fn(&Given) -> Result<DnsUpdater, NotOpened>,
) -> ProviderKind {
    ProviderKind { word, name, sentence, settings, make: Make::Hosted(Hosted { ttl, values: Values::Many, updater }) }
}

/// A kind whose names have one value.
const fn kind_of_one_value(
    word: &'static str,
    name: &'static str,
    sentence: &'static str,
    settings: &'static [ProviderSetting],
    updater: fn(&Given) -> Result<DnsUpdater, NotOpened>,
) -> ProviderKind {
    ProviderKind {
        word,
        name,
        sentence,
        settings,
        make: Make::Hosted(Hosted { ttl: 60, values: Values::One, updater }),
    }
}

/// In the order of their words.
pub(super) const KINDS: [ProviderKind; COUNT] = {
    let mut all = [tokens::KINDS[0]; COUNT];
    let mut at = 0;
    while at < COUNT {
        all[at] = if at < tokens::KINDS.len() {
            tokens::KINDS[at]
        } else if at < tokens::KINDS.len() + clouds::KINDS.len() {
            clouds::KINDS[at - tokens::KINDS.len()]
        } else {
            panels::KINDS[at - tokens::KINDS.len() - clouds::KINDS.len()]
        };
        // One step of sorting by insertion; nothing else is there at compile time.
        let mut place = at;
        while place > 0 && is_before(all[place].word, all[place - 1].word) {
            let moved = all[place];
            all[place] = all[place - 1];
            all[place - 1] = moved;
            place -= 1;
        }
        at += 1;
    }
    all
};

const fn is_before(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while at < left.len() && at < right.len() {
        if left[at] != right[at] {
            return left[at] < right[at];
        }
        at += 1;
    }
    left.len() < right.len()
}

const COUNT: usize = tokens::KINDS.len() + clouds::KINDS.len() + panels::KINDS.len();

/// Longest time for one record; a provider may take several requests for it.
pub(super) const WITHIN: Duration = Duration::from_secs(30);
/// The same for each request.
const TIMEOUT: Option<Duration> = Some(WITHIN);
