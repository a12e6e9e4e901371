#![allow(clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration};

use portward_api::Severity;
use portward_core::{
    AttemptId, CertificateId, HostPattern, IssuerId, Management, NoticeKind, Source, Timestamp, Tone, VersionNumber,
    acme::{Attempt, Diagnosis, KeyAlgorithm, KeyReuse, Managed, Outcome},
};
use portward_store::{
    Store,
    change::{Change, NewKey, NewVersion, commit},
    sealing::Secret,
    work::{self, Renewal},
};

use crate::{
    app::{Apply, Precondition, new_key_id},
    fixture::{Fixture, bundle, bundle_at, by, import, now, site},
    notice::Notice,
    problem::{Problem, RENEWAL_FAILING},
};

fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 3600)
}

fn shop() -> CertificateId {
    CertificateId::parse("shop-test").unwrap()
}

impl Fixture {
    /// What was told so far, once it is that much.
    async fn told(&self, count: usize) -> Vec<(NoticeKind, VersionNumber, Tone)> {
        self.eventually(|fixture| fixture.of_certificates().len() >= count).await;
        let notices = self.of_certificates();
        notices.iter().map(|notice| (notice.kind, notice.version.unwrap(), notice.tone)).collect()
    }

    /// What was told of certificates, but that they are new.
    fn of_certificates(&self) -> Vec<Notice> {
        let is_looked_at = |notice: &&Notice| notice.version.is_some() && notice.kind != NoticeKind::Renewed;
        self.notices.lock().unwrap().iter().filter(is_looked_at).cloned().collect()
    }

    fn last(&self) -> Notice {
        self.of_certificates().last().unwrap().clone()
    }

