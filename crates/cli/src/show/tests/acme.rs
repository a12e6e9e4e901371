//! Views of ACME as people see them.

use std::collections::BTreeMap;

use portward_api::acme::{
    AcmeProblemView, AttemptView, DnsProviderKindView, DnsProviderView, DnsSettingView, EventView, IssuerView,
    LetsEncryptStatus, ManagedView, OutcomeView, RenewalView, Requested, Revoked, SubproblemView,
};

use super::*;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn issuer_view() -> IssuerView {
    IssuerView {
        id: "letsencrypt".to_owned(),
        directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
        trust: "system".to_owned(),
        contacts: vec!["mailto:ops@shop.example".to_owned()],
        terms_agreed: true,
        account: text("https://acme-v02.api.letsencrypt.org/acme/acct/1"),
        eab_key_id: None,
        profile: text("shortlived"),
        challenge: None,
        preferred_chain: None,
        http_port: 80,
        tls_port: 443,
        resolvers: Vec::new(),
        certificates: vec!["shop".to_owned()],
    }
}

fn failed() -> AttemptView {
    let event = |at: &str, stage: &str, what: &str| EventView {
        at: at.to_owned(),
        stage: stage.to_owned(),
        what: what.to_owned(),
    };
    AttemptView {
        id: "a-12".to_owned(),
        certificate: "shop".to_owned(),
        issuer: "letsencrypt".to_owned(),
        names: vec!["shop.example".to_owned()],
        why: "a third of its lifetime is left".to_owned(),
        began: "2026-11-20T10:00:00Z".to_owned(),
        stage: "ready".to_owned(),
        order: text("https://ca.example/order/7"),
        timeline: vec![
            event("2026-11-20T10:00:00Z", "planned", "The order is planned."),
            event("2026-11-20T10:00:01Z", "ordered", "The CA has the order."),
        ],
        outcome: Some(OutcomeView::Failed {
            at: "2026-11-20T10:00:09Z".to_owned(),
            code: "challenge-unreachable".to_owned(),
            cause: "The CA could not reach 203.0.113.31.".to_owned(),
            remedy: "Let port 80 of 203.0.113.31 through to this machine.".to_owned(),
            problem: Some(AcmeProblemView {
                kind: "urn:ietf:params:acme:error:connection".to_owned(),
                detail: "203.0.113.31: Fetching http://shop.example/: Timeout\nduring connect\u{1b}[2J".to_owned(),
                status: Some(400),
                subproblems: vec![SubproblemView {
                    identifier: text("shop.example"),
                    kind: "urn:ietf:params:acme:error:connection".to_owned(),
                    detail: "Timeout".to_owned(),
                }],
            }),
        }),
    }
}

fn served() -> AttemptView {
    let at = "2026-11-19T10:00:09Z".to_owned();
    AttemptView {
        id: "a-11".to_owned(),
        stage: "published".to_owned(),
        outcome: Some(OutcomeView::Served { at }),
        ..failed()
    }
}

fn renewal_view() -> RenewalView {
    RenewalView {
        certificate: "shop".to_owned(),
        managed: ManagedView {
            names: vec!["shop.example".to_owned(), "*.shop.example".to_owned()],
            issuers: vec!["letsencrypt".to_owned(), "other".to_owned()],
            challenge: text("dns-01"),
            profile: None,
            dns: text("cloudflare"),
            key: "ecdsa-p256".to_owned(),
            reuse_key: true,
            key_on: None,
            renew_days_before: Some(21),
        },
        last_renewed: text("2026-09-20T10:00:00Z"),
        expires: text("2026-12-19T10:00:00Z"),
        next_check: text("2026-11-20T11:00:00Z"),
        next_renewal: text("2026-11-20T12:00:00Z"),
        why: "the last try failed".to_owned(),
        failures: 2,
        stage: None,
        to_place: Vec::new(),
        attempt: Some(failed()),
    }
}

