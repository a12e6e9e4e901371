#![allow(clippy::unwrap_used, reason = "tests")]
use portward_core::{
    HostPattern, Thumbprint, Timestamp,
    acme::{AcmeProblem, Advice, Attempt, ChallengeKind, Check, Diagnosis, Outcome, Stage, Subproblem, Verdict},
};

use super::*;
use crate::{
    change::commit,
    memory::MemoryStore,
    sample,
    sealing::{MasterKey, Secret},
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(1_795_185_127 + second).unwrap()
}

fn certificate() -> CertificateId {
    CertificateId::parse("shop").unwrap()
}

fn issuer() -> IssuerId {
    IssuerId::parse("letsencrypt").unwrap()
}

fn attempt_of(id: &str, began: i64) -> Attempt {
    let names = vec![HostPattern::parse("shop.test").unwrap()];
    let (id, why) = (AttemptId::parse(id).unwrap(), "it is due".to_owned());
    let mut attempt = Attempt {
        id,
        certificate: certificate(),
        issuer: issuer(),
        names,
        why,
        began: at(began),
        order: Some("https://ca.test/order/1".to_owned()),
        timeline: Vec::new(),
        outcome: None,
    };
    attempt.tell(at(began), Stage::Planned, "planned");
    attempt
}

#[tokio::test]
async fn what_is_remembered_is_read_again() {
    let store = MemoryStore::new();
    let sealer = sample::open(&store, &MasterKey::generate()).await;
    let renewal = Renewal {
        failures: 3,
        retry_at: Some(at(1)),
        holds: vec![Hold { issuer: issuer(), until: at(2) }],
        window: Some(Window { of: Thumbprint::of(b"x"), start: at(3), end: at(4), explanation_url: None }),
        issued_by: Some(issuer()),
        ordered: vec![HostPattern::parse("shop.test").unwrap()],
        issued: vec![at(5)],
        irreplaceable: Some(Thumbprint::of(b"y")),
        ..Renewal::default()
    };
    let mut order = OrderProgress::plan(
        AttemptId::parse("a1").unwrap(),
        issuer(),
        vec![HostPattern::parse("*.shop.test").unwrap()],
        at(0),
    );
    order.challenges.push(PlacedChallenge {
        authorization: "https://ca.test/authz/1".to_owned(),
        name: HostPattern::parse("*.shop.test").unwrap(),
        kind: ChallengeKind::Dns01,
        token: "t".to_owned(),
        key_authorization: "t.k".to_owned(),
        txt: Some(PlacedTxt {
            zone: "shop.test".to_owned(),
            name: "_acme-challenge.shop.test".to_owned(),
            value: "v".to_owned(),
            provider: Some(portward_core::DnsProviderId::parse("cloudflare").unwrap()),
        }),
    });
    order.set_key(&certificate(), &Secret::copy_of(b"marker"), &sealer);
    let advice: Vec<Advice> = Check::ALL
        .into_iter()
        .zip([Verdict::Good, Verdict::Warning, Verdict::Unknown].into_iter().cycle())
        .map(|(check, verdict)| Advice { check, verdict, message: check.to_string(), remedy: None })
        .collect();
    order.set_advice(&advice);
    assert_eq!(order.advice(), advice);
    let account = StoredAccount {
        directory: "https://ca.test/dir".to_owned(),
        url: None,
        key: Secret::copy_of(b"marker"),
        next_key: Some(Secret::copy_of(b"next")),
    };
    let request = RenewalRequest { at: at(9), renew: true, force: true, placed: false };
    let mut change = Change::of_work();
    change.put_renewal(&certificate(), &renewal);
    change.put_order(&certificate(), &order);
    change.put_account(&issuer(), &account, &sealer);
    change.put_request(&certificate(), &request);
    change.put_orders(&issuer(), &[at(1), at(2)]);
    change.put_failures(&HostPattern::parse("*.shop.test").unwrap(), &[at(3)]);
    commit(&store, change).await.unwrap();

    assert_eq!(Renewal::read(&store, &certificate()).await.unwrap(), Some(renewal.clone()));
    assert_eq!(Renewal::read_all(&store).await.unwrap(), [(certificate(), renewal)]);
    let read = OrderProgress::read(&store, &certificate()).await.unwrap().unwrap();
    assert_eq!(read, order);
    assert_eq!(read.open_key(&certificate(), &sealer).unwrap().unwrap().expose(), b"marker");
    let read = StoredAccount::read(&store, &sealer, &issuer()).await.unwrap().unwrap();
    assert_eq!((read.key.expose(), read.next_key.unwrap().expose()), (&b"marker"[..], &b"next"[..]));
    assert_eq!(RenewalRequest::read_all(&store).await.unwrap(), [(certificate(), request)]);
    assert_eq!(ledger::orders(&store, &issuer()).await.unwrap(), [at(1), at(2)]);
    let name = HostPattern::parse("*.shop.test").unwrap();
    assert_eq!(ledger::failures(&store, &name).await.unwrap(), [at(3)]);
    let all = store.list(&Prefix::all(), None, Page::first(100)).await.unwrap();
    for kv in all.kvs {
        assert!(!String::from_utf8_lossy(&kv.value).contains("marker"), "{}", kv.key);
        assert!(!kv.key.as_str().starts_with("audit/2026"), "work has no audit records");
    }
}

