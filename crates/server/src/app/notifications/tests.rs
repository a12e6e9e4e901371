#![allow(clippy::unwrap_used, reason = "tests")]

use portward_api::SecretText;
use portward_certs::export_pem;

use super::*;
use crate::{
    channel::recorder::Recorder,
    fixture::{Fixture, bundle, by},
};

fn create(url: &str) -> ChannelCreate {
    let setting = |name: &str, value: &str| (name.to_owned(), SecretText::new(value.to_owned()));
    ChannelCreate {
        id: None,
        kind: "slack".to_owned(),
        settings: [setting("url", url), setting("plain_http", "private")].into(),
        events: None,
        enabled: None,
    }
}

#[tokio::test]
async fn a_channel_is_kept_sealed_and_shown_by_its_host() {
    let fixture = Fixture::start().await;
    let added = fixture.app.add_channel(&by(), &create("http://127.0.0.1:9/hunter2"), Apply::Now).await.unwrap();
    let view = added.view;
    assert_eq!((view.id.as_str(), view.target.as_str(), view.enabled), ("slack", "127.0.0.1:9", true));
    assert_eq!(view.events, ["all"]);
    assert_eq!(view.settings["url"], None);
    assert_eq!(fixture.app.list_channels(&by()), [view]);
    let again = fixture.app.add_channel(&by(), &create("http://127.0.0.1:9/hunter2"), Apply::Now).await.unwrap();
    assert_eq!(again.view.id, "slack-2");
    let all = portward_store::Page::first(1_000);
    let listed = portward_store::Store::list(&fixture.store, &portward_store::Prefix::all(), None, all).await.unwrap();
    for kv in listed.kvs {
        assert!(!String::from_utf8_lossy(&kv.value).contains("hunter2"), "{}", kv.key);
    }

    let refused = fixture.app.add_channel(&by(), &create("http://hooks.test:x"), Apply::Now).await.unwrap_err();
    assert_eq!(refused.code(), "invalid-value");
    let mut never = create("https://hooks.test/");
    never.events = Some(vec!["expire".to_owned()]);
    let refused = fixture.app.add_channel(&by(), &never, Apply::Now).await.unwrap_err();
    assert!(
        refused.to_string().starts_with("events: \"expire\" is no event; there are all, expires-soon"),
        "{refused}"
    );
    let before = fixture.audited().await;
    fixture.app.add_channel(&by(), &create("https://hooks.test/"), Apply::DryRun).await.unwrap();
    assert_eq!(fixture.audited().await, before);
}

#[tokio::test]
async fn an_edit_keeps_what_it_leaves_out_secrets_among_it() {
    let fixture = Fixture::start().await;
    let recorder = Recorder::start().await;
    let added = fixture.app.add_channel(&by(), &create(&recorder.url("/one")), Apply::Now).await.unwrap();
    let stale = Precondition::Revision(portward_store::Revision(1));
    let update = ChannelUpdate { events: Some(vec!["expired".to_owned()]), enabled: Some(false), ..Default::default() };
    let refused = fixture.app.edit_channel(&by(), "slack", &update, stale, Apply::Now).await.unwrap_err();
    assert_eq!(refused.code(), "changed-meanwhile");
    let current = Precondition::Revision(added.revision.unwrap());
    let edited = fixture.app.edit_channel(&by(), "slack", &update, current, Apply::Now).await.unwrap().view;
    assert_eq!((edited.events, edited.enabled), (vec!["expired".to_owned()], false));
    let told = fixture.app.test_channel(&by(), "slack").await.unwrap();
    assert!(told.sent, "{told:?}");
    let other = SecretText::new(recorder.url("/two"));
    let update = ChannelUpdate { settings: [("url".to_owned(), Some(other))].into(), ..Default::default() };
    fixture.app.edit_channel(&by(), "slack", &update, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.test_channel(&by(), "slack").await.unwrap();
    let paths: Vec<String> = recorder.recorded(2).await.into_iter().map(|came| came.path).collect();
    assert_eq!(paths, ["/one", "/two"]);
    let less = ChannelUpdate { settings: [("plain_http".to_owned(), None)].into(), ..Default::default() };
    let refused = fixture.app.edit_channel(&by(), "slack", &less, Precondition::None, Apply::Now).await.unwrap_err();
    assert!(refused.to_string().contains("set plain_http to private"), "{refused}");
}

#[tokio::test]
async fn a_test_tells_what_the_other_side_said() {
    let fixture = Fixture::start().await;
    let recorder = Recorder::start().await;
    fixture.app.add_channel(&by(), &create(&recorder.url("/hunter2")), Apply::Now).await.unwrap();
    recorder.answer(http::Response::builder().status(404), "no_team");
    let told = fixture.app.test_channel(&by(), "slack").await.unwrap();
    assert_eq!((told.sent, told.said.as_str()), (false, "404 Not Found: no_team"));
    assert!(fixture.is_audited("send a test message on notification channel slack").await);
    let shown = fixture.app.show_channel(&by(), "slack").unwrap().view;
    assert_eq!(shown.sending.last, Some(told));
    let missing = fixture.app.test_channel(&by(), "none").await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no channel \"none\"; portward notification list shows those there are");
    let removed = fixture.app.remove_channel(&by(), "slack", Precondition::None, Apply::Now).await.unwrap();
    assert_eq!((removed.id.as_str(), removed.warnings.len()), ("slack", 0));
    assert_eq!(fixture.app.list_channels(&by()), []);
}

