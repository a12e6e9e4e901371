//! Tickets: who has shown a password holds one while the code of the second factor is asked for.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use portward_core::{Timestamp, UserId, UserName};

/// Keeps the tickets that are out, by the SHA-256 of their texts.
#[derive(Default)]
pub(super) struct Tickets {
    out: Mutex<HashMap<[u8; 32], Ticket>>,
}

/// Says who has shown which password.
#[derive(Clone)]
pub(super) struct Ticket {
    pub(super) user: UserName,
    pub(super) user_id: UserId,
    /// Of the user then: another password makes the ticket void.
    pub(super) epoch: u64,
    expires: Timestamp,
}

impl Ticket {
    pub(super) fn new(user: UserName, user_id: UserId, epoch: u64, now: Timestamp) -> Self {
        Self { user, user_id, epoch, expires: now.plus(LIFETIME) }
    }
}

impl Tickets {
    /// Gives one out.
    pub(super) fn put(&self, sha256: [u8; 32], ticket: Ticket, now: Timestamp) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if out.len() >= KEPT {
            out.retain(|_, ticket| ticket.expires > now);
        }
        if out.len() >= KEPT {
            out.clear();
        }
        out.insert(sha256, ticket);
    }

    /// The one that was given out, if it still counts.
    pub(super) fn find(&self, sha256: &[u8; 32], now: Timestamp) -> Option<Ticket> {
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.get(sha256).filter(|ticket| ticket.expires > now).cloned()
    }

    /// Takes one back.
    pub(super) fn take(&self, sha256: &[u8; 32]) {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).remove(sha256);
    }
}

/// Long enough to find the phone.
const LIFETIME: Duration = Duration::from_secs(300);
/// Only who knows a password gets one.
const KEPT: usize = 1000;
