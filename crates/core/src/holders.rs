//! Who has which name, in as little memory as that takes.

use std::{collections::BTreeMap, fmt, hash::BuildHasher, sync::Arc};

use foldhash::quality::RandomState;

use crate::{HostPattern, Keyed, shards::Shards};

/// Maps names to the things that have them: the things know their names, so a hash of each is all that is kept of it.
///
/// A clone shares everything, and a change copies a small part, as of [`HostMap`](crate::HostMap).
pub struct Holders<T> {
    /// One of those whose names have a hash.
    one: Shards<u64, Arc<T>>,
    /// All of them, where they are several.
    several: Arc<BTreeMap<u64, Vec<Arc<T>>>>,
    hasher: RandomState,
}

impl<T: Keyed> Holders<T> {
    /// Nothing has a name; so many names do not make it grow.
    pub fn with_room_for(names: usize) -> Self {
        Self { one: Shards::with_room_for(names), several: Arc::default(), hasher: RandomState::default() }
    }

    /// The things that may have a name: all that do, and hardly ever another one.
    pub fn at(&self, name: &HostPattern) -> &[Arc<T>] {
        let hash = self.hasher.hash_one(name);
        match self.several.get(&hash) {
            Some(all) => all,
            None => self.one.get(&hash).map_or(&[], std::slice::from_ref),
        }
    }

    /// Has a thing have a name, in the place of the one with the same key.
    pub fn insert(&mut self, name: &HostPattern, thing: &Arc<T>) {
        let hash = self.hasher.hash_one(name);
        let others = self.at(name).iter().filter(|other| other.key() != thing.key());
        let mut all: Vec<Arc<T>> = others.cloned().collect();
        all.push(Arc::clone(thing));
        self.put(hash, all);
    }

    /// Has the thing with a key not have a name any more.
    pub fn remove(&mut self, name: &HostPattern, key: &T::Key) {
        let hash = self.hasher.hash_one(name);
        let all = self.at(name).iter().filter(|other| other.key() != key).cloned().collect();
        self.put(hash, all);
    }

    fn put(&mut self, hash: u64, all: Vec<Arc<T>>) {
        match all.first() {
            Some(first) => drop(self.one.insert(hash, Arc::clone(first))),
            None => drop(self.one.remove(&hash)),
        }
        if all.len() > 1 {
            Arc::make_mut(&mut self.several).insert(hash, all);
        } else if self.several.contains_key(&hash) {
            Arc::make_mut(&mut self.several).remove(&hash);
        }
    }
}

impl<T> Clone for Holders<T> {
    fn clone(&self) -> Self {
        Self { one: self.one.clone(), several: Arc::clone(&self.several), hasher: self.hasher.clone() }
    }
}

impl<T: Keyed> Default for Holders<T> {
    fn default() -> Self {
        Self::with_room_for(0)
    }
}

impl<T> fmt::Debug for Holders<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holders").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeSet;

    use super::*;

    #[derive(Clone, Debug)]
    struct Thing(u32, u32);

    impl Keyed for Thing {
        type Key = u32;

        fn key(&self) -> &u32 {
            &self.0
        }
    }

    #[test]
    fn each_name_leads_to_all_that_have_it() {
        let name = |n: u32| HostPattern::parse(&format!("n{n}.test")).unwrap();
        let mut holders: Holders<Thing> = Holders::default();
        let mut expected: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); 500];
        let mut dice: u32 = 1;
        let mut below = |below: u32| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 8) % below
        };
        for turn in 0..20_000 {
            let (at, key) = (below(500), below(4));
            let before = holders.clone();
            let was: BTreeSet<u32> = before.at(&name(at)).iter().map(|thing| thing.0).collect();
            if below(2) == 0 {
                holders.insert(&name(at), &Arc::new(Thing(key, turn)));
                expected[at as usize].insert(key);
                assert!(holders.at(&name(at)).iter().any(|thing| (thing.0, thing.1) == (key, turn)));
            } else {
                holders.remove(&name(at), &key);
                expected[at as usize].remove(&key);
            }
            let found: Vec<u32> = holders.at(&name(at)).iter().map(|thing| thing.0).collect();
            assert_eq!(found.len(), expected[at as usize].len());
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected[at as usize]);
            assert_eq!(before.at(&name(at)).iter().map(|thing| thing.0).collect::<BTreeSet<_>>(), was);
        }
    }
}