#[tokio::test]
async fn every_kind_is_listed_with_its_settings() {
    let fixture = Fixture::start().await;
    let kinds = fixture.app.list_channel_kinds(&by());
    let words: Vec<&str> = kinds.iter().map(|kind| kind.kind.as_str()).collect();
    assert_eq!(words, ["email", "webhook", "slack", "discord", "teams", "ntfy", "gotify", "telegram"]);
    for kind in &kinds {
        assert!(kind.settings.iter().any(|setting| setting.required), "{kind:?}");
        assert!(kind.settings.iter().all(|setting| setting.about.ends_with('.')), "{kind:?}");
    }
}

/// Whoever may edit a channel must not have its secrets sent to themselves.
#[tokio::test]
async fn a_stored_secret_is_not_sent_to_a_new_place() {
    let fixture = Fixture::start().await;
    let (theirs, other) = (Recorder::start().await, Recorder::start().await);
    let setting = |name: &str, value: &str| (name.to_owned(), SecretText::new(value.to_owned()));
    let server = |recorder: &Recorder| format!("http://127.0.0.1:{}", recorder.port);
    let input = ChannelCreate {
        kind: "gotify".to_owned(),
        settings: [setting("server", &server(&theirs)), setting("token", "hunter2"), setting("plain_http", "private")]
            .into(),
        ..create("")
    };
    fixture.app.add_channel(&by(), &input, Apply::Now).await.unwrap();
    let edit = async |settings: &[(&str, &str)]| {
        let given =
            settings.iter().map(|(name, value)| ((*name).to_owned(), Some(SecretText::new((*value).to_owned()))));
        let update = ChannelUpdate { settings: given.collect(), ..Default::default() };
        fixture.app.edit_channel(&by(), "gotify", &update, Precondition::None, Apply::Now).await.map(drop)
    };
    let refused = edit(&[("server", &server(&other))]).await.unwrap_err();
    assert_eq!(refused.code(), "secret-elsewhere");
    assert_eq!(
        refused.to_string(),
        "settings: server is another one, and the token that is stored was given for the one before; give token again"
    );
    let authority = bundle(&["ca.test"], 90);
    let authority = export_pem(&authority.chain, &authority.key);
    assert_eq!(edit(&[("authority", &authority)]).await.unwrap_err().code(), "secret-elsewhere");
    // What stays as it is may be said again.
    edit(&[("server", &format!(" {} ", server(&theirs)))]).await.unwrap();
    edit(&[("server", &server(&other)), ("token", "another")]).await.unwrap();
    fixture.app.test_channel(&by(), "gotify").await.unwrap();
    assert_eq!(other.recorded(1).await[0].headers["x-gotify-key"], "another");
}

#[tokio::test]
async fn a_channel_that_is_removed_during_its_test_leaves_nothing() {
    let fixture = Fixture::start().await;
    let slow = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", slow.local_addr().unwrap());
    fixture.app.add_channel(&by(), &create(&url), Apply::Now).await.unwrap();
    let app = std::sync::Arc::clone(&fixture.app);
    let testing = tokio::spawn(async move { app.test_channel(&by(), "slack").await });
    let (held, _) = slow.accept().await.unwrap();
    fixture.app.remove_channel(&by(), "slack", Precondition::None, Apply::Now).await.unwrap();
    drop(held);
    assert!(!testing.await.unwrap().unwrap().sent);
    let id = ChannelId::parse("slack").unwrap();
    assert_eq!(work::ChannelWork::read(&fixture.store, &id).await.unwrap(), None);
}
