//! Reading the desired state of what somebody else has kept, on as many threads as there are cores.

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

use super::{Follower, assembly::Assembly};
use crate::{Revision, place::CERTIFICATES};

/// Reads records in the order of a list of all of them; none if they are no records.
///
/// A thread that has nothing to read has `fill` put the next part into its buffer, in which the records of a certificate
/// are together; false says that there is none. Each part is read by `records`, which gives to what it is told to each
/// key, value and revision of it, and says whether it came to the end.
pub(crate) fn read_kept<P: Default + Send>(
    fill: impl FnMut(&mut P) -> bool + Send,
    records: impl Fn(&P, &mut dyn FnMut(&str, &[u8], Revision) -> bool) -> bool + Sync,
) -> Option<Follower> {
    let read = |part: &P| {
        let mut assembly = Assembly::default();
        records(part, &mut |key, value, revision| assembly.read(key, value, revision)).then_some(assembly)
    };
    let is_of_certificates = |part: &P| {
        let mut is = false;
        records(part, &mut |key, _, _| {
            is = key.starts_with(CERTIFICATES);
            false
        });
        is
    };
    let waiting = Mutex::new(Waiting { fill, count: 0, held: Vec::new() });
    let waiting = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let mut whole = Assembly::default();
    // Each thread comes back when it has found a part of certificates, or nothing.
    absorb(&mut whole, || {
        let (mut done, mut part) = (Vec::new(), P::default());
        loop {
            let Some(at) = waiting().next(&mut part) else { return Some(done) };
            if is_of_certificates(&part) {
                waiting().held.push((at, part));
                return Some(done);
            }
            done.push((at, read(&part)?));
        }
    })?;
    let known = whole.known();
    absorb(&mut whole, || {
        let (mut done, mut part) = (Vec::new(), P::default());
        loop {
            let Some(at) = waiting().next_or_held(&mut part) else { return Some(done) };
            let mut assembly = read(&part)?;
            assembly.share(&known);
            done.push((at, assembly));
        }
    })?;
    Some(Follower::of(whole, Revision(0)))
}

/// Is the parts that nobody has read yet.
struct Waiting<P, F> {
    fill: F,
    /// So many were given.
    count: usize,
    /// Those that were given before it was their turn, with their numbers.
    held: Vec<(usize, P)>,
}

impl<P, F: FnMut(&mut P) -> bool> Waiting<P, F> {
    /// Puts the next one into a buffer; gives its number.
    fn next(&mut self, part: &mut P) -> Option<usize> {
        self.count += 1;
        (self.fill)(part).then_some(self.count)
    }

    /// The same, of those that are held before any other.
    fn next_or_held(&mut self, part: &mut P) -> Option<usize> {
        let Some((at, held)) = self.held.pop() else { return self.next(part) };
        *part = held;
        Some(at)
    }
}

/// Has all cores read, and adds what they have read in the order of its numbers; none if one of them gives none.
fn absorb(whole: &mut Assembly, read: impl Fn() -> Option<Vec<(usize, Assembly)>> + Sync) -> Option<()> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(&read)).collect();
        let own = read();
        let others = others.into_iter().map(|other| other.join().ok().flatten());
        others.chain([own]).collect::<Option<Vec<_>>>()
    });
    let mut done: Vec<_> = done?.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().for_each(|(_, assembly)| whole.absorb(assembly));
    Some(())
}
