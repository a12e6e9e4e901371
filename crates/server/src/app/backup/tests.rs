#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Read;

use super::*;
use crate::{
    app::Precondition,
    fixture::{Fixture, bundle, by, import, site},
};

async fn backup(fixture: &Fixture) -> Vec<u8> {
    let mut content = Vec::new();
    fixture.app.back_up(&by()).await.unwrap().read_to_end(&mut content).unwrap();
    content
}

async fn restore(fixture: &Fixture, content: &[u8], apply: Apply) -> Result<Restored, AppError> {
    let passing = fixture.app.passing_file().unwrap();
    let mut file = passing.create().unwrap();
    passing.write(&mut file, content).unwrap();
    fixture.app.restore(&by(), &passing, apply).await
}

#[tokio::test]
async fn a_restore_brings_back_what_was_and_it_is_served() {
    let fixture = Fixture::start().await;
    let bundle = bundle(&["shop.test"], 90);
    fixture.app.import_certificate(&by(), import(&bundle, None), Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    let content = backup(&fixture).await;
    fixture.app.remove_site(&by(), "shop-test", Precondition::None, Apply::Now).await.unwrap();

    restore(&fixture, &content, Apply::DryRun).await.unwrap();
    assert_eq!(fixture.app.list_sites(&by()), []);
    let restored = restore(&fixture, &content, Apply::Now).await.unwrap();
    assert!(restored.records > 0);
    assert_eq!(fixture.app.list_sites(&by()).len(), 1);
    assert!(fixture.served.now().problems.is_empty(), "{:?}", fixture.served.now().problems);
    let left: Vec<_> = fs::read_dir(fixture.directory.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_file_that_is_no_backup_changes_nothing() {
    let fixture = Fixture::start().await;
    fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    let mut damaged = backup(&fixture).await;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for (content, code) in [(&b""[..], "not-a-backup"), (b"{}\n", "not-a-backup"), (&damaged, "damaged-backup")] {
        let error = restore(&fixture, content, Apply::Now).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().ends_with("Nothing was restored."), "{error}");
    }
    let other = Fixture::start().await;
    let error = restore(&fixture, &backup(&other).await, Apply::Now).await.unwrap_err();
    assert_eq!(error.code(), "other-master-key", "{error}");
    assert_eq!(fixture.app.list_sites(&by()).len(), 1);
}
