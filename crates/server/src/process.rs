//! What the process does to itself so that no secret of its memory ends in a file.

use rustix::process::{Resource, Rlimit, setrlimit};

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
