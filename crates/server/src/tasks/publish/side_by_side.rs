//! Looking at many things on all cores.

use std::thread;

/// Looks at each of many things, on as many threads as there are cores; what is found is in the order of the things.
pub(super) fn find<'a, T: Sync, F: Send>(things: &[&'a T], look: impl Fn(&'a T) -> Option<F> + Sync) -> Vec<F> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let part = things.len().div_ceil(threads).max(WORTH_A_THREAD);
    let mut parts = things.chunks(part);
    let own = parts.next().unwrap_or_default();
    let look_at = |part: &[&'a T]| part.iter().filter_map(|thing| look(thing)).collect::<Vec<F>>();
    thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(|| look_at(part))).collect();
        let mut found = look_at(own);
        for other in others {
            match other.join() {
                Ok(others) => found.extend(others),
                Err(panicked) => std::panic::resume_unwind(panicked),
            }
        }
        found
    })
}

/// With fewer things, a thread takes longer to begin than to look.
const WORTH_A_THREAD: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_in_the_order_of_the_things() {
        for count in [0, 1, 999, 1000, 1001, 10_000] {
            let things: Vec<usize> = (0..count).collect();
            let things: Vec<&usize> = things.iter().collect();
            let found = find(&things, |thing| thing.is_multiple_of(3).then_some(*thing));
            assert!(found.into_iter().eq((0..count).step_by(3)), "{count}");
        }
    }
}
