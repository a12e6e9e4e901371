//! Random bytes from the crypto provider.

use aws_lc_rs::rand;

/// Draws random bytes that are good enough for keys.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // A system without randomness can neither seal nor name anything; the provider itself aborts in most such cases.
    #[expect(clippy::expect_used, reason = "to go on with bytes that are not random would be worse than to end")]
    rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
