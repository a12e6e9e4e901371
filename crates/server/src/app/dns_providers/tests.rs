#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use portward_api::{DesiredState, DesiredStateApply, DnsProviderDeclared, SecretText};
use portward_core::Role;

use super::*;
use crate::fixture::{Fixture, by};

fn program(path: &str) -> DnsProviderCreate {
    let settings = [("program".to_owned(), SecretText::new(path.to_owned()))].into();
    DnsProviderCreate { id: Some("hook".to_owned()), kind: "exec".to_owned(), settings }
}

fn declared(path: &str, timeout: &str) -> DesiredStateApply {
    let settings = [("program", path), ("timeout", timeout)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let provider = DnsProviderDeclared {
        id: "hook".to_owned(),
        kind: "exec".to_owned(),
        settings: settings.into(),
        secrets: BTreeMap::new(),
    };
    let state = DesiredState { dns_providers: Some(vec![provider]), ..DesiredState::default() };
    DesiredStateApply { state, prune: false }
}

/// A program of an operator's would read the master key.
#[tokio::test]
async fn a_program_is_added_and_changed_by_owners_alone() {
    let fixture = Fixture::start().await;
    let app = &fixture.app;
    for role in [Role::Operator, Role::Administrator] {
        let actor = Actor::with(&role.permissions().collect::<Vec<_>>());
        let refused = app.add_dns_provider(&actor.may().unwrap(), &program("/tmp/x"), Apply::DryRun).await.unwrap_err();
        assert_eq!(refused.code(), "not-permitted", "{role}");
        let text = refused.to_string();
        assert!(text.contains("/tmp/x") && text.contains("issuer:run-program") && text.contains("owner"), "{text}");
    }
    let owner = Actor::with(&Role::Owner.permissions().collect::<Vec<_>>());
    app.add_dns_provider(&owner.may().unwrap(), &program("/usr/local/bin/hook"), Apply::Now).await.unwrap();

    let actor = Actor::with(&Role::Administrator.permissions().collect::<Vec<_>>());
    let administrator = actor.may().unwrap();
    let other = declared("/tmp/x", "60");
    let refused = app.apply_desired_state(&administrator, &other, Apply::Now).await.unwrap_err();
    assert_eq!(refused.code(), "not-permitted");
    assert!(refused.to_string().starts_with("DNS provider hook: the program /tmp/x"), "{refused}");
    // The program stays; how long it may take is nobody's secret.
    let same = declared("/usr/local/bin/hook", "30");
    app.apply_desired_state(&administrator, &same, Apply::Now).await.unwrap();
    app.apply_desired_state(&by(), &other, Apply::Now).await.unwrap();
    assert_eq!(fixture.stored().await.dns_providers[0].value.settings["program"], "/tmp/x");
    // Taking it away needs no more than before.
    app.remove_dns_provider(&actor.may().unwrap(), "hook", Precondition::None, Apply::Now).await.unwrap();
    let refused = app.apply_desired_state(&administrator, &same, Apply::DryRun).await.unwrap_err();
    assert_eq!(refused.code(), "not-permitted");
}
