#![allow(clippy::unwrap_used, reason = "tests")]

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use super::{reading::last_thing, *};
use crate::{
    change::{self, Change, Expected},
    desired,
    sample::{self, at},
    sealing::Sealer,
    sqlite::SqliteStore,
};

/// Is a store with a master key, and where its snapshots go.
struct Kept {
    directory: tempfile::TempDir,
    master: MasterKey,
    sealer: Sealer,
    store: SqliteStore,
}

impl Kept {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let master = MasterKey::generate();
        let store = SqliteStore::open(directory.path(), Arc::new(at)).unwrap();
        let sealer = sample::open(&store, &master).await;
        let one = Self { directory, master, sealer, store };
        one.put_site("s1").await;
        one
    }

    async fn put_site(&self, id: &str) {
        let mut change = Change::new("test", "", at());
        change.put_site(&sample::site(id), Expected::Any);
        change::commit(&self.store, change).await.unwrap();
    }

    async fn write(&self) -> Revision {
        write(&self.store, self.directory.path(), &self.master).await.unwrap()
    }

    fn read(&self) -> (Option<DiskSnapshot>, Vec<String>) {
        let (read, refused) = DiskSnapshot::read(self.directory.path(), &self.master);
        (read, refused.into_iter().map(|refused| refused.error.to_string()).collect())
    }

    fn file(&self, place: usize) -> PathBuf {
        files(self.directory.path())[place].clone()
    }
}

#[tokio::test]
async fn what_is_read_is_the_desired_state_as_it_was_written() {
    let place = Kept::new().await;
    assert!(place.read().0.is_none() && place.read().1.is_empty(), "none was written yet");
    let revision = place.write().await;
    let (read, refused) = place.read();
    let read = read.unwrap();
    let stored = desired::read(&place.store).await.unwrap();
    assert_eq!((refused, read.desired.revision), (Vec::<String>::new(), revision));
    assert_eq!(format!("{:?}", read.desired), format!("{stored:?}"));
    assert_eq!(Some(&read.cluster), stored.cluster.as_ref());
    assert_eq!(fs::metadata(place.file(0)).unwrap().permissions().mode() & 0o777, 0o600);

    place.put_site("s2").await;
    let newer = place.write().await;
    assert_eq!(place.read().0.unwrap().desired.revision, newer);
    fs::remove_file(place.file(0)).unwrap();
    assert_eq!(place.read().0.unwrap().desired.revision, revision, "the generation before is there still");
    let left: Vec<_> = fs::read_dir(place.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".new")), "{left:?}");
}

#[tokio::test]
async fn what_is_not_ours_is_not_believed_and_the_generation_before_is() {
    let place = Kept::new().await;
    let before = place.write().await;
    place.put_site("s2").await;
    place.write().await;
    let good = fs::read(place.file(0)).unwrap();
    let mut changed = good.clone();
    let at = changed.len() / 2;
    changed[at] ^= 1;
    let mut older = good.clone();
    older[MAGIC.len() - 2] = b'0';
    let changed_or_cut = "it was cut short or changed, or somebody without this master key wrote it";
    for (what, bytes, expected) in [
        ("changed", changed, changed_or_cut),
        ("cut short", good[..good.len() - 1].to_vec(), changed_or_cut),
        ("cut in half", good[..good.len() / 2].to_vec(), changed_or_cut),
        ("of another form", older, "it has another form than this Portward writes; another version wrote it"),
        ("empty", Vec::new(), "it has another form than this Portward writes; another version wrote it"),
    ] {
        fs::write(place.file(0), bytes).unwrap();
        let (read, refused) = place.read();
        assert_eq!(refused, [expected], "{what}");
        assert_eq!(read.unwrap().desired.revision, before, "{what}");
    }
    for end in 0..good.len() {
        fs::write(place.file(0), &good[..end]).unwrap();
        assert!(DiskSnapshot::read_file(&place.file(0), &place.master, None).is_err(), "{end} bytes");
    }
    fs::write(place.file(0), &good).unwrap();
    let (read, refused) = DiskSnapshot::read(place.directory.path(), &MasterKey::generate());
    assert!(read.is_none() && refused.len() == 2, "another master key");
}

#[tokio::test]
async fn one_of_another_store_or_of_its_future_is_not_believed() {
    let place = Kept::new().await;
    place.write().await;
    let other = Kept::new().await;
    // The same master key would open what is sealed for another cluster no more than this.
    write(&other.store, other.directory.path(), &place.master).await.unwrap();
    fs::copy(other.file(0), place.file(1)).unwrap();
    fs::remove_file(place.file(0)).unwrap();
    let (read, refused) = place.read();
    assert!(read.is_none() && refused[0].starts_with("it belongs to the cluster "), "{refused:?}");

    fs::remove_file(place.file(1)).unwrap();
    let early = place.store.revision().await.unwrap();
    place.put_site("s2").await;
    let late = place.write().await;
    assert!(place.read().0.is_some());
    let cluster = desired::read(&place.store).await.unwrap().cluster.unwrap();
    let peeked = Peeked { cluster, revision: early };
    let error = DiskSnapshot::read_file(&place.file(0), &place.master, Some(&peeked)).unwrap_err();
    assert!(
        matches!(error, ReadDiskSnapshotError::Newer { found, newest } if found == late && newest == early),
        "{error}"
    );
}

#[tokio::test]
async fn no_secret_is_in_it_in_the_clear() {
    let place = Kept::new().await;
    let mut change = Change::new("test", "", at());
    change.remove_site(&portward_core::SiteId::parse("s1").unwrap(), Expected::Any);
    change::commit(&place.store, change).await.unwrap();
    sample::fill(&place.store, &place.sealer).await;
    place.write().await;
    let content = fs::read(place.file(0)).unwrap();
    assert!(!content.windows(sample::MARKER.len()).any(|bytes| bytes == sample::MARKER));
    assert!(!place.read().0.unwrap().desired.keys.is_empty());
}

#[test]
fn parts_end_between_things_and_not_within_one() {
    let keys = ["sites/a", "sites/b", "certs/c-1/current", "certs/c-1/v/1", "certs/c/spec", "certs/c/v/1", "meta/x"];
    const HEAD: usize = 14;
    let mut bytes = Vec::new();
    for key in keys {
        bytes.extend(u16::try_from(key.len()).unwrap().to_be_bytes());
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]);
        bytes.extend(key.as_bytes());
        bytes.push(b'!');
    }
    let keys_of = |part: &[u8]| {
        let mut keys = Vec::new();
        assert!(records(part, &mut |key, value, revision| {
            assert_eq!((value, revision), (&b"!"[..], Revision(9)));
            keys.push(key.to_owned());
            true
        }));
        keys
    };
    let record = |key: &str| HEAD + key.len() + 1;
    let begins: Vec<usize> = (0..keys.len()).map(|at| keys[..at].iter().map(|key| record(key)).sum()).collect();
    for end in 0..=bytes.len() {
        // Things begin with these; a record that is not whole is not looked at.
        let expected = [1, 2, 4, 6].into_iter().rfind(|at| begins[*at] + record(keys[*at]) <= end);
        assert_eq!(last_thing(&bytes[..end]), expected.map(|at| begins[at]), "{end}");
        assert_eq!(records(&bytes[..end], &mut |_, _, _| true), end == bytes.len() || begins.contains(&end), "{end}");
    }
    assert_eq!(keys_of(&bytes), keys);
    assert!(!records(&bytes, &mut |key, _, _| key != "meta/x"), "what is not taken ends it");
}
