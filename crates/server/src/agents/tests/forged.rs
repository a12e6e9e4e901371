//! Agents that say what is not so: of others, of themselves, and of what they speak.

use portward_api::{AgentTrust, AgentsCheck};
use portward_core::{AgentHealth, AgentName, Thumbprint};
use portward_link::message::{HealthReport, InstalledReport, ServedReport};

use super::{
    deliveries::{certificate, delivery, linked, shown, until_state},
    fake::{Fake, server, until},
};
use crate::{
    app::Apply,
    fixture::{Fixture, by},
};

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

async fn check(fixture: &Fixture, agent: &str) -> String {
    let names = AgentsCheck { names: vec![agent.to_owned()] };
    fixture.app.check_agents(&by(), &names).await.unwrap()[0].health.clone()
}

/// Who an agent is, is told by what it shows in the handshake; there is no other field that is asked.
#[tokio::test]
async fn what_an_agent_says_of_others_changes_nothing_of_them() {
    let (fixture, at) = server().await;
    let (victim, forger) = (linked(&fixture, at, "web-03").await, linked(&fixture, at, "web-04").await);
    let certificate = certificate(&fixture, None).await;
    let id = fixture.app.add_delivery(&by(), &delivery("web-03", &certificate), Apply::Now).await.unwrap().view.id;
    until_state(&fixture, &id, "installed").await;
    assert_eq!(check(&fixture, "web-03").await, "Healthy");
    let before = (shown(&fixture, &id).await, fixture.app.show_agent(&by(), "web-03").await.unwrap().view);

    // It says to be the other one, and that on that machine there is something else.
    let (thumbprint, instance, delivered) = (victim.thumbprint().to_string(), victim.instance.clone(), id.clone());
    *forger.forges.lock().unwrap() = Some(Box::new(move |report: &mut HealthReport| {
        "web-03".clone_into(&mut report.host_name);
        report.identity.thumbprint.clone_from(&thumbprint);
        report.instance = instance.clone();
        report.installed.push(InstalledReport {
            delivery: delivered.clone(),
            generation: u64::MAX,
            thumbprint: Thumbprint::of(b"other").to_string(),
            stored: None,
            problem: Some("it was stolen".to_owned()),
            served: Some(ServedReport::Thumbprint(Thumbprint::of(b"another").to_string())),
        });
    }));
    assert_eq!(check(&fixture, "web-04").await, "Unhealthy");
    let after = (shown(&fixture, &id).await, fixture.app.show_agent(&by(), "web-03").await.unwrap().view);
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert_eq!(check(&fixture, "web-03").await, "Healthy");
    assert_eq!(fixture.app.show_agent(&by(), "web-04").await.unwrap().view.thumbprint, forger.thumbprint().to_string());

    // What is not its own it is told to give up, and the other one is not; and no certificate of that one came to it.
    until("told to give it up", || *forger.withdrawn.lock().unwrap() == [id.clone()]).await;
    assert!(victim.withdrawn.lock().unwrap().is_empty() && forger.installed.lock().unwrap().is_empty());
    assert_eq!(victim.installed.lock().unwrap().len(), 1);
}

/// What cannot be read as a name, a number or a thumbprint is no more than a text that is shown.
#[tokio::test]
async fn nonsense_of_an_agent_makes_it_unwell_and_nothing_else() {
    let (fixture, at) = server().await;
    let fake = linked(&fixture, at, "web-03").await;
    *fake.forges.lock().unwrap() = Some(Box::new(|report: &mut HealthReport| {
        let nasty = "\u{1b}[2J<script>alert(1)</script>\n../../etc; $(reboot)";
        for text in [&mut report.host_name, &mut report.platform, &mut report.version, &mut report.policy.path] {
            nasty.clone_into(text);
        }
        report.started = i64::MAX;
        report.identity.since = i64::MIN;
        report.policy.directories = vec![nasty.repeat(100); 100];
        report.installed = vec![
            InstalledReport {
                delivery: nasty.to_owned(),
                generation: 0,
                thumbprint: nasty.to_owned(),
                stored: Some(nasty.to_owned()),
                problem: Some(nasty.to_owned()),
                served: Some(ServedReport::Unseen(nasty.to_owned())),
            };
            100
        ];
    }));
    assert_eq!(check(&fixture, "web-03").await, "Unhealthy");
    // Its report is too long to be kept; that it is unwell is kept.
    let view = fixture.app.show_agent(&by(), "web-03").await.unwrap().view;
    assert!(view.connected && view.health == "Unhealthy", "{view:?}");
    assert!(fake.withdrawn.lock().unwrap().is_empty());
    *fake.forges.lock().unwrap() = None;
    assert_eq!(check(&fixture, "web-03").await, "Healthy");
}

#[tokio::test]
async fn an_agent_that_listens_and_falls_back_is_refused_and_it_is_recorded() {
    let (fixture, _) = server().await;
    let fake = Fake::new("web-03");
    *fake.protocols.lock().unwrap() = (1, 2);
    let at = fake.listen().await;
    let trust = AgentTrust {
        name: "web-03".to_owned(),
        thumbprint: fake.thumbprint().to_string(),
        listening: Some(at.to_string()),
    };
    fixture.app.trust_agent(&by(), &trust, Apply::Now).await.unwrap();
    until("linked", || fixture.app.agents().link(&name("web-03")).is_some()).await;
    *fake.protocols.lock().unwrap() = (1, 1);
    fake.again.notify_one();
    until("gone", || fixture.app.agents().link(&name("web-03")).is_none()).await;
    assert_eq!(check(&fixture, "web-03").await, "Unavailable");
    let standing = fixture.app.agents().standing(&name("web-03"));
    assert_eq!(standing.health, AgentHealth::Unavailable);
    assert!(standing.reasons.iter().any(|reason| reason.contains("spoke version 2 before")), "{standing:?}");
    let what = "refuse agent web-03: it speaks version 1 of the protocol at most, and spoke version 2 before";
    assert!(fixture.is_audited(what).await);
    *fake.protocols.lock().unwrap() = (1, 2);
    until("linked again", || fixture.app.agents().link(&name("web-03")).is_some()).await;
}
