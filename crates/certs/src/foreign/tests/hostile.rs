//! Files that are cut off or damaged, and secrets that stay where they are.

use super::{fixture, fixture::Tree, now};
use crate::{ForeignFile, ForeignKind, read_foreign};

fn trees() -> [(ForeignKind, Tree); 4] {
    [
        (ForeignKind::Certbot, fixture::certbot()),
        (ForeignKind::AcmeSh, fixture::acme_sh()),
        (ForeignKind::Caddy, fixture::caddy()),
        (ForeignKind::Traefik, fixture::traefik()),
    ]
}

/// Reads, and makes sure that no piece of a secret is in anything that is shown.
fn read_and_look_for_secrets(kind: ForeignKind, files: Vec<ForeignFile>, secrets: &[String], case: &str) {
    let given = format!("{files:?}");
    let (shown, is_error) = match read_foreign(kind, files, now()) {
        Ok(foreign) => {
            let mut shown = format!("{foreign:?}");
            for note in &foreign.notes {
                shown.push_str(&note.to_string());
            }
            for account in &foreign.accounts {
                shown.push_str(&account.key.as_ref().err().map(ToString::to_string).unwrap_or_default());
            }
            (shown, false)
        }
        Err(error) => (format!("{error} {error:?}"), true),
    };
    assert!(!is_error || shown.len() > 40, "{case}: {shown}");
    for secret in secrets {
        for line in secret.lines().filter(|line| line.len() >= PIECE && !line.starts_with("-----")) {
            for at in (0..=line.len() - PIECE).step_by(PIECE / 2) {
                let piece = &line[at..at + PIECE];
                assert!(!shown.contains(piece) && !given.contains(piece), "{kind}, {case}: {piece} is shown: {shown}");
            }
        }
    }
}

#[test]
fn no_secret_is_in_notes_errors_or_debug() {
    for (kind, tree) in trees() {
        // The test looks for what is there.
        let all: String = tree.files.iter().map(|(_, text)| text.as_str()).collect();
        for secret in &tree.secrets {
            let piece = secret.lines().find(|line| !line.starts_with("-----")).unwrap();
            assert!(kind == ForeignKind::Traefik || all.contains(piece), "{kind}: {piece}");
        }
        read_and_look_for_secrets(kind, tree.given(), &tree.secrets, "whole");
    }
}

#[test]
fn every_prefix_is_read_or_refused_in_words() {
    for (kind, tree) in trees() {
        for (path, text) in &tree.files {
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            // Certificates and keys have tests of their own, with every prefix; here they are costly.
            let is_settings = path.ends_with(".conf") || path.ends_with(".json");
            let step = if is_settings { 1 } else { 97 };
            for length in (0..text.len()).step_by(step) {
                let cut = fixture::file(path, &text[..length]);
                let beside =
                    |other: &&(String, String)| other.0 != *path && !is_settings && other.0.starts_with(directory);
                let others = tree.files.iter().filter(beside).map(|(path, text)| fixture::file(path, text));
                let files = others.chain([cut]).collect();
                read_and_look_for_secrets(kind, files, &tree.secrets, &format!("{path} cut at {length}"));
            }
        }
    }
}

#[test]
fn damage_anywhere_is_survived() {
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % below
    };
    for (kind, tree) in trees() {
        for round in 0..ROUNDS {
            let mut files = tree.given();
            for _ in 0..1 + round % 4 {
                let hit = next(files.len());
                let data = &mut files[hit].data;
                if !data.is_empty() {
                    let at = next(data.len());
                    data[at] = u8::try_from(next(256)).unwrap();
                }
            }
            read_and_look_for_secrets(kind, files, &tree.secrets, &format!("round {round}"));
        }
    }
}

/// Characters of a secret that no chance puts together.
const PIECE: usize = 14;
/// Each reads several certificates.
const ROUNDS: usize = 60;
