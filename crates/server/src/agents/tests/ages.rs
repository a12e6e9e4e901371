use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use portward_api::{AgentTrust, AgentsCheck, SettingsUpdate};
use portward_core::{AgentHealth, AgentName, AgentPins, Thumbprint};
use portward_link::{message::Fault, opening::TrustMark};

use super::fake::{Fake, server, until};
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, by, now},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

fn pins(fixture: &Fixture, agent: &str) -> AgentPins {
    fixture.app.agents().roster().agent(&name(agent)).unwrap().value.pins.clone()
}

/// An agent that is trusted by its thumbprint, as in a fleet.
async fn trusted(fixture: &Fixture, agent: &str) -> Arc<Fake> {
    let fake = Fake::new(agent);
    let thumbprint = fake.thumbprint().to_string();
    let trust = AgentTrust { name: agent.to_owned(), thumbprint, listening: None };
    fixture.app.trust_agent(&by(), &trust, Apply::Now).await.unwrap();
    let pin = fixture.app.agents().identities().unwrap().current.thumbprint();
    *fake.trust.lock().unwrap() = (TrustMark::default(), vec![pin]);
    fake
}

/// Has it stay linked, and waits until it has said how it is.
async fn linked(fixture: &Fixture, agent: &str, fake: &Arc<Fake>, at: SocketAddr) -> tokio::task::JoinHandle<()> {
    let link = fake.stay(at);
    asked(fixture, agent).await;
    link
}

async fn asked(fixture: &Fixture, agent: &str) {
    let agents = fixture.app.agents();
    until("linked and asked", || {
        let standing = agents.standing(&name(agent));
        agents.link(&name(agent)).is_some() && standing.checked == Some(agents.now()) && standing.report.is_some()
    })
    .await;
}

/// So many days later, for the server and some agents.
fn later(fixture: &Fixture, fakes: &[&Arc<Fake>], span: Duration) {
    fixture.set_now(now().plus(span));
    for fake in fakes {
        fake.clock.lock().unwrap().0 = now().plus(span);
    }
}

async fn look(fixture: &Fixture) {
    fixture.app.agents().look_at_ages().await;
}

async fn edit(fixture: &Fixture, update: SettingsUpdate) {
    fixture.app.edit_settings(&by(), &update, Precondition::None, Apply::Now).await.unwrap();
}

async fn followed(fixture: &Fixture, agent: &str, fake: &Arc<Fake>, before: Thumbprint) {
    until("it is known by a new one", || {
        let pins = pins(fixture, agent);
        pins.current != before && pins.current == fake.thumbprint() && pins.next.is_none()
    })
    .await;
}

#[tokio::test]
async fn an_identity_that_is_old_is_followed_by_a_new_one_once() {
    let (fixture, at) = server().await;
    let fake = trusted(&fixture, "here").await;
    let _link = linked(&fixture, "here", &fake, at).await;
    let before = fake.thumbprint();
    later(&fixture, &[&fake], DAY * 328);
    look(&fixture).await;
    assert_eq!(fake.rotations.load(Ordering::SeqCst), 0, "no jitter is more than a tenth");
    edit(&fixture, SettingsUpdate { agent_identity_days: Some(0), ..SettingsUpdate::default() }).await;
    later(&fixture, &[&fake], DAY * 365);
    look(&fixture).await;
    assert_eq!(fake.rotations.load(Ordering::SeqCst), 0, "it is never to be");
    // What is wanted from now on is done at once.
    edit(&fixture, SettingsUpdate { agent_identity_days: Some(364), ..SettingsUpdate::default() }).await;
    followed(&fixture, "here", &fake, before).await;
    let (previous, current) = (pins(&fixture, "here").previous.unwrap().0, fake.thumbprint());
    assert_eq!(previous, before);
    let what = format!("have agent here follow its identity {before} by {current}, as it is 365 days old");
    assert!(fixture.is_audited(&what).await);
    asked(&fixture, "here").await;
    let audited = fixture.audited().await;
    for _ in 0..2 {
        look(&fixture).await;
    }
    assert_eq!((fake.rotations.load(Ordering::SeqCst), fixture.audited().await), (1, audited));
    assert_eq!(fixture.app.agents().standing(&name("here")).health, AgentHealth::Healthy);
}