#[tokio::test]
async fn attempts_are_listed_newest_first() {
    let store = MemoryStore::new();
    let mut failed = attempt_of("a2", 20);
    failed.outcome = Some(Outcome::Failed {
        at: at(21),
        diagnosis: Diagnosis {
            code: "caa-forbids".to_owned(),
            cause: "c".to_owned(),
            remedy: "r".to_owned(),
            problem: Some(AcmeProblem {
                kind: "urn:ietf:params:acme:error:caa".to_owned(),
                detail: "no".to_owned(),
                status: Some(403),
                subproblems: vec![Subproblem { identifier: None, kind: "k".to_owned(), detail: "d".to_owned() }],
            }),
        },
    });
    let mut served = attempt_of("a1", 10);
    served.outcome = Some(Outcome::Served { at: at(11) });
    let running = attempt_of("a3", 30);
    let mut change = Change::of_work();
    for attempt in [&failed, &served, &running] {
        change.put_attempt(attempt);
    }
    commit(&store, change).await.unwrap();
    let id = certificate();
    assert_eq!(newest_attempts(&store, Some(&id), 2).await.unwrap(), [running.clone(), failed.clone()]);
    assert_eq!(newest_attempts(&store, None, 9).await.unwrap(), [running, failed.clone(), served]);
    assert_eq!(attempt(&store, &id, &failed.id).await.unwrap(), Some(failed));
    let ids: Vec<String> = attempt_ids(&store, &id).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["a1", "a2", "a3"]);
}

#[tokio::test]
async fn what_a_newer_portward_wrote_is_not_guessed_at() {
    let store = MemoryStore::new();
    let mut change = Change::of_work();
    change.edit(WorkPlace::Renewal(&certificate()).key(), Some(Bytes::from_static(b"{\"v\":2}")), Expected::Any);
    commit(&store, change).await.unwrap();
    let error = Renewal::read(&store, &certificate()).await.unwrap_err();
    assert!(matches!(error, ReadWorkError::Record { source: RecordError::Newer { v: 2, .. }, .. }), "{error:?}");
}

#[tokio::test]
async fn what_was_told_of_a_removed_certificate_is_forgotten_and_of_others_it_is_not() {
    let store = MemoryStore::new();
    let other = CertificateId::parse("other").unwrap();
    for number in 1..=120 {
        let mut change = Change::of_work();
        change.put_notice(&certificate(), VersionNumber(number), "expired");
        change.put_notice(&other, VersionNumber(number), "expired");
        commit(&store, change).await.unwrap();
    }
    forget_notices(&store, &certificate()).await.unwrap();
    for number in 1..=120 {
        assert!(!is_noticed(&store, &certificate(), VersionNumber(number), "expired").await.unwrap());
        assert!(is_noticed(&store, &other, VersionNumber(number), "expired").await.unwrap());
    }
}

#[tokio::test]
async fn notices_wait_in_the_order_of_time_and_go_with_their_channel() {
    use portward_core::{ChannelId, NoticeKind, Tone};
    let store = MemoryStore::new();
    let (ops, home) = (ChannelId::parse("ops").unwrap(), ChannelId::parse("home").unwrap());
    let notice = |seconds: i64| QueuedNotice {
        id: new_notice_id(at(seconds)),
        kind: NoticeKind::Expired,
        tone: Tone::Bad,
        subject: "certificate shop-test".to_owned(),
        title: format!("{seconds}"),
        message: "m".to_owned(),
        remedy: String::new(),
        path: None,
        at: at(seconds),
    };
    let work = ChannelWork { failures: 2, retry_at: Some(at(9)), sent: vec![at(1)], ..ChannelWork::default() };
    let mut change = Change::of_work();
    for seconds in [3, 1, 2] {
        change.put_queued(&ops, &notice(seconds));
    }
    change.put_queued(&home, &notice(4));
    change.put_channel_work(&ops, &work);
    commit(&store, change).await.unwrap();
    let titles = |queued: &[(ChannelId, QueuedNotice)]| -> Vec<String> {
        queued.iter().map(|(channel, notice)| format!("{channel} {}", notice.title)).collect()
    };
    let all = queued(&store).await.unwrap();
    assert_eq!(titles(&all), ["home 4", "ops 1", "ops 2", "ops 3"]);
    assert_eq!(ChannelWork::read_all(&store).await.unwrap(), [(ops.clone(), work)]);
    forget_channel(&store, &ops).await.unwrap();
    assert_eq!(titles(&queued(&store).await.unwrap()), ["home 4"]);
    assert_eq!(ChannelWork::read(&store, &ops).await.unwrap(), None);
}

