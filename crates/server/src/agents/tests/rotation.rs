use std::time::Duration;

use portward_api::{AgentJoinCreate, IdentityRotate, IdentityUpdate};
use portward_core::{AgentName, Thumbprint};
use portward_store::{Key, Store, Txn};

use super::fake::{Fake, server, until};
use crate::{
    app::Apply,
    fixture::{Fixture, by},
};

async fn joined(fixture: &Fixture, name: &str) -> std::sync::Arc<Fake> {
    let create = AgentJoinCreate { name: name.to_owned(), ttl: None, addresses: Vec::new() };
    let created = fixture.app.add_agent(&by(), &create, Apply::Now).await.unwrap();
    let fake = Fake::new(name);
    fake.join(created.join_string.unwrap().expose()).await.unwrap();
    fake
}

fn current(fixture: &Fixture) -> Thumbprint {
    fixture.app.agents().identities().unwrap().current.thumbprint()
}

#[tokio::test]
async fn agents_follow_a_rotation_and_who_was_away_comes_back_by_the_old_one() {
    let (fixture, at) = server().await;
    let (here, away) = (joined(&fixture, "here").await, joined(&fixture, "away").await);
    let _here = here.stay(at);
    let name = AgentName::parse("here").unwrap();
    until("linked", || fixture.app.agents().link(&name).is_some()).await;
    let old = current(&fixture);
    let changed = fixture.app.rotate_identity(&by(), &IdentityRotate::default()).await.unwrap();
    assert_eq!(changed.old_thumbprint, old.to_string());
    until("switched", || current(&fixture).to_string() == changed.new_thumbprint).await;
    until("forgotten here", || here.pins() == [current(&fixture)]).await;
    // The old one is kept for who is away.
    let acknowledged = async {
        loop {
            let rotation = fixture.app.show_identity(&by()).await.unwrap().rotation.unwrap();
            // The agent has forgotten it before its word is here.
            if rotation.acknowledged > 0 {
                return rotation;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let rotation = tokio::time::timeout(Duration::from_secs(10), acknowledged).await.unwrap();
    assert_eq!((rotation.phase.as_str(), rotation.agents, rotation.acknowledged), ("retire", 2, 1));
    assert_eq!(rotation.laggards[0].name, "away");
    assert_eq!(away.pins(), [old]);

    let _away = away.stay(at);
    until("forgotten there", || away.pins() == [current(&fixture)]).await;
    until("destroyed", || fixture.app.agents().rotation().is_none()).await;
    assert_eq!(fixture.stored().await.identities.len(), 1);
    assert!(fixture.is_audited(&format!("destroy the identity {old}")).await);
}

#[tokio::test]
async fn a_compromised_identity_counts_no_more_and_who_is_connected_moves() {
    let (fixture, at) = server().await;
    let (here, away) = (joined(&fixture, "here").await, joined(&fixture, "away").await);
    let _here = here.stay(at);
    let name = AgentName::parse("here").unwrap();
    until("linked", || fixture.app.agents().link(&name).is_some()).await;
    let changed = fixture.app.rotate_identity(&by(), &IdentityRotate { compromised: true }).await.unwrap();
    assert_eq!(current(&fixture).to_string(), changed.new_thumbprint);
    until("moved", || here.pins() == [current(&fixture)]).await;
    fixture.set_now(crate::fixture::now().plus(Duration::from_secs(61)));
    fixture.app.agents().changed.notify_one();
    until("destroyed", || fixture.app.agents().rotation().is_none()).await;
    assert_eq!(fixture.stored().await.identities.len(), 1);
    // Whoever has the key of the old one is not believed, and who was away has to join anew.
    assert!(away.dial(at).await.is_err());
}

#[tokio::test]
async fn a_server_that_is_started_anew_goes_on_with_a_rotation() {
    let (fixture, _) = server().await;
    let here = joined(&fixture, "here").await;
    let changed = fixture.app.rotate_identity(&by(), &IdentityRotate::default()).await.unwrap();
    until("switched", || current(&fixture).to_string() == changed.new_thumbprint).await;
    let fixture = fixture.restart().await;
    let id = fixture.stored().await.bindings[0].value.id.clone();
    let state = fixture.served.until(|state| state.binding(&id).is_some_and(|report| report.result.is_ok())).await;
    let at = *state.binding(&id).unwrap().result.as_ref().unwrap();
    assert_eq!(here.pins()[0].to_string(), changed.old_thumbprint);
    let _here = here.stay(at);
    until("forgotten", || here.pins().iter().map(ToString::to_string).eq([changed.new_thumbprint.clone()])).await;
    until("destroyed", || fixture.app.agents().rotation().is_none()).await;
}

#[tokio::test]
async fn an_identity_that_nobody_has_looked_at_yet_is_told_whatever_else_was_stored_since() {
    let (fixture, _) = server().await;
    let before = fixture.app.show_identity(&by()).await.unwrap().thumbprint;
    // As right after a start. What is no desired state is published by nobody.
    fixture.app.agents().identities.store(None);
    fixture.store.txn(Txn::new().put(Key::parse("work/else").unwrap(), "1")).await.unwrap();
    assert_eq!(fixture.app.show_identity(&by()).await.unwrap().thumbprint, before);
}

/// Agents kept the wrong ones, and were locked out by the next loss of their links.
#[tokio::test]
async fn addresses_that_are_taken_back_are_followed_by_those_of_the_bindings() {
    let (fixture, at) = server().await;
    let (here, away) = (joined(&fixture, "here").await, joined(&fixture, "away").await);
    let _here = here.stay(at);
    let name = AgentName::parse("here").unwrap();
    until("linked", || fixture.app.agents().link(&name).is_some()).await;
    let edit = async |addresses: &[&str]| {
        let addresses = addresses.iter().map(|text| (*text).to_owned()).collect();
        let update = IdentityUpdate { addresses: Some(addresses), bindings: None };
        fixture.app.edit_identity(&by(), &update, Apply::Now).await.unwrap().addresses
    };
    edit(&["wrong.test:443"]).await;
    until("told", || *here.addresses.lock().unwrap() == ["wrong.test:443"]).await;
    let bound = edit(&[]).await;
    assert_eq!(bound, [at.to_string()]);
    until("told of the bindings", || *here.addresses.lock().unwrap() == bound).await;

    // Who was never told of them, or joined since, keeps what it was given.
    let later = joined(&fixture, "later").await;
    let (_away, _later) = (away.stay(at), later.stay(at));
    let changed = fixture.app.rotate_identity(&by(), &IdentityRotate::default()).await.unwrap();
    for fake in [&away, &later] {
        until("rotated", || fake.pins().iter().map(ToString::to_string).eq([changed.new_thumbprint.clone()])).await;
        assert!(fake.addresses.lock().unwrap().is_empty());
    }
}
