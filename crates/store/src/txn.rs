//! What a transaction is: conditions, operations, and the limits that hold for every engine.

use std::{collections::HashSet, fmt};

use bytes::Bytes;
use portward_core::Revision;

use crate::{Key, LeaseId, hex::hex, random};

/// Holds one thing of the store, with the revisions that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kv {
    /// Where it is.
    pub key: Key,
    /// What it is.
    pub value: Bytes,
    /// The revision that made the key, since it was last absent.
    pub create_revision: Revision,
    /// The revision that wrote the value.
    pub mod_revision: Revision,
    /// The lease whose end deletes it.
    pub lease: Option<LeaseId>,
}

/// States what must be true for a transaction to take place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cond {
    /// The key does not exist.
    Absent(Key),
    /// The key exists, whatever its value.
    Present(Key),
    /// The key exists and was last written by that revision. On a claim this is the fencing token.
    ModRevision(Key, Revision),
}

/// Changes one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes a value, whether or not there was one.
    Put {
        /// Where to.
        key: Key,
        /// What.
        value: Bytes,
        /// The lease whose end deletes it.
        lease: Option<LeaseId>,
    },
    /// Takes the key away; nothing happens if it is not there.
    Delete(Key),
}

/// Asks for operations that happen all together, or, where a condition does not hold, not at all.
///
/// With it the engine writes `ops/<op_id>`, which stays for [`OP_REMEMBERED`](crate::OP_REMEMBERED).
/// So a transaction that is sent again with the same `op_id` does not happen twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    /// All of these must hold.
    pub when: Vec<Cond>,
    /// All of these happen, each on a key of its own.
    pub then: Vec<Op>,
    /// Names this transaction, so that one can ask later whether it happened.
    pub op_id: OpId,
}

/// Tells what became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnOutcome {
    /// It happened, now or when it was first sent, and made that revision.
    Committed(Revision),
    /// A condition did not hold, and nothing happened.
    Conflict {
        /// The revision at which the conditions were looked at.
        at: Revision,
        /// What the key of each condition held, in the order of the conditions.
        seen: Vec<Option<Kv>>,
    },
}

/// Names one transaction; never used for another.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OpId(String);

/// Says which limit a request is over; the limits are the same for all engines and below etcd's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// More operations and conditions than [`Txn::MAX_OPS`] each.
    #[error("a transaction has {0} operations or conditions; at most {max} are allowed", max = Txn::MAX_OPS)]
    Ops(usize),
    /// Keys and values have together more bytes than [`Txn::MAX_BYTES`].
    #[error("a transaction has {0} bytes; at most {max} are allowed", max = Txn::MAX_BYTES)]
    Bytes(usize),
    /// One value has more bytes than [`Txn::MAX_VALUE_BYTES`].
    #[error("the value of \"{key}\" has {bytes} bytes; at most {max} are allowed", max = Txn::MAX_VALUE_BYTES)]
    Value {
        /// Where it should go.
        key: Key,
        /// How long it is.
        bytes: usize,
    },
    /// Two operations change the same key.
    #[error("a transaction changes \"{0}\" twice")]
    SameKey(Key),
    /// The key belongs to the engine.
    #[error("\"{0}\" is written by the store itself")]
    Reserved(Key),
    /// A lease must last from [`Lease::MIN_TTL`](crate::Lease::MIN_TTL) to [`Lease::MAX_TTL`](crate::Lease::MAX_TTL).
    #[error("a lease of {0} seconds is not allowed: 5 to 600 are")]
    LeaseTtl(u64),
}

impl Txn {
    /// Most operations, and most conditions, in one transaction. etcd's default is 128.
    pub const MAX_OPS: usize = 100;
    /// Most bytes of keys and values in one transaction. etcd's default for a request is 1.5 MiB.
    pub const MAX_BYTES: usize = 1024 * 1024;
    /// Longest value.
    pub const MAX_VALUE_BYTES: usize = 256 * 1024;

    /// Makes a transaction without conditions and operations, with an id of its own.
    #[expect(clippy::new_without_default, reason = "each new one has another id; a default is always the same")]
    pub fn new() -> Self {
        Self { when: Vec::new(), then: Vec::new(), op_id: OpId::random() }
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, cond: Cond) -> Self {
        self.when.push(cond);
        self
    }

    /// Adds the writing of a value.
    #[must_use]
    pub fn put(mut self, key: Key, value: impl Into<Bytes>) -> Self {
        self.then.push(Op::Put { key, value: value.into(), lease: None });
        self
    }

    /// Adds the writing of a value that the end of a lease deletes.
    #[must_use]
    pub fn put_leased(mut self, key: Key, value: impl Into<Bytes>, lease: LeaseId) -> Self {
        self.then.push(Op::Put { key, value: value.into(), lease: Some(lease) });
        self
    }

    /// Adds the deletion of a key.
    #[must_use]
    pub fn delete(mut self, key: Key) -> Self {
        self.then.push(Op::Delete(key));
        self
    }

    /// Checks the limits; every engine calls it before anything else.
    pub fn check(&self) -> Result<(), LimitError> {
        let ops = self.then.len().max(self.when.len());
        if ops > Self::MAX_OPS {
            return Err(LimitError::Ops(ops));
        }
        let mut seen = HashSet::new();
        let mut total = 0;
        for op in &self.then {
            let key = op.key();
            if key.as_str().starts_with(OPS) {
                return Err(LimitError::Reserved(key.clone()));
            }
            if !seen.insert(key) {
                return Err(LimitError::SameKey(key.clone()));
            }
            let bytes = op.value().map_or(0, Bytes::len);
            if bytes > Self::MAX_VALUE_BYTES {
                return Err(LimitError::Value { key: key.clone(), bytes });
            }
            total += key.as_str().len() + bytes;
        }
        total += self.when.iter().map(|cond| cond.key().as_str().len()).sum::<usize>();
        if total > Self::MAX_BYTES { Err(LimitError::Bytes(total)) } else { Ok(()) }
    }
}

impl Cond {
    /// The key that is looked at.
    pub fn key(&self) -> &Key {
        match self {
            Self::Absent(key) | Self::Present(key) | Self::ModRevision(key, _) => key,
        }
    }

    /// Whether it holds for what the key has.
    pub fn holds(&self, seen: Option<&Kv>) -> bool {
        match self {
            Self::Absent(_) => seen.is_none(),
            Self::Present(_) => seen.is_some(),
            Self::ModRevision(_, revision) => seen.is_some_and(|kv| kv.mod_revision == *revision),
        }
    }
}

impl Op {
    /// The key that is changed.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete(key) => key,
        }
    }

    /// The value that is written; none for a deletion.
    pub fn value(&self) -> Option<&Bytes> {
        match self {
            Self::Put { value, .. } => Some(value),
            Self::Delete(_) => None,
        }
    }
}

impl OpId {
    /// Makes an id that no other transaction has.
    pub fn random() -> Self {
        Self(hex(&random::bytes::<16>()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the engine notes that the transaction happened.
    pub fn key(&self) -> Key {
        Key::of_checked(format!("{OPS}{}", self.0))
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpId({})", self.0)
    }
}

/// Below this the engines note which transactions happened.
const OPS: &str = "ops/";
