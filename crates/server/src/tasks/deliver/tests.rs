#![allow(clippy::unwrap_used, reason = "tests")]

use portward_api::{ChannelCreate, SecretText};
use portward_core::{NoticeKind, Tone};

use portward_store::change::commit;

use super::*;
use crate::{
    app::{Apply, Precondition},
    channel::recorder::{Recorded, Recorder},
    fixture::{Fixture, by, now},
    notice::{About, Notice},
};

impl Fixture {
    async fn add_channel(&self, id: &str, recorder: &Recorder, events: &[&str]) {
        let setting = |name: &str, value: String| (name.to_owned(), SecretText::new(value));
        let create = ChannelCreate {
            id: Some(id.to_owned()),
            kind: "webhook".to_owned(),
            settings: [
                setting("url", recorder.url(&format!("/{id}"))),
                setting("secret", "correct horse".to_owned()),
                setting("plain_http", "private".to_owned()),
            ]
            .into(),
            events: Some(events.iter().map(|event| (*event).to_owned()).collect()),
            enabled: None,
        };
        self.app.add_channel(&by(), &create, Apply::Now).await.unwrap();
    }

    /// Has so many notices wait, all at once.
    async fn tell(&self, kind: NoticeKind, titles: &[&str]) {
        let mut change = Change::of_work();
        for title in titles {
            let notice = Notice {
                kind,
                tone: Tone::Warning,
                subject: About::Trust,
                version: None,
                at: self.app.now(),
                title: (*title).to_owned(),
                message: "it is so".to_owned(),
                remedy: String::new(),
            };
            self.outbox.queue(&mut change, &self.served.now().desired, &notice);
        }
        commit(&self.store, change).await.unwrap();
    }

