//! The clock, as an argument: only the program reads that of the machine.

use std::sync::Arc;

use portward_core::Timestamp;

/// Tells what time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
