#![allow(clippy::unwrap_used, reason = "tests")]
use portward_api::SiteUpdate;
use portward_core::Permission;

use super::*;
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, bundle, by, import, now, site, within_a_minute},
};

async fn edit(fixture: &Fixture, hsts: &str) -> u64 {
    let input = SiteUpdate { hsts: Some(hsts.to_owned()), ..SiteUpdate::default() };
    let edited = fixture.app.edit_site(&by(), "shop-test", &input, Precondition::None, Apply::Now).await.unwrap();
    edited.revision.unwrap().0
}

async fn hsts(fixture: &Fixture) -> String {
    fixture.stored().await.sites[0].value.hsts.to_string()
}

#[tokio::test]
async fn a_change_is_undone_once() {
    let fixture = Fixture::start().await;
    fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    let revision = edit(&fixture, "1h").await;
    let somebody = by::<right::View>();
    assert_eq!(fixture.app.offer_undo(somebody.actor()), Some(Revision(revision)));
    assert_eq!(fixture.app.offer_undo(somebody.actor()), None, "it is offered once");
    let undone = fixture.app.undo(&by(), revision).await.unwrap();
    assert_eq!((undone.change, undone.what.as_str(), undone.kept), (revision, "edit site shop-test", false));
    assert_eq!(hsts(&fixture).await, "off");
    assert_eq!(fixture.served.now().desired.sites[0].value.hsts.to_string(), "off", "it is served when this returns");
    assert_eq!(fixture.app.undo(&by(), revision).await.unwrap_err().code(), "not-found");
    assert_eq!(fixture.audited().await, 3);
}

#[tokio::test]
async fn a_change_that_was_changed_since_is_not_undone() {
    let fixture = Fixture::start().await;
    fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    let first = edit(&fixture, "1h").await;
    edit(&fixture, "2h").await;
    let error = fixture.app.undo(&by(), first).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (409, "cannot-go-back"), "{error}");
    assert_eq!(hsts(&fixture).await, "7200");
}

#[tokio::test]
async fn a_removed_certificate_is_served_again_with_its_key() {
    let fixture = Fixture::start().await;
    let input = import(&bundle(&["shop.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.remove_certificate(&by(), "shop-test", Precondition::None, Apply::Now).await.unwrap();
    let removed = fixture.served.now().desired.revision;
    fixture.app.undo(&by(), removed.0).await.unwrap();
    let served = fixture.served.now();
    assert_eq!(served.desired.certificates.len(), 1);
    assert!(served.problems.is_empty(), "its key opens: {:?}", served.problems);
}

#[tokio::test]
async fn a_change_is_undone_for_ten_minutes_by_who_may_make_it() {
    let fixture = Fixture::start().await;
    fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    let revision = edit(&fixture, "1h").await;
    let viewer = Actor::with(&[Permission::View]);
    assert_eq!(fixture.app.undo(&viewer.may().unwrap(), revision).await.unwrap_err().code(), "not-permitted");
    fixture.set_now(now().plus(UNDO_WITHIN + Duration::from_secs(1)));
    assert_eq!(fixture.app.undo(&by(), revision).await.unwrap_err().code(), "not-found");
    assert_eq!(hsts(&fixture).await, "3600");
}

#[tokio::test]
async fn a_name_that_another_site_has_taken_since_is_not_given_back() {
    let fixture = Fixture::start().await;
    fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    fixture.app.remove_site(&by(), "shop-test", Precondition::None, Apply::Now).await.unwrap();
    let removed = fixture.served.now().desired.revision;
    fixture.app.add_site(&by(), &site(&["other.test", "shop.test"]), Apply::Now).await.unwrap();
    let error = fixture.app.undo(&by(), removed.0).await.unwrap_err();
    assert_eq!(error.code(), "site-name-taken");
}

#[tokio::test]
async fn what_waits_to_be_confirmed_is_answered_and_not_undone() {
    let fixture = Fixture::start().await;
    let app = &fixture.app;
    app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    let input = SiteUpdate { hsts: Some("1h".to_owned()), ..SiteUpdate::default() };
    let edited = app.edit_site(&by(), "shop-test", &input, Precondition::None, within_a_minute()).await.unwrap();
    let refused = app.undo(&by(), edited.revision.unwrap().0).await.unwrap_err();
    assert_eq!(refused.code(), "confirmation-pending", "{refused}");
    assert_eq!(hsts(&fixture).await, "3600");
    app.go_back(&by(), &edited.confirmation.unwrap().id).await.unwrap();
    assert_eq!(hsts(&fixture).await, "off");
}

#[tokio::test]
async fn what_the_way_back_of_another_change_needs_is_not_undone() {
    let fixture = Fixture::start().await;
    let app = &fixture.app;
    let input = import(&bundle(&["shop.test"], 90), None);
    app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    let imported = fixture.served.now().desired.revision;
    let fixed = SiteUpdate { certificate: Some("shop-test".to_owned()), ..SiteUpdate::default() };
    app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    app.edit_site(&by(), "shop-test", &fixed, Precondition::None, Apply::Now).await.unwrap();
    let auto = SiteUpdate { certificate: Some("auto".to_owned()), ..SiteUpdate::default() };
    app.edit_site(&by(), "shop-test", &auto, Precondition::None, within_a_minute()).await.unwrap();
    let refused = app.undo(&by(), imported.0).await.unwrap_err();
    assert_eq!(refused.code(), "confirmation-pending", "{refused}");
    assert_eq!(fixture.stored().await.certificates.len(), 1);
}
