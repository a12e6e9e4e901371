//! The one list of cipher suites and groups, for both sides.

use rustls::crypto::{
    CryptoProvider,
    aws_lc_rs::{self, cipher_suite, kx_group},
};

/// Mozilla's intermediate configuration, version 6.0: TLS 1.3 and 1.2, forward secrecy and AEAD alone.
///
/// AES-128-GCM comes first because it is the fastest where the processor has AES instructions, and strong enough for
/// what TLS protects; clients without such instructions ask for ChaCha20 and get it only if they offer nothing else.
/// Clients choose among the groups; X25519MLKEM768 is there against recordings that are kept until quantum computers
/// can read them.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        ..aws_lc_rs::default_provider()
    }
}
