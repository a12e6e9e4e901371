#![allow(clippy::unwrap_used, reason = "tests")]
use portward_core::{HostPattern, Timestamp};

use super::*;
use crate::{der::writer, export_pem, oid, self_signed, self_signed_validity};

fn made() -> Bundle {
    let validity = self_signed_validity(Timestamp::EPOCH, 9);
    self_signed(&[HostPattern::parse("shop.test").unwrap()], validity).unwrap()
}

fn read_bytes(bytes: &[u8]) -> Result<Bundle, ReadError> {
    read(&[Input { name: "it", bytes }], None)
}

/// A `.p7b` with those certificates.
fn pkcs7(certificates: &[&[u8]]) -> Vec<u8> {
    let list = writer::element(crate::der::context(0), certificates);
    let data = writer::sequence(&[
        &writer::unsigned(1),
        &writer::set(&[]),
        &writer::sequence(&[&writer::oid(oid::DATA)]),
        &list,
        &writer::set(&[]),
    ]);
    writer::sequence(&[&writer::oid(oid::SIGNED_DATA), &writer::element(crate::der::context(0), &[&data])]).to_vec()
}

#[test]
fn no_pem_that_is_cut_inside_a_block_is_read() {
    let made = made();
    let text = export_pem(&made.chain, &made.key);
    let last_line = text.trim_end().len();
    for length in 0..text.len() {
        assert_eq!(read_bytes(&text.as_bytes()[..length]).is_ok(), length >= last_line, "the first {length} bytes");
    }
}

#[test]
fn no_changed_byte_is_taken_for_something_else() {
    let made = made();
    let pem = export_pem(&made.chain, &made.key);
    let key = made.key.as_pkcs8_der();
    let files = [pem.as_bytes().to_vec(), pkcs7(&[&made.chain.leaf]), made.chain.leaf.to_vec()];
    for file in files {
        for position in 0..file.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[position] ^= mask;
                let inputs = [Input { name: "changed", bytes: &changed }, Input { name: "key", bytes: key }];
                if let Ok(bundle) = read(&inputs, None) {
                    assert!(bundle.key.fits(&bundle.chain.leaf));
                }
            }
        }
    }
}

#[test]
fn no_prefix_of_a_binary_file_is_read() {
    let made = made();
    let key = Input { name: "key", bytes: made.key.as_pkcs8_der() };
    for file in [pkcs7(&[&made.chain.leaf]), made.chain.leaf.to_vec()] {
        assert!(read(&[key, Input { name: "it", bytes: &file }], None).is_ok());
        for length in 0..file.len() {
            let cut = Input { name: "it", bytes: &file[..length] };
            assert!(read(&[key, cut], None).is_err(), "the first {length} bytes were read");
        }
    }
}

#[test]
fn messages_never_quote_what_is_secret() {
    let made = made();
    let pem = export_pem(&made.chain, &made.key);
    let secret = pem.lines().rev().nth(2).unwrap().to_owned();
    let password = crate::Password::new("hunter2-marker".to_owned());
    let broken = pem.replace("-----END PRIVATE KEY-----", "-----END-----");
    let odd_label = format!("-----BEGIN \u{1b}[31m{secret}-----\nAQID\n-----END \u{1b}[31m{secret}-----\n");
    let odd_cipher =
        format!("-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: {secret},00\n\nAQID\n-----END RSA PRIVATE KEY-----\n");
    for bytes in [broken.as_bytes(), secret.as_bytes(), odd_label.as_bytes(), odd_cipher.as_bytes()] {
        let error = read(&[Input { name: "it", bytes }], Some(&password)).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains('\u{1b}'), "{shown}");
        assert!(!shown.contains(&secret[..24]), "{shown}");
    }
    assert!(!format!("{made:?}").contains(&secret[..24]));
}