#[tokio::test]
async fn an_agent_that_was_away_is_asked_when_it_is_back_and_a_clock_makes_nobody_old() {
    let (fixture, at) = server().await;
    let (away, late) = (trusted(&fixture, "away").await, trusted(&fixture, "late").await);
    let link = away.link(at).await.unwrap();
    asked(&fixture, "away").await;
    // It has always been in the wrong decade.
    *late.clock.lock().unwrap() = (now().minus(DAY * 3650), now().minus(DAY * 3650));
    let _late = linked(&fixture, "late", &late, at).await;
    let before = away.thumbprint();
    link.abort();
    until("gone", || fixture.app.agents().link(&name("away")).is_none()).await;
    later(&fixture, &[&away], DAY * 400);
    fixture.app.check_agents(&by(), &AgentsCheck { names: vec!["late".to_owned()] }).await.unwrap();
    look(&fixture).await;
    assert_eq!(pins(&fixture, "away"), AgentPins::of(before));
    let _link = linked(&fixture, "away", &away, at).await;
    let standing = fixture.app.agents().standing(&name("away"));
    assert_eq!(standing.health, AgentHealth::HasWarnings, "{standing:?}");
    assert!(standing.reasons[0].contains("for 400 days; it should have made a new one after 365 days"), "{standing:?}");
    look(&fixture).await;
    followed(&fixture, "away", &away, before).await;
    assert_eq!(late.rotations.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_agent_that_cannot_is_asked_again_at_the_next_sweep_and_stays_linked() {
    let (fixture, at) = server().await;
    let fake = trusted(&fixture, "full").await;
    let _link = linked(&fixture, "full", &fake, at).await;
    let before = fake.thumbprint();
    *fake.refuses.lock().unwrap() = Some(Fault::new("files", "no room is left"));
    let old = DAY * 366;
    later(&fixture, &[&fake], old);
    for _ in 0..3 {
        look(&fixture).await;
    }
    assert_eq!(fake.rotations.load(Ordering::SeqCst), 1);
    later(&fixture, &[&fake], old + Duration::from_secs(601));
    look(&fixture).await;
    assert_eq!(fake.rotations.load(Ordering::SeqCst), 2);
    assert!(fixture.app.agents().link(&name("full")).is_some() && pins(&fixture, "full") == AgentPins::of(before));
    *fake.refuses.lock().unwrap() = None;
    later(&fixture, &[&fake], old + Duration::from_secs(1202));
    look(&fixture).await;
    followed(&fixture, "full", &fake, before).await;
}

#[tokio::test]
async fn of_many_that_are_old_some_are_asked_at_each_look() {
    let (fixture, at) = server().await;
    let mut fakes = Vec::new();
    for number in 0..53 {
        let agent = format!("agent-{number:02}");
        let fake = trusted(&fixture, &agent).await;
        let link = linked(&fixture, &agent, &fake, at).await;
        fakes.push((agent, fake.thumbprint(), fake, link));
    }
    let all: Vec<&Arc<Fake>> = fakes.iter().map(|(_, _, fake, _)| fake).collect();
    let asked = || all.iter().map(|fake| fake.rotations.load(Ordering::SeqCst)).sum::<usize>();
    later(&fixture, &all, DAY * 1000);
    look(&fixture).await;
    assert_eq!(asked(), 50);
    look(&fixture).await;
    assert_eq!(asked(), 53);
    for (agent, before, fake, _) in &fakes {
        followed(&fixture, agent, fake, *before).await;
    }
}

#[tokio::test]
async fn the_servers_own_identity_is_told_of_when_it_is_old_and_followed_by_itself_if_that_is_wanted() {
    let (fixture, at) = server().await;
    let fake = trusted(&fixture, "here").await;
    let _link = linked(&fixture, "here", &fake, at).await;
    let agents = fixture.app.agents();
    let before = agents.identities().unwrap().current.thumbprint();
    let is_told = || {
        agents.tell_problems();
        let problems = fixture.app.served().problems.clone();
        problems.iter().any(|problem| problem.code == "identity-old" && problem.message.contains(&before.to_string()))
    };
    later(&fixture, &[&fake], DAY * 366);
    look(&fixture).await;
    assert!(!is_told());
    later(&fixture, &[&fake], DAY * 367);
    look(&fixture).await;
    assert!(is_told());
    assert_eq!(fixture.stored().await.identities.len(), 1);
    edit(&fixture, SettingsUpdate { server_identity_days: Some(365), ..SettingsUpdate::default() }).await;
    until("followed", || {
        let identities = agents.identities().unwrap();
        identities.current.thumbprint() != before && fake.pins() == [identities.current.thumbprint()]
    })
    .await;
    until("destroyed", || agents.rotation().is_none()).await;
    let after = agents.identities().unwrap().current.thumbprint();
    assert!(
        fixture.is_audited(&format!("have the identity {before} followed by {after}, as it is 367 days old")).await
    );
    look(&fixture).await;
    assert_eq!(fixture.stored().await.identities.len(), 1);
    assert!(!is_told());
}
