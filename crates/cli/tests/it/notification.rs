//! Commands about notifications.

use serde_json::{Value, json};

use crate::{
    fake::Fake,
    program::{program, run, run_with},
};

fn channel(id: &str) -> Value {
    json!({
        "id": id, "kind": "slack", "target": "hooks.slack.com", "settings": { "url": null, "plain_http": "refused" },
        "events": ["all"], "enabled": true,
        "sending": { "waiting": 0, "failures": 0, "retry_at": null, "last": null },
    })
}

#[test]
fn every_command_asks_at_its_route_and_prints_what_came() {
    let kind = json!({ "kind": "slack", "about": "Slack", "settings": [] });
    let told = json!({ "at": "2026-11-20T12:00:00Z", "sent": true, "said": "200 OK: ok" });
    let removed = json!({ "id": "slack", "warnings": [] });
    for (words, answer, asked, body) in [
        ("notification kinds", json!([kind]), "GET notification-kinds?limit=1000", Value::Null),
        ("notification list", json!([channel("slack")]), "GET notifications?limit=1000", Value::Null),
        ("notification show slack", channel("slack"), "GET notifications/slack", Value::Null),
        ("notification remove slack", removed, "DELETE notifications/slack", Value::Null),
        ("notification test slack", told, "POST notifications/slack/test", Value::Null),
        (
            "notification add slack --id ops --set url=https://hooks.test/ --event expired --disabled --dry-run",
            channel("ops"),
            "POST notifications?dry_run=true",
            json!({
                "id": "ops", "kind": "slack", "settings": { "url": "https://hooks.test/" }, "events": ["expired"],
                "enabled": false,
            }),
        ),
        (
            "notification edit slack --unset authority --set plain_http=private --enable",
            channel("slack"),
            "PATCH notifications/slack",
            json!({ "settings": { "authority": null, "plain_http": "private" }, "enabled": true }),
        ),
    ] {
        let fake = Fake::json(200, &answer);
        let (method, path) = asked.split_once(' ').unwrap();
        let words: Vec<&str> = words.split(' ').collect();
        let ran = run(fake.directory(), &words);
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        assert!(!ran.stdout.is_empty() || !ran.stderr.is_empty(), "{words:?} says nothing");
        let ran = run(fake.directory(), &[&words[..], &["-o", "json"]].concat());
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), answer, "{words:?}");
        for seen in fake.asked() {
            assert_eq!((seen.line, seen.body), (format!("{method} /api/v1/{path}"), body.clone()), "{words:?}");
        }
    }
}

#[test]
fn a_secret_comes_from_stdin_and_is_not_printed() {
    let fake = Fake::json(201, &channel("slack"));
    let words = ["notification", "add", "slack", "--secret", "url=-"];
    let ran = run_with(program(fake.directory()).args(words), "https://hooks.test/hunter2\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
    assert_eq!(fake.asked()[0].body["settings"]["url"], "https://hooks.test/hunter2");
}

#[test]
fn a_test_message_that_is_not_taken_is_a_failure() {
    let told = json!({ "at": "2026-11-20T12:00:00Z", "sent": false, "said": "404 Not Found: no_team" });
    let fake = Fake::json(200, &told);
    let ran = run(fake.directory(), &["notification", "test", "slack"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(format!("{ran:?}").contains("was not delivered of slack. It said: 404 Not Found: no_team"), "{ran:?}");
}
