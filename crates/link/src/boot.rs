//! What tells one running program from another one with the same identity.

use std::fmt;

use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};

/// Names one run of a program: a copy of its files on another machine, or the next run, has another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instance(String);

impl Instance {
    /// Makes a name that nothing else has.
    pub fn new() -> Self {
        let mut bytes = [0_u8; 16];
        // Without random bytes there is no TLS either; two equal names are told by their boot then.
        let _ = rand::fill(&mut bytes);
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Default for Instance {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names this boot of the machine; empty where the system does not say.
pub fn boot_id() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    read.trim().to_owned()
}
