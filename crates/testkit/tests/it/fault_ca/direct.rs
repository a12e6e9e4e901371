//! Without HTTP.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use portward_certs::acme::{
    AccountKey, AuthorizationStatus, CertificateAuthority, EabKey, NewAccount, NewOrder, Order, OrderStatus,
    RegisteredAccount, RevocationReason, csr, new_private_key,
};
use portward_core::{
    HostPattern, Timestamp,
    acme::{AcmeProblem, CaErrorKind, ChallengeKind, KeyAlgorithm},
};
use portward_testkit::{Config, Endpoint, Fault, FaultCa, Limits, Outcome, Validation, Verdict};
use rustls::pki_types::{CertificateDer, pem::PemObject};

struct Bench {
    ca: FaultCa,
    clock: Arc<AtomicI64>,
    account: RegisteredAccount,
}

impl Bench {
    async fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(Timestamp::parse("2026-11-20T12:00:00Z").unwrap().unix()));
        let ca = FaultCa::with_clock(Arc::clone(&clock));
        let account = ca.register(&new_account()).await.unwrap();
        Self { ca, clock, account }
    }

    fn pass(&self, time: Duration) {
        self.clock.fetch_add(time.as_secs() as i64, Ordering::SeqCst);
    }

    async fn order(&self, names: &[&str]) -> Result<Order, portward_core::acme::CaError> {
        self.ca.new_order(&self.account, &wish(names)).await
    }

    /// Answers every challenge by its first kind, and sends the request.
    async fn finish(&self, order: &Order, names: &[&str]) -> Result<Order, portward_core::acme::CaError> {
        for url in &order.authorizations {
            let authorization = self.ca.authorization(&self.account, url).await?;
            if authorization.status == AuthorizationStatus::Pending {
                self.ca.answer(&self.account, url, authorization.challenges[0].kind).await?;
            }
        }
        self.ca.finalize(&self.account, &order.url, &request(names)).await
    }

    async fn issue(&self, names: &[&str]) -> Vec<u8> {
        let order = self.order(names).await.unwrap();
        let order = self.finish(&order, names).await.unwrap();
        leaf(&self.ca.certificate(&self.account, &order.url).await.unwrap()[0].pem)
    }
}

#[tokio::test]
async fn an_order_goes_from_new_to_certificate() {
    let bench = Bench::new().await;
    bench.ca.configure(|config| {
        config.issuance_polls = 2;
        config.validation_polls = 1;
        config.alternate_chain = true;
    });
    let names = ["shop.test", "*.shop.test", "192.0.2.1"];
    let order = bench.order(&names).await.unwrap();
    assert_eq!((order.status, order.authorizations.len()), (OrderStatus::Pending, 3));
    let early = bench.ca.finalize(&bench.account, &order.url, &request(&names)).await.unwrap_err();
    assert_eq!(early.problem().unwrap().word(), "orderNotReady");
    for url in &order.authorizations {
        let authorization = bench.ca.authorization(&bench.account, url).await.unwrap();
        let kinds: Vec<_> = authorization.challenges.iter().map(|challenge| challenge.kind).collect();
        match authorization.name.to_string().as_str() {
            "shop.test" => assert_eq!(kinds, ChallengeKind::ALL),
            "*.shop.test" => assert_eq!(kinds, [ChallengeKind::Dns01]),
            _ => assert_eq!(kinds, [ChallengeKind::Http01, ChallengeKind::TlsAlpn01]),
        }
        bench.ca.answer(&bench.account, url, kinds[0]).await.unwrap();
        assert_eq!(bench.ca.authorization(&bench.account, url).await.unwrap().status, AuthorizationStatus::Valid);
    }
    let other_names = bench.ca.finalize(&bench.account, &order.url, &request(&["other.test"])).await.unwrap_err();
    assert_eq!(other_names.problem().unwrap().word(), "badCSR");
    let order = bench.ca.finalize(&bench.account, &order.url, &request(&names)).await.unwrap();
    assert_eq!((order.status, order.retry_after), (OrderStatus::Processing, Some(Duration::from_secs(3))));
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.ca.order(&bench.account, &order.url).await.unwrap().status, OrderStatus::Processing);
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.ca.order(&bench.account, &order.url).await.unwrap().status, OrderStatus::Valid);
    assert_eq!(bench.ca.retry_after_violations().len(), 1, "the last look came a second early");
    let chains = bench.ca.certificate(&bench.account, &order.url).await.unwrap();
    let facts = portward_certs::facts(&leaf(&chains[0].pem)).unwrap();
    let mut got: Vec<_> = facts.names.iter().map(ToString::to_string).collect();
    got.sort();
    assert_eq!(got, ["*.shop.test", "192.0.2.1", "shop.test"]);
    assert_eq!(facts.validity.not_after.since(facts.validity.not_before), 90 * DAY);
    assert_eq!(chains.len(), 2);
    assert_eq!(leaf(&chains[1].pem), leaf(&chains[0].pem));
    assert_ne!(chains[1].pem, chains[0].pem);
    assert_eq!(bench.ca.issued("shop.test"), [(bench.ca.now(), bench.ca.now().plus(90 * DAY))]);
}

