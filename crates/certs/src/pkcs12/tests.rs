#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod shape;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use shape::*;

use crate::{Bundle, Input, Password, ReadError, der::writer, hash::Hash, oid, read};

/// Root, intermediate and leaf, with the key of the leaf.
struct Chain {
    root: Vec<u8>,
    middle: Vec<u8>,
    middle_key: Vec<u8>,
    leaf: Vec<u8>,
    leaf_key: Vec<u8>,
}

const PASSWORD: &str = "geheim";

fn chain() -> Chain {
    let named = |name: &str, ca: bool| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = if ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
        params
    };
    let (root_key, middle_key, leaf_key) =
        (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root_params = named("root.test", true);
    let root = root_params.self_signed(&root_key).unwrap();
    let root_issuer = Issuer::new(root_params, &root_key);
    let middle_params = named("middle.test", true);
    let middle = middle_params.signed_by(&middle_key, &root_issuer).unwrap();
    let middle_issuer = Issuer::new(middle_params, &middle_key);
    let leaf = named("shop.test", false).signed_by(&leaf_key, &middle_issuer).unwrap();
    Chain {
        root: root.der().to_vec(),
        middle: middle.der().to_vec(),
        middle_key: middle_key.serialize_der(),
        leaf: leaf.der().to_vec(),
        leaf_key: leaf_key.serialize_der(),
    }
}

/// What Windows exports: the key first, with its provider; the chain from the root down; joined by a number.
fn windows_safes(chain: &Chain, rewrite: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let text = |text: &str| {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        writer::element(0x1e, &[&units]).to_vec()
    };
    let local_key_id = attribute(oid::LOCAL_KEY_ID, &[octets(&[1, 0, 0, 0])]);
    let key_attributes = [
        local_key_id.clone(),
        attribute(oid::FRIENDLY_NAME, &[text("{6F9619FF-8B86-D011-B42D-00C04FC964FF}")]),
        attribute("1.3.6.1.4.1.311.17.1", &[text("Microsoft Enhanced Cryptographic Provider v1.0")]),
        attribute("1.3.6.1.4.1.311.17.2", &[]),
    ];
    let keys = rewrite(&sequence(&[shrouded_key_bag(&windows_key(chain), PASSWORD, &key_attributes)]));
    let certificates = rewrite(&sequence(&[
        certificate_bag(&chain.root, &[]),
        certificate_bag(&chain.middle, &[]),
        certificate_bag(&chain.leaf, &[attribute(oid::FRIENDLY_NAME, &[text("Läden")]), local_key_id]),
    ]));
    rewrite(&sequence(&[content_info(oid::DATA, &octets(&keys)), encrypted_safe(&certificates, PASSWORD)]))
}

/// PKCS #8 with the attribute in which Windows notes what the key is for.
fn windows_key(chain: &Chain) -> Vec<u8> {
    let inner = crate::der::whole(&chain.leaf_key).unwrap().body;
    let usage = attribute("2.5.29.15", &[vec![3, 2, 0, 0x10]]);
    writer::sequence(&[inner, &writer::element(crate::der::context(0), &[&usage])]).to_vec()
}

fn read_with(bytes: &[u8], password: Option<&str>) -> Result<Bundle, ReadError> {
    let password = password.map(|text| Password::new(text.to_owned()));
    read(&[Input { name: "it.pfx", bytes }], password.as_ref())
}

fn expect_chain(chain: &Chain, bundle: &Bundle) {
    assert_eq!(*bundle.chain.leaf, chain.leaf);
    let intermediates: Vec<&[u8]> = bundle.chain.intermediates.iter().map(|der| &**der).collect();
    assert_eq!(intermediates, [chain.middle.as_slice()]);
    assert_eq!(bundle.chain.root.as_deref(), Some(&*chain.root));
    assert!(bundle.left_over.is_empty(), "{:?}", bundle.left_over);
}

#[test]
fn a_windows_pfx_is_read_in_der_and_in_ber() {
    let chain = chain();
    for rewrite in [<[u8]>::to_vec, ber] {
        let file = rewrite(&pfx(&windows_safes(&chain, rewrite), PASSWORD));
        expect_chain(&chain, &read_with(&file, Some(PASSWORD)).unwrap());
        assert_eq!(read_with(&file, Some("falsch")).unwrap_err().code(), "wrong-password");
        assert_eq!(read_with(&file, None).unwrap_err().code(), "password-needed");
    }
}