    async fn standing(&self, id: &str, is_so: impl Fn(&crate::notice::Standing) -> bool) -> crate::notice::Standing {
        let id = ChannelId::parse(id).unwrap();
        for _ in 0..20_000 {
            let standing = self.outbox.board().of(&id);
            if is_so(&standing) {
                return standing;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let standing = self.outbox.board().of(&id);
        assert!(is_so(&standing), "{standing:?}");
        standing
    }

    /// Sets the time and has it seen.
    async fn later(&self, seconds: u64) {
        self.set_now(self.app.now().plus(Duration::from_secs(seconds)));
        // Any change of what is remembered of channels wakes the task.
        let mut change = Change::of_work();
        change.put_channel_work(&ChannelId::parse("nobody").unwrap(), &ChannelWork::default());
        commit(&self.store, change).await.unwrap();
    }

    async fn waiting(&self) -> usize {
        work::queued(&self.store).await.unwrap().len()
    }
}

fn titles(recorded: &[Recorded]) -> Vec<String> {
    recorded.iter().map(|came| came.json()["data"]["title"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_channel_gets_what_it_wants_once() {
    let fixture = Fixture::start().await;
    let recorder = Recorder::start().await;
    fixture.add_channel("all", &recorder, &["all"]).await;
    fixture.add_channel("some", &recorder, &["expired"]).await;
    fixture.tell(NoticeKind::Renewed, &["a"]).await;
    fixture.tell(NoticeKind::Expired, &["b"]).await;
    let came = recorder.recorded(3).await;
    let mut paths: Vec<(String, String)> =
        came.iter().zip(titles(&came)).map(|(came, title)| (came.path.clone(), title)).collect();
    paths.sort();
    let expected = [("/all", "a"), ("/all", "b"), ("/some", "b")];
    assert_eq!(paths, expected.map(|(path, title)| (path.to_owned(), title.to_owned())));
    fixture.standing("all", |standing| standing.deliveries.delivered == 2 && standing.waiting == 0).await;
    fixture.standing("some", |standing| standing.deliveries.delivered == 1 && standing.waiting == 0).await;
    assert_eq!(fixture.waiting().await, 0);
    let fixture = fixture.restart().await;
    fixture.later(1).await;
    fixture.standing("all", |standing| standing.work.last.is_some()).await;
    assert_eq!(recorder.recorded(3).await.len(), 3, "nothing is sent again after a restart");
}

#[tokio::test]
async fn more_than_five_at_once_are_one_message_and_nothing_follows_within_the_minute() {
    let fixture = Fixture::start().await;
    let recorder = Recorder::start().await;
    fixture.add_channel("ops", &recorder, &["all"]).await;
    fixture.tell(NoticeKind::Problem, &["1", "2", "3", "4", "5", "6", "7"]).await;
    let came = recorder.recorded(1).await;
    assert_eq!(titles(&came), ["7 notices"]);
    assert_eq!(came[0].json()["type"], "digest");
    assert_eq!(came[0].json()["data"]["notices"].as_array().unwrap().len(), 7);
    fixture.standing("ops", |standing| standing.waiting == 0 && standing.deliveries.delivered == 1).await;

    fixture.tell(NoticeKind::Problem, &["8"]).await;
    fixture.standing("ops", |standing| standing.waiting == 1).await;
    assert_eq!(recorder.recorded(1).await.len(), 1);
    fixture.later(60).await;
    assert_eq!(titles(&recorder.recorded(2).await)[1], "8");
}

#[tokio::test]
async fn what_is_not_delivered_is_tried_again_also_after_a_restart_and_is_a_problem() {
    let fixture = Fixture::start().await;
    let recorder = Recorder::start().await;
    fixture.add_channel("ops", &recorder, &["all"]).await;
    for _ in 0..3 {
        recorder.answer(http::Response::builder().status(500), "down");
    }
    fixture.tell(NoticeKind::Expired, &["gone"]).await;
    let standing = fixture.standing("ops", |standing| standing.work.failures == 1).await;
    assert_eq!(standing.work.retry_at, Some(now().plus(Duration::from_secs(30))));
    let problem = |fixture: &Fixture| {
        let served = fixture.served.now();
        served.problems.iter().find(|problem| problem.code == NOTIFICATION_FAILING).cloned()
    };
    assert_eq!(problem(&fixture), None, "one failure may pass by itself");

    let fixture = fixture.restart().await;
    fixture.standing("ops", |standing| standing.work.failures == 1 && standing.waiting == 1).await;
    fixture.later(31).await;
    fixture.standing("ops", |standing| standing.work.failures == 2).await;
    let shown = fixture.served.until(|state| state.problems.iter().any(|p| p.code == NOTIFICATION_FAILING)).await;
    assert!(shown.is_published);
    let told = problem(&fixture).unwrap();
    assert_eq!(told.message, "the channel \"ops\" delivers nothing, 2 times in a row: 500 Internal Server Error: down");
    assert_eq!(told.subject.to_string(), "channel ops");

    // A change of the channel is a reason to try at once.
    let update = portward_api::ChannelUpdate { enabled: Some(true), ..Default::default() };
    fixture.app.edit_channel(&by(), "ops", &update, Precondition::None, Apply::Now).await.unwrap();
    fixture.standing("ops", |standing| standing.work.failures == 3).await;
    fixture.later(120).await;
    fixture.standing("ops", |standing| standing.work.failures == 0 && standing.waiting == 0).await;
    fixture.served.until(|state| state.problems.iter().all(|p| p.code != NOTIFICATION_FAILING)).await;
    let came = recorder.recorded(4).await;
    assert_eq!(titles(&came), ["gone"; 4]);
    let ids: std::collections::BTreeSet<&str> = came.iter().map(|came| came.header("webhook-id")).collect();
    assert_eq!(ids.len(), 1, "it is the same message each time");
}

#[tokio::test]
async fn what_could_not_be_delivered_for_a_day_is_given_up_and_told_of() {
    let fixture = Fixture::start().await;
    let recorder = Recorder::start().await;
    fixture.add_channel("ops", &recorder, &["all"]).await;
    recorder.answer(http::Response::builder().status(500), "down");
    fixture.tell(NoticeKind::Expired, &["old"]).await;
    fixture.standing("ops", |standing| standing.work.failures == 1).await;
    fixture.later(24 * 3600 + 60).await;
    fixture.standing("ops", |standing| standing.waiting == 0 && standing.work.dropped == 1).await;
    fixture.tell(NoticeKind::Expired, &["new"]).await;
    let came = recorder.recorded(2).await;
    assert_eq!(titles(&came)[1], "new");
    assert_eq!(came[1].json()["data"]["given_up"], 1);
    let standing = fixture.standing("ops", |standing| standing.work.dropped == 0).await;
    assert_eq!((standing.deliveries.delivered, standing.deliveries.failed, standing.deliveries.dropped), (1, 1, 1));
}

#[tokio::test]
async fn a_channel_that_is_removed_or_disabled_gets_nothing() {
    let fixture = Fixture::start().await;
    let recorder = Recorder::start().await;
    fixture.add_channel("ops", &recorder, &["all"]).await;
    recorder.answer(http::Response::builder().status(500), "down");
    fixture.tell(NoticeKind::Expired, &["a"]).await;
    fixture.standing("ops", |standing| standing.work.failures == 1).await;
    let removed = fixture.app.remove_channel(&by(), "ops", Precondition::None, Apply::Now).await.unwrap();
    assert_eq!(removed.warnings, ["notices that were not sent yet are gone with it: 1"]);
    assert_eq!(fixture.waiting().await, 0);

    fixture.add_channel("other", &recorder, &["all"]).await;
    let update = portward_api::ChannelUpdate { enabled: Some(false), ..Default::default() };
    fixture.app.edit_channel(&by(), "other", &update, Precondition::None, Apply::Now).await.unwrap();
    fixture.tell(NoticeKind::Expired, &["b"]).await;
    assert_eq!(fixture.waiting().await, 0);
    assert_eq!(recorder.recorded(1).await.len(), 1);
}
