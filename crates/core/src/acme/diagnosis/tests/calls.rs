//! What CAs refuse, and what fails on this side.

use super::*;

#[test]
fn pain_6_the_ca_was_asked_too_often() {
    let mut page = calls(
        &issuer(Issuer::LETS_ENCRYPT),
        &[
            (
                "rateLimited",
                "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after 2026-11-22 09:13:16 UTC: see https://letsencrypt.org/docs/rate-limits/#new-certificates-per-exact-set-of-identifiers",
            ),
            (
                "rateLimited",
                "too many certificates (50) already issued for \"shop.example\" in the last 168h0m0s, retry after 2026-11-22 09:13:16 UTC",
            ),
            (
                "rateLimited",
                "too many failed authorizations (5) for \"shop.example\" in the last 1h0m0s, retry after 2026-11-20 15:02:00 UTC",
            ),
            (
                "rateLimited",
                "too many failed authorizations recently: see https://letsencrypt.org/docs/failed-validation-limit/",
            ),
            (
                "rateLimited",
                "too many new orders (300) from this account in the last 3h0m0s, retry after 2026-11-20 15:02:00 UTC",
            ),
            (
                "rateLimited",
                "too many new registrations (10) from this IP address in the last 3h0m0s, retry after 2026-11-20 15:02:00 UTC",
            ),
            ("rateLimited", "Service busy; retry later."),
            (
                "rateLimited",
                "Your account is temporarily prevented from requesting certificates for shop.example and possibly others. Please visit: https://portal.letsencrypt.org/sfe/v1/unpause?jwt=abc.def.ghi",
            ),
        ],
    );
    let mut later = error(CaErrorKind::Problem(problem("rateLimited", "slow down")), Some(429));
    later.retry_after = Some(Duration::from_secs(3600));
    entry(&mut page, "429 with Retry-After: 3600", &told(FailureKind::Ca(&later), &[]));
    let html = CaErrorKind::Malformed { why: "it is HTML".to_owned(), body: "<html>".to_owned() };
    entry(&mut page, "429 in HTML", &told(FailureKind::Ca(&error(html, Some(429))), &[]));
    let mut busy = error(CaErrorKind::Problem(problem("rateLimited", "Service busy; retry later.")), Some(503));
    busy.retry_after = Some(Duration::from_secs(3600));
    assert!(busy.is_outage() && !busy.is_rate_limit());
    entry(&mut page, "503 with Retry-After: 3600", &told(FailureKind::Ca(&busy), &[]));
    let until = Timestamp::parse("2026-11-20T15:02:00Z").unwrap();
    for limit in
        [LimitKind::Orders, LimitKind::SameNames, LimitKind::FailedValidations, LimitKind::CertificatesPerDomain]
    {
        entry(&mut page, limit.as_str(), &told(FailureKind::Budget { limit, until }, &[]));
    }
    insta::assert_snapshot!(page);
}

#[test]
fn pain_8_the_ca_does_not_take_the_certificate_that_is_replaced() {
    let page = calls(
        &issuer(Issuer::LETS_ENCRYPT),
        &[
            (
                "alreadyReplaced",
                "cannot indicate an order replaces certificate with serial \"04ab\", which already has a replacement order",
            ),
            (
                "malformed",
                "While parsing ARI CertID an error occurred :: the provided Authority Key Identifier did not match",
            ),
            ("unauthorized", "requester account did not request the certificate being replaced by this order"),
        ],
    );
    insta::assert_snapshot!(page);
}

#[test]
fn pain_9_it_is_renewed_but_not_served() {
    let mut page = String::new();
    for what in ["the new certificate for shop.example", "the answer to the http-01 challenge for shop.example"] {
        let seen = [warning(Check::Binding, "no http binding has port 80")];
        entry(&mut page, what, &told(FailureKind::NotServed { what }, &seen));
    }
    let taken = FailureKind::PortTaken { port: 80, why: "Address already in use (os error 98)" };
    entry(&mut page, "port 80", &told(taken, &[]));
    let internal = FailureKind::Internal("the store cannot be reached");
    entry(&mut page, "internal", &told(internal, &[]));
    insta::assert_snapshot!(page);
}

