//! The encryption of PEM keys by a `DEK-Info` header (RFC 1421), as OpenSSL wrote it before PKCS #8.

use zeroize::Zeroizing;

use crate::{
    Password, der,
    der::DerError,
    kdf,
    pbe::{Cipher, Container},
    read_error::ReadFailure,
};

/// Decrypts a block; `header` is the value of its `DEK-Info`, as in `AES-256-CBC,0123...`.
pub(crate) fn decrypt_legacy(
    header: &str,
    ciphertext: &[u8],
    password: Option<&Password>,
) -> Result<Zeroizing<Vec<u8>>, ReadFailure> {
    let malformed = || Container::Key.broken(DerError("its DEK-Info header is malformed"));
    let (name, vector) = header.split_once(',').ok_or_else(malformed)?;
    let name = name.trim();
    let Some(cipher) = Cipher::from_pem_name(name) else {
        return Err(Container::Key.unsupported_named(super::shown(name)));
    };
    let iv = from_hex(vector.trim()).filter(|iv| iv.len() == cipher.block_len()).ok_or_else(malformed)?;
    let salt = iv.get(..8).ok_or_else(malformed)?;
    let key = kdf::openssl_pem(password.map_or(&[], Password::utf8), salt, cipher.key_len());
    match cipher.decrypt(&key, &iv, ciphertext) {
        Some(plain) if der::whole(&plain).is_ok() => Ok(plain),
        _ => Err(Container::Key.refused(password)),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits?;
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