#[test]
fn issuers_are_a_line_each_and_one_issuer_is_a_line_for_each_setting() {
    insta::assert_snapshot!(issuers(&[issuer_view()], Colour::None), @r"
    ID           DIRECTORY                                       TERMS   ACCOUNT  CERTIFICATES
    letsencrypt  https://acme-v02.api.letsencrypt.org/directory  agreed  made     shop
    ");
    insta::assert_snapshot!(issuer(&issuer_view(), Colour::None), @r"
    id                letsencrypt
    directory         https://acme-v02.api.letsencrypt.org/directory
    directory trust   system
    contacts          mailto:ops@shop.example
    terms             agreed
    account           https://acme-v02.api.letsencrypt.org/acme/acct/1
    profile           shortlived
    http-01 port      80
    tls-alpn-01 port  443
    resolvers         those of the machine
    certificates      shop
    ");
    insta::assert_snapshot!(issuers(&[], Colour::None), @"No issuer yet. An issuer is a CA that certificates are asked of. Add one: portward acme issuer add letsencrypt --accept-terms");
}

#[test]
fn dns_providers_show_no_secret() {
    let provider = DnsProviderView {
        id: "cloudflare".to_owned(),
        kind: "cloudflare".to_owned(),
        settings: BTreeMap::from([("api-token".to_owned(), None), ("zone".to_owned(), text("shop.example"))]),
        certificates: Vec::new(),
    };
    insta::assert_snapshot!(dns_providers(std::slice::from_ref(&provider), Colour::None), @r"
    ID          KIND        SETTINGS                               CERTIFICATES
    cloudflare  cloudflare  api-token=(secret), zone=shop.example
    ");
    insta::assert_snapshot!(dns_provider(&provider, Colour::None), @r"
    id            cloudflare
    kind          cloudflare
    api-token     (secret)
    zone          shop.example
    certificates  none
    ");
    insta::assert_snapshot!(dns_providers(&[], Colour::None), @"No DNS provider yet. It writes the TXT records of dns-01, which wildcards need. The kinds: portward acme dns kinds");
}

#[test]
fn kinds_of_dns_providers_say_which_flag_gives_each_setting() {
    let setting = |name: &str, about: &str, required, secret| DnsSettingView {
        name: name.to_owned(),
        about: about.to_owned(),
        required,
        secret,
    };
    let kind = DnsProviderKindView {
        kind: "rfc2136".to_owned(),
        about: "A name server that takes dynamic updates".to_owned(),
        settings: vec![
            setting("server", "Its address", true, false),
            setting("key", "TSIG key in base64", false, true),
        ],
    };
    insta::assert_snapshot!(dns_kinds(&[kind], Colour::None), @r"
    KIND     SETTING  GIVEN BY            ABOUT
    rfc2136                               A name server that takes dynamic updates
             server   --set               Its address
             key      --secret, optional  TSIG key in base64
    ");
}

#[test]
fn attempts_are_a_line_each_and_the_newest_is_shown_whole() {
    let under_way = AttemptView { id: "a-13".to_owned(), outcome: None, ..failed() };
    insta::assert_snapshot!(attempts(&[under_way, failed(), served()], Colour::None), @r"
    ID    CERTIFICATE  ISSUER       BEGAN                 STAGE      OUTCOME
    a-13  shop         letsencrypt  2026-11-20T10:00:00Z  ready      under way
    a-12  shop         letsencrypt  2026-11-20T10:00:00Z  ready      failed at 2026-11-20T10:00:09Z: challenge-unreachable
    a-11  shop         letsencrypt  2026-11-20T10:00:00Z  published  served since 2026-11-19T10:00:09Z
    ");
    insta::assert_snapshot!(attempts_with_newest(&[failed(), served()], Colour::None), @r"
    ID    CERTIFICATE  ISSUER       BEGAN                 STAGE      OUTCOME
    a-12  shop         letsencrypt  2026-11-20T10:00:00Z  ready      failed at 2026-11-20T10:00:09Z: challenge-unreachable
    a-11  shop         letsencrypt  2026-11-20T10:00:00Z  published  served since 2026-11-19T10:00:09Z

    attempt      a-12
    certificate  shop
    issuer       letsencrypt
    names        shop.example
    why          a third of its lifetime is left
    began        2026-11-20T10:00:00Z
    stage        ready
    order        https://ca.example/order/7
    outcome      failed at 2026-11-20T10:00:09Z: challenge-unreachable

    2026-11-20T10:00:00Z  planned  The order is planned.
    2026-11-20T10:00:01Z  ordered  The CA has the order.

    Cause   The CA could not reach 203.0.113.31.
    Remedy  Let port 80 of 203.0.113.31 through to this machine.

    The CA said with status 400:
      urn:ietf:params:acme:error:connection
      203.0.113.31: Fetching http://shop.example/: Timeout
      during connect\u{1b}[2J
      shop.example
        urn:ietf:params:acme:error:connection
        Timeout
    ");
    insta::assert_snapshot!(attempts_with_newest(&[], Colour::None), @"No attempt yet. An attempt is one order with a CA. Ask for a certificate: portward certificate request NAME --wait");
}

#[test]
fn renewals_are_a_line_each_and_one_renewal_says_what_went_wrong() {
    let by_hand = RenewalView {
        stage: text("challenged"),
        to_place: vec!["_acme-challenge.shop.example TXT abc".to_owned()],
        attempt: None,
        ..renewal_view()
    };
    let fine = RenewalView { failures: 0, attempt: Some(served()), ..renewal_view() };
    let new = RenewalView { last_renewed: None, expires: None, ..fine.clone() };
    let going = RenewalView { stage: text("ready"), ..fine.clone() };
    let once = RenewalView { failures: 1, ..renewal_view() };
    insta::assert_snapshot!(renewals(&[renewal_view(), once, by_hand.clone(), fine, new, going], Colour::None), @r"
    CERTIFICATE  NAMES                         ISSUERS             EXPIRES     NEXT RENEWAL          WHY                  STATE
    shop         shop.example, *.shop.example  letsencrypt, other  2026-12-19  2026-11-20T12:00:00Z  the last try failed  failed 2 times
    shop         shop.example, *.shop.example  letsencrypt, other  2026-12-19  2026-11-20T12:00:00Z  the last try failed  failed once
    shop         shop.example, *.shop.example  letsencrypt, other  2026-12-19  2026-11-20T12:00:00Z  the last try failed  waits for TXT records
    shop         shop.example, *.shop.example  letsencrypt, other  2026-12-19  2026-11-20T12:00:00Z  the last try failed  renewed
    shop         shop.example, *.shop.example  letsencrypt, other              2026-11-20T12:00:00Z  the last try failed  not issued yet
    shop         shop.example, *.shop.example  letsencrypt, other  2026-12-19  2026-11-20T12:00:00Z  the last try failed  under way: ready
    ");
    insta::assert_snapshot!(renewal(&renewal_view(), Colour::None), @r"
    certificate   shop
    names         shop.example, *.shop.example
    issuers       letsencrypt, then other
    challenge     dns-01
    DNS           cloudflare
    private key   ecdsa-p256, kept at renewals
    renewed at    21 days before its end
    last renewed  2026-09-20T10:00:00Z
    expires       2026-12-19T10:00:00Z
    next check    2026-11-20T11:00:00Z
    next renewal  2026-11-20T12:00:00Z (the last try failed)
    state         failed 2 times
    attempt       a-12
    outcome       failed at 2026-11-20T10:00:09Z: challenge-unreachable
    cause         The CA could not reach 203.0.113.31.
    remedy        Let port 80 of 203.0.113.31 through to this machine.
    ");
    insta::assert_snapshot!(renewal(&by_hand, Colour::None), @r"
    certificate   shop
    names         shop.example, *.shop.example
    issuers       letsencrypt, then other
    challenge     dns-01
    DNS           cloudflare
    private key   ecdsa-p256, kept at renewals
    renewed at    21 days before its end
    last renewed  2026-09-20T10:00:00Z
    expires       2026-12-19T10:00:00Z
    next check    2026-11-20T11:00:00Z
    next renewal  2026-11-20T12:00:00Z (the last try failed)
    state         waits for TXT records
    to place      _acme-challenge.shop.example TXT abc
    ");
    insta::assert_snapshot!(renewals(&[], Colour::None), @"No managed certificate yet. Portward gets and renews one: portward certificate request NAME --wait");
}

#[test]
fn the_name_of_the_server_is_told_with_its_renewal() {
    let status = LetsEncryptStatus {
        enabled: true,
        dns_name: text("shop.example"),
        issuer: text("letsencrypt"),
        thumbprint: Some("ab".repeat(32)),
        renewal: Some(renewal_view()),
    };
    insta::assert_snapshot!(lets_encrypt(&status, Colour::None), @r"
    host name     shop.example
    issuer        letsencrypt
    thumbprint    abababababababababababababababababababababababababababababababab
    certificate   shop
    last renewed  2026-09-20T10:00:00Z
    expires       2026-12-19T10:00:00Z
    next check    2026-11-20T11:00:00Z
    next renewal  2026-11-20T12:00:00Z (the last try failed)
    state         failed 2 times
    attempt       a-12
    outcome       failed at 2026-11-20T10:00:09Z: challenge-unreachable
    cause         The CA could not reach 203.0.113.31.
    remedy        Let port 80 of 203.0.113.31 through to this machine.
    ");
    let none = LetsEncryptStatus { enabled: false, dns_name: None, issuer: None, thumbprint: None, renewal: None };
    insta::assert_snapshot!(lets_encrypt(&none, Colour::None), @"No certificate is got for this server's own name. Get one: portward letsencrypt configure --dns-name HOST --email ADDR --accept-terms --wait");
}

#[test]
fn what_was_asked_for_is_told_in_a_sentence() {
    let wanted = Requested { certificate: shop(), renewal: renewal_view() };
    let revocation = Revoked {
        certificate: "shop".to_owned(),
        version: 3,
        thumbprint: "ab".repeat(32),
        message: "Its successor is being ordered.".to_owned(),
    };
    let lines = [
        requested(&wanted, Effect::Apply),
        requested(&wanted, Effect::DryRun),
        revoked(&revocation),
        unmanaged(&shop()),
        added("issuer", "ca", Effect::Apply),
        added("issuer", "ca", Effect::DryRun),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    The certificate shop is being ordered. What comes of it: portward acme attempts shop
    The certificate shop would be asked of letsencrypt, then of other. Nothing was changed.
    Version 3 of the certificate shop is revoked; its thumbprint is abababababababababababababababababababababababababababababababab. Its successor is being ordered.
    The certificate shop is renewed no more; it is valid until 2026-12-01T00:00:00Z. To have it renewed again: portward certificate request shop.example www.shop.example a.shop.example b.shop.example --replace shop
    The issuer ca is saved.
    The issuer ca would be saved. Nothing was changed.
    ");
    let done = RenewalView { attempt: Some(served()), ..renewal_view() };
    insta::assert_snapshot!(issued(&shop(), &done, Colour::None), @r"
    certificate   shop
    names         shop.example, www.shop.example, a.shop.example, b.shop.example
    issued by     CN=Example CA
    valid until   2026-12-01T00:00:00Z
    thumbprint    abababababababababababababababababababababababababababababababab
    served        since 2026-11-19T10:00:09Z
    next renewal  2026-11-20T12:00:00Z
    ");
}
