#![allow(clippy::unwrap_used, reason = "tests")]
//! Directories as the programs write them, with keys and certificates made for the occasion.

mod fixture;
mod hostile;
mod layouts;

use super::*;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-25T00:00:00Z").unwrap()
}

#[test]
fn the_words_of_the_command_line_read_back() {
    for kind in ForeignKind::ALL {
        assert_eq!(ForeignKind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(ForeignKind::parse("Caddy"), None);
}

#[test]
fn only_files_that_tell_something_are_wanted() {
    use ForeignKind::{AcmeSh, Caddy, Certbot, Traefik};
    for (kind, path, expected) in [
        (Certbot, "renewal/shop.test.conf", true),
        (Certbot, "live/shop.test/privkey.pem", true),
        (Certbot, "live/shop.test/README", false),
        (Certbot, "live/README", false),
        (Certbot, "archive/shop.test/privkey3.pem", false),
        (Certbot, "keys/0000_key-certbot.pem", false),
        (Certbot, "csr/0000_csr-certbot.pem", false),
        (Certbot, "accounts/acme-v02.api.letsencrypt.org/directory/0123/private_key.json", true),
        (Certbot, "renewal-hooks/deploy/reload.sh", true),
        (AcmeSh, "account.conf", true),
        (AcmeSh, "acme.sh", false),
        (AcmeSh, "acme.sh.log", false),
        (AcmeSh, "shop.test_ecc/shop.test.key", true),
        (AcmeSh, "shop.test_ecc/shop.test.csr", false),
        (AcmeSh, "shop.test_ecc/shop.test.csr.conf", false),
        (AcmeSh, "shop.test_ecc/backup/key.bak", false),
        (AcmeSh, "dnsapi/dns_cf.sh", false),
        (AcmeSh, "ca/acme-v02.api.letsencrypt.org/directory/account.key", true),
        (Caddy, "certificates/acme-v02.api.letsencrypt.org-directory/shop.test/shop.test.crt", true),
        (Caddy, "acme/acme-v02.api.letsencrypt.org-directory/users/default/default.key", true),
        (Caddy, "acme/acme-v02.api.letsencrypt.org-directory/challenge_tokens/shop.test.json", false),
        (Caddy, "pki/authorities/local/root.key", false),
        (Caddy, "ocsp/shop.test-0123", false),
        (Traefik, "acme.json", true),
        (Traefik, "acme", true),
        (Traefik, "logs/access.json", false),
        (Traefik, "", false),
    ] {
        assert_eq!(wanted(kind, path), expected, "{kind} {path}");
    }
}

#[test]
fn what_is_none_of_the_programs_is_refused_with_the_place_to_look() {
    for kind in ForeignKind::ALL {
        let files = vec![ForeignFile { path: "some/where/else.txt".to_owned(), data: Zeroizing::new(vec![1]) }];
        let error = read_foreign(kind, files, now()).unwrap_err();
        assert_eq!(error, ReadForeignError::Nothing { kind });
        assert!(error.to_string().contains("mostly"), "{error}");
    }
}

#[test]
fn too_many_and_too_large_files_are_refused() {
    let file = |bytes: usize| ForeignFile { path: "acme.json".to_owned(), data: Zeroizing::new(vec![b' '; bytes]) };
    let kind = ForeignKind::Traefik;
    let many = (0..=MAX_FOREIGN_FILES).map(|_| file(0)).collect();
    assert_eq!(
        read_foreign(kind, many, now()).unwrap_err(),
        ReadForeignError::TooManyFiles { kind, count: MAX_FOREIGN_FILES + 1 }
    );
    let large = vec![file(MAX_FOREIGN_BYTES), file(1)];
    assert_eq!(
        read_foreign(kind, large, now()).unwrap_err(),
        ReadForeignError::TooLarge { kind, bytes: MAX_FOREIGN_BYTES + 1 }
    );
    assert!(read_foreign(kind, vec![file(MAX_FOREIGN_BYTES)], now()).is_ok());
}
