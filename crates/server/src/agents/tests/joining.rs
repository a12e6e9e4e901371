use portward_api::{AgentJoinCreate, AgentTrust, AgentsCheck, IdentityUpdate, StrangerApprove};
use portward_core::{AgentHealth, AgentName, NoticeKind};
use portward_link::{LinkError, opening::RefusalCode};
use portward_store::work;

use super::fake::{Fake, server, until};
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, by, now},
};

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

async fn join_string(fixture: &Fixture, agent: &str) -> String {
    let create = AgentJoinCreate { name: agent.to_owned(), ttl: None, addresses: Vec::new() };
    let created = fixture.app.add_agent(&by(), &create, Apply::Now).await.unwrap();
    created.join_string.unwrap().expose().to_owned()
}

#[tokio::test]
async fn an_agent_joins_with_one_line_and_is_healthy() {
    let (fixture, at) = server().await;
    fixture.add_silent_channel().await;
    let fake = Fake::new("web-03");
    let string = join_string(&fixture, "web-03").await;
    assert_eq!(fake.join(&string).await.unwrap(), "web-03");
    let (_, told) = work::queued(&fixture.store).await.unwrap().remove(0);
    let joined = format!("agent web-03 joins with {}.", fake.thumbprint());
    assert!(told.kind == NoticeKind::Trust && told.message.ends_with(&joined), "{told:?}");
    let link = fake.stay(at);
    let agents = fixture.app.agents();
    until("healthy", || agents.standing(&name("web-03")).health == AgentHealth::Healthy).await;
    let checked = fixture.app.check_agents(&by(), &AgentsCheck::default()).await.unwrap();
    assert_eq!((checked.len(), checked[0].health.as_str()), (1, "Healthy"), "{checked:?}");
    let shown = fixture.app.show_agent(&by(), "web-03").await.unwrap().view;
    assert!(shown.connected && shown.trust_is_newest, "{shown:?}");
    assert_eq!(shown.thumbprint, fake.thumbprint().to_string());
    link.abort();
}

#[tokio::test]
async fn a_join_string_counts_once_and_until_its_end() {
    let (fixture, _) = server().await;
    let string = join_string(&fixture, "web-03").await;
    let (first, other) = (Fake::new("a"), Fake::new("b"));
    assert!(first.join(&string).await.is_ok());
    // The answer was lost, and the same asks again.
    assert!(first.join(&string).await.is_ok());
    assert!(other.join(&string).await.unwrap_err().contains("does not count"));
    // Who was removed does not come back by it.
    fixture.app.remove_agent(&by(), "web-03", Precondition::None, Apply::Now).await.unwrap();
    assert!(first.join(&string).await.unwrap_err().contains("does not count"));

    let late = join_string(&fixture, "web-04").await;
    fixture.set_now(now().plus(std::time::Duration::from_secs(31 * 60)));
    assert!(other.join(&late).await.unwrap_err().contains("does not count"));
    assert!(fixture.app.agents().roster().agent(&name("web-04")).is_none());
}

#[tokio::test]
async fn of_a_hundred_who_join_with_one_string_one_does() {
    let (fixture, _) = server().await;
    let string = join_string(&fixture, "web-03").await;
    let mut joining = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (fake, string) = (Fake::new("copy"), string.clone());
        joining.spawn(async move { fake.join(&string).await.is_ok() });
    }
    let joined = joining.join_all().await.into_iter().filter(|joined| *joined).count();
    assert_eq!(joined, 1);
}

#[tokio::test]
async fn a_machine_joins_under_one_name() {
    let (fixture, at) = server().await;
    let fake = Fake::new("web-03");
    fake.join(&join_string(&fixture, "web-03").await).await.unwrap();
    let refused = fake.join(&join_string(&fixture, "web-04").await).await.unwrap_err();
    assert!(refused.contains("that of agent \"web-03\" already"), "{refused}");
    assert_eq!(fixture.app.agents().roster().len(), 1);
    let _link = fake.link(at).await.unwrap();
    until("linked", || fixture.app.agents().link(&name("web-03")).is_some()).await;
}

