//! Commands that wait for a certificate.

use std::{
    io::Read,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    fake::{Fake, attempt, certificate, failed, lets_encrypt, renewal, served},
    program::{program, run},
    terminal::on_terminal,
};

/// Answers one after the other with 200.
fn answering(answers: &[Value]) -> Fake {
    Fake::answering(answers.iter().map(|answer| (200, answer.to_string())).collect())
}

fn requested() -> Value {
    json!({ "certificate": certificate("shop"), "renewal": renewal("shop", None) })
}

#[test]
fn a_request_waits_until_the_certificate_is_served() {
    let done = renewal("shop", Some(served("a1")));
    let going = [renewal("shop", None), renewal("shop", Some(attempt("a1", "ordered")))];
    let answers = [&[requested()][..], &going, &[done.clone(), certificate("shop")]].concat();
    let words = ["certificate", "request", "shop.test", "--wait"];
    let fake = answering(&answers);
    let ran = run(fake.directory(), &words);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.stdout,
        format!(
            "certificate   shop\nnames         shop.test\nissued by     CN=CA\nvalid until   2027-01-01T00:00:00Z\n\
             thumbprint    {}\nserved        since 2026-11-20T10:00:09Z\nnext renewal  2099-01-01T00:00:00Z\n",
            "ab".repeat(32)
        )
    );
    assert_eq!(ran.stderr, "The certificate shop is served.\n");
    let asked = "GET /api/v1/certificates/shop/renewal";
    assert_eq!(
        fake.lines(),
        ["POST /api/v1/certificates/request", asked, asked, asked, "GET /api/v1/certificates/shop"]
    );
    let ran = run(answering(&answers).directory(), &[&words[..], &["-o", "json"]].concat());
    let view = json!({ "certificate": certificate("shop"), "renewal": done });
    assert_eq!((ran.code, serde_json::from_str::<Value>(&ran.stdout).unwrap()), (0, view));
}

