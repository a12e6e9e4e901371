//! Each test is a pain that people report about ACME, with the texts that CAs write, and what Portward says of it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod calls;
mod challenges;

use std::fmt::Write as _;

use super::*;
use crate::acme::{CaErrorKind, DirectoryTrust, IssuerPorts, Subproblem};

const NOW: &str = "2026-11-20T14:32:07Z";

fn issuer(directory: &str) -> Issuer {
    Issuer {
        id: crate::IssuerId::parse(if directory == Issuer::LETS_ENCRYPT { "letsencrypt" } else { "office" }).unwrap(),
        directory: directory.to_owned(),
        trust: DirectoryTrust::System,
        contacts: vec!["mailto:ops@shop.example".to_owned()],
        terms_agreed: true,
        eab_key_id: None,
        profile: Some("shortlived".to_owned()),
        challenge: None,
        preferred_chain: None,
        ports: IssuerPorts::default(),
        resolvers: Vec::new(),
    }
}

fn managed(issuer: &crate::IssuerId) -> Managed {
    Managed {
        names: ["shop.test", "www.shop.test"].map(name).to_vec(),
        issuers: vec![issuer.clone()],
        challenge: None,
        profile: None,
        dns: None,
        key: Default::default(),
        reuse: crate::acme::KeyReuse::New,
        key_on: None,
        renew_before: None,
    }
}

fn problem(word: &str, detail: &str) -> AcmeProblem {
    AcmeProblem {
        kind: format!("urn:ietf:params:acme:error:{word}"),
        detail: detail.to_owned(),
        status: Some(403),
        subproblems: Vec::new(),
    }
}

fn name(text: &str) -> HostPattern {
    HostPattern::parse(text).unwrap()
}

fn warning(check: Check, message: &str) -> Advice {
    Advice { check, verdict: Verdict::Warning, message: message.to_owned(), remedy: None }
}

fn good(check: Check) -> Advice {
    Advice { check, verdict: Verdict::Good, message: "as it must be".to_owned(), remedy: None }
}

fn told(what: FailureKind<'_>, advice: &[Advice]) -> Diagnosis {
    told_by(&issuer(Issuer::LETS_ENCRYPT), what, advice)
}

fn told_by(issuer: &Issuer, what: FailureKind<'_>, advice: &[Advice]) -> Diagnosis {
    let now = Timestamp::parse(NOW).unwrap();
    let (certificate, managed) = (&crate::CertificateId::parse("shop").unwrap(), &managed(&issuer.id));
    diagnose(&Failure { issuer, certificate, managed, stage: Stage::Ready, what, advice, now, expires: None })
}

/// One entry of a page: what was said, and what is made of it.
fn entry(page: &mut String, said: &str, told: &Diagnosis) {
    let Diagnosis { code, cause, remedy, .. } = told;
    writeln!(page, "> {said}\n{code}\n  {cause}\n  {remedy}\n").unwrap();
}

/// The page of failed challenges for one kind.
fn challenges(kind: ChallengeKind, host: &str, told_by_ca: &[(&str, &str, &[Advice])]) -> String {
    let (mut page, host) = (String::new(), name(host));
    for (word, detail, advice) in told_by_ca {
        let problem = problem(word, detail);
        let diagnosis = told(FailureKind::Challenge { name: &host, kind, problem: Some(&problem) }, advice);
        assert_eq!(diagnosis.problem.as_ref(), Some(&problem), "the CA's words are kept");
        entry(&mut page, &format!("{word}: {detail}"), &diagnosis);
    }
    page
}

/// The page of calls that were refused.
fn calls(issuer: &Issuer, told_by_ca: &[(&str, &str)]) -> String {
    let mut page = String::new();
    for (word, detail) in told_by_ca {
        let error = error(CaErrorKind::Problem(problem(word, detail)), Some(400));
        entry(&mut page, &format!("{word}: {detail}"), &told_by(issuer, FailureKind::Ca(&error), &[]));
    }
    page
}

fn error(kind: CaErrorKind, status: Option<u16>) -> CaError {
    CaError {
        doing: "asking for a new order",
        url: "https://acme.office.example/new-order".to_owned(),
        kind,
        status,
        retry_after: None,
    }
}

#[test]
fn every_code_is_in_kebab_case_and_no_text_is_unfinished() {
    let host = name("shop.example");
    let details = [
        "",
        "203.0.113.7: Connection refused",
        "2001:db8::1: Timeout during connect",
        "query timed out",
        "DNSSEC",
        "nonsense",
        "Invalid response from http://shop.example/: 404",
        "During secondary validation: nonsense",
        "looking up CAA",
    ];
    for word in ["connection", "dns", "unauthorized", "tls", "caa", "malformed", "serverInternal", "rateLimited", "odd"]
    {
        for kind in ChallengeKind::ALL {
            for detail in details {
                let problem = problem(word, detail);
                let told = told(FailureKind::Challenge { name: &host, kind, problem: Some(&problem) }, &[]);
                assert!(
                    told.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                    "{}",
                    told.code
                );
                for text in [&told.cause, &told.remedy] {
                    assert!(
                        text.ends_with('.') && !text.replace("NAME...", "NAME").contains("..") && !text.contains("  "),
                        "{text:?}"
                    );
                    assert_eq!(text.matches('`').count() % 2, 0, "{text:?}");
                }
            }
        }
    }
}

#[test]
fn a_name_that_is_spelled_like_a_cause_is_none() {
    for host in ["dnssec.private.example", "timeout.example", "firewall.redirect-to.example", "servfail.txt.example"] {
        let name = name(host);
        for (word, detail, expected) in [
            ("dns", format!("DNS problem: NXDOMAIN looking up A for {host}"), "dns-not-found"),
            (
                "connection",
                format!("203.0.113.7: Fetching http://{host}/.well-known/acme-challenge/a: Connection refused"),
                "challenge-refused",
            ),
            (
                "unauthorized",
                format!("203.0.113.7: Invalid response from http://{host}/x: \"<p>redirect to DNSSEC timeout\""),
                "challenge-answered-by-another-server",
            ),
        ] {
            let problem = problem(word, &detail);
            let kind = ChallengeKind::Http01;
            let told = told(FailureKind::Challenge { name: &name, kind, problem: Some(&problem) }, &[]);
            assert_eq!(told.code, expected, "{detail}");
        }
    }
}

#[test]
fn how_urgent_it_is_stands_behind_the_cause() {
    let issuer = issuer(Issuer::LETS_ENCRYPT);
    let now = Timestamp::parse(NOW).unwrap();
    let hours = |hours: u64| now.plus(Duration::from_secs(hours * 3600));
    for (expires, expected) in [
        (hours(24 * 9 + 5), "The certificate that is served is good for 9 days more, until 2026-11-29."),
        (hours(25), "The certificate that is served is good for 25 hours more, until 2026-11-21."),
        (now, "The certificate that is served expires in less than an hour."),
        (
            now.minus(Duration::from_secs(86_400)),
            "The certificate that is served expired on 2026-11-19: visitors are warned of it.",
        ),
    ] {
        let what = FailureKind::Internal("a fault");
        let told = diagnose(&Failure {
            issuer: &issuer,
            certificate: &crate::CertificateId::parse("shop").unwrap(),
            managed: &managed(&issuer.id),
            stage: Stage::Planned,
            what,
            advice: &[],
            now,
            expires: Some(expires),
        });
        assert_eq!(told.cause, format!("Portward itself failed at the stage `planned`: a fault. {expected}"));
        assert_eq!(told.problem, None);
    }
}