#[tokio::test]
async fn who_is_not_trusted_waits_to_be_approved() {
    let (fixture, at) = server().await;
    let identity = fixture.app.show_identity(&by()).await.unwrap();
    let fake = Fake::new("edge-1");
    fake.trust.lock().unwrap().1.push(portward_core::Thumbprint::parse(&identity.thumbprint).unwrap());
    let Err(LinkError::Refused(refusal)) = fake.link(at).await else { panic!("a stranger was let in") };
    assert_eq!(refusal.code, RefusalCode::UnknownPin);
    assert_eq!(refusal.your_thumbprint, fake.thumbprint().to_string());
    assert_eq!(refusal.my_thumbprint, identity.thumbprint);

    let strangers = fixture.app.list_strangers(&by());
    assert_eq!((strangers.len(), strangers[0].subject.as_str()), (1, "CN=edge-1"));
    assert!(refusal.remedy.ends_with(&format!("portward agent approve {}", strangers[0].id)), "{}", refusal.remedy);
    let approve = StrangerApprove { name: None, replace: false };
    let approved = fixture.app.approve_stranger(&by(), &strangers[0].id, &approve, Apply::Now).await.unwrap().view;
    assert_eq!((approved.name.as_str(), approved.origin.as_str()), ("edge-1", "approved"));
    assert!(fixture.app.list_strangers(&by()).is_empty());
    let _link = fake.link(at).await.unwrap();
    until("linked", || fixture.app.agents().link(&name("edge-1")).is_some()).await;
}

#[tokio::test]
async fn who_is_trusted_no_more_loses_the_link_at_once() {
    let (fixture, at) = server().await;
    let fake = Fake::new("web-03");
    fake.join(&join_string(&fixture, "web-03").await).await.unwrap();
    let link = fake.link(at).await.unwrap();
    until("linked", || fixture.app.agents().link(&name("web-03")).is_some()).await;
    fixture.app.remove_agent(&by(), "web-03", Precondition::None, Apply::Now).await.unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(1), link).await.expect("the link ends at once").unwrap();
    assert!(matches!(fake.link(at).await, Err(LinkError::Refused(_))));
    assert!(fixture.is_audited(&format!("remove agent web-03 ({})", fake.thumbprint())).await);
}

#[tokio::test]
async fn a_copy_of_a_machine_is_refused_and_told_of() {
    let (fixture, at) = server().await;
    let fake = Fake::new("web-03");
    fake.join(&join_string(&fixture, "web-03").await).await.unwrap();
    let _link = fake.link(at).await.unwrap();
    until("linked", || fixture.app.agents().link(&name("web-03")).is_some()).await;
    let copy = Fake::new("copy");
    *copy.identity.lock().unwrap() = fake.identity.lock().unwrap().clone();
    *copy.trust.lock().unwrap() = fake.trust.lock().unwrap().clone();
    let Err(LinkError::Refused(refusal)) = copy.link(at).await else { panic!("a copy was let in") };
    assert_eq!(refusal.code, RefusalCode::DuplicateIdentity);
    let standing = fixture.app.agents().standing(&name("web-03"));
    assert!(standing.reasons.iter().any(|reason| reason.contains("A copy of this machine")), "{standing:?}");
    // The first one is as before.
    let checked = fixture.app.check_agents(&by(), &AgentsCheck::default()).await.unwrap();
    assert_eq!((checked[0].steps[0].step.as_str(), checked[0].steps[0].mark.as_str()), ("link", "good"), "{checked:?}");
}

#[tokio::test]
async fn a_wrong_thumbprint_is_told_with_both_and_the_command() {
    let (fixture, at) = server().await;
    let identity = fixture.app.show_identity(&by()).await.unwrap();
    let other = "ab".repeat(32);
    let trust = AgentTrust { name: "web-03".to_owned(), thumbprint: other.clone(), listening: None };
    fixture.app.trust_agent(&by(), &trust, Apply::Now).await.unwrap();
    let fake = Fake::new("web-03");
    fake.trust.lock().unwrap().1.push(portward_core::Thumbprint::parse(&identity.thumbprint).unwrap());
    // It was there before, from the same address.
    assert!(fake.link(at).await.is_err());
    let checked = fixture.app.check_agents(&by(), &AgentsCheck { names: vec!["web-03".to_owned()] }).await.unwrap();
    assert_eq!(checked[0].health, "Unavailable");
    let step = checked[0].steps.iter().find(|step| step.mark == "bad").unwrap();
    assert!(step.message.contains("It is not connected"), "{step:?}");

    for wrong in ["", "abcd", &"a".repeat(40), "xyz"] {
        let trust = AgentTrust { thumbprint: wrong.to_owned(), ..trust.clone() };
        let error = fixture.app.trust_agent(&by(), &trust, Apply::Now).await.unwrap_err();
        assert_eq!(error.code(), "invalid-value", "{wrong}");
    }
    // Of somebody who came, the SHA-256 is known.
    let sha1 = fixture.app.list_strangers(&by())[0].sha1.clone();
    let trust = AgentTrust { thumbprint: sha1, ..trust };
    let error = fixture.app.trust_agent(&by(), &trust, Apply::Now).await.unwrap_err();
    assert!(error.to_string().contains(&fake.thumbprint().to_string()), "{error}");
}