#[test]
fn a_failure_is_told_with_cause_remedy_attempt_and_the_words_of_the_ca() {
    let fake = answering(&[requested(), renewal("shop", Some(failed("a1"))), certificate("shop")]);
    let ran = run(fake.directory(), &["certificate", "request", "shop.test", "--wait"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert_eq!(
        ran.stderr,
        "portward: the certificate shop was not issued\n\
        \x20 Cause    Port 80 is closed.\n\
        \x20 Remedy   Open it.\n\
        \x20 Attempt  a1; all of it: portward acme attempts shop\n\
        \x20 Next     2099-01-01T00:00:00Z, by itself\n\
        \x20 The CA said with status 400:\n\
        \x20   urn:ietf:params:acme:error:connection\n\
        \x20   Timeout during connect\n"
    );
}

#[test]
fn an_attempt_that_had_ended_before_is_not_the_one_that_is_waited_for() {
    let old = renewal("shop", Some(failed("a1")));
    let renewed = renewal("shop", Some(served("a2")));
    let fake = answering(&[old.clone(), old.clone(), old, renewed.clone(), certificate("shop")]);
    let ran = run(fake.directory(), &["certificate", "renew", "shop", "--force", "--wait", "-o", "json"]);
    assert_eq!((ran.code, serde_json::from_str::<Value>(&ran.stdout).unwrap()), (0, renewed), "{}", ran.stderr);
    let asked = "GET /api/v1/certificates/shop/renewal";
    let expected = [asked, "POST /api/v1/certificates/shop/renew", asked, asked, "GET /api/v1/certificates/shop"];
    assert_eq!(fake.lines(), expected);
}

#[test]
fn an_attempt_that_is_under_way_is_waited_for() {
    let going = renewal("shop", Some(attempt("a1", "challenged")));
    let done = renewal("shop", Some(served("a1")));
    let fake = answering(&[going.clone(), going, done, certificate("shop")]);
    let ran = run(fake.directory(), &["certificate", "renew", "shop", "--placed", "--wait"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, "The certificate shop is served.\n"), "{ran:?}");
    assert_eq!(fake.asked()[1].body, json!({ "force": false, "placed": true }));
}

#[test]
fn what_is_to_be_placed_by_hand_is_told_once_and_waited_for() {
    let mut going = renewal("shop", Some(attempt("a1", "challenged")));
    going["to_place"] = json!(["_acme-challenge.shop.test. TXT abc"]);
    let done = renewal("shop", Some(served("a1")));
    let fake = answering(&[requested(), going.clone(), going, done, certificate("shop")]);
    let ran = run(fake.directory(), &["certificate", "request", "shop.test", "--wait"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.stderr,
        "Place this in DNS:\n  _acme-challenge.shop.test. TXT abc\n\
         Then, in another terminal: portward certificate renew shop --placed\nThe certificate shop is served.\n"
    );
}

#[test]
fn what_is_not_begun_for_a_while_is_told_and_not_waited_for() {
    let mut idle = renewal("shop", Some(served("a1")));
    idle["last_renewed"] = json!("2026-11-01T00:00:00Z");
    let mut failing = renewal("shop", Some(failed("a1")));
    failing["failures"] = json!(1);
    let told = "certificate shop is not renewed before 2099-01-01T00:00:00Z: the CA suggests it";
    let (renew, request) = ("certificate renew shop --wait", "certificate request shop.test --replace shop --wait");
    let cases = [
        (renew, &idle, 0, format!("The {told}. To renew it now: --force\n")),
        ("certificate renew shop --wait --force", &idle, 1, format!("portward: the {told}\n")),
        (request, &idle, 0, format!("The {told}.\n")),
        (request, &renewal("shop", None), 1, format!("portward: the {told}\n")),
        (
            renew,
            &failing,
            1,
            "portward: the certificate shop was not issued\n  Cause    Port 80 is closed.\n".to_owned(),
        ),
    ];
    // Each waits for a while, so all do it at once.
    std::thread::scope(|scope| {
        for (words, view, code, message) in &cases {
            scope.spawn(move || {
                let requested = json!({ "certificate": certificate("shop"), "renewal": view });
                let fake = Fake::routed(vec![
                    ("certificates/shop/renew", (*view).clone()),
                    ("certificates/shop", certificate("shop")),
                    ("certificates/request", requested),
                ]);
                let ran = run(fake.directory(), &words.split(' ').collect::<Vec<_>>());
                assert_eq!(ran.code, *code, "{words}: {ran:?}");
                assert!(ran.stderr.starts_with(message), "{words}: {ran:?}");
            });
        }
    });
}

#[test]
fn the_name_of_the_server_is_waited_for_too() {
    let going = renewal("shop", Some(attempt("a2", "planned")));
    let (before, done) = (renewal("shop", Some(served("a1"))), renewal("shop", Some(served("a2"))));
    let status = lets_encrypt(&done);
    let configured = lets_encrypt(&going);
    for (words, line) in [
        ("letsencrypt configure --dns-name shop.test --accept-terms --wait", "POST /api/v1/acme/letsencrypt"),
        ("letsencrypt renew --force --wait", "POST /api/v1/acme/letsencrypt/renew"),
    ] {
        let answers = [lets_encrypt(&before), configured.clone(), before.clone(), going.clone(), done.clone()];
        let fake = answering(&[&answers[..], &[certificate("shop"), status.clone()]].concat());
        let words: Vec<&str> = words.split(' ').chain(["-o", "json"]).collect();
        let ran = run(fake.directory(), &words);
        assert_eq!((ran.code, serde_json::from_str::<Value>(&ran.stdout).unwrap()), (0, status.clone()), "{ran:?}");
        assert_eq!(fake.lines()[..2], ["GET /api/v1/acme/letsencrypt", line]);
    }
}

#[test]
fn the_rail_is_drawn_on_a_terminal() {
    let going = |stage| renewal("shop", Some(attempt("a1", stage)));
    let answers = [requested(), renewal("shop", None), going("challenged"), renewal("shop", Some(served("a1")))];
    let fake = answering(&[&answers[..], &[certificate("shop")]].concat());
    let (code, shown) = on_terminal(&fake, "certificate request shop.test --wait", &[]);
    assert_eq!(code, 0, "{shown}");
    for part in [
        ". planned . ordered . challenged . ready . finalizing . issued . published\r\nThe server has not begun yet.",
        "\r\u{1b}[1A\u{1b}[J+ planned + ordered * challenged . ready . finalizing . issued . published\r\nThe CA looks.",
        "\r\u{1b}[1A\u{1b}[J+ planned + ordered + challenged + ready + finalizing + issued + published\r\n",
    ] {
        assert!(shown.contains(part), "no {part:?} in {shown:?}");
    }
    assert!(!shown.contains("\u{1b}[3"), "there is colour in {shown:?}");

    let fake = answering(&[requested(), renewal("shop", Some(failed("a1"))), certificate("shop")]);
    let (code, shown) = on_terminal(&fake, "certificate request shop.test --wait", &[]);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("+ challenged x ready . finalizing . issued . published\r\n"), "{shown:?}");
    assert!(shown.contains("Cause    Port 80 is closed."), "{shown:?}");
}

#[test]
fn an_interrupt_ends_the_waiting_and_says_that_the_server_goes_on() {
    let fake = answering(&[requested(), renewal("shop", Some(attempt("a1", "ready")))]);
    let mut child = program(fake.directory())
        .args(["certificate", "request", "shop.test", "--wait"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The second look shows that it waits.
    while fake.lines().len() < 3 {
        assert!(child.try_wait().unwrap().is_none(), "it does not wait");
        std::thread::yield_now();
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{stderr}");
    let told =
        "portward: no longer waiting. The server goes on with it; what comes of it: portward acme attempts shop\n";
    assert_eq!(stderr, told);
}
