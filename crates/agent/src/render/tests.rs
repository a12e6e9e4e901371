#![allow(clippy::unwrap_used, reason = "tests")]
use std::time::Duration;

use portward_certs::{Input, read, self_signed, self_signed_validity};
use portward_core::{HostPattern, Timestamp};

use super::*;

#[test]
fn every_format_has_its_files_and_is_read_back() {
    let validity = self_signed_validity(Timestamp::EPOCH.plus(Duration::from_secs(1_800_000_000)), 10);
    let bundle = self_signed(&[HostPattern::parse("shop.test").unwrap()], validity).unwrap();
    let password = Password::new("a password".to_owned());
    for format in DeliveryFormat::ALL {
        let files = render(format, &bundle.chain, &bundle.key, Some(&password), "").unwrap();
        assert_eq!(files.len(), format.files().len(), "{format}");
        let inputs: Vec<Input<'_>> = files.iter().map(|bytes| Input { name: "", bytes }).collect();
        let again = read(&inputs, Some(&password)).unwrap();
        assert_eq!(again.facts.thumbprint, bundle.facts.thumbprint, "{format}");
    }
    let pem = render(DeliveryFormat::Pem, &bundle.chain, &bundle.key, None, "").unwrap();
    assert!(pem[0].starts_with(b"-----BEGIN CERTIFICATE-----") && pem[1].starts_with(KEY_BEGINS.as_bytes()));
    assert!(!String::from_utf8_lossy(&pem[0]).contains("PRIVATE"));
    // HAProxy and nginx take either order; the key comes first, as it is documented.
    let combined = render(DeliveryFormat::PemCombined, &bundle.chain, &bundle.key, None, "").unwrap();
    assert_eq!(*combined[0], [pem[1].as_slice(), pem[0].as_slice()].concat());
}

#[test]
fn a_file_with_a_password_has_one() {
    let validity = self_signed_validity(Timestamp::EPOCH.plus(Duration::from_secs(1_800_000_000)), 10);
    let bundle = self_signed(&[HostPattern::parse("shop.test").unwrap()], validity).unwrap();
    for format in [DeliveryFormat::Pfx, DeliveryFormat::Pkcs12Java] {
        for password in [None, Some(Password::new(String::new()))] {
            let refused = render(format, &bundle.chain, &bundle.key, password.as_ref(), "");
            assert_eq!(refused.unwrap_err(), ExportPfxError::EmptyPassword);
        }
    }
}
