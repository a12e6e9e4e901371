#![allow(clippy::unwrap_used, reason = "tests")]

use portward_api::{ChannelCreate, SecretText};
use portward_store::work;

use crate::{
    app::Apply,
    fixture::{Fixture, by},
};

/// A channel that nobody answers for, so that everything waits.
async fn with_channel() -> Fixture {
    let fixture = Fixture::start().await;
    let setting = |name: &str, value: &str| (name.to_owned(), SecretText::new(value.to_owned()));
    let create = ChannelCreate {
        id: None,
        kind: "slack".to_owned(),
        settings: [setting("url", "http://127.0.0.1:1/"), setting("plain_http", "private")].into(),
        events: None,
        enabled: None,
    };
    fixture.app.add_channel(&by(), &create, Apply::Now).await.unwrap();
    fixture
}

async fn titles(fixture: &Fixture) -> Vec<String> {
    work::queued(&fixture.store).await.unwrap().into_iter().map(|(_, notice)| notice.title).collect()
}

#[tokio::test]
async fn a_sign_in_from_a_new_network_is_told_of_once() {
    let fixture = with_channel().await;
    let sign_in = async |address: &str| fixture.outbox.sign_in("mara", address.parse().unwrap()).await;
    sign_in("203.0.113.9").await;
    assert_eq!(titles(&fixture).await, [""; 0], "the first place of a user is no news");
    sign_in("203.0.113.77").await;
    sign_in("::ffff:203.0.113.78").await;
    assert_eq!(titles(&fixture).await, [""; 0], "it is the same network");
    sign_in("198.51.100.1").await;
    sign_in("198.51.100.2").await;
    assert_eq!(titles(&fixture).await, ["mara signed in from a new place"]);
    let (_, notice) = work::queued(&fixture.store).await.unwrap().remove(0);
    assert_eq!(notice.message, "Mara signed in from 198.51.100.1, where nobody signed in as mara before.");
    assert_eq!(notice.remedy, "If it was not mara, disable the user: portward user disable mara");
    sign_in("2001:db8:1:2::1").await;
    sign_in("2001:db8:1:3::1").await;
    assert_eq!(titles(&fixture).await.len(), 2);
}

#[tokio::test]
async fn a_change_of_trust_is_told_of() {
    let fixture = with_channel().await;
    fixture.outbox.trust_changed("mara", "the agent build-3 is trusted").await;
    let (_, notice) = work::queued(&fixture.store).await.unwrap().remove(0);
    assert_eq!(notice.message, "Mara changed whom Portward trusts: the agent build-3 is trusted.");
}
