//! Certificate files, as people bring them.

use std::time::{Duration, Instant};

use portward_certs::{Input, Password, inspect, read};

/// Reads a binary file: PFX, PKCS #7, DER.
pub fn pfx(bytes: &[u8]) {
    is_read_or_refused("fuzz.pfx", bytes);
}

/// Reads a file that begins as PEM does.
pub fn pem(bytes: &[u8]) {
    is_read_or_refused("fuzz.pem", bytes);
    let mut text = b"-----BEGIN CERTIFICATE-----\n".to_vec();
    text.extend_from_slice(bytes);
    is_read_or_refused("fuzz.pem", &text);
}

/// Reads a file with a password and without; errors repeat nothing secret and take no longer than they may.
fn is_read_or_refused(name: &str, bytes: &[u8]) {
    let password = Password::new("correct horse".to_owned());
    let begun = Instant::now();
    for password in [None, Some(&password)] {
        let files = [Input { name, bytes }];
        match read(&files, password) {
            Ok(bundle) => drop(bundle),
            Err(error) => assert!(!format!("{error} {error:?}").contains("correct horse")),
        }
        let _ = inspect(&files, password);
    }
    assert!(begun.elapsed() < LONGEST, "it took {:?}", begun.elapsed());
}

/// Key derivation is bounded; this is far beyond it, and below what libFuzzer calls a hang.
const LONGEST: Duration = Duration::from_secs(60);
