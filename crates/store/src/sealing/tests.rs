#![allow(clippy::unwrap_used, reason = "tests")]
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::*;

const MARKER: &[u8] = b"MARKER-private-key-bytes-MARKER";

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn sealer() -> Sealer {
    Sealer::new("cluster-a", MasterKey::generate())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_sealed_opens_in_its_place_and_nowhere_else() {
    let master = MasterKey::generate();
    let sealer = Sealer::new("cluster-a", master.clone());
    let sealed = sealer.seal(&key("keys/1"), 3, &Secret::copy_of(MARKER));
    assert_eq!(sealer.open(&key("keys/1"), 3, &sealed).unwrap().expose(), MARKER);

    let other_cluster = Sealer::new("cluster-b", master);
    let other_master = Sealer::new("cluster-a", MasterKey::generate());
    for (claim, result) in [
        ("another path", sealer.open(&key("keys/2"), 3, &sealed)),
        ("an older version", sealer.open(&key("keys/1"), 2, &sealed)),
        ("a newer version", sealer.open(&key("keys/1"), 4, &sealed)),
        ("another cluster", other_cluster.open(&key("keys/1"), 3, &sealed)),
        ("another master key", other_master.open(&key("keys/1"), 3, &sealed)),
    ] {
        assert!(matches!(result, Err(UnsealError::Refused { .. })), "{claim}");
    }
}

#[test]
fn a_part_of_one_record_does_not_fit_another() {
    let sealer = sealer();
    let one = Parts::from(sealer.seal(&key("keys/1"), 1, &Secret::copy_of(b"one")));
    let two = Parts::from(sealer.seal(&key("keys/1"), 1, &Secret::copy_of(b"two")));
    for mixed in [
        Parts { dek: two.dek.clone(), ..one.clone() },
        Parts { nonce: two.nonce.clone(), ..one.clone() },
        Parts { ct: two.ct, ..one },
    ] {
        assert!(matches!(sealer.open(&key("keys/1"), 1, &mixed.into()), Err(UnsealError::Refused { .. })));
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let sealer = sealer();
    let sealed = Parts::from(sealer.seal(&key("keys/1"), 1, &Secret::copy_of(MARKER)));
    let fields: [fn(&mut Parts) -> &mut Vec<u8>; 3] = [|s| &mut s.dek, |s| &mut s.nonce, |s| &mut s.ct];
    for field in fields {
        for index in 0..field(&mut sealed.clone()).len() {
            for bit in 0..8 {
                let mut altered = sealed.clone();
                field(&mut altered)[index] ^= 1 << bit;
                assert!(sealer.open(&key("keys/1"), 1, &altered.into()).is_err());
            }
        }
    }
    for (altered, expected) in [
        (Parts { v: 2, ..sealed.clone() }, UnsealError::Newer { key: key("keys/1"), v: 2 }),
        (
            Parts { alg: "AES-128-GCM".into(), ..sealed.clone() },
            UnsealError::Algorithm { key: key("keys/1"), alg: "AES-128-GCM".to_owned() },
        ),
        (Parts { g: 2, ..sealed }, UnsealError::Generation { key: key("keys/1"), needed: 2, have: 1 }),
    ] {
        assert_eq!(sealer.open(&key("keys/1"), 1, &altered.into()).unwrap_err(), expected);
    }
}

#[test]
fn the_generation_is_bound_by_the_wrap() {
    let master = MasterKey::generate();
    let sealed = Sealer::new("c", master.clone()).seal(&key("keys/1"), 1, &Secret::copy_of(MARKER));
    let mut next = master;
    next.generation = 2;
    let altered = Parts { g: 2, ..sealed.into() };
    let opened = Sealer::new("c", next).open(&key("keys/1"), 1, &altered.into());
    assert!(matches!(opened, Err(UnsealError::Refused { .. })));
}

#[test]
fn every_truncated_record_is_refused() {
    let sealer = sealer();
    let sealed = Parts::from(sealer.seal(&key("keys/1"), 1, &Secret::copy_of(MARKER)));
    let fields: [fn(&mut Parts) -> &mut Vec<u8>; 3] = [|s| &mut s.dek, |s| &mut s.nonce, |s| &mut s.ct];
    for field in fields {
        for length in 0..field(&mut sealed.clone()).len() {
            let mut altered = sealed.clone();
            field(&mut altered).truncate(length);
            assert!(sealer.open(&key("keys/1"), 1, &altered.into()).is_err());
        }
        let mut longer = sealed.clone();
        field(&mut longer).push(0);
        assert!(sealer.open(&key("keys/1"), 1, &longer.into()).is_err());
    }
    let sealed = Sealed::from(sealed);
    let text = serde_json::to_string(&sealed).unwrap();
    assert_eq!(serde_json::from_str::<Sealed>(&text).unwrap(), sealed);
    for length in 0..text.len() {
        assert!(serde_json::from_str::<Sealed>(&text[..length]).is_err());
    }
}

#[test]
fn the_same_secret_is_sealed_differently_each_time() {
    let sealer = sealer();
    let seal = || sealer.seal(&key("keys/1"), 1, &Secret::copy_of(MARKER));
    let (one, two) = (seal(), seal());
    assert!(one.dek() != two.dek() && one.nonce() != two.nonce() && one.ct() != two.ct());
    // 12 bytes of nonce, 32 of key, 16 of tag: a new master key rewrites no more than this.
    assert_eq!(one.dek().len(), 60);
}

#[test]
fn nothing_prints_a_secret() {
    let sealer = sealer();
    let secret = Secret::copy_of(MARKER);
    let sealed = sealer.seal(&key("keys/1"), 1, &secret);
    let printed = format!("{secret:?} {sealer:?} {sealed:?} {:?}", sealer.master);
    let stored = serde_json::to_string(&sealed).unwrap();
    let master = sealer.master.line();
    let master = master.split(' ').nth(2).unwrap().trim();
    for text in [&printed, &stored] {
        assert!(!text.contains("MARKER") && !text.contains(master), "{text}");
    }
    assert_eq!(format!("{secret:?}"), "Secret(..)");
}

#[test]
fn the_master_key_is_made_once_and_only_its_owner_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    assert!(matches!(MasterKey::open(&path), Err(MasterKeyError::Read { .. })));
    let made = MasterKey::open_or_create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o400);
    let opened = MasterKey::open_or_create(&path).unwrap();
    assert_eq!(opened.expose(), made.expose());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_master_key_that_others_can_read_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    MasterKey::open_or_create(&path).unwrap();
    for mode in [0o440, 0o404, 0o420, 0o402, 0o777, 0o401] {
        set_mode(&path, mode);
        let message = MasterKey::open_or_create(&path).unwrap_err().to_string();
        assert!(message.contains(&format!("chmod 0400 {}", path.display())), "{message}");
        assert!(message.contains(&format!("{mode:04o}")), "{message}");
    }
    for mode in [0o400, 0o600] {
        set_mode(&path, mode);
        assert!(MasterKey::open(&path).is_ok(), "{mode:o}");
    }
    for (mode, fine) in [(0o400, true), (0o440, true), (0o460, false), (0o444, false), (0o441, false)] {
        set_mode(&path, mode);
        assert_eq!(MasterKey::open_credential(&path).is_ok(), fine, "{mode:o}");
    }
}

#[test]
fn every_damaged_master_key_is_refused_and_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    let line = MasterKey::generate().line();
    let mut damaged: Vec<Vec<u8>> = (0..line.len()).map(|length| line.as_bytes()[..length].to_vec()).collect();
    damaged.push(line.replace(" 1 ", " 0 ").into_bytes());
    damaged.push(line.replace("key-1", "key-2").into_bytes());
    damaged.push(format!("{}x\n", line.trim_end()).into_bytes());
    damaged.push(vec![0xff; 4096]);
    for bytes in damaged {
        fs::write(&path, &bytes).unwrap();
        set_mode(&path, 0o600);
        assert!(matches!(MasterKey::open_or_create(&path), Err(MasterKeyError::Malformed { .. })), "{bytes:?}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(MasterKey::open_or_create(&path), Err(MasterKeyError::NotAFile { .. })));
}