    async fn eventually(&self, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..20_000 {
            if is_so(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(is_so(self), "{:?}, {:?}", self.notices.lock().unwrap(), self.served.now().problems);
    }

    /// Sets the time, and has it seen.
    async fn at(&self, now: Timestamp) {
        self.set_now(now);
        self.stir().await;
    }

    /// Has everything looked at: a change that changes nothing of certificates.
    async fn stir(&self) {
        let name = format!("s{}.test", self.audited().await);
        self.app.add_site(&by(), &site(&[&name]), Apply::Now).await.unwrap();
    }

    async fn is_noticed(&self, version: u32, kind: NoticeKind) -> bool {
        work::is_noticed(&self.store, &shop(), VersionNumber(version), kind.as_str()).await.unwrap()
    }

    /// Waits until it is stored that somebody was told.
    async fn stored_notice(&self, version: u32, kind: NoticeKind) {
        for _ in 0..20_000 {
            if self.is_noticed(version, kind).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(self.is_noticed(version, kind).await);
    }

    /// Adds a managed certificate that lives for 90 days from now, and is renewed 20 days before its end.
    async fn add_managed(&self) {
        let bundle = bundle(&["shop.test"], 90);
        let secret = Secret::copy_of(bundle.key.as_pkcs8_der());
        let mut change = Change::new("test", "add", now());
        let version = NewVersion {
            source: Source::Acme,
            added: now(),
            chain: bundle.chain,
            facts: Arc::new(bundle.facts),
            key: new_key_id().unwrap(),
            private_key: NewKey::Here(&secret),
        };
        let managed = Managed {
            names: vec![HostPattern::parse("shop.test").unwrap()],
            issuers: vec![IssuerId::parse("le").unwrap()],
            challenge: None,
            profile: None,
            dns: None,
            key: KeyAlgorithm::EcdsaP256,
            reuse: KeyReuse::New,
            key_on: None,
            renew_before: Some(days(20)),
        };
        let management = Management::Managed(Arc::new(managed));
        change.add_certificate(&shop(), "shop.test", management, version, &self.sealer().await);
        let revision = commit(&self.store, change).await.unwrap();
        self.served.reached(revision, Duration::from_secs(30)).await.unwrap();
        self.eventually(|fixture| fixture.board.all().contains_key(&shop())).await;
    }

    /// Stores that so many attempts failed in a row.
    async fn fail(&self, failures: u32) {
        let at = now().plus(Duration::from_secs(u64::from(failures)));
        let mut change = Change::of_work();
        let trouble = (failures > 0).then(|| "challenge-unreachable".to_owned());
        change.put_renewal(&shop(), &Renewal { failures, trouble, ..Renewal::default() });
        change.put_attempt(&Attempt {
            id: AttemptId::parse(&format!("attempt-{failures}")).unwrap(),
            certificate: shop(),
            issuer: IssuerId::parse("le").unwrap(),
            names: vec![HostPattern::parse("shop.test").unwrap()],
            why: "a third of its lifetime is left".to_owned(),
            began: at,
            order: None,
            timeline: Vec::new(),
            outcome: Some(Outcome::Failed {
                at,
                diagnosis: Diagnosis {
                    code: "challenge-unreachable".to_owned(),
                    cause: format!("The CA cannot reach port 80 of shop.test ({failures})."),
                    remedy: "Open port 80.".to_owned(),
                    problem: None,
                },
            }),
        });
        commit(&self.store, change).await.unwrap();
    }

    fn failing(&self) -> Option<Problem> {
        let served = self.served.now();
        served.problems.iter().find(|problem| problem.code == RENEWAL_FAILING).cloned()
    }
}

#[tokio::test]
async fn a_certificate_that_expires_is_told_of_once_for_each_version_also_across_restarts() {
    use NoticeKind::{Expired, ExpiresSoon};
    let fixture = Fixture::start().await;
    let first = bundle(&["shop.test"], 90);
    fixture.app.import_certificate(&by(), import(&first, None), Precondition::None, Apply::Now).await.unwrap();
    fixture.stir().await;
    assert_eq!(fixture.told(0).await, []);

    fixture.at(now().plus(days(61))).await;
    let soon = (ExpiresSoon, VersionNumber(1), Tone::Warning);
    assert_eq!(fixture.told(1).await, [soon]);
    let text = fixture.last().to_string();
    let not_after = first.facts.validity.not_after;
    assert_eq!(
        text,
        format!(
            "the certificate \"shop.test\" expires on {not_after}; import its successor: \
             portward certificate import FILE --replace shop-test"
        )
    );
    fixture.stored_notice(1, ExpiresSoon).await;
    assert!(!fixture.is_noticed(1, Expired).await);

    let fixture = fixture.restart().await;
    fixture.stir().await;
    fixture.at(now().plus(days(91))).await;
    let expired = (Expired, VersionNumber(1), Tone::Bad);
    assert_eq!(fixture.told(1).await, [expired], "the warning was told before the restart");
    fixture.stored_notice(1, Expired).await;

    // Another version is another matter, and lives less long.
    let made = now().plus(days(91));
    let second = import(&bundle_at(&["shop.test"], 9, made), Some("shop-test"));
    fixture.app.import_certificate(&by(), second, Precondition::None, Apply::Now).await.unwrap();
    fixture.stir().await;
    assert_eq!(fixture.told(1).await, [expired], "a third of nine days is not left yet");
    fixture.at(made.plus(days(7))).await;
    let soon = (ExpiresSoon, VersionNumber(2), Tone::Warning);
    assert_eq!(fixture.told(2).await, [expired, soon]);
}

#[tokio::test]
async fn what_was_told_is_stored_once() {
    let fixture = Fixture::start().await;
    let bundle = bundle(&["shop.test"], 90);
    fixture.app.import_certificate(&by(), import(&bundle, None), Precondition::None, Apply::Now).await.unwrap();
    fixture.at(now().plus(days(61))).await;
    fixture.told(1).await;
    fixture.stored_notice(1, NoticeKind::ExpiresSoon).await;
    let before = fixture.store.revision().await.unwrap();
    for _ in 0..3 {
        fixture.stir().await;
    }
    assert_eq!(fixture.told(1).await.len(), 1);
    let prefix = portward_store::Prefix::parse("work/notice/").unwrap();
    let written = fixture.store.counts(&prefix, before).await.unwrap();
    assert_eq!((written.all, written.newer), (1, 0), "it is written once");
}

#[tokio::test]
async fn a_renewal_that_fails_three_times_is_a_problem_until_it_succeeds() {
    let fixture = Fixture::start().await;
    fixture.add_managed().await;
    fixture.fail(2).await;
    fixture.eventually(|fixture| fixture.board.all()[&shop()].failures == 2).await;
    assert_eq!(fixture.failing(), None);
    fixture.fail(3).await;
    fixture.eventually(|fixture| fixture.failing().is_some()).await;
    let problem = fixture.failing().unwrap();
    assert_eq!(problem.severity, Severity::Warning);
    assert_eq!(problem.subject.to_string(), "certificate shop-test");
    assert_eq!(
        problem.message,
        "the renewal of the certificate \"shop.test\" fails, 3 times in a row: The CA cannot reach port 80 of shop.test (3)."
    );
    assert_eq!(problem.remedy, "Open port 80.");
    assert!(fixture.app.show_status(&by()).ok, "a warning is no error");
    assert_eq!(fixture.told(1).await, [(NoticeKind::RenewalFailing, VersionNumber(1), Tone::Warning)]);
    let text = fixture.last().to_string();
    assert!(text.contains("its renewal fails, 3 times in a row (challenge-unreachable): The CA cannot"), "{text}");
    assert!(text.ends_with("(3). Open port 80."), "{text}");
    fixture.stored_notice(1, NoticeKind::RenewalFailing).await;

    fixture.fail(4).await;
    fixture.eventually(|fixture| fixture.failing().is_some_and(|problem| problem.message.contains("(4)"))).await;
    let fixture = fixture.restart().await;
    fixture.eventually(|fixture| fixture.failing().is_some()).await;
    fixture.stir().await;
    assert!(fixture.failing().is_some(), "publishing anew keeps it");
    assert_eq!(fixture.told(0).await, [], "it is told once for a version");

    // Less than a tenth of 90 days is left.
    fixture.at(now().plus(days(82))).await;
    fixture.eventually(|fixture| fixture.failing().is_some_and(|it| it.severity == Severity::Error)).await;
    assert!(!fixture.app.show_status(&by()).ok);
    let soon = fixture.told(1).await;
    assert_eq!(soon, [(NoticeKind::ExpiresSoon, VersionNumber(1), Tone::Warning)]);
    assert!(fixture.last().message.contains("challenge-unreachable"), "{}", fixture.last().message);

    fixture.set_now(now().plus(days(1)));
    fixture.fail(0).await;
    fixture.eventually(|fixture| fixture.failing().is_none()).await;
}

#[tokio::test]
async fn a_renewal_that_is_late_without_any_attempt_is_a_problem_after_an_hour() {
    let fixture = Fixture::start().await;
    fixture.add_managed().await;
    let due = fixture.board.all()[&shop()].due.unwrap();
    assert!((days(67)..=days(70)).contains(&due.since(now())), "{due}");

    let late = due.plus(days(90) / 20).plus(Duration::from_secs(60));
    fixture.at(late).await;
    fixture.told(1).await;
    assert_eq!(fixture.last().kind, NoticeKind::ExpiresSoon, "it was seen to be due just now");
    fixture.at(late.plus(Duration::from_secs(3601))).await;
    assert_eq!(fixture.told(2).await[1].0, NoticeKind::RenewalFailing);
    let problem = fixture.failing().unwrap();
    assert_eq!(problem.severity, Severity::Warning);
    assert_eq!(
        problem.message,
        format!(
            "the certificate \"shop.test\" is not renewed, though it is due since {due} (20 days before it expires, as asked for)"
        )
    );
    assert_eq!(problem.remedy, "see how its renewal stands: portward acme renewals shop-test");
}

impl Fixture {
    /// What was told that is of that kind.
    fn of_kind(&self, kind: NoticeKind) -> Vec<Notice> {
        self.notices.lock().unwrap().iter().filter(|notice| notice.kind == kind).cloned().collect()
    }

    /// Lets time pass, half a minute after the other, until it is so.
    async fn later_until(&self, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..200 {
            self.at(self.app.now().plus(Duration::from_secs(31))).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            if is_so(self) {
                return;
            }
        }
        assert!(is_so(self), "{:?}", self.notices.lock().unwrap());
    }
}

#[tokio::test]
async fn a_certificate_that_was_got_from_a_ca_is_told_of_once_and_not_long_after() {
    let fixture = Fixture::start().await;
    fixture.add_managed().await;
    fixture.eventually(|fixture| !fixture.of_kind(NoticeKind::Renewed).is_empty()).await;
    let told = fixture.of_kind(NoticeKind::Renewed).remove(0);
    assert_eq!((told.tone, told.version), (Tone::Good, Some(VersionNumber(1))));
    assert_eq!(told.title, "shop.test has a new certificate");
    assert!(told.message.contains("was got from a CA and is served; it is valid until"), "{}", told.message);
    fixture.stored_notice(1, NoticeKind::Renewed).await;
    let fixture = fixture.restart().await;
    fixture.eventually(|fixture| fixture.board.all().contains_key(&shop())).await;
    fixture.stir().await;
    assert_eq!(fixture.of_kind(NoticeKind::Renewed), []);

    let fixture = Fixture::start().await;
    fixture.set_now(now().plus(days(2)));
    fixture.add_managed().await;
    fixture.stir().await;
    assert_eq!(fixture.of_kind(NoticeKind::Renewed), [], "it was got before somebody asked to be told");
}

#[tokio::test]
async fn a_problem_is_told_of_when_it_has_lasted_and_when_it_is_gone() {
    let fixture = Fixture::start().await;
    // No certificate has the name of this site.
    fixture.app.add_site(&by(), &site(&["bare.test"]), Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &crate::fixture::binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let is_bare = |problem: &&Problem| problem.subject.to_string() == "site bare-test";
    let state = fixture.served.until(|state| state.problems.iter().any(|problem| is_bare(&problem))).await;
    let problem = state.problems.iter().find(is_bare).unwrap().clone();
    fixture.stir().await;
    assert_eq!(fixture.of_kind(NoticeKind::Problem), [], "it may pass");
    // A problem of this kind is there for each site that `stir` adds; the first one is looked at.
    let of_first = |fixture: &Fixture, kind: NoticeKind| -> Vec<Notice> {
        let subject = problem.subject.to_string();
        fixture.of_kind(kind).into_iter().filter(|notice| notice.subject.to_string() == subject).collect()
    };
    fixture.later_until(|fixture| !of_first(fixture, NoticeKind::Problem).is_empty()).await;
    let told = of_first(&fixture, NoticeKind::Problem).remove(0);
    assert_eq!((told.message.as_str(), told.remedy.as_str()), (problem.message.as_str(), problem.remedy.as_str()));

    let fixture = fixture.restart().await;
    fixture.served.until(|state| !state.problems.is_empty()).await;
    // Others are told of again and again, as each stir makes one.
    fixture.later_until(|fixture| !fixture.of_kind(NoticeKind::Problem).is_empty()).await;
    assert_eq!(of_first(&fixture, NoticeKind::Problem), [], "it is told once, also across restarts");
    fixture.app.remove_site(&by(), "bare-test", Precondition::None, Apply::Now).await.unwrap();
    fixture.stir().await;
    assert_eq!(of_first(&fixture, NoticeKind::ProblemCleared), [], "it may come back");
    fixture.later_until(|fixture| !of_first(fixture, NoticeKind::ProblemCleared).is_empty()).await;
    let gone = of_first(&fixture, NoticeKind::ProblemCleared).remove(0);
    assert_eq!(gone.tone, Tone::Good);
    assert!(gone.message.contains(&problem.message), "{}", gone.message);
}