#[tokio::test]
async fn problems_and_places_that_were_told_of_are_remembered() {
    let store = MemoryStore::new();
    let told = |subject: &str| ToldProblem {
        code: "no-certificate".to_owned(),
        subject: subject.to_owned(),
        tone: portward_core::Tone::Warning,
        message: "m".to_owned(),
        at: at(1),
    };
    let places = SignInPlaces { networks: vec!["10.0.0.0/24".to_owned()] };
    let mut change = Change::of_work();
    change.put_told_problem(&told("site a/b \u{e4}"));
    change.put_told_problem(&told("site c"));
    change.put_places("mara \u{e4}", &places);
    commit(&store, change).await.unwrap();
    assert_eq!(ToldProblem::read_all(&store).await.unwrap().len(), 2);
    let mut change = Change::of_work();
    change.remove_told_problem(&told("site c"));
    commit(&store, change).await.unwrap();
    assert_eq!(ToldProblem::read_all(&store).await.unwrap(), [told("site a/b \u{e4}")]);
    assert_eq!(SignInPlaces::read(&store, "mara \u{e4}").await.unwrap(), Some(places));
    assert_eq!(SignInPlaces::read(&store, "mara").await.unwrap(), None);
}

/// The engine wrote its copy over what a revocation had written while the CA was asked.
#[tokio::test]
async fn a_compromised_key_is_remembered_whoever_writes_of_the_renewal() {
    let store = MemoryStore::new();
    let before = Renewal { failures: 1, ..Renewal::default() };
    let version = portward_core::Thumbprint::of(b"leaf");
    let mut change = Change::of_work();
    change.put_compromised(&certificate(), version);
    commit(&store, change).await.unwrap();
    let mut change = Change::of_work();
    change.put_renewal(&certificate(), &before);
    commit(&store, change).await.unwrap();
    assert_eq!(compromised(&store, &certificate()).await.unwrap(), Some(version));
    let mut change = Change::of_work();
    change.remove_compromised(&certificate());
    commit(&store, change).await.unwrap();
    assert_eq!(compromised(&store, &certificate()).await.unwrap(), None);
}

/// Does what a store in memory does at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let waker = std::task::Waker::noop();
    match std::pin::pin!(future).poll(&mut std::task::Context::from_waker(waker)) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => unreachable!("a store in memory waits for nobody"),
    }
}

/// Whoever tests a channel and whoever sends on it wrote over one another.
#[tokio::test]
async fn two_who_edit_what_is_remembered_of_a_channel_lose_nothing() {
    let store = MemoryStore::new();
    let ops = ChannelId::parse("ops").unwrap();
    let own = crate::place::Place::Channel(ops.clone()).key();
    store.txn(crate::Txn::new().put(own.clone(), "{}")).await.unwrap();
    let edits = std::cell::Cell::new(0);
    let edited = edit_channel_work(&store, &ops, |work| {
        edits.set(edits.get() + 1);
        if edits.get() == 1 {
            // Somebody else is faster.
            let other = edit_channel_work(&store, &ops, |work| {
                work.dropped += 7;
                Change::of_work()
            });
            at_once(other).unwrap().unwrap();
        }
        work.failures += 1;
        Change::of_work()
    });
    let edited = edited.await.unwrap().unwrap();
    assert_eq!((edited.dropped, edited.failures, edits.get()), (7, 1, 2));
    assert_eq!(ChannelWork::read(&store, &ops).await.unwrap(), Some(edited));

    // Nothing is written of a channel that is removed meanwhile.
    let gone = edit_channel_work(&store, &ops, |_| {
        at_once(store.txn(crate::Txn::new().delete(own.clone()))).unwrap();
        at_once(forget_channel(&store, &ops)).unwrap();
        Change::of_work()
    });
    assert_eq!(gone.await.unwrap(), None);
    assert_eq!(ChannelWork::read(&store, &ops).await.unwrap(), None);
}
