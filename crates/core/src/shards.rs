//! A hash map in parts, so that a clone shares all parts but those that are changed afterwards.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// Maps keys to values. A clone costs a pointer; the first change of a part that is shared copies that part.
#[derive(Clone, Debug)]
pub(crate) struct Shards<K, V> {
    /// Their number is a power of two.
    shards: Arc<Vec<Shard<K, V>>>,
    len: usize,
    hasher: RandomState,
}

/// Is one part.
type Shard<K, V> = Arc<HashTable<(K, V)>>;

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    /// An empty map.
    pub(crate) fn new() -> Self {
        Self { shards: Arc::new(vec![Arc::default()]), len: 0, hasher: RandomState::default() }
    }

    /// An empty map that need not grow for so many values.
    pub(crate) fn with_room_for(count: usize) -> Self {
        let shards = count.div_ceil(PER_SHARD).next_power_of_two();
        let shard = || Arc::new(HashTable::with_capacity(count / shards));
        Self { shards: Arc::new((0..shards).map(|_| shard()).collect()), ..Self::new() }
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a key.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let shard = self.shards.get(place(hash, self.shards.len()))?;
        shard.find(hash, |(other, _)| other.borrow() == key).map(|(_, value)| value)
    }

    /// Each key and its value, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter()).map(|(key, value)| (key, value))
    }

    /// Puts a value in and gives back the one it displaces.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.len >= self.shards.len() * PER_SHARD {
            self.spread();
        }
        let hash = self.hasher.hash_one(&key);
        let hasher = &self.hasher;
        let table = table(&mut self.shards, hash);
        if let Some((_, old)) = table.find_mut(hash, |(other, _)| *other == key) {
            return Some(std::mem::replace(old, value));
        }
        table.insert_unique(hash, (key, value), |(other, _)| hasher.hash_one(other));
        self.len += 1;
        None
    }

    /// Takes a value out.
    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        // What is not there must not cost the copy of a part.
        self.get(key)?;
        let hash = self.hasher.hash_one(key);
        let found = table(&mut self.shards, hash).find_entry(hash, |(other, _)| other.borrow() == key).ok()?;
        let ((_, value), _) = found.remove();
        self.len -= 1;
        Some(value)
    }

    /// Takes twice as many parts.
    fn spread(&mut self) {
        let mut wider: Vec<HashTable<(K, V)>> = (0..self.shards.len() * 2).map(|_| HashTable::new()).collect();
        let hasher = &self.hasher;
        for (key, value) in self.shards.iter().flat_map(|shard| shard.iter()) {
            let hash = hasher.hash_one(key);
            let shard = place(hash, wider.len());
            if let Some(table) = wider.get_mut(shard) {
                table.insert_unique(hash, (key.clone(), value.clone()), |(other, _)| hasher.hash_one(other));
            }
        }
        self.shards = Arc::new(wider.into_iter().map(Arc::new).collect());
    }
}

/// The part of a hash, alone after this.
fn table<K: Clone, V: Clone>(shards: &mut Arc<Vec<Shard<K, V>>>, hash: u64) -> &mut HashTable<(K, V)> {
    let place = place(hash, shards.len());
    Arc::make_mut(&mut Arc::make_mut(shards)[place])
}

/// The tables use the lowest and the highest bits of a hash.
///
/// What is in a map was put there by operators, and no client can choose what meets in one place: the hash is a fast
/// one, with a seed that is random all the same.
fn place(hash: u64, shards: usize) -> usize {
    (hash >> 32) as usize & (shards - 1)
}

/// What is copied for one change: some ten microseconds.
const PER_SHARD: usize = 128;
