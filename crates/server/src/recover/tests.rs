#![allow(clippy::unwrap_used, reason = "tests")]
use portward_api::{SecretText, SiteUpdate};

use super::*;
use crate::{
    app::Precondition,
    fixture::{Fixture, binding, bundle, by, import, now, portal, site, within_a_minute},
    server::open_store,
};

/// A portal whose redirect waits to be confirmed.
async fn shut() -> Fixture {
    let fixture = Fixture::start().await;
    let input = import(&bundle(&["front.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    fixture.app.add_site(&by(), &portal(&["front.test"]), Apply::Now).await.unwrap();
    let input = |mode: &str| SiteUpdate { force_https: Some(mode.to_owned()), ..SiteUpdate::default() };
    fixture.app.edit_site(&by(), "front-test", &input("browsers"), Precondition::None, Apply::Now).await.unwrap();
    let waits = fixture.app.edit_site(&by(), "front-test", &input("all"), Precondition::None, within_a_minute()).await;
    assert!(waits.unwrap().confirmation.is_some());
    fixture
}

#[tokio::test]
async fn what_waits_goes_back_and_the_redirect_is_off() {
    let fixture = shut().await;
    let dry = fixture.app.recover(&by(), &Recover::default(), Apply::DryRun).await.unwrap();
    assert_eq!(dry.steps.len(), 2, "{dry:?}");
    assert_eq!(fixture.app.list_confirmations(&by()).await.unwrap().len(), 1, "a dry run changes nothing");

    let done = fixture.app.recover(&by(), &Recover::default(), Apply::Now).await.unwrap();
    assert!(done.steps[0].starts_with("Went back to before revision"), "{done:?}");
    assert!(done.steps[1].starts_with("Switched the redirect"), "{done:?}");
    assert_eq!(fixture.app.list_confirmations(&by()).await.unwrap(), []);
    let served = fixture.served.now();
    assert_eq!(served.desired.sites[0].value.force_https.map(|mode| mode.to_string()).as_deref(), Some("off"));

    let again = fixture.app.recover(&by(), &Recover::default(), Apply::Now).await.unwrap();
    assert_eq!(again.steps, [""; 0], "the second time there is nothing to do");
}

#[tokio::test]
async fn a_store_without_a_way_in_gets_site_binding_and_certificate() {
    let fixture = Fixture::start().await;
    fixture.app.add_site(&by(), &site(&["*"]), Apply::Now).await.unwrap();
    let done = fixture.app.recover(&by(), &Recover::default(), Apply::Now).await.unwrap();
    assert_eq!(done.steps.len(), 3, "{done:?}");
    let stored = fixture.stored().await;
    let portal = stored.sites.iter().find(|stored| stored.value.is_portal()).unwrap();
    assert!(portal.value.names.iter().all(|name| *name != portward_core::HostPattern::Any), "{portal:?}");
    let https = &stored.bindings[0].value;
    assert!(https.is_https());
    assert_eq!(https.default_certificate.as_ref().map(|id| id.as_str()), Some("recovered"));
    assert!(fixture.served.now().binding(&https.id).unwrap().result.is_ok());
    assert!(done.url.unwrap().starts_with("https://"));
}

#[tokio::test]
async fn an_owner_who_forgot_the_password_gets_a_new_one() {
    let fixture = Fixture::start().await;
    fixture.own().await;
    let name = access::users(&fixture.store).await.unwrap()[0].value.user.name.clone();
    let password = SecretText::new("a new one for the door".to_owned());
    let input = Recover { owner: Some(name.to_string()), password: Some(password.clone()) };
    let before = access::read_user(&fixture.store, &name).await.unwrap().unwrap().value;
    let done = fixture.app.recover(&by(), &input, Apply::Now).await.unwrap();
    assert!(done.has_owner && done.steps.iter().any(|step| step.contains("a new password")), "{done:?}");
    let after = access::read_user(&fixture.store, &name).await.unwrap().unwrap().value;
    assert!(after.epoch > before.epoch && after.password != before.password && after.second_factor.is_none());
    let missing = Recover { owner: Some(name.to_string()), password: None };
    assert_eq!(fixture.app.recover(&by(), &missing, Apply::Now).await.unwrap_err().code(), "password-needed");
}

#[tokio::test]
async fn a_data_directory_is_recovered_without_a_server_and_with_a_bad_record() {
    let directory = tempfile::tempdir().unwrap();
    let clock = || Arc::new(now) as Arc<dyn Fn() -> Timestamp + Send + Sync>;
    {
        let store = open_store(directory.path(), clock(), None).await.unwrap();
        let master = master_key(&store, directory.path()).await.unwrap();
        Cluster::open(&store, master).await.unwrap();
        // As a newer Portward would write it.
        let key = portward_store::Key::parse("sites/portal").unwrap();
        store.txn(portward_store::Txn::new().put(key, &br#"{"v":99}"#[..])).await.unwrap();
    }
    let recover = async |dry_run| {
        recover_offline(directory.path(), "front", &Recover::default(), dry_run, clock()).await.unwrap()
    };
    let dry = recover(true).await;
    let done = recover(false).await;
    assert_eq!(dry.steps.len(), done.steps.len(), "{dry:?} {done:?}");
    assert!(done.steps.iter().any(|step| step.contains("site \"portal-2\"")), "{done:?}");
    assert!(done.notes.iter().any(|note| note.contains("sites/portal")), "{done:?}");
    // Whether the usual ports can be bound is a matter of what else runs here; the rest is done once.
    let again = recover(false).await.steps;
    assert!(again.iter().all(|step| step.contains("binding")), "{again:?}");
}
