//! Commands about CAs, managed certificates, and moving in.

use std::{fs, os::unix::fs::symlink};

use serde_json::{Value, json};

use crate::{
    fake::{Fake, attempt, certificate, failed, issuer, lets_encrypt, renewal},
    program::{program, run, run_with},
};

#[test]
fn every_command_asks_at_its_route_and_prints_what_came() {
    let dns = json!({ "id": "d1", "kind": "exec", "settings": { "command": "/bin/x" }, "certificates": [] });
    let kind = json!({ "kind": "exec", "about": "A program", "settings": [] });
    let rolled_over = json!({ "issuer": "i1", "account": "https://ca.test/acct/1" });
    let removed = json!({ "id": "i1", "warnings": [] });
    let simulated = json!({ "from": "a", "until": "b", "renewals": [], "budgets": [], "announced": [] });
    let checked = json!({ "name": "a.test", "challenge": "http-01", "advice": [] });
    let renewed = renewal("shop", None);
    let requested = json!({ "certificate": certificate("shop"), "renewal": renewed });
    let revoked = json!({ "certificate": "shop", "version": 1, "thumbprint": "ab", "message": "It is renewed." });
    let status = lets_encrypt(&renewed);
    let failed = failed("a1");
    for (words, answer, asked, body) in [
        ("acme issuer list", json!([issuer("i1")]), "GET acme/issuers?limit=1000", Value::Null),
        ("acme issuer show i1", issuer("i1"), "GET acme/issuers/i1", Value::Null),
        ("acme issuer remove i1", removed.clone(), "DELETE acme/issuers/i1", Value::Null),
        (
            "acme issuer add letsencrypt --accept-terms --contact a@b.test",
            issuer("i1"),
            "POST acme/issuers",
            json!({ "directory": "letsencrypt", "accept_terms": true, "contacts": ["a@b.test"] }),
        ),
        (
            "acme issuer add letsencrypt --dry-run",
            issuer("i1"),
            "POST acme/issuers?dry_run=true",
            json!({ "directory": "letsencrypt", "accept_terms": false }),
        ),
        ("acme account rollover i1", rolled_over, "POST acme/issuers/i1/rollover", Value::Null),
        ("acme dns kinds", json!([kind]), "GET acme/dns-kinds?limit=1000", Value::Null),
        ("acme dns list", json!([dns]), "GET acme/dns-providers?limit=1000", Value::Null),
        ("acme dns show d1", dns.clone(), "GET acme/dns-providers/d1", Value::Null),
        ("acme dns remove d1", removed, "DELETE acme/dns-providers/d1", Value::Null),
        (
            "acme dns add exec --set command=/bin/x=y --dry-run",
            dns,
            "POST acme/dns-providers?dry_run=true",
            json!({ "kind": "exec", "settings": { "command": "/bin/x=y" } }),
        ),
        ("acme attempts", json!([failed]), "GET acme/attempts", Value::Null),
        ("acme attempts shop", json!([failed]), "GET certificates/shop/attempts?limit=1000", Value::Null),
        ("acme attempt a1", failed, "GET acme/attempts/a1", Value::Null),
        ("acme renewals", json!([renewed]), "GET acme/renewals?limit=1000", Value::Null),
        ("acme renewals shop", renewed.clone(), "GET certificates/shop/renewal", Value::Null),
        (
            "acme check a.test --issuer i1 --challenge http-01",
            checked,
            "POST acme/check",
            json!({ "name": "a.test", "issuer": "i1", "challenge": "http-01" }),
        ),
        ("acme simulate --until 2027-03-31", simulated, "POST acme/simulate", json!({ "until": "2027-03-31" })),
        (
            "certificate request a.test --issuer i1",
            requested.clone(),
            "POST certificates/request",
            json!({ "names": ["a.test"], "issuers": ["i1"], "reuse_key": false }),
        ),
        (
            "certificate request a.test --dry-run",
            requested,
            "POST certificates/request?dry_run=true",
            json!({ "names": ["a.test"], "reuse_key": false }),
        ),
        (
            "certificate renew shop --force",
            renewed,
            "POST certificates/shop/renew",
            json!({ "force": true, "placed": false }),
        ),
        (
            "certificate revoke shop --reason superseded",
            revoked,
            "POST certificates/shop/revoke",
            json!({ "reason": "superseded" }),
        ),
        ("certificate unmanage shop", certificate("shop"), "POST certificates/shop/unmanage", Value::Null),
        (
            "letsencrypt configure --dns-name a.test --email o@a.test --accept-terms",
            status.clone(),
            "POST acme/letsencrypt",
            json!({ "dns_name": "a.test", "email": "o@a.test", "accept_terms": true, "staging": false }),
        ),
        (
            "lets-encrypt configure --dns-name a.test --dry-run",
            status.clone(),
            "POST acme/letsencrypt?dry_run=true",
            json!({ "dns_name": "a.test", "accept_terms": false, "staging": false }),
        ),
        ("letsencrypt status", status.clone(), "GET acme/letsencrypt", Value::Null),
        (
            "letsencrypt renew",
            status.clone(),
            "POST acme/letsencrypt/renew",
            json!({ "force": false, "placed": false }),
        ),
        ("letsencrypt disable", status, "DELETE acme/letsencrypt", Value::Null),
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
fn a_refusal_is_told_with_the_code_of_its_kind() {
    for (words, status, code) in [
        (&["letsencrypt", "configure", "--dns-name", "a.test"][..], 422, 1),
        (&["acme", "issuer", "show", "i1"], 404, 3),
        (&["acme", "issuer", "remove", "i1"], 409, 5),
        (&["certificate", "renew", "c1", "--wait"], 404, 3),
        (&["certificate", "request", "a.test", "--wait"], 403, 4),
    ] {
        let fake = Fake::refusing(status, "terms-not-accepted", "Read https://ca.test/terms and add --accept-terms.");
        let ran = run(fake.directory(), words);
        let told = "portward: Read https://ca.test/terms and add --accept-terms.\n";
        assert_eq!((ran.code, ran.stderr.as_str(), ran.stdout.as_str()), (code, told, ""), "{words:?}");
        assert_eq!(fake.lines().len(), 1, "{words:?}");
    }
}

#[test]
fn secrets_come_from_files_and_stdin() {
    let dns = json!({ "id": "d1", "kind": "ovh", "settings": { "app-key": null }, "certificates": [] });
    let fake = Fake::json(200, &dns);
    fs::write(fake.directory().join("key"), "from a file\n").unwrap();
    let words = ["acme", "dns", "add", "ovh", "--id", "d1", "--secret", "app-key=key", "--secret", "app-secret=-"];
    let ran = run_with(program(fake.directory()).args(words), "from stdin\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("app-key       (secret)"), "{ran:?}");
    assert_eq!(
        fake.asked()[0].body,
        json!({ "id": "d1", "kind": "ovh", "settings": { "app-key": "from a file", "app-secret": "from stdin" } })
    );
    let ran = run(fake.directory(), &["acme", "dns", "add", "ovh", "--secret", "app-key=hunter2"]);
    assert!(ran.code == 1 && ran.stderr.contains("the secret app-key") && !ran.stderr.contains("hunter2"), "{ran:?}");
    assert_eq!(fake.lines().len(), 1);

    let fake = Fake::json(200, &issuer("i1"));
    fs::write(fake.directory().join("mac"), " bWFj \n").unwrap();
    fs::write(fake.directory().join("root.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    let words = ["acme", "issuer", "add", "https://ca.test/dir", "--eab-key-id", "k", "--eab-mac-key-file", "mac"];
    let ran = run(fake.directory(), &[&words[..], &["--directory-ca", "root.pem"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(fake.asked()[0].body["eab"], json!({ "key_id": "k", "mac_key": "bWFj" }));
    assert_eq!(fake.asked()[0].body["directory_ca"], "-----BEGIN CERTIFICATE-----\n");
    fs::write(fake.directory().join("root.pem"), "-----BEGIN PRIVATE KEY-----\nmarker").unwrap();
    let ran = run(fake.directory(), &[&words[..], &["--directory-ca", "root.pem"]].concat());
    assert!(ran.code == 1 && ran.stderr.contains("has a private key in it; --directory-ca"), "{ran:?}");
    assert_eq!(fake.lines().len(), 1);
}

#[test]
fn a_check_ends_with_1_if_there_is_a_warning() {
    for (mark, verdict, code) in [('+', "good", 0), ('?', "unknown", 0), ('!', "warning", 1)] {
        let advice = json!({ "check": "port-80", "verdict": verdict, "message": "It is so.", "remedy": "Do that." });
        let fake = Fake::json(200, &json!({ "name": "a.test", "challenge": "http-01", "advice": [advice] }));
        let ran = run(fake.directory(), &["acme", "check", "a.test"]);
        assert_eq!(ran.code, code, "{ran:?}");
        let lines: Vec<&str> = ran.stdout.lines().skip(2).collect();
        assert!(
            lines[0].starts_with(&format!("{mark} {verdict} ")) && lines[0].ends_with("port-80  It is so."),
            "{ran:?}"
        );
        assert!(lines[1].starts_with(' ') && lines[1].ends_with("Do that."), "{ran:?}");
    }
}

#[test]
fn the_newest_attempt_of_a_certificate_is_shown_with_the_words_of_the_ca() {
    let fake = Fake::json(200, &json!([failed("a2"), attempt("a1", "published")]));
    let ran = run(fake.directory(), &["acme", "attempts", "shop"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "\nCause   Port 80 is closed.\nRemedy  Open it.\n",
        "\nThe CA said with status 400:\n  urn:ietf:params:acme:error:connection\n  Timeout during connect\n",
        "\n2026-11-20T10:00:00Z  ready  The CA looks.\n",
    ] {
        assert!(ran.stdout.contains(part), "no {part:?} in {}", ran.stdout);
    }
}

#[test]
fn moving_in_sends_a_directory_with_its_links_and_shows_what_came_of_it() {
    let found = json!({
        "path": "live/shop.test", "id": "shop-test", "names": ["shop.test"], "not_after": "2027-01-01T00:00:00Z",
        "outcome": "created", "issuer": "letsencrypt", "notes": ["Its key is RSA."],
    });
    let fake = Fake::json(200, &json!({ "certificates": [found], "accounts": [], "notes": ["Stop certbot.timer."] }));
    let root = fake.directory().join("letsencrypt");
    fs::create_dir_all(root.join("archive")).unwrap();
    fs::create_dir_all(root.join("live/shop.test")).unwrap();
    fs::create_dir_all(root.join("csr")).unwrap();
    fs::write(root.join("archive/cert1.pem"), "cert").unwrap();
    fs::write(root.join("csr/1.pem"), "csr").unwrap();
    symlink("../../archive/cert1.pem", root.join("live/shop.test/cert.pem")).unwrap();
    let outside = fs::canonicalize(fake.directory()).unwrap().join("outside");
    fs::write(&outside, "secret").unwrap();
    symlink(&outside, root.join("live/shop.test/other")).unwrap();
    let ran = run(fake.directory(), &["import", "certbot", "letsencrypt", "--dry-run"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("\nshop-test    shop.test  2027-01-01  created  letsencrypt  live/shop.test\n"),
        "{ran:?}"
    );
    assert!(ran.stdout.ends_with("Note  shop-test: Its key is RSA.\nNote  Stop certbot.timer.\n"), "{ran:?}");
    let warning = format!(
        "Warning: letsencrypt/live/shop.test/other was left out: it is a link to {}, which is outside",
        outside.display()
    );
    assert_eq!(ran.stderr, format!("{warning}\nFound: 1 certificate and no account. Nothing was changed.\n"));
    assert_eq!(fake.lines(), ["POST /api/v1/import?dry_run=true"]);
    assert_eq!(
        fake.asked()[0].body,
        json!({
            "kind": "certbot",
            "files": [
                { "path": "archive/cert1.pem", "data": "Y2VydA==" },
                { "path": "live/shop.test/cert.pem", "data": "Y2VydA==" },
            ],
        })
    );
    let ran = run(fake.directory(), &["import", "caddy", "nothing"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, "portward: cannot read nothing: No such file or directory\n"));
}
