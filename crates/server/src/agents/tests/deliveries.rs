use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use portward_api::{AgentJoinCreate, AgentsCheck, DeliveryCreate, DeliveryView};
use portward_core::{AgentName, Timestamp};
use portward_link::message::Fault;
use portward_store::work::DeliveryState;

use super::fake::{Fake, leaf, server, until};
use crate::{
    agents::deliveries::Standing,
    app::{Apply, Precondition},
    fixture::{Fixture, bundle, by, import, now},
};

async fn joined(fixture: &Fixture, name: &str) -> Arc<Fake> {
    let create = AgentJoinCreate { name: name.to_owned(), ttl: None, addresses: Vec::new() };
    let created = fixture.app.add_agent(&by(), &create, Apply::Now).await.unwrap();
    let fake = Fake::new(name);
    fake.join(created.join_string.unwrap().expose()).await.unwrap();
    fake
}

pub(super) async fn linked(fixture: &Fixture, at: std::net::SocketAddr, name: &str) -> Arc<Fake> {
    let fake = joined(fixture, name).await;
    fake.stay(at);
    let name = AgentName::parse(name).unwrap();
    until("linked", || fixture.app.agents().link(&name).is_some()).await;
    fake
}

pub(super) async fn certificate(fixture: &Fixture, replace: Option<&str>) -> String {
    let import = import(&bundle(&["shop.test"], 30), replace);
    fixture
        .app
        .import_certificate(&by(), import, Precondition::None, Apply::Now)
        .await
        .unwrap()
        .view
        .certificate
        .id
        .clone()
}

pub(super) fn delivery(agent: &str, certificate: &str) -> DeliveryCreate {
    DeliveryCreate {
        id: None,
        agent: agent.to_owned(),
        certificate: certificate.to_owned(),
        format: "pem".to_owned(),
        to: vec!["/etc/nginx/tls/shop.pem".to_owned(), "/etc/nginx/tls/shop.key".to_owned()],
        owner: None,
        mode: None,
        reload: Some("nginx".to_owned()),
        verify: Some("127.0.0.1:443".to_owned()),
        password: None,
    }
}

pub(super) async fn shown(fixture: &Fixture, id: &str) -> DeliveryView {
    fixture.app.show_delivery(&by(), id).await.unwrap().view
}

