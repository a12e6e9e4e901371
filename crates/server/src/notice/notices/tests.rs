#![allow(clippy::unwrap_used, reason = "tests")]

use portward_api::{AgentTrust, IdentityRotate};
use portward_core::Thumbprint;
use portward_store::work;

use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, by},
};

async fn with_channel() -> Fixture {
    let fixture = Fixture::start().await;
    fixture.add_silent_channel().await;
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
    let pin = Thumbprint::of(b"build-3");
    let trust = AgentTrust { name: "build-3".to_owned(), thumbprint: pin.to_string(), listening: None };
    fixture.app.trust_agent(&by(), &trust, Apply::DryRun).await.unwrap();
    assert_eq!(titles(&fixture).await, [""; 0], "nothing was changed");
    fixture.app.trust_agent(&by(), &trust, Apply::Now).await.unwrap();
    fixture.app.remove_agent(&by(), "build-3", Precondition::None, Apply::Now).await.unwrap();
    let rotated = fixture.app.rotate_identity(&by(), &IdentityRotate::default()).await.unwrap();
    let told: Vec<String> =
        work::queued(&fixture.store).await.unwrap().into_iter().map(|(_, notice)| notice.message).collect();
    let changes = [
        format!("trust agent build-3 with {pin}"),
        format!("remove agent build-3 ({pin})"),
        format!("replace the identity {} by {}", rotated.old_thumbprint, rotated.new_thumbprint),
    ];
    assert_eq!(told.len(), changes.len(), "{told:?}");
    for change in changes {
        let end = format!(" changed whom Portward trusts: {change}.");
        assert!(told.iter().any(|told| told.ends_with(&end)), "{end}: {told:?}");
    }
}