#[test]
fn pain_14_the_dns_provider_does_not_do_it() {
    let (mut page, host) = (String::new(), name("*.shop.example"));
    for (kind, text) in [
        (DnsFailure::Unauthorized, "cloudflare refuses the credentials: 403 Invalid API token"),
        (DnsFailure::NoZone, "cloudflare has no zone shop.example: it has example.org"),
        (DnsFailure::Unreachable, "cloudflare cannot be reached: timed out"),
        (DnsFailure::Lookup, "192.0.2.53 cannot be reached: timed out"),
        (DnsFailure::Failed, "cloudflare failed: 500"),
    ] {
        entry(&mut page, text, &told(FailureKind::Dns { name: &host, text, kind }, &[]));
    }
    let errors = [
        NoChallengeError::WildcardWithoutDns(host),
        NoChallengeError::WildcardNeedsDns { name: name("*.shop.example"), wanted: ChallengeKind::Http01 },
        NoChallengeError::AddressOverDns(name("203.0.113.7")),
        NoChallengeError::NoneOffered { name: name("shop.example"), offered: vec![ChallengeKind::TlsAlpn01] },
    ];
    for error in &errors {
        entry(&mut page, &error.to_string(), &told(FailureKind::NoChallenge(error), &[]));
    }
    insta::assert_snapshot!(page);
}

#[test]
fn pain_16_the_ca_is_down_or_is_none() {
    let office = issuer("https://acme.office.example/directory");
    let clock = [warning(Check::Clock, "the clock here is 3 days behind that of the CA")];
    let page_of = |why: &str, body: &str| CaErrorKind::Malformed { why: why.to_owned(), body: body.to_owned() };
    let unreachable = |why: &str| CaErrorKind::Unreachable(why.to_owned());
    let mut page = String::new();
    for (said, kind, status, advice) in [
        ("refused", unreachable("connection refused"), None, &[][..]),
        ("no name", unreachable("failed to lookup address information: Name or service not known"), None, &[]),
        ("silent", CaErrorKind::TimedOut, None, &[]),
        ("unknown issuer", unreachable("invalid peer certificate: UnknownIssuer"), None, &[]),
        ("expired", unreachable("invalid peer certificate: certificate expired"), None, &[]),
        ("not yet valid, with advice", unreachable("invalid peer certificate: NotValidYet"), None, &clock),
        ("503", page_of("it is HTML", "<html>\n<title>503</title>"), Some(503), &[]),
        ("500", CaErrorKind::Problem(problem("serverInternal", "Error creating new order")), Some(500), &[]),
        ("503 busy", CaErrorKind::Problem(problem("unauthorized", "Service busy")), Some(503), &[]),
        ("login page", page_of("it is HTML", "\n<html><title>Sign in</title>"), Some(200), &[]),
        ("cut off", page_of("the JSON ends early", "{\"newNonce\":"), Some(200), &[]),
        ("no such thing", CaErrorKind::Unsupported("it has no profiles".to_owned()), None, &[]),
    ] {
        entry(&mut page, said, &told_by(&office, FailureKind::Ca(&error(kind, status)), advice));
    }
    let mut error = error(unreachable("invalid peer certificate: UnknownIssuer"), None);
    error.url = Issuer::LETS_ENCRYPT.to_owned();
    entry(&mut page, "Let's Encrypt, inspected", &told(FailureKind::Ca(&error), &[]));
    insta::assert_snapshot!(page);
}

