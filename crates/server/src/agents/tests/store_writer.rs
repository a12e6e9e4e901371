//! Somebody who can write the store, and has no master key.

use portward_api::{AgentJoinCreate, AgentTrust};
use portward_core::{AgentName, Thumbprint};
use portward_link::LinkError;
use portward_store::{Key, Read, Store, Txn};

use super::fake::{Fake, server, until};
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, by},
};

async fn stored(fixture: &Fixture, key: &str) -> String {
    let kv = fixture.store.get(&Key::parse(key).unwrap(), Read::Linearizable).await.unwrap().0.unwrap();
    String::from_utf8(kv.value.to_vec()).unwrap()
}

async fn write(fixture: &Fixture, key: &str, value: String) {
    fixture.store.txn(Txn::new().put(Key::parse(key).unwrap(), value)).await.unwrap();
}

fn problem(fixture: &Fixture, code: &str) -> Option<String> {
    let problems = fixture.served.now().problems.clone();
    problems
        .iter()
        .find(|problem| problem.code == code)
        .map(|problem| format!("{} {}", problem.message, problem.remedy))
}

#[tokio::test]
async fn has_nobody_trusted_by_writing_pins_and_whose_were_changed_is_trusted_no_more() {
    let (fixture, at) = server().await;
    let create = AgentJoinCreate { name: "web-03".to_owned(), ttl: None, addresses: Vec::new() };
    let created = fixture.app.add_agent(&by(), &create, Apply::Now).await.unwrap();
    let (good, evil) = (Fake::new("web-03"), Fake::new("evil"));
    good.join(created.join_string.unwrap().expose()).await.unwrap();
    let link = good.link(at).await.unwrap();
    let (agents, name) = (fixture.app.agents(), AgentName::parse("web-03").unwrap());
    until("linked", || agents.link(&name).is_some()).await;
    evil.trust.lock().unwrap().1.extend(good.pins());

    // An agent of their own, made of a record that counts elsewhere.
    let record = stored(&fixture, "agents/web-03").await;
    let forged = record.replace(&good.thumbprint().to_string(), &evil.thumbprint().to_string());
    assert_ne!(forged, record);
    write(&fixture, "agents/evil", forged.clone()).await;
    until("it is told of", || problem(&fixture, "agent-refused").is_some()).await;
    assert!(matches!(evil.link(at).await, Err(LinkError::Refused(_))), "a forged record made somebody trusted");

    // Another thumbprint for one that there is: neither counts.
    write(&fixture, "agents/web-03", forged).await;
    tokio::time::timeout(std::time::Duration::from_secs(5), link).await.expect("the link ends").unwrap();
    assert!(matches!(evil.link(at).await, Err(LinkError::Refused(_))), "a forged pin was taken");
    assert!(matches!(good.link(at).await, Err(LinkError::Refused(_))));

    // What is told leads out: it is trusted anew, and the other one is removed.
    let told = problem(&fixture, "agent-refused").unwrap();
    assert!(told.contains("somebody without this master key wrote it"), "{told}");
    assert!(told.contains("portward agent remove evil"), "{told}");
    fixture.app.remove_agent(&by(), "evil", Precondition::None, Apply::Now).await.unwrap();
    let trust = AgentTrust { name: "web-03".to_owned(), thumbprint: good.thumbprint().to_string(), listening: None };
    fixture.app.trust_agent(&by(), &trust, Apply::Now).await.unwrap();
    let _link = good.link(at).await.unwrap();
    until("nothing is left to tell", || problem(&fixture, "agent-refused").is_none()).await;
}

#[tokio::test]
async fn takes_no_join_over_and_counts_after_a_restart_as_before() {
    let (fixture, _) = server().await;
    let create = AgentJoinCreate { name: "web-03".to_owned(), ttl: None, addresses: Vec::new() };
    let created = fixture.app.add_agent(&by(), &create, Apply::Now).await.unwrap();
    let key = format!("joins/{}", created.join.id);
    let record = stored(&fixture, &key).await;
    write(&fixture, &key, record.replace("\"web-03\"", "\"db-01\"")).await;
    let fake = Fake::new("web-03");
    fake.join(created.join_string.unwrap().expose()).await.unwrap_err();
    assert!(fixture.app.list_joins(&by()).await.unwrap().is_empty());
    fixture.app.remove_join(&by(), &created.join.id, Apply::Now).await.unwrap();

    let pin = Thumbprint::of(b"db-01").to_string();
    let trust = AgentTrust { name: "db-01".to_owned(), thumbprint: pin.clone(), listening: None };
    fixture.app.trust_agent(&by(), &trust, Apply::Now).await.unwrap();
    let record = stored(&fixture, "agents/db-01").await;
    write(&fixture, "agents/db-01", record.replace(&pin, &fake.thumbprint().to_string())).await;
    let fixture = fixture.restart().await;
    until("it is told of", || problem(&fixture, "agent-refused").is_some()).await;
    assert_eq!(fixture.app.agents().roster().len(), 0);
}
