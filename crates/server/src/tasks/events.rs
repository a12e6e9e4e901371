//! Tells what happens: what is served, problems that come and go, attempts that come further.
//!
//! It follows what is served and the store, and keeps nothing: who was not there when something happened
//! looks at what is true now.

use std::{collections::HashSet, sync::Arc, time::Duration};

use portward_api::{AttemptEvent, ProblemEvent, ProblemState, RevisionEvent, ServedEvent};
use portward_core::{
    AttemptId, CertificateId, Revision,
    acme::{Attempt, Outcome, Stage},
};
use portward_store::{Key, Kv, Prefix, Store, WatchEvent, WatchStream, audit, work};

use super::Shutdown;
use crate::{
    app::chain_text,
    events::{Events, Happened},
    problem::{Problem, Subject},
    served::{Served, ServedState},
};

/// Is what the task works with.
#[derive(Clone)]
pub(crate) struct TellEvents {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) served: Arc<Served>,
    pub(crate) events: Arc<Events>,
    /// What happens after this is told.
    pub(crate) after: Revision,
    pub(crate) shutdown: Shutdown,
}

impl TellEvents {
    /// Tells until shutdown.
    pub(crate) async fn run(self) {
        let mut newest = self.served.subscribe();
        // What is served when it begins is news too: others may listen already.
        let mut last = Arc::new(ServedState::default());
        newest.mark_changed();
        let mut watch: Option<WatchStream> = None;
        let mut seen = self.after;
        loop {
            if watch.is_none() {
                watch = self.watch(seen).await;
            }
            let retry = if watch.is_some() { Duration::MAX } else { RETRY };
            tokio::select! {
                () = self.shutdown.pulled() => return,
                changed = newest.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let state = Arc::clone(&newest.borrow_and_update());
                    self.tell_difference(&last, &state);
                    last = state;
                }
                event = next(&mut watch) => match event {
                    Some(WatchEvent::Batch { revision, puts, .. }) => {
                        seen = revision;
                        self.tell_stored(revision, &puts).await;
                    }
                    Some(WatchEvent::Alive) => {}
                    Some(WatchEvent::Compacted { oldest }) => {
                        seen = oldest;
                        watch = None;
                    }
                    Some(WatchEvent::Lost(_)) | None => watch = None,
                },
                () = tokio::time::sleep(retry) => {}
            }
        }
    }

    async fn watch(&self, after: Revision) -> Option<WatchStream> {
        let watched = async {
            let prefixes: Vec<Prefix> =
                [AUDIT, ATTEMPTS].into_iter().filter_map(|text| Prefix::parse(text).ok()).collect();
            self.store.watch(&prefixes, after).await
        };
        match watched.await {
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::warn!(
                    error = chain_text(&error),
                    "the store cannot be watched; events are missing until it can"
                );
                None
            }
        }
    }

    /// Tells what is served now and was not before.
    fn tell_difference<'a>(&self, before: &'a ServedState, after: &'a ServedState) {
        if after.is_published && (after.desired.revision != before.desired.revision || !before.is_published) {
            let served = ServedEvent { revision: after.desired.revision.0, problems: after.problems.len() };
            self.events.tell(Happened::Served(served));
        }
        let tell = |state: ProblemState, problem: &Problem| {
            self.events.tell(Happened::Problem(ProblemEvent { state, problem: problem.view() }));
        };
        // The same thing may be told in other words, as of the days that are left.
        let known = |state: &'a ServedState| -> HashSet<(&'static str, &'a Subject)> {
            state.problems.iter().map(|problem| (problem.code, &problem.subject)).collect()
        };
        let (were, are) = (known(before), known(after));
        for problem in before.problems.iter().filter(|problem| !are.contains(&(problem.code, &problem.subject))) {
            tell(ProblemState::Cleared, problem);
        }
        for problem in after.problems.iter().filter(|problem| !were.contains(&(problem.code, &problem.subject))) {
            tell(ProblemState::Appeared, problem);
        }
    }

    /// Tells what was written at a revision.
    async fn tell_stored(&self, revision: Revision, puts: &[Kv]) {
        for kv in puts {
            if kv.key.as_str().starts_with(AUDIT) {
                let (who, what) = audit::entry(kv).map(|entry| (entry.who, entry.what)).unzip();
                self.events.tell(Happened::Revision(RevisionEvent { revision: revision.0, who, what }));
            } else if let Some((certificate, id)) = attempt_of(&kv.key) {
                match work::attempt(&*self.store, &certificate, &id).await {
                    Ok(Some(attempt)) => self.events.tell(Happened::Attempt(told(&attempt))),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(error = chain_text(&error), "an attempt cannot be read"),
                }
            }
        }
    }
}

async fn next(watch: &mut Option<WatchStream>) -> Option<WatchEvent> {
    match watch {
        Some(stream) => stream.next().await,
        // Somebody else ends the wait, after which the watch is tried again.
        None => std::future::pending().await,
    }
}

