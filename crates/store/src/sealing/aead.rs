//! AES-256-GCM over whole secrets.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::Secret;

/// Length of a key.
pub(super) const KEY_BYTES: usize = 32;
/// Length of a nonce.
pub(super) const NONCE_BYTES: usize = 12;

/// Encrypts and appends the tag.
pub(super) fn seal(key: &[u8; KEY_BYTES], nonce: [u8; NONCE_BYTES], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
    buffer.extend_from_slice(plain);
    let nonce = Nonce::assume_unique_for_key(nonce);
    // The cipher fails only above 64 GiB, and values of the store end at 256 KiB.
    #[expect(clippy::expect_used, reason = "cannot fail for keys of this length and secrets of this size")]
    cipher(key)
        .and_then(|cipher| cipher.seal_in_place_append_tag(nonce, Aad::from(aad), &mut buffer).ok())
        .expect("AES-256-GCM takes 32 bytes of key and less than 64 GiB");
    buffer
}

/// Decrypts; nothing comes back unless key, nonce, associated data and every bit fit.
pub(super) fn open(key: &[u8; KEY_BYTES], nonce: [u8; NONCE_BYTES], aad: &[u8], sealed: &[u8]) -> Option<Secret> {
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let plain = cipher(key)?.open_in_place(nonce, Aad::from(aad), &mut buffer).ok()?.len();
    buffer.truncate(plain);
    Some(Secret::from(buffer))
}

fn cipher(key: &[u8; KEY_BYTES]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}
