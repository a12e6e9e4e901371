//! What is kept, and how.

#![allow(clippy::unwrap_used, reason = "tests")]

use portward_core::Thumbprint;

use super::*;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-26T12:00:00Z").unwrap()
}

fn held(name: &str) -> HeldIdentity {
    HeldIdentity { identity: Identity::new(name, now()).unwrap(), since: now() }
}

fn edit(directory: &DataDirectory, change: impl FnOnce(&mut Draft)) -> Draft {
    let edited = directory.edit(|draft| {
        change(draft);
        Ok::<_, DirectoryError>(())
    });
    edited.unwrap().1
}

#[test]
fn files_are_for_their_owner_alone() {
    let base = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(&base.path().join("a/b")).unwrap();
    edit(&directory, |draft| {
        draft.identity_or_new("web-03", now()).unwrap();
        draft.next = Some(held("web-03"));
        draft.configuration.trust(Thumbprint::of(b"server"), now());
    });
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(directory.path()), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    names.sort();
    assert_eq!(names, ["agent.json", "change.lock", "identity.pem", "next-identity.pem"]);
}

#[test]
fn a_directory_of_others_is_not_taken_from_them() {
    let base = tempfile::tempdir().unwrap();
    fs::set_permissions(base.path(), Permissions::from_mode(0o755)).unwrap();
    fs::write(base.path().join("thesis.txt"), "mine").unwrap();
    assert!(matches!(DataDirectory::open(base.path()), Err(DirectoryError::Open { .. })));
    fs::remove_file(base.path().join("thesis.txt")).unwrap();
    DataDirectory::open(base.path()).unwrap();
    assert_eq!(fs::metadata(base.path()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_second_agent_is_kept_away() {
    let base = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(base.path()).unwrap();
    let lock = directory.lock_for_run().unwrap();
    let refused = directory.lock_for_run().unwrap_err().to_string();
    assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");
    drop(lock);
    directory.lock_for_run().unwrap();
}

#[test]
fn a_program_that_is_being_started_does_not_keep_the_directory() {
    let base = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(&base.path().join("a")).unwrap();
    let lock = directory.lock_for_run().unwrap();
    // What a new process has until its program begins: the same open file.
    let copy = lock.file.try_clone().unwrap();
    drop(lock);
    directory.lock_for_run().unwrap();
    drop(copy);
}

#[test]
fn the_next_identity_takes_its_place_when_all_servers_know_it() {
    let base = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(base.path()).unwrap();
    let next = held("next");
    let is = next.identity.thumbprint();
    let draft = edit(&directory, |draft| {
        draft.identity_or_new("web-03", now()).unwrap();
        draft.configuration.trust(Thumbprint::of(b"a"), now());
        draft.configuration.trust(Thumbprint::of(b"b"), now());
        draft.next = Some(next);
    });
    let was = draft.identity.unwrap().identity.thumbprint();
    let draft = edit(&directory, |draft| draft.configuration.trusted[0].knows = Some(is));
    assert_eq!(draft.identity.unwrap().identity.thumbprint(), was, "one of them does not know it yet");
    edit(&directory, |draft| draft.configuration.trusted[1].knows = Some(is));
    let draft = directory.read().unwrap();
    assert_eq!(draft.identity.unwrap().identity.thumbprint(), is);
    assert!(draft.next.is_none());
    assert!(draft.configuration.trusted.iter().all(|server| server.knows.is_none()));
    assert!(!base.path().join(NEXT_IDENTITY).exists());
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let base = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(base.path()).unwrap();
    let refused = directory.edit(|draft| -> Result<(), DirectoryError> {
        draft.identity_or_new("web-03", now())?;
        Err(DirectoryError::Open { path: PathBuf::new() })
    });
    assert!(refused.is_err());
    assert!(directory.read().unwrap().identity.is_none());
}

#[test]
fn a_damaged_file_is_named() {
    let base = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(base.path()).unwrap();
    for (name, content, expected) in [
        (CONFIGURATION, "{", "agent.json is damaged: it cannot be read"),
        (IDENTITY, "Since: now", "identity.pem is damaged: \"now\" is not a time"),
        (NEXT_IDENTITY, "", "next-identity.pem is damaged: it does not begin with"),
    ] {
        fs::write(base.path().join(name), content).unwrap();
        let refused = directory.read().unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        fs::remove_file(base.path().join(name)).unwrap();
    }
    fs::write(base.path().join(CONFIGURATION), "{\"version\":2}").unwrap();
    assert!(matches!(directory.read(), Err(DirectoryError::Newer { .. })));
}
