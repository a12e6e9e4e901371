//! What the process does to itself: no secret of its memory ends in a file, and it may hold as many connections as the
//! system lets it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Switches core dumps off, and keeps other processes of the same user from looking into the memory.
///
/// Best effort: where it is not permitted, a warning is all there is.
pub(crate) fn keep_memory_private() {
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "core dumps cannot be switched off; one would have private keys in it");
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};

        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!(%error, "the memory of this process cannot be kept from other processes of its user");
        }
    }
}

/// Raises the number of files that may be open as far as the system lets this process.
///
/// Systems begin with 1024 for the sake of old programs that wait by `select`; each client, upstream and agent is one.
///
/// Gives how many they are then; none for no limit.
pub(crate) fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let (before, after) = (limit.current, most.current);
    if before == after {
        tracing::debug!(limit = after, "so many files and connections may be open");
        return after;
    }
    match setrlimit(Resource::Nofile, most) {
        Ok(()) => {
            tracing::info!(before, after, "the limit of open files and connections is raised");
            after
        }
        Err(error) => {
            tracing::warn!(%error, before, "the limit of open files and connections stays as it is");
            before
        }
    }
}
