//! A list in the order of its keys that is cheap to clone and to change, however long it is.

use std::{cmp::Ordering, fmt, ops::Index, sync::Arc};

/// Says by what a thing is ordered and found in a [`Sorted`] list.
pub trait Keyed {
    /// What tells one from another.
    type Key: Ord;

    /// The key of this one.
    fn key(&self) -> &Self::Key;
}

/// Holds things in the order of their keys, one for each key.
///
/// A clone shares everything; a change copies one block of pointers, and pointers to the blocks.
pub struct Sorted<T> {
    /// None of them is empty.
    blocks: Arc<Vec<Arc<Vec<Arc<T>>>>>,
    len: usize,
}

/// Finds things in a [`Sorted`] list; at once where each is the one after the one before.
#[derive(Debug)]
pub struct Finder<'a, T> {
    next: Place<'a, T>,
}

/// Is what differs in one place: how it was, and how it is.
pub type Difference<'a, T> = (Option<&'a Arc<T>>, Option<&'a Arc<T>>);

/// Goes through a [`Sorted`] list.
#[derive(Debug)]
pub struct Iter<'a, T> {
    blocks: std::slice::Iter<'a, Arc<Vec<Arc<T>>>>,
    block: std::slice::Iter<'a, Arc<T>>,
    left: usize,
}

impl<T> Sorted<T> {
    /// An empty list.
    pub fn new() -> Self {
        Self { blocks: Arc::default(), len: 0 }
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The thing with the smallest key.
    pub fn first(&self) -> Option<&T> {
        self.iter().next()
    }

    /// All things, in the order of their keys.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { blocks: self.blocks.iter(), block: [].iter(), left: self.len }
    }
}

impl<T: Keyed> Sorted<T> {
    /// What is not the same thing in both lists, in the order of the keys: how it was, and how it is.
    ///
    /// What both share is passed over in whole blocks, so few changes of many things are found at once.
    pub fn differences<'a>(before: &'a Self, after: &'a Self) -> Vec<Difference<'a, T>> {
        let (mut old, mut new) = (Place { list: before, block: 0, at: 0 }, Place { list: after, block: 0, at: 0 });
        let mut found = Vec::new();
        loop {
            if old.at == 0
                && new.at == 0
                && let (Some(one), Some(other)) = (before.blocks.get(old.block), after.blocks.get(new.block))
                && Arc::ptr_eq(one, other)
            {
                (old.block, new.block) = (old.block + 1, new.block + 1);
                continue;
            }
            let order = match (old.thing(), new.thing()) {
                (None, None) => return found,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(one), Some(other)) => one.key().cmp(other.key()),
            };
            let was = if order == Ordering::Greater { None } else { old.next() };
            let is = if order == Ordering::Less { None } else { new.next() };
            match (was, is) {
                (Some(was), Some(is)) if Arc::ptr_eq(was, is) => {}
                (was, is) => found.push((was, is)),
            }
        }
    }

    /// The thing with that key.
    pub fn get(&self, key: &T::Key) -> Option<&T> {
        self.shared(key).map(|thing| &**thing)
    }

    /// The thing with that key, to keep.
    pub fn shared(&self, key: &T::Key) -> Option<&Arc<T>> {
        let block = self.blocks.get(self.block_of(key))?;
        block.get(block.binary_search_by(|thing| thing.key().cmp(key)).ok()?)
    }

    /// Finds many things, which come in the order of their keys more often than not.
    pub fn finder(&self) -> Finder<'_, T> {
        Finder { next: Place { list: self, block: 0, at: 0 } }
    }

    /// Puts a thing in, and gives back the one with the same key.
    pub fn insert(&mut self, thing: T) -> Option<Arc<T>> {
        let at = self.block_of(thing.key());
        let blocks = Arc::make_mut(&mut self.blocks);
        let Some(block) = blocks.get_mut(at) else {
            blocks.push(Arc::new(vec![Arc::new(thing)]));
            self.len += 1;
            return None;
        };
        let block = Arc::make_mut(block);
        match block.binary_search_by(|other| other.key().cmp(thing.key())) {
            Ok(place) => block.get_mut(place).map(|old| std::mem::replace(old, Arc::new(thing))),
            Err(place) => {
                block.insert(place, Arc::new(thing));
                self.len += 1;
                if block.len() > BLOCK {
                    // Things mostly come in the order of their keys: then the first half never grows again.
                    let kept = if place + 1 == block.len() { BLOCK } else { BLOCK / 2 };
                    let rest = block.split_off(kept);
                    blocks.insert(at + 1, Arc::new(rest));
                }
                None
            }
        }
    }

    /// Takes a thing out.
    pub fn remove(&mut self, key: &T::Key) -> Option<Arc<T>> {
        let at = self.block_of(key);
        let place = self.blocks.get(at)?.binary_search_by(|thing| thing.key().cmp(key)).ok()?;
        let blocks = Arc::make_mut(&mut self.blocks);
        let block = Arc::make_mut(blocks.get_mut(at)?);
        let removed = block.remove(place);
        if block.is_empty() {
            blocks.remove(at);
        }
        self.len -= 1;
        Some(removed)
    }

    /// The block in which a key is, or belongs.
    fn block_of(&self, key: &T::Key) -> usize {
        let begin_at_or_before = |block: &Arc<Vec<Arc<T>>>| block.first().is_some_and(|first| first.key() <= key);
        self.blocks.partition_point(begin_at_or_before).saturating_sub(1)
    }
}

