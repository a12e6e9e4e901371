//! Who comes in the clear: the latest families of clients, a few of them.

use std::sync::Mutex;

use portward_core::{Timestamp, client_family};

/// Shows one family of clients that came in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainClient {
    /// As in `Firefox`, `curl`.
    pub family: String,
    /// Whether a browser's navigation made its last request.
    pub is_browser: bool,
    /// How many requests it made.
    pub requests: u64,
    /// When the last one came.
    pub last: Timestamp,
}

/// Keeps the latest families that one worker has seen.
#[derive(Debug, Default)]
pub(super) struct PlainClients(Mutex<Vec<PlainClient>>);

impl PlainClients {
    /// Counts a request; not while somebody reads, because nobody is waited for here.
    pub(super) fn came(&self, user_agent: Option<&[u8]>, is_browser: bool, now: Timestamp) {
        let Ok(mut seen) = self.0.try_lock() else { return };
        let family = client_family(user_agent);
        if let Some(client) = seen.iter_mut().find(|client| client.family == family) {
            (client.is_browser, client.last) = (is_browser, now);
            client.requests += 1;
            return;
        }
        if seen.len() >= KEPT
            && let Some(oldest) = (0..seen.len()).min_by_key(|index| seen[*index].last)
        {
            seen.swap_remove(oldest);
        }
        seen.push(PlainClient { family, is_browser, requests: 1, last: now });
    }

    /// Adds what was seen to what others have seen.
    pub(super) fn add_to(&self, all: &mut Vec<PlainClient>) {
        let seen = self.0.lock().map(|seen| seen.clone()).unwrap_or_default();
        for client in seen {
            match all.iter_mut().find(|other| other.family == client.family) {
                Some(other) => {
                    other.requests += client.requests;
                    if client.last > other.last {
                        (other.last, other.is_browser) = (client.last, client.is_browser);
                    }
                }
                None => all.push(client),
            }
        }
    }
}

/// The latest ones, the latest first.
pub(super) fn keep_latest(clients: &mut Vec<PlainClient>) {
    clients.sort_by(|one, other| other.last.cmp(&one.last).then_with(|| one.family.cmp(&other.family)));
    clients.truncate(KEPT);
}

/// More are not looked at, and a stranger can make up as many as they like.
const KEPT: usize = 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn made_up_names_push_out_the_oldest_and_no_more() {
        let clients = PlainClients::default();
        let at = |seconds: usize| Timestamp::from_unix(1_800_000_000 + i64::try_from(seconds).unwrap()).unwrap();
        for index in 0..1000 {
            clients.came(Some(format!("made-up-{index}").as_bytes()), false, at(index));
        }
        let mut all = Vec::new();
        clients.add_to(&mut all);
        keep_latest(&mut all);
        assert_eq!((all.len(), all[0].family.as_str(), all[19].family.as_str()), (20, "made-up-999", "made-up-980"));
    }
}
