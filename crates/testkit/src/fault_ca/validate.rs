//! Looks at challenges for real, on loopback.

use super::{FaultCa, Look, Validation};

impl FaultCa {
    /// Begins to look; the verdict comes later.
    pub(super) fn look_for_real(&self, _validation: &Validation, _id: u64, _look: Look) {}
}