/// Is a place between two things of a list.
#[derive(Debug)]
struct Place<'a, T> {
    list: &'a Sorted<T>,
    block: usize,
    at: usize,
}

impl<'a, T> Place<'a, T> {
    /// What comes next.
    fn thing(&self) -> Option<&'a Arc<T>> {
        self.list.blocks.get(self.block)?.get(self.at)
    }

    /// Goes past it.
    fn next(&mut self) -> Option<&'a Arc<T>> {
        let thing = self.thing()?;
        self.at += 1;
        if self.thing().is_none() {
            (self.block, self.at) = (self.block + 1, 0);
        }
        Some(thing)
    }
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(thing) = self.block.next() {
                self.left -= 1;
                return Some(thing);
            }
            self.block = self.blocks.next()?.iter();
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Self { blocks: self.blocks.clone(), block: self.block.clone(), left: self.left }
    }
}

impl<'a, T> IntoIterator for &'a Sorted<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// Of things with the same key the last one counts.
impl<'a, T: Keyed> Finder<'a, T> {
    /// The thing with that key, to keep.
    pub fn find(&mut self, key: &T::Key) -> Option<&'a Arc<T>> {
        let is_next = self.next.thing().is_some_and(|thing| thing.key() == key);
        if !is_next {
            let list = self.next.list;
            let block = list.block_of(key);
            let at = list.blocks.get(block)?.binary_search_by(|thing| thing.key().cmp(key)).ok()?;
            self.next = Place { list, block, at };
        }
        self.next.next()
    }
}

/// Of things with the same key the last one is kept.
impl<T: Keyed> FromIterator<T> for Sorted<T> {
    fn from_iter<I: IntoIterator<Item = T>>(things: I) -> Self {
        things.into_iter().map(Arc::new).collect()
    }
}

/// Likewise.
impl<T: Keyed> FromIterator<Arc<T>> for Sorted<T> {
    fn from_iter<I: IntoIterator<Item = Arc<T>>>(things: I) -> Self {
        let mut things: Vec<Arc<T>> = things.into_iter().collect();
        if !things.is_sorted_by(|one, other| one.key() < other.key()) {
            things.sort_by(|one, other| one.key().cmp(other.key()));
            things.dedup_by(|later, kept| {
                let is_same = later.key() == kept.key();
                if is_same {
                    std::mem::swap(later, kept);
                }
                is_same
            });
        }
        let len = things.len();
        let mut blocks = Vec::with_capacity(len.div_ceil(BLOCK));
        let mut things = things.into_iter();
        while things.len() > 0 {
            blocks.push(Arc::new(things.by_ref().take(BLOCK).collect()));
        }
        Self { blocks: Arc::new(blocks), len }
    }
}

/// By place in the list; it takes as many steps as there are blocks before.
impl<T> Index<usize> for Sorted<T> {
    type Output = T;

    fn index(&self, place: usize) -> &T {
        let (mut block, mut before) = (0, 0);
        while place - before >= self.blocks[block].len() {
            before += self.blocks[block].len();
            block += 1;
        }
        &self.blocks[block][place - before]
    }
}

impl<T> Clone for Sorted<T> {
    fn clone(&self) -> Self {
        Self { blocks: Arc::clone(&self.blocks), len: self.len }
    }
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Sorted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<T: PartialEq> PartialEq for Sorted<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().zip(other).all(|(one, other)| one == other)
    }
}

impl<T: Eq> Eq for Sorted<T> {}

