//! The number of a change.

use std::fmt;

/// Numbers a change of the desired state: store-wide and strictly increasing, but not contiguous.
///
/// Revisions are compared, never counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