#[test]
fn no_prefix_of_a_pfx_is_read() {
    let chain = chain();
    for file in
        [pfx(&windows_safes(&chain, <[u8]>::to_vec), PASSWORD), ber(&pfx(&windows_safes(&chain, ber), PASSWORD))]
    {
        for length in 0..file.len() {
            assert!(read_with(&file[..length], Some(PASSWORD)).is_err(), "the first {length} bytes were read");
        }
    }
}

#[test]
fn no_changed_byte_of_a_pfx_is_taken_for_something_else() {
    let chain = chain();
    let safes = windows_safes(&chain, <[u8]>::to_vec);
    let plain = sequence(&[number(3), content_info(oid::DATA, &octets(&safes))]);
    for file in [pfx(&safes, PASSWORD), ber(&pfx(&safes, PASSWORD)), plain] {
        for position in 0..file.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[position] ^= mask;
                if let Ok(bundle) = read_with(&changed, Some(PASSWORD)) {
                    assert!(bundle.key.fits(&bundle.chain.leaf), "position {position}");
                }
            }
        }
    }
}

#[test]
fn pbmac1_is_verified_with_every_hash() {
    let chain = chain();
    let safes = windows_safes(&chain, <[u8]>::to_vec);
    let hashes = [
        (Hash::Sha1, oid::HMAC_SHA1),
        (Hash::Sha224, oid::HMAC_SHA224),
        (Hash::Sha256, oid::HMAC_SHA256),
        (Hash::Sha384, oid::HMAC_SHA384),
        (Hash::Sha512, oid::HMAC_SHA512),
    ];
    for prf in hashes {
        for mac in hashes {
            let length = mac.0.output_len();
            let data = pbmac1(&safes, PASSWORD.as_bytes(), prf, mac, length, Some(length as u64));
            let file = pfx_with_mac(&safes, &data);
            expect_chain(&chain, &read_with(&file, Some(PASSWORD)).unwrap());
            assert_eq!(read_with(&file, Some("falsch")).unwrap_err().code(), "wrong-password");
        }
    }
}

#[test]
fn pbmac1_takes_the_password_as_utf8_and_no_short_key() {
    let chain = chain();
    let safes = windows_safes(&chain, <[u8]>::to_vec);
    let sha256 = (Hash::Sha256, oid::HMAC_SHA256);
    let verdict = |password: &[u8], length: usize, named: Option<u64>| {
        let file = pfx_with_mac(&safes, &pbmac1(&safes, password, sha256, sha256, length, named));
        read_with(&file, Some(PASSWORD)).map(|_| "read").unwrap_or_else(|error| error.code())
    };
    let utf8 = PASSWORD.as_bytes();
    for (what, expected, got) in [
        ("32 octets", "read", verdict(utf8, 32, Some(32))),
        ("20 octets", "read", verdict(utf8, 20, Some(20))),
        ("UTF-16", "wrong-password", verdict(&bmp(PASSWORD), 32, Some(32))),
        ("19 octets", "broken-file", verdict(utf8, 19, Some(19))),
        ("no octets", "broken-file", verdict(utf8, 0, Some(0))),
        ("no length", "broken-file", verdict(utf8, 32, None)),
        ("a length that eats memory", "broken-file", verdict(utf8, 32, Some(u64::MAX))),
    ] {
        assert_eq!(got, expected, "{what}");
    }
}