/// A change copies so many pointers; with a hundred thousand things there are as many blocks as that.
const BLOCK: usize = 256;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Thing(u32, u32);

    impl Keyed for Thing {
        type Key = u32;

        fn key(&self) -> &u32 {
            &self.0
        }
    }

    #[test]
    fn it_holds_what_a_tree_would_in_the_same_order() {
        let mut list: Sorted<Thing> = Sorted::new();
        let mut tree = BTreeMap::new();
        let mut dice: u32 = 1;
        for turn in 0..20_000 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (dice >> 8) % 3000;
            if dice.is_multiple_of(3) {
                assert_eq!(list.remove(&key).map(|thing| thing.1), tree.remove(&key));
            } else {
                assert_eq!(list.insert(Thing(key, turn)).map(|thing| thing.1), tree.insert(key, turn));
            }
            assert_eq!((list.len(), list.get(&key).map(|thing| thing.1)), (tree.len(), tree.get(&key).copied()));
        }
        let listed: Vec<(u32, u32)> = list.iter().map(|thing| (thing.0, thing.1)).collect();
        assert_eq!(listed, tree.clone().into_iter().collect::<Vec<_>>());
        assert_eq!((list.iter().len(), list.first().map(|thing| thing.0)), (tree.len(), tree.keys().next().copied()));
        for (place, (key, _)) in listed.iter().enumerate() {
            assert_eq!(list[place].0, *key);
        }
        for (key, _) in listed {
            list.remove(&key).unwrap();
        }
        assert!(list.is_empty() && list.iter().next().is_none() && list.first().is_none());
    }

    #[test]
    fn it_is_collected_the_same_in_order_and_out_of_it() {
        for count in [0, 1, 2, 255, 256, 257, 1000] {
            let tree: BTreeMap<u32, u32> = (0..count).map(|n| (n, n + 1)).collect();
            let forwards: Sorted<Thing> = tree.iter().map(|(key, value)| Thing(*key, *value)).collect();
            let backwards: Sorted<Thing> = tree.iter().rev().map(|(key, value)| Thing(*key, *value)).collect();
            let stale = tree.keys().map(|key| Thing(*key, 0));
            let twice: Sorted<Thing> = stale.chain(tree.iter().map(|(key, value)| Thing(*key, *value))).collect();
            for list in [forwards, backwards, twice] {
                assert_eq!(list.len(), tree.len());
                assert!(list.iter().map(|thing| (thing.0, thing.1)).eq(tree.clone()));
                assert!(tree.iter().all(|(key, value)| list.get(key).is_some_and(|thing| thing.1 == *value)));
            }
        }
    }

    #[test]
    fn a_finder_finds_in_any_order_what_is_there() {
        let list: Sorted<Thing> = (0..1000).map(|n| Thing(2 * n, n)).collect();
        let mut dice: u32 = 3;
        let in_order = 0..2001;
        let thrown = (0..2000).map(|_| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 8) % 2001
        });
        let mut finder = list.finder();
        for key in in_order.chain(thrown) {
            assert_eq!(finder.find(&key), list.shared(&key), "{key}");
        }
        assert_eq!(Sorted::<Thing>::new().finder().find(&0), None);
    }

    #[test]
    fn a_clone_is_not_touched_by_what_is_changed_afterwards() {
        let mut list: Sorted<Thing> = (0..1000).map(|n| Thing(n, 0)).collect();
        let before = list.clone();
        list.insert(Thing(500, 1));
        list.insert(Thing(1000, 1));
        list.remove(&0);
        assert_eq!((before.len(), before.get(&500).unwrap().1, before.get(&0).is_some()), (1000, 0, true));
        assert_eq!((list.len(), list.get(&500).unwrap().1, list.get(&0).is_some()), (1000, 1, false));
        assert!(Arc::ptr_eq(before.shared(&700).unwrap(), list.shared(&700).unwrap()));
        assert_ne!(before, list);
        list.insert(Thing(0, 0));
        list.insert(Thing(500, 0));
        list.remove(&1000);
        assert_eq!(before, list);
    }

    #[test]
    fn differences_are_all_that_is_not_shared() {
        let mut list: Sorted<Thing> = (0..2000).map(|n| Thing(2 * n, 0)).collect();
        let mut dice: u32 = 7;
        for turn in 1..300 {
            let before = list.clone();
            let mut expected = BTreeMap::new();
            for _ in 0..turn % 5 {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let key = (dice >> 8) % 4000;
                if dice.is_multiple_of(3) {
                    list.remove(&key);
                } else {
                    list.insert(Thing(key, turn));
                }
                expected.insert(key, (before.shared(&key).cloned(), list.shared(&key).cloned()));
            }
            let expected: Vec<_> = expected.into_values().filter(|(was, is)| was != is).collect();
            let found: Vec<_> =
                Sorted::differences(&before, &list).into_iter().map(|(was, is)| (was.cloned(), is.cloned())).collect();
            assert_eq!(found, expected, "turn {turn}");
        }
        assert_eq!(Sorted::differences(&list, &list.clone()), []);
        assert_eq!(Sorted::differences(&Sorted::new(), &list).len(), list.len());
    }
}