fn attempt_of(key: &Key) -> Option<(CertificateId, AttemptId)> {
    let mut segments = key.segments().skip(2);
    Some((CertificateId::parse(segments.next()?).ok()?, AttemptId::parse(segments.next()?).ok()?))
}

fn told(attempt: &Attempt) -> AttemptEvent {
    let last = attempt.timeline.last();
    let ended = attempt.outcome.as_ref().map(|outcome| match outcome {
        Outcome::Served { .. } => "served",
        Outcome::Failed { .. } => "failed",
    });
    AttemptEvent {
        attempt: attempt.id.to_string(),
        certificate: attempt.certificate.to_string(),
        stage: last.map_or(Stage::Planned, |event| event.stage).to_string(),
        what: last.map(|event| event.what.clone()).unwrap_or_default(),
        ended: ended.map(str::to_owned),
    }
}

/// Below this is a record for each change of what operators ask for.
const AUDIT: &str = "audit/";
/// Below this are the attempts.
const ATTEMPTS: &str = "work/attempt/";
/// After the store could not be watched.
const RETRY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_core::{HostPattern, IssuerId, Timestamp, acme::Event};
    use portward_store::change::{Change, commit};

    use super::*;
    use crate::{
        app::Apply,
        events::{Event as Told, Heard, Listener},
        fixture::{Fixture, binding, bundle, by, import, now, site},
    };

    async fn heard(listener: &mut Listener, is_it: impl Fn(&Happened) -> bool) -> Happened {
        let listening = async {
            loop {
                let Some(Heard::Events(events)) = listener.next().await else { continue };
                if let Some(found) = events.iter().find(|event: &&Arc<Told>| is_it(&event.happened)) {
                    return found.happened.clone();
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), listening).await.unwrap()
    }

    #[tokio::test]
    async fn a_change_is_told_when_it_is_stored_and_when_it_is_served() {
        let fixture = Fixture::start().await;
        let mut stored = fixture.events.listen(None).unwrap();
        let mut served = fixture.events.listen(None).unwrap();
        let added = fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
        let revision = added.revision.unwrap().0;
        let told = heard(&mut stored, |event| matches!(event, Happened::Revision(event) if event.revision == revision));
        let Happened::Revision(event) = told.await else { return };
        assert_eq!(
            (event.who.as_deref(), event.what.as_deref()),
            (Some("test"), Some("add site shop-test for shop.test"))
        );
        heard(&mut served, |event| matches!(event, Happened::Served(event) if event.revision >= revision)).await;
    }

    #[tokio::test]
    async fn a_problem_is_told_when_it_comes_and_when_it_goes() {
        let fixture = Fixture::start().await;
        let app = &fixture.app;
        app.import_certificate(
            &by(),
            import(&bundle(&["shop.test"], 5), None),
            crate::app::Precondition::None,
            Apply::Now,
        )
        .await
        .unwrap();
        let mut listener = fixture.events.listen(None).unwrap();
        fixture.set_now(Timestamp::from_unix(now().unix() + 6 * 24 * 3600).unwrap());
        app.add_binding(&by(), &binding("http://127.0.0.1:0"), Apply::Now).await.unwrap();
        let expired = |state| move |event: &Happened| matches!(event, Happened::Problem(event) if event.state == state && event.problem.code == "certificate-expired");
        heard(&mut listener, expired(ProblemState::Appeared)).await;
        let id = app.list_certificates(&by())[0].id.clone();
        app.remove_certificate(&by(), &id, crate::app::Precondition::None, Apply::Now).await.unwrap();
        heard(&mut listener, expired(ProblemState::Cleared)).await;
    }

    #[tokio::test]
    async fn an_attempt_is_told_at_each_stage() {
        let fixture = Fixture::start().await;
        let mut listener = fixture.events.listen(None).unwrap();
        let attempt = Attempt {
            id: AttemptId::parse("a1").unwrap(),
            certificate: CertificateId::parse("shop").unwrap(),
            issuer: IssuerId::parse("ca").unwrap(),
            names: vec![HostPattern::parse("shop.test").unwrap()],
            why: "it is new".to_owned(),
            began: now(),
            order: None,
            timeline: vec![Event { at: now(), stage: Stage::Challenged, what: "The CA looks.".to_owned() }],
            outcome: None,
        };
        let mut change = Change::of_work();
        change.put_attempt(&attempt);
        commit(&fixture.store, change).await.unwrap();
        let Happened::Attempt(event) = heard(&mut listener, |event| matches!(event, Happened::Attempt(_))).await else {
            return;
        };
        assert_eq!((event.certificate.as_str(), event.stage.as_str()), ("shop", "challenged"));
        assert_eq!((event.what.as_str(), event.ended), ("The CA looks.", None));
    }
}
