//! Advice, renewals to come, and moving in as people see them.

use portward_api::{
    ForeignAccountView, ForeignCertificateView, ForeignImported,
    acme::{AdviceView, BudgetView, CheckView, LifetimeChange, PlannedRenewal, SimulateView},
};

use super::*;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn each_finding_has_its_verdict_as_a_word() {
    let advice = |verdict: &str, check: &str, message: &str, remedy: Option<&str>| AdviceView {
        check: check.to_owned(),
        verdict: verdict.to_owned(),
        message: message.to_owned(),
        remedy: remedy.map(str::to_owned),
    };
    let found = CheckView {
        name: "shop.example".to_owned(),
        challenge: text("http-01"),
        advice: vec![
            advice("good", "addresses", "shop.example has the address 203.0.113.31.", None),
            advice("warning", "port-80", "Nobody answers at port 80.", Some("Let port 80 through to this machine.")),
            advice("unknown", "caa", "No resolver answered.", None),
        ],
    };
    insta::assert_snapshot!(check(&found, Colour::None), @r"
    A CA would be answered with http-01 for shop.example.

    + good     addresses  shop.example has the address 203.0.113.31.
    ! warning  port-80    Nobody answers at port 80.
                          Let port 80 through to this machine.
    ? unknown  caa        No resolver answered.
    ");
    let none = CheckView { challenge: None, advice: Vec::new(), ..found };
    insta::assert_snapshot!(check(&none, Colour::None), @"No challenge can be answered for shop.example.");
}

#[test]
fn a_simulation_shows_renewals_budgets_and_what_was_announced() {
    let view = SimulateView {
        from: "2026-11-20T00:00:00Z".to_owned(),
        until: "2027-03-31T00:00:00Z".to_owned(),
        renewals: vec![PlannedRenewal {
            at: "2026-12-20T03:12:00Z".to_owned(),
            certificate: "shop".to_owned(),
            issuer: "letsencrypt".to_owned(),
            lifetime_days: 64,
            why: "a third of its lifetime is left".to_owned(),
        }],
        budgets: vec![BudgetView {
            what: "letsencrypt".to_owned(),
            limit: "orders in 3 hours".to_owned(),
            used: 1,
            allowed: 300,
        }],
        announced: vec![LifetimeChange {
            issuer: "letsencrypt".to_owned(),
            from: "2027-02-10T00:00:00Z".to_owned(),
            lifetime_days: 64,
        }],
    };
    insta::assert_snapshot!(simulated(&view, Colour::None), @r"
    AT                    CERTIFICATE  ISSUER       LIVES    WHY
    2026-12-20T03:12:00Z  shop         letsencrypt  64 days  a third of its lifetime is left

    BUDGET       LIMIT              USED AT MOST  ALLOWED
    letsencrypt  orders in 3 hours  1             300

    From 2027-02-10  certificates of letsencrypt live 64 days
    ");
    let quiet = SimulateView { renewals: Vec::new(), budgets: Vec::new(), announced: Vec::new(), ..view };
    insta::assert_snapshot!(simulated(&quiet, Colour::None), @"Nothing is renewed from 2026-11-20 until 2027-03-31.");
}

#[test]
fn moving_in_tells_what_became_of_each_thing() {
    let certificate = |id: &str, issuer: Option<&str>, notes: &[&str]| ForeignCertificateView {
        path: format!("live/{id}"),
        id: id.to_owned(),
        names: vec![format!("{id}.example")],
        not_after: "2027-01-01T00:00:00Z".to_owned(),
        outcome: "created".to_owned(),
        issuer: issuer.map(str::to_owned),
        notes: notes.iter().map(|note| (*note).to_owned()).collect(),
    };
    let view = ForeignImported {
        certificates: vec![
            certificate("shop", Some("letsencrypt"), &[]),
            certificate("wiki", None, &["Its challenge needs a DNS provider."]),
        ],
        accounts: vec![ForeignAccountView {
            path: "accounts/1".to_owned(),
            directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            issuer: text("letsencrypt"),
            outcome: "taken over".to_owned(),
        }],
        notes: vec!["Turn off certbot.timer.".to_owned()],
    };
    insta::assert_snapshot!(imported(&view, Colour::None), @r"
    CERTIFICATE  NAMES         NOT AFTER   OUTCOME  RENEWED BY   FOUND IN
    shop         shop.example  2027-01-01  created  letsencrypt  live/shop
    wiki         wiki.example  2027-01-01  created  nobody       live/wiki

    ACCOUNT WITH                                    ISSUER       OUTCOME     FOUND IN
    https://acme-v02.api.letsencrypt.org/directory  letsencrypt  taken over  accounts/1

    Note  wiki: Its challenge needs a DNS provider.
    Note  Turn off certbot.timer.
    ");
    let nothing = ForeignImported { certificates: Vec::new(), accounts: Vec::new(), notes: Vec::new() };
    let lines = [
        import_ended(&view, Effect::Apply),
        import_ended(&view, Effect::DryRun),
        import_ended(&nothing, Effect::Apply),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    Found: 2 certificates and 1 account. What is in the table is stored and served.
    Found: 2 certificates and 1 account. Nothing was changed.
    Found: no certificate and no account. Is it the right place?
    ");
    assert_eq!(imported(&nothing, Colour::None), "");
}