pub(super) async fn until_state(fixture: &Fixture, id: &str, state: &str) -> DeliveryView {
    for _ in 0..1000 {
        let view = shown(fixture, id).await;
        if view.state == state {
            return view;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not {state}: {:?}", shown(fixture, id).await);
}

#[tokio::test]
async fn a_certificate_is_installed_and_so_is_its_next_version() {
    let (fixture, at) = server().await;
    let fake = linked(&fixture, at, "web-03").await;
    let certificate_id = certificate(&fixture, None).await;
    let added = fixture.app.add_delivery(&by(), &delivery("web-03", &certificate_id), Apply::Now).await.unwrap().view;
    let view = until_state(&fixture, &added.id, "installed").await;
    assert_eq!((view.wanted, view.stored, view.served), (Some(1), Some(1), Some(1)));
    let first = fake.installed.lock().unwrap()[0].clone();
    assert_eq!(first.install.to, ["/etc/nginx/tls/shop.pem", "/etc/nginx/tls/shop.key"]);
    assert_eq!(first.install.verify.unwrap().name, "shop.test");

    certificate(&fixture, Some(&certificate_id)).await;
    until("the next version", || fake.installed.lock().unwrap().len() == 2).await;
    let view = until_state(&fixture, &added.id, "installed").await;
    assert_eq!((view.wanted, view.stored), (Some(2), Some(2)));
    let second = fake.installed.lock().unwrap()[1].clone();
    assert!(second.generation > first.generation);
    assert_ne!(leaf(&second), leaf(&first_of(&fake)));

    fixture.app.remove_delivery(&by(), &added.id, Precondition::None, Apply::Now).await.unwrap();
    until("withdrawn", || *fake.withdrawn.lock().unwrap() == [added.id.clone()]).await;
}

fn first_of(fake: &Fake) -> portward_link::message::Deliver {
    fake.installed.lock().unwrap()[0].clone()
}

#[tokio::test]
async fn what_does_not_work_on_one_machine_is_kept_from_the_others_and_told_of() {
    let (fixture, at) = server().await;
    let certificate_id = certificate(&fixture, None).await;
    let mut fakes = Vec::new();
    let mut ids = Vec::new();
    for name in ["web-01", "web-02", "web-03"] {
        fakes.push(linked(&fixture, at, name).await);
        let added = fixture.app.add_delivery(&by(), &delivery(name, &certificate_id), Apply::Now).await.unwrap();
        until_state(&fixture, &added.view.id, "installed").await;
        ids.push(added.view.id);
    }
    let said = "nginx: [emerg] unknown directive";
    for fake in &fakes {
        let fault = Fault::new("test-failed", "the program does not take the files").at("test").with_output(said);
        *fake.refuses.lock().unwrap() = Some(fault);
    }
    certificate(&fixture, Some(&certificate_id)).await;
    let view = until_state(&fixture, &ids[0], "failed").await;
    assert_eq!((view.stage.as_deref(), view.output.as_deref()), (Some("test"), Some(said)));
    assert_eq!((view.wanted, view.stored), (Some(2), Some(1)));
    for id in &ids[1..] {
        assert_eq!(until_state(&fixture, id, "paused").await.stored, Some(1));
    }
    assert!(fakes.iter().all(|fake| fake.installed.lock().unwrap().len() == 1));
    let is_told = |state: &Arc<crate::served::ServedState>| {
        let mut failed = state.problems.iter().filter(|problem| problem.code == "delivery-failed");
        failed.next().is_some_and(|problem| problem.message.contains(said)) && failed.next().is_none()
    };
    fixture.served.until(is_told).await;

    // Mended: the one first, then the others by themselves.
    for fake in &fakes {
        *fake.refuses.lock().unwrap() = None;
    }
    fixture.app.retry_delivery(&by(), &ids[0]).await.unwrap();
    for id in &ids {
        assert_eq!(until_state(&fixture, id, "installed").await.stored, Some(2));
    }
    fixture.served.until(|state| state.problems.iter().all(|problem| problem.code != "delivery-failed")).await;
}

/// Nothing else happens meanwhile: what failed was tried again only when something else was changed.
#[tokio::test]
async fn what_failed_is_tried_again_by_itself() {
    let (fixture, at) = server().await;
    let fake = linked(&fixture, at, "web-03").await;
    let certificate_id = certificate(&fixture, None).await;
    *fake.refuses.lock().unwrap() = Some(Fault::new("no-room", "the disk is full").at("check"));
    let added = fixture.app.add_delivery(&by(), &delivery("web-03", &certificate_id), Apply::Now).await.unwrap().view;
    let failed = until_state(&fixture, &added.id, "failed").await;
    *fake.refuses.lock().unwrap() = None;
    let next = Timestamp::parse(&failed.next_try.unwrap()).unwrap();
    let (agents, mut looked_at) = (fixture.app.agents(), now());
    assert!(!agents.became_due(&mut looked_at));
    fixture.set_now(next);
    assert!(agents.became_due(&mut looked_at));
    assert!(!agents.became_due(&mut looked_at), "once");
    until_state(&fixture, &added.id, "installed").await;
}

#[tokio::test]
async fn what_was_changed_on_a_machine_is_noticed_and_mended() {
    let (fixture, at) = server().await;
    let fake = linked(&fixture, at, "web-03").await;
    let certificate_id = certificate(&fixture, None).await;
    let added = fixture.app.add_delivery(&by(), &delivery("web-03", &certificate_id), Apply::Now).await.unwrap().view;
    until_state(&fixture, &added.id, "installed").await;
    *fake.stored.lock().unwrap() = Some("00".repeat(32));
    fixture.set_now(now().plus(Duration::from_secs(60)));
    fixture.app.check_agents(&by(), &AgentsCheck::default()).await.unwrap();
    until("mended", || fake.installed.lock().unwrap().len() == 2).await;
    until_state(&fixture, &added.id, "installed").await;
}

#[tokio::test]
async fn what_cannot_be_delivered_is_refused_with_the_reason() {
    let (fixture, at) = server().await;
    let _fake = linked(&fixture, at, "web-03").await;
    let certificate_id = certificate(&fixture, None).await;
    let good = delivery("web-03", &certificate_id);
    fixture.app.add_delivery(&by(), &good, Apply::Now).await.unwrap();
    let path = |path: &str| vec![path.to_owned(), "/b".to_owned()];
    for (input, code) in [
        (DeliveryCreate { agent: "nobody".to_owned(), ..good.clone() }, "not-found"),
        (DeliveryCreate { certificate: "nothing".to_owned(), ..good.clone() }, "not-found"),
        (good.clone(), "path-in-use"),
        (DeliveryCreate { to: path("a"), ..good.clone() }, "invalid-value"),
        (DeliveryCreate { to: path("/a/../b"), ..good.clone() }, "invalid-value"),
        (DeliveryCreate { to: vec!["/a".to_owned()], ..good.clone() }, "invalid-value"),
        (DeliveryCreate { to: path("/a"), reload: Some("a;b".to_owned()), ..good.clone() }, "invalid-value"),
        (DeliveryCreate { to: path("/a"), owner: Some("$(id)".to_owned()), ..good.clone() }, "invalid-value"),
        (DeliveryCreate { to: path("/a"), mode: Some("777".to_owned()), ..good.clone() }, "invalid-value"),
        (DeliveryCreate { to: vec!["/a".to_owned()], format: "pfx".to_owned(), ..good.clone() }, "password-missing"),
        (DeliveryCreate { format: "jks".to_owned(), ..good.clone() }, "invalid-value"),
    ] {
        let error = fixture.app.add_delivery(&by(), &input, Apply::Now).await.unwrap_err();
        assert_eq!(error.code(), code, "{input:?}: {error}");
    }
}

/// A reload may cut the link by which it was asked for; the program was then told once more with every link.
#[tokio::test]
async fn what_an_agent_installed_without_a_link_is_not_sent_once_more() {
    let (fixture, at) = server().await;
    let fake = joined(&fixture, "web-03").await;
    let link = fake.link(at).await.unwrap();
    fake.is_silent.store(true, Ordering::SeqCst);
    let certificate_id = certificate(&fixture, None).await;
    let added = fixture.app.add_delivery(&by(), &delivery("web-03", &certificate_id), Apply::Now).await.unwrap().view;
    until("installed there", || fake.installed.lock().unwrap().len() == 1).await;
    link.abort();
    let lost = until_state(&fixture, &added.id, "unreachable").await;
    fake.is_silent.store(false, Ordering::SeqCst);
    fixture.set_now(now().plus(Duration::from_secs(60)));
    fake.stay(at);
    let view = until_state(&fixture, &added.id, "installed").await;
    assert_eq!((view.stored, view.generation, view.message), (Some(1), lost.generation, None));
    assert_eq!(fake.installed.lock().unwrap().len(), 1);
}

/// There is no other way to give it another path.
#[tokio::test]
async fn a_delivery_that_is_removed_and_added_again_is_newer_than_what_its_agent_remembers() {
    let (fixture, at) = server().await;
    let fake = linked(&fixture, at, "web-03").await;
    let certificate_id = certificate(&fixture, None).await;
    let first = DeliveryCreate { id: Some("shop".to_owned()), ..delivery("web-03", &certificate_id) };
    fixture.app.add_delivery(&by(), &first, Apply::Now).await.unwrap();
    until_state(&fixture, "shop", "installed").await;
    certificate(&fixture, Some(&certificate_id)).await;
    until("both versions", || fake.installed.lock().unwrap().len() == 2).await;
    until_state(&fixture, "shop", "installed").await;

    let second = DeliveryCreate { to: vec!["/srv/shop.pem".to_owned(), "/srv/shop.key".to_owned()], ..first.clone() };
    fixture.set_now(now().plus(Duration::from_secs(60)));
    fixture.app.remove_delivery(&by(), "shop", Precondition::None, Apply::Now).await.unwrap();
    until("withdrawn", || fake.withdrawn.lock().unwrap().len() == 1).await;
    fixture.app.add_delivery(&by(), &second, Apply::Now).await.unwrap();
    let view = until_state(&fixture, "shop", "installed").await;
    assert_eq!(view.to, second.to);

    // The clock is set back: the agent says which number it remembers, and the next one is newer.
    fixture.set_now(Timestamp::from_unix(now().unix() - 86_400).unwrap());
    fixture.app.remove_delivery(&by(), "shop", Precondition::None, Apply::Now).await.unwrap();
    until("withdrawn", || fake.withdrawn.lock().unwrap().len() == 2).await;
    fixture.app.add_delivery(&by(), &first, Apply::Now).await.unwrap();
    let refused = until_state(&fixture, "shop", "failed").await;
    assert_eq!(refused.generation, view.generation, "{refused:?}");
    fixture.app.retry_delivery(&by(), "shop").await.unwrap();
    assert!(until_state(&fixture, "shop", "installed").await.generation > view.generation);
}

/// It went to another machine in place of the one where it had failed, and that one was not tried any more.
#[tokio::test]
async fn what_is_tried_again_goes_to_no_other_machine_before_it_works() {
    let (fixture, at) = server().await;
    let certificate_id = certificate(&fixture, None).await;
    let second = linked(&fixture, at, "web-02").await;
    let add = async |name: &str| {
        fixture.app.add_delivery(&by(), &delivery(name, &certificate_id), Apply::Now).await.unwrap().view.id
    };
    let failing = add("web-02").await;
    until_state(&fixture, &failing, "installed").await;
    *second.refuses.lock().unwrap() = Some(Fault::new("test-failed", "it does not take the files").at("test"));
    certificate(&fixture, Some(&certificate_id)).await;
    let failed = until_state(&fixture, &failing, "failed").await;
    // This one comes before it.
    let first = linked(&fixture, at, "web-01").await;
    let other = add("web-01").await;
    until_state(&fixture, &other, "paused").await;

    for tries in 1..3 {
        assert_eq!(fixture.app.retry_delivery(&by(), &failing).await.unwrap().next_try, None);
        let is_it = |one: &Standing| {
            one.work.generation == failed.generation + tries && one.work.state == DeliveryState::Failed
        };
        until("tried there", || fixture.app.agents().delivered().iter().any(is_it)).await;
    }
    *second.refuses.lock().unwrap() = None;
    second.is_silent.store(true, Ordering::SeqCst);
    fixture.app.retry_delivery(&by(), &failing).await.unwrap();
    until("it runs there", || second.installed.lock().unwrap().len() == 2).await;
    fixture.app.agents().reconcile();
    assert_eq!(shown(&fixture, &other).await.state, "paused");
    assert!(first.installed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_installed_is_sent_anew_by_a_retry() {
    let (fixture, at) = server().await;
    let fake = linked(&fixture, at, "web-03").await;
    let certificate_id = certificate(&fixture, None).await;
    let added = fixture.app.add_delivery(&by(), &delivery("web-03", &certificate_id), Apply::Now).await.unwrap().view;
    until_state(&fixture, &added.id, "installed").await;
    fixture.app.retry_delivery(&by(), &added.id).await.unwrap();
    until("sent anew", || fake.installed.lock().unwrap().len() == 2).await;
    until_state(&fixture, &added.id, "installed").await;
}

/// Nothing was tried again or mended until the clock had caught up.
#[tokio::test]
async fn a_clock_that_is_set_back_keeps_nothing_from_being_tried_and_mended() {
    let (fixture, at) = server().await;
    let fake = linked(&fixture, at, "web-03").await;
    let certificate_id = certificate(&fixture, None).await;
    *fake.refuses.lock().unwrap() = Some(Fault::new("no-room", "the disk is full").at("check"));
    let added = fixture.app.add_delivery(&by(), &delivery("web-03", &certificate_id), Apply::Now).await.unwrap().view;
    until_state(&fixture, &added.id, "failed").await;
    *fake.refuses.lock().unwrap() = None;
    let earlier = |hours: i64| Timestamp::from_unix(now().unix() - hours * 3600).unwrap();
    let (agents, mut looked_at) = (fixture.app.agents(), now());
    fixture.set_now(earlier(1));
    assert!(agents.became_due(&mut looked_at));
    assert!(!agents.became_due(&mut looked_at), "once");
    until_state(&fixture, &added.id, "installed").await;

    fixture.set_now(earlier(2));
    *fake.stored.lock().unwrap() = Some("00".repeat(32));
    fixture.app.check_agents(&by(), &AgentsCheck::default()).await.unwrap();
    until("mended", || fake.installed.lock().unwrap().len() == 2).await;
}
