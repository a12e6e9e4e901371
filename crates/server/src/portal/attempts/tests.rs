#![allow(clippy::unwrap_used, reason = "tests")]

use portward_core::{
    AttemptId, CertificateId, HostPattern, IssuerId,
    acme::{AcmeProblem, Attempt, Diagnosis, Outcome, Stage},
};
use portward_store::change::{Change, commit};

use super::super::{browser::Browser, issuers::tests::OTHER};
use crate::fixture::{Fixture, now};

fn attempt(id: &str, stage: Stage, outcome: Option<Outcome>) -> Attempt {
    let mut attempt = Attempt {
        id: AttemptId::parse(id).unwrap(),
        certificate: CertificateId::parse("shop-test").unwrap(),
        issuer: IssuerId::parse("house").unwrap(),
        names: vec![HostPattern::parse("shop.test").unwrap()],
        why: "no CA has issued it yet".to_owned(),
        began: now(),
        order: Some("https://127.0.0.1:1/order/1".to_owned()),
        timeline: Vec::new(),
        outcome: None,
    };
    for reached in Stage::ALL.into_iter().filter(|reached| *reached <= stage) {
        attempt.tell(now(), reached, format!("it is {reached}"));
    }
    attempt.outcome = outcome;
    attempt
}

async fn put(fixture: &Fixture, attempt: &Attempt) {
    let mut change = Change::of_work();
    change.put_attempt(attempt);
    commit(&fixture.store, change).await.unwrap();
}

#[tokio::test]
async fn an_order_is_followed_until_it_is_served_or_says_why_not() {
    let fixture = Fixture::start().await;
    let browser = Browser::of(&fixture);
    browser.get("/attempts").await.shows("No request yet");
    browser.post("/issuers", &OTHER).await.location();
    browser.post("/request", &[("names", "shop.test"), ("issuer", "house")]).await.location();

    put(&fixture, &attempt("000000001-0000000001", Stage::Challenged, None)).await;
    let page = browser.get("/attempts/000000001-0000000001").await;
    for text in
        ["data-live=\"/attempts/000000001-0000000001/live?of=shop-test\"", "data-on", "Validating", "It is challenged"]
    {
        page.shows(text);
    }
    page.shows("Until the CA has issued, a self-signed certificate is served.");
    let part = browser.get("/attempts/000000001-0000000001/live?of=shop-test").await;
    part.shows("data-on");
    part.hides("<html");
    browser.get("/attempts").await.shows("aria-label=\"Stages of the order for shop-test\"");

    let problem = AcmeProblem {
        kind: "urn:ietf:params:acme:error:connection".to_owned(),
        detail: "192.0.2.1: <Timeout>".to_owned(),
        status: Some(400),
        subproblems: Vec::new(),
    };
    let diagnosis = Diagnosis {
        code: "challenge-unreachable".to_owned(),
        cause: "The CA could not open a connection to port 80.".to_owned(),
        remedy: "Let port 80 through to this machine.".to_owned(),
        problem: Some(problem),
    };
    let failed = Outcome::Failed { at: now(), diagnosis };
    put(&fixture, &attempt("000000002-0000000001", Stage::Ready, Some(failed))).await;
    let page = browser.get("/attempts/000000002-0000000001").await;
    for text in [
        "Failed at Validate",
        "The CA could not open a connection to port 80.",
        "Let port 80 through to this machine.",
        "urn:ietf:params:acme:error:connection",
        "&#60;Timeout&#62;",
        "Try again now",
    ] {
        page.shows(text);
    }
    page.hides("data-on");
    let list = browser.get("/attempts").await;
    list.shows("challenge-unreachable");
    list.shows("href=\"/attempts/000000001-0000000001\"");

    put(&fixture, &attempt("000000003-0000000001", Stage::Published, Some(Outcome::Served { at: now() }))).await;
    let page = browser.get("/attempts/000000003-0000000001").await;
    page.shows("seen on the wire");
    page.hides("class=\"why\"");
    let certificate = browser.get("/certificates/shop-test").await;
    certificate.shows("href=\"/attempts/000000002-0000000001\"");
    assert_eq!(browser.get("/attempts/000000009-0000000001").await.status, 404);
}
