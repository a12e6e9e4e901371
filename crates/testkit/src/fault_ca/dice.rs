//! Numbers that look random and come again with the same seed.

/// Is a SplitMix64 generator: good enough for tokens, serial numbers and chances of a test, for nothing else.
#[derive(Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes()[..chunk.len()]);
        }
        bytes
    }

    /// Whether something of that chance, between 0 and 1, comes to pass.
    pub(super) fn chance(&mut self, chance: f64) -> bool {
        // 53 bits are what a double holds.
        let part = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        part < chance
    }
}

impl Default for Dice {
    fn default() -> Self {
        Self(1)
    }
}