#[tokio::test]
async fn each_fault_is_the_error_that_a_client_would_make_of_it() {
    let bench = Bench::new().await;
    let wait = Duration::from_secs(60);
    let problem = |word: &str| {
        let word = word.to_owned();
        move |kind: &CaErrorKind| matches!(kind, CaErrorKind::Problem(problem) if problem.word() == word)
    };
    type Claim = Box<dyn Fn(&CaErrorKind) -> bool>;
    let unreachable = |kind: &CaErrorKind| matches!(kind, CaErrorKind::Unreachable(_));
    let malformed = |kind: &CaErrorKind| matches!(kind, CaErrorKind::Malformed { .. });
    let cases: Vec<(Fault, Claim, Option<u16>, Option<Duration>)> = vec![
        (Fault::status(429, Some(wait)), Box::new(problem("rateLimited")), Some(429), Some(wait)),
        (Fault::status(503, None), Box::new(problem("rateLimited")), Some(503), None),
        (Fault::status(500, None), Box::new(problem("serverInternal")), Some(500), None),
        (Fault::Html(502), Box::new(malformed), Some(502), None),
        (Fault::TruncatedJson, Box::new(malformed), Some(200), None),
        (Fault::Hang, Box::new(|kind| *kind == CaErrorKind::TimedOut), None, None),
        (Fault::DropAnswerAfterDoing, Box::new(unreachable), None, None),
        (Fault::PausedAccount("https://ca.test/unpause".to_owned()), Box::new(problem("rateLimited")), Some(429), None),
        (
            Fault::Outage { from: bench.ca.now().plus(8 * wait), until: bench.ca.now().plus(9 * wait) },
            Box::new(unreachable),
            None,
            None,
        ),
    ];
    for (fault, claim, status, retry_after) in cases {
        bench.ca.fail(Endpoint::NewOrder, fault.clone());
        let error = bench.order(&["shop.test"]).await.unwrap_err();
        assert!(claim(&error.kind), "{fault:?}: {error}");
        assert_eq!((error.status, error.retry_after), (status, retry_after), "{fault:?}");
        bench.pass(wait);
        bench.order(&["shop.test"]).await.unwrap();
    }
    assert_eq!(bench.ca.retry_after_violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_bad_nonce_is_tried_again_until_it_is_too_often() {
    let bench = Bench::new().await;
    bench.ca.fail_times(Endpoint::NewOrder, Fault::BadNonce, 2);
    bench.order(&["shop.test"]).await.unwrap();
    bench.ca.fail_always(Endpoint::NewOrder, Fault::BadNonce);
    let error = bench.order(&["shop.test"]).await.unwrap_err();
    assert_eq!(error.problem().unwrap().word(), "badNonce");
    bench.ca.clear_faults();
    bench.order(&["shop.test"]).await.unwrap();
}

#[tokio::test]
async fn an_order_whose_finalize_answer_is_lost_is_valid_when_it_is_read_again() {
    let bench = Bench::new().await;
    let order = bench.order(&["shop.test"]).await.unwrap();
    bench.ca.fail(Endpoint::Finalize, Fault::DropAnswerAfterDoing);
    bench.finish(&order, &["shop.test"]).await.unwrap_err();
    assert_eq!(bench.ca.order(&bench.account, &order.url).await.unwrap().status, OrderStatus::Valid);
    assert_eq!(bench.ca.issued("shop.test").len(), 1);
    let outcomes: Vec<_> = bench.ca.asked().into_iter().map(|asked| (asked.endpoint, asked.outcome)).collect();
    assert!(outcomes.contains(&(Endpoint::Finalize, Outcome::Fault("answer lost"))), "{outcomes:?}");
}

#[tokio::test]
async fn an_account_that_is_gone_stays_gone_until_it_is_made_again() {
    let bench = Bench::new().await;
    bench.ca.fail(Endpoint::NewOrder, Fault::AccountGone);
    for _ in 0..2 {
        let error = bench.order(&["shop.test"]).await.unwrap_err();
        assert_eq!(error.problem().unwrap().word(), "accountDoesNotExist");
    }
    let new = NewAccount { key: bench.account.key.clone(), ..new_account() };
    let account = bench.ca.register(&new).await.unwrap();
    assert_ne!(account.url, bench.account.url);
    bench.ca.new_order(&account, &wish(&["shop.test"])).await.unwrap();
}

#[tokio::test]
async fn a_new_key_takes_the_place_of_the_old_one() {
    let bench = Bench::new().await;
    let key = AccountKey::generate().unwrap();
    bench.ca.roll_over(&bench.account, &key).await.unwrap();
    assert_eq!(bench.order(&["shop.test"]).await.unwrap_err().problem().unwrap().word(), "accountDoesNotExist");
    let account = RegisteredAccount { url: bench.account.url.clone(), key };
    bench.ca.new_order(&account, &wish(&["shop.test"])).await.unwrap();
}

#[tokio::test]
async fn an_external_account_binding_is_checked() {
    let bench = Bench::new().await;
    bench.ca.configure(|config| config.eab = Some(("kid-1".to_owned(), vec![7; 32])));
    let register = async |key: Option<u8>| {
        let eab = key.map(|byte| EabKey { key_id: "kid-1".to_owned(), mac_key: vec![byte; 32].into() });
        let outcome = bench.ca.register(&NewAccount { eab, ..new_account() }).await;
        outcome.map_err(|error| error.problem().unwrap().word().to_owned())
    };
    assert_eq!(register(None).await.unwrap_err(), "externalAccountRequired");
    assert_eq!(register(Some(8)).await.unwrap_err(), "unauthorized");
    register(Some(7)).await.unwrap();
}

#[tokio::test]
async fn windows_of_renewal_move() {
    let bench = Bench::new().await;
    let leaf = bench.issue(&["shop.test"]).await;
    let begun = bench.ca.now();
    let told = bench.ca.renewal_info(&leaf).await.unwrap();
    assert!(told.start > begun.plus(59 * DAY) && told.end < begun.plus(62 * DAY), "{told:?}");
    bench.ca.move_windows_into_the_past(Some("https://ca.test/incident"));
    bench.pass(told.retry_after.unwrap());
    let told = bench.ca.renewal_info(&leaf).await.unwrap();
    assert!(told.start < told.end && told.end < begun, "{told:?}");
    assert_eq!(told.explanation_url.as_deref(), Some("https://ca.test/incident"));
    let later = bench.issue(&["shop.test"]).await;
    assert!(bench.ca.renewal_info(&later).await.unwrap().start > bench.ca.now());
    bench.ca.revoke(&bench.account, &later, RevocationReason::Superseded).await.unwrap();
    bench.pass(told.retry_after.unwrap());
    assert!(bench.ca.renewal_info(&later).await.unwrap().end < bench.ca.now());
    assert_eq!(bench.ca.retry_after_violations(), Vec::<String>::new());
    bench.ca.configure(|config| config.ari = None);
    assert!(matches!(bench.ca.renewal_info(&leaf).await.unwrap_err().kind, CaErrorKind::Unsupported(_)));
}

#[tokio::test]
async fn a_certificate_is_replaced_once() {
    let bench = Bench::new().await;
    let old = bench.issue(&["shop.test"]).await;
    let replacing = |names: &[&str]| NewOrder { replaces: Some(old.clone().into()), ..wish(names) };
    bench.ca.fail(Endpoint::NewOrder, Fault::AlreadyReplaced);
    bench.ca.fail(Endpoint::NewOrder, Fault::MalformedReplaces);
    // Neither strikes an order that replaces nothing.
    bench.order(&["other.test"]).await.unwrap();
    let mut words = Vec::new();
    for names in [["shop.test"], ["shop.test"], ["stranger.test"]] {
        let error = bench.ca.new_order(&bench.account, &replacing(&names)).await.unwrap_err();
        words.push(error.problem().unwrap().word().to_owned());
    }
    assert_eq!(words, ["alreadyReplaced", "malformed", "malformed"]);
    let order = bench.ca.new_order(&bench.account, &replacing(&["shop.test"])).await.unwrap();
    bench.finish(&order, &["shop.test"]).await.unwrap();
    let error = bench.ca.new_order(&bench.account, &replacing(&["shop.test"])).await.unwrap_err();
    assert_eq!((error.problem().unwrap().word(), error.status), ("alreadyReplaced", Some(409)));
}

#[tokio::test]
async fn limits_count_and_end() {
    let bench = Bench::new().await;
    bench.ca.configure(|config| config.limits = Some(Limits { failed_validations: 5, orders: 20, same_set: 5 }));
    bench.ca.set_verdict("broken.test", Verdict::Invalid(AcmeProblem::default()));
    for _ in 0..5 {
        let order = bench.order(&["broken.test"]).await.unwrap();
        bench.finish(&order, &["broken.test"]).await.unwrap_err();
        assert_eq!(bench.ca.order(&bench.account, &order.url).await.unwrap().status, OrderStatus::Invalid);
        bench.pass(Duration::from_secs(60));
    }
    let error = bench.order(&["broken.test"]).await.unwrap_err();
    assert!(error.is_rate_limit());
    assert_eq!(error.retry_after, Some(Duration::from_secs(55 * 60)), "until the first of five is an hour ago");
    assert_eq!(bench.ca.failed_validations_in_any_hour("broken.test"), 5);
    bench.order(&["broken.test"]).await.unwrap_err();
    assert_eq!(bench.ca.retry_after_violations().len(), 1);
    bench.pass(Duration::from_secs(55 * 60));
    bench.order(&["broken.test"]).await.unwrap();

    let mut last = Vec::new();
    for _ in 0..5 {
        last = bench.issue(&["shop.test"]).await;
    }
    let error = bench.order(&["shop.test"]).await.unwrap_err();
    assert_eq!((error.is_rate_limit(), error.retry_after), (true, Some(7 * DAY)));
    let renewal = NewOrder { replaces: Some(last.into()), ..wish(&["shop.test"]) };
    bench.ca.new_order(&bench.account, &renewal).await.unwrap();

    let mut given = 0;
    while bench.order(&[&format!("shop{given}.test")]).await.is_ok() {
        given += 1;
        assert!(given < 21, "the limit of orders is not kept");
    }
    bench.pass(Duration::from_secs(3 * 3600));
    bench.order(&["new.test"]).await.unwrap();
    assert!(bench.ca.orders_in_busiest_hour() >= 20);
}

#[tokio::test]
async fn an_order_that_was_lost_is_found_or_given_again() {
    let bench = Bench::new().await;
    bench.ca.fail(Endpoint::NewOrder, Fault::DropAnswerAfterDoing);
    bench.order(&["b.test", "a.test"]).await.unwrap_err();
    let names = ["a.test", "b.test"].map(|name| HostPattern::parse(name).unwrap());
    assert_eq!(bench.ca.find_order(&bench.account, &names).await.unwrap(), None, "there is no list");
    bench.ca.configure(|config| config.orders_list = true);
    let found = bench.ca.find_order(&bench.account, &names).await.unwrap().unwrap();
    assert_eq!(bench.order(&["a.test", "b.test"]).await.unwrap().url, found.url);
    bench.ca.configure(|config| config.reuse_orders = false);
    assert_ne!(bench.order(&["a.test", "b.test"]).await.unwrap().url, found.url);
}

#[tokio::test]
async fn the_ca_looks_for_what_the_challenge_asks() {
    let bench = Bench::new().await;
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let looked = Arc::clone(&seen);
    bench.ca.set_validation(Validation::By(Arc::new(move |look| {
        looked.lock().unwrap().push(look.clone());
        Verdict::Never
    })));
    let order = bench.order(&["shop.test"]).await.unwrap();
    let authorization = bench.ca.authorization(&bench.account, &order.authorizations[0]).await.unwrap();
    for _ in 0..2 {
        bench.ca.answer(&bench.account, &authorization.url, ChallengeKind::TlsAlpn01).await.unwrap();
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1, "what is looked at is not looked at again");
    let challenge = authorization.challenges.iter().find(|one| one.kind == ChallengeKind::TlsAlpn01).unwrap();
    assert_eq!(seen[0].key_authorization, challenge.key_authorization);
    assert!(challenge.key_authorization.starts_with(&format!("{}.", challenge.token)));
}

#[tokio::test]
async fn the_same_seed_has_the_same_faults() {
    let run = async |seed| {
        let bench = Bench::new().await;
        bench.ca.seed(seed);
        bench.ca.fail_by_chance(None, 0.3, Fault::Hang);
        let mut outcomes = Vec::new();
        for _ in 0..64 {
            outcomes.push(bench.order(&["shop.test"]).await.is_ok());
        }
        outcomes
    };
    let once = run(7).await;
    let failed = once.iter().filter(|good| !**good).count();
    assert!((8..32).contains(&failed), "{failed} of 64");
    assert_eq!(run(7).await, once);
    assert_ne!(run(8).await, once);
}

#[tokio::test]
async fn what_is_over_is_forgotten_and_still_counted() {
    let bench = Bench::new().await;
    bench.ca.configure(|config| {
        config.cheap_keys = true;
        config.lifetime = 6 * DAY;
        config.authorization_reuse = Duration::ZERO;
    });
    let begun = bench.order(&["shop.test"]).await.unwrap();
    let rounds = Config::KEPT_ASKED / 8;
    for _ in 0..rounds {
        bench.pass(DAY);
        bench.issue(&["shop.test"]).await;
    }
    assert_eq!(bench.ca.issued("shop.test").len(), rounds);
    assert_eq!(bench.ca.orders_for("shop.test").len(), rounds + 1);
    let error = bench.ca.order(&bench.account, &begun.url).await.unwrap_err();
    assert_eq!(error.status, Some(404));
    for _ in 0..Config::KEPT_ASKED {
        bench.ca.directory().await.unwrap();
    }
    assert_eq!(bench.ca.asked().len(), Config::KEPT_ASKED);
}

fn wish(names: &[&str]) -> NewOrder {
    let names = names.iter().map(|name| HostPattern::parse(name).unwrap()).collect();
    NewOrder { names, profile: None, replaces: None }
}

fn request(names: &[&str]) -> Vec<u8> {
    let key = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
    csr(&wish(names).names, &key).unwrap()
}

fn new_account() -> NewAccount {
    let key = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
    let key = AccountKey::from_pkcs8_der(key.as_pkcs8_der().to_vec().into());
    NewAccount { key, contacts: Vec::new(), terms_agreed: true, eab: None }
}

fn leaf(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

const DAY: Duration = Duration::from_secs(24 * 3600);