#[test]
fn passwords_are_also_tried_as_older_programs_encoded_them() {
    let chain = chain();
    let bags = [bag(oid::KEY_BAG, &chain.leaf_key, &[]), certificate_bag(&chain.leaf, &[])];
    // OpenSSL before 1.1 took each octet of UTF-8 for a character.
    let octets_as_characters: String = "é".bytes().map(char::from).collect();
    let file = pfx(&sequence(&[plain_safe(&bags)]), &octets_as_characters);
    assert!(read_with(&file, Some("é")).is_ok());
    // NSS gave UTF-16 with an end mark to PBES2; of ASCII, that is UTF-8 with zeros in it.
    let utf16 = Password::new(String::from_utf8(bmp(PASSWORD)).unwrap());
    let sealed = crate::pbe::seal::pbes2(&utf16, &chain.leaf_key).unwrap();
    let info = sequence(&[sealed.algorithm.to_vec(), octets(&sealed.ciphertext)]);
    let bags = [bag(oid::SHROUDED_KEY_BAG, &info, &[]), certificate_bag(&chain.leaf, &[])];
    let file = pfx(&sequence(&[plain_safe(&bags)]), PASSWORD);
    assert!(read_with(&file, Some(PASSWORD)).is_ok());
}

#[test]
fn a_key_under_another_password_than_the_file_is_told_apart() {
    let chain = chain();
    let bags = [shrouded_key_bag(&chain.leaf_key, "other", &[]), certificate_bag(&chain.leaf, &[])];
    let error = read_with(&pfx(&sequence(&[plain_safe(&bags)]), PASSWORD), Some(PASSWORD)).unwrap_err();
    assert_eq!(error.code(), "wrong-password");
    assert!(error.to_string().contains("private key in the PFX"), "{error}");
}

#[test]
fn of_several_keys_that_of_the_server_is_taken() {
    let chain = chain();
    let bags = [
        shrouded_key_bag(&chain.middle_key, PASSWORD, &[]),
        certificate_bag(&chain.middle, &[]),
        bag(oid::KEY_BAG, &chain.leaf_key, &[]),
        certificate_bag(&chain.leaf, &[]),
    ];
    let file = pfx(&sequence(&[plain_safe(&bags)]), PASSWORD);
    let bundle = read_with(&file, Some(PASSWORD)).unwrap();
    assert_eq!(*bundle.chain.leaf, chain.leaf);
    assert_eq!(bundle.left_over.len(), 1);
}

#[test]
fn safes_inside_safes_are_read_to_a_depth() {
    let chain = chain();
    let inner = [bag(oid::KEY_BAG, &chain.leaf_key, &[]), certificate_bag(&chain.leaf, &[])];
    let nested = |depth: usize| {
        let mut bags = sequence(&inner);
        for _ in 0..depth {
            bags = sequence(&[bag(oid::SAFE_CONTENTS_BAG, &bags, &[])]);
        }
        pfx(&sequence(&[content_info(oid::DATA, &octets(&bags))]), PASSWORD)
    };
    assert_eq!(*read_with(&nested(3), Some(PASSWORD)).unwrap().chain.leaf, chain.leaf);
    assert_eq!(read_with(&nested(4), Some(PASSWORD)).unwrap_err().code(), "broken-file");
}

#[test]
fn other_bags_are_listed() {
    let chain = chain();
    let bags = [
        bag(oid::KEY_BAG, &chain.leaf_key, &[]),
        certificate_bag(&chain.leaf, &[]),
        bag(oid::CRL_BAG, &sequence(&[]), &[]),
        bag(oid::SECRET_BAG, &sequence(&[]), &[]),
        bag("1.2.3.4", &sequence(&[]), &[]),
    ];
    let bundle = read_with(&pfx(&sequence(&[plain_safe(&bags)]), PASSWORD), Some(PASSWORD)).unwrap();
    let listed: Vec<&str> = bundle.left_over.iter().map(|left_over| left_over.what.as_str()).collect();
    assert_eq!(
        listed,
        ["a list of revoked certificates", "a secret that is not a private key", "a bag of an unknown kind (1.2.3.4)"]
    );
}

#[test]
fn no_rounds_at_all_are_refused() {
    let chain = chain();
    let algorithm = sequence(&[oid(oid::PBE_SHA1_3DES), sequence(&[octets(&[5; 8]), number(0)])]);
    let bags =
        [bag(oid::SHROUDED_KEY_BAG, &sequence(&[algorithm, octets(&[0; 8])]), &[]), certificate_bag(&chain.leaf, &[])];
    let file = pfx(&sequence(&[plain_safe(&bags)]), PASSWORD);
    assert_eq!(read_with(&file, Some(PASSWORD)).unwrap_err().code(), "broken-file");
}