#[tokio::test]
async fn the_identity_of_an_agent_follows_by_itself() {
    let (fixture, at) = server().await;
    let fake = Fake::new("web-03");
    fake.join(&join_string(&fixture, "web-03").await).await.unwrap();
    let before = fake.thumbprint();
    let _link = fake.stay(at);
    until("linked", || fixture.app.agents().link(&name("web-03")).is_some()).await;
    fixture.app.rotate_agent(&by(), "web-03").await.unwrap();
    let roster = fixture.app.agents().roster();
    until("followed", || {
        let pins = roster.agent(&name("web-03")).unwrap().value.pins.clone();
        pins.current != before && pins.current == fake.thumbprint() && pins.next.is_none()
    })
    .await;
    let pins = roster.agent(&name("web-03")).unwrap().value.pins.clone();
    assert_eq!(pins.previous.unwrap().0, before);
}

#[tokio::test]
async fn agents_have_a_binding_of_their_own_where_nobody_else_is_served() {
    let (fixture, _) = server().await;
    let update = IdentityUpdate { addresses: None, bindings: Some(vec!["127.0.0.1:0".to_owned()]) };
    let view = fixture.app.edit_identity(&by(), &update, Apply::Now).await.unwrap();
    assert_eq!((view.bindings, view.addresses.len()), (vec!["127.0.0.1:0".to_owned()], 2));
    let at: std::net::SocketAddr = view.addresses[0].parse().unwrap();
    let fake = Fake::new("web-03");
    fake.join(&join_string(&fixture, "web-03").await).await.unwrap();
    let _link = fake.link(at).await.unwrap();
    until("linked", || fixture.app.agents().link(&name("web-03")).is_some()).await;
    let host = portward_core::Host::parse("shop.test").unwrap();
    assert!(
        crate::handshake::shake_hands(at, crate::handshake::Greeting::Nothing, &host).await.is_err(),
        "a browser gets no certificate there"
    );

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = IdentityUpdate { addresses: None, bindings: Some(vec![taken.local_addr().unwrap().to_string()]) };
    assert_eq!(fixture.app.edit_identity(&by(), &taken, Apply::Now).await.unwrap_err().code(), "port-taken");
    let none = IdentityUpdate { addresses: Some(vec!["front.test:443".to_owned()]), bindings: Some(Vec::new()) };
    let view = fixture.app.edit_identity(&by(), &none, Apply::Now).await.unwrap();
    assert_eq!((view.bindings.len(), view.addresses), (0, vec!["front.test:443".to_owned()]));
    assert!(fake.dial(at).await.is_err());
}

#[tokio::test]
async fn an_agent_that_falls_back_to_an_older_protocol_is_refused_and_it_is_recorded() {
    let (fixture, at) = server().await;
    let fake = Fake::new("web-03");
    fake.join(&join_string(&fixture, "web-03").await).await.unwrap();
    *fake.protocols.lock().unwrap() = (1, 2);
    let link = fake.link(at).await.unwrap();
    until("linked", || fixture.app.agents().link(&name("web-03")).is_some()).await;
    link.abort();
    until("gone", || fixture.app.agents().link(&name("web-03")).is_none()).await;
    *fake.protocols.lock().unwrap() = (1, 1);
    for _ in 0..2 {
        let Err(LinkError::Refused(refusal)) = fake.link(at).await else { panic!("it fell back") };
        assert_eq!(refusal.code, RefusalCode::Version);
        assert!(refusal.message.contains("spoke version 2 before"), "{}", refusal.message);
    }
    let what = "refuse agent web-03: it speaks version 1 of the protocol at most, and spoke version 2 before";
    assert!(fixture.is_audited(what).await);
    // On purpose.
    let thumbprint = fake.thumbprint().to_string();
    let trust = AgentTrust { name: "web-03".to_owned(), thumbprint, listening: None };
    fixture.app.trust_agent(&by(), &trust, Apply::Now).await.unwrap();
    let _link = fake.link(at).await.unwrap();
    until("linked", || fixture.app.agents().link(&name("web-03")).is_some()).await;
}