#[test]
fn accounts_terms_profiles_and_names_that_the_ca_does_not_take() {
    let mut page = calls(
        &issuer("https://acme.office.example/directory"),
        &[
            ("accountDoesNotExist", "Account \"https://acme.office.example/acct/7\" not found"),
            ("unauthorized", "Account is not valid, has status \"deactivated\""),
            ("externalAccountRequired", "No external account binding in the new account request"),
            ("unauthorized", "The MAC key of the external account binding is wrong"),
            ("userActionRequired", "Terms of service have changed, see https://acme.office.example/terms/2"),
            ("malformed", "must agree to terms of service"),
            ("invalidProfile", "profile \"shortlived\" is not a recognized profile name"),
            ("invalidContact", "contact email has invalid domain: Domain name contains an invalid character"),
            ("unsupportedContact", "only contact scheme 'mailto:' is supported"),
            (
                "rejectedIdentifier",
                "Cannot issue for \"nas.local\": Domain name does not end with a valid public suffix (TLD)",
            ),
            (
                "rejectedIdentifier",
                "The ACME server refuses to issue a certificate for this domain name, because it is forbidden by policy",
            ),
            ("rejectedIdentifier", "Cannot issue for \"sh_op.example\": Domain name contains an invalid character"),
            (
                "unsupportedIdentifier",
                "NewOrder request included invalid non-DNS type identifier: type \"ip\", value \"203.0.113.7\"",
            ),
        ],
    );
    for url in [Some("https://acme.office.example/terms"), None] {
        entry(&mut page, "no agreement", &told(FailureKind::TermsNotAgreed { url }, &[]));
    }
    insta::assert_snapshot!(page);
}

#[test]
fn several_names_of_an_order_are_refused_for_their_own_reasons() {
    let mut page = String::new();
    let sub = |identifier: &str, word: &str, detail: &str| Subproblem {
        identifier: Some(identifier.to_owned()),
        kind: format!("urn:ietf:params:acme:error:{word}"),
        detail: detail.to_owned(),
    };
    let mut compound = problem("compound", "Cannot issue for 2 names");
    compound.subproblems = vec![
        sub("nas.local", "rejectedIdentifier", "Domain name does not end with a valid public suffix (TLD)"),
        sub("example.org", "rejectedIdentifier", "The ACME server refuses to issue for this name."),
    ];
    entry(&mut page, "compound", &told(FailureKind::Order(&compound), &[]));
    let mut caa = problem("caa", "Error finalizing order :: Rechecking CAA for 2 names");
    caa.subproblems = vec![
        sub("www.shop.example", "caa", "CAA record for shop.example prevents issuance"),
        sub("api.shop.example", "dns", "DNS problem: SERVFAIL looking up CAA for shop.example"),
    ];
    entry(&mut page, "CAA looked at again", &told(FailureKind::Order(&caa), &[]));
    let other = AcmeProblem { kind: "https://acme.office.example/problems/quota".to_owned(), ..AcmeProblem::default() };
    entry(&mut page, "a type of its own", &told(FailureKind::Order(&other), &[]));
    insta::assert_snapshot!(page);
}

/// RFC 8555 section 6.7, RFC 8739 section 6.6, RFC 9773 section 7.4 and the profiles' draft.
#[test]
fn every_type_of_problem_has_a_code_a_cause_and_a_remedy() {
    let words = [
        "accountDoesNotExist",
        "alreadyReplaced",
        "alreadyRevoked",
        "autoRenewalCanceled",
        "autoRenewalCancellationInvalid",
        "autoRenewalExpired",
        "autoRenewalRevocationNotSupported",
        "badCSR",
        "badNonce",
        "badPublicKey",
        "badRevocationReason",
        "badSignatureAlgorithm",
        "caa",
        "compound",
        "connection",
        "dns",
        "externalAccountRequired",
        "incorrectResponse",
        "invalidContact",
        "invalidProfile",
        "malformed",
        "orderNotReady",
        "rateLimited",
        "rejectedIdentifier",
        "serverInternal",
        "tls",
        "unauthorized",
        "unsupportedContact",
        "unsupportedIdentifier",
        "userActionRequired",
    ];
    let page = calls(&issuer(Issuer::LETS_ENCRYPT), &words.map(|word| (word, "the CA's own words")));
    insta::assert_snapshot!(page);
}
