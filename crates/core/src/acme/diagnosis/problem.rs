//! Problem documents by their type (RFC 8555 section 6.7, RFC 8739, RFC 9773 and the profiles' draft).

use std::time::Duration;

use super::{Check, Failure, Finding, call, challenge, detail, own, sentence};
use crate::{
    HostPattern,
    acme::{AcmeProblem, Subproblem},
};

/// Finds the cause of a problem of a call or an order.
pub(super) fn find(failure: &Failure<'_>, problem: &AcmeProblem, retry_after: Option<Duration>) -> Finding {
    let text = detail::words(&problem.detail);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let id = &failure.issuer.id;
    let said = said(problem);
    // Names with problems of their own are what it is about; the first decides, as all of them must be mended.
    if let Some(first) = problem.subproblems.first().filter(|_| problem.word() != "rateLimited") {
        return by_name(failure, problem, first);
    }
    if let Some(finding) =
        challenge::about_names(failure, problem, None).or_else(|| challenge::find_by_text(failure, problem, None))
    {
        return finding;
    }
    match problem.word() {
        _ if is_paused(&text) => too_often(failure, &problem.detail, retry_after, &text),
        "rateLimited" => too_often(failure, &problem.detail, retry_after, &text),
        "serverInternal" => call::down(failure, &format!("says: {said}"), retry_after),
        "badNonce" => call::down(
            failure,
            "refuses its own nonces again and again, as after a restart or behind a balancer.",
            retry_after,
        ),
        "accountDoesNotExist" => gone(failure, "knows no such account any more", &said),
        "unauthorized" if has(&["deactivated", "revoked", "status \"", "not valid, has status"]) => {
            gone(failure, "has closed the account", &said)
        }
        "unauthorized" | "malformed" | "userActionRequired" if has(&["agree", "terms of service"]) => {
            terms(failure, &said)
        }
        "userActionRequired" => terms(failure, &said),
        "externalAccountRequired" => eab(failure, "makes accounts only for its customers", &said),
        "unauthorized" | "malformed" if has(&["external account", "externalaccountbinding", " eab", "mac key"]) => {
            eab(failure, "does not take the external account binding", &said)
        }
        "alreadyReplaced" => replaced(failure, "another order replaces this certificate already", &said),
        "malformed" | "unauthorized" | "conflict" if has(&["replace", "ari certid", "certid"]) => {
            replaced(failure, "it does not take the certificate that is named as the one to be replaced", &said)
        }
        "invalidProfile" => profile(failure, &said),
        "malformed" if has(&["profile"]) => profile(failure, &said),
        "invalidContact" | "unsupportedContact" => Finding::new(
            "contact-refused",
            format!("The CA {id} does not take the contact address of the account{}: {said}", contacts(failure)),
            format!("Give an address that gets mail, or none: {}.", failure.set_up_again(" --contact ADDR")),
        ),
        "rejectedIdentifier" => refused(failure, "", &said),
        "unsupportedIdentifier" => unsupported(failure, "", &said),
        "connection" => reaching(failure, "challenge-unreachable", "could not connect to a name of the order", &said),
        "dns" => reaching(failure, "dns-servfail", "could not resolve a name of the order", &said),
        "tls" | "incorrectResponse" => reaching(
            failure,
            "challenge-answered-by-another-server",
            "did not get the answer that it wants for a name of the order",
            &said,
        ),
        "badCSR" => Finding::new(
            "csr-refused",
            format!("The CA {id} does not take the request for the certificate: {said}"),
            "Ask for another kind of key, as some CAs take RSA or ECDSA alone, and for fewer names, as some profiles take no more \
             than 25.",
        ),
        "badPublicKey" | "badSignatureAlgorithm" => Finding::new(
            "key-refused",
            format!("The CA {id} does not take a key: {said}"),
            format!(
                "If it is that of the certificate, ask for another kind of key. If it is that of the account, make a new one \
                 with `portward acme account rollover {id}`."
            ),
        ),
        "orderNotReady" => Finding::new(
            "order-not-ready",
            format!("The CA {id} was asked for the certificate before it had seen control of all names: {said}"),
            "Nothing: the order is read again and goes on, or a new one is made.",
        ),
        "alreadyRevoked" => Finding::new(
            "already-revoked",
            format!("The certificate is revoked already: {said}"),
            format!(
                "Nothing more is needed to revoke it. If it is still served, `portward certificate renew {} --force`.",
                failure.certificate
            ),
        ),
        "badRevocationReason" => Finding::new(
            "revocation-reason-refused",
            format!("The CA {id} does not take this reason for a revocation: {said}"),
            "Revoke it without a reason, or with another.",
        ),
        word if word.starts_with("autoRenewal") => Finding::new(
            "auto-renewal-refused",
            format!("The CA {id} renews this order by itself, or did, and refuses what is asked of it: {said}"),
            format!("Ask for a new certificate: {}; Portward makes no such orders.", failure.renew()),
        ),
        "malformed" => Finding::new(
            "request-refused",
            format!("The CA {id} does not understand the request: {said}"),
            "Look at what is special in the request, such as a profile, a name or the external account, and ask without it. If \
             nothing is, the CA or Portward has a fault; `portward acme attempts` has all of it for a report.",
        ),
        "unauthorized" => Finding::new(
            "not-authorized",
            format!("The CA {id} does not let this account do that: {said}"),
            format!(
                "Do what it says. If it is about a name, `portward acme check NAME --issuer {id}` looks at what the CA would see."
            ),
        ),
        _ => Finding::new(
            "refused-by-ca",
            format!("The CA {id} refuses at the stage `{}`: {said}", failure.stage),
            "Do what it says; `portward acme attempts` has its words in full. It is tried again by itself.",
        ),
    }
}

/// Asked too often: when it goes on, and what to do until then.
pub(super) fn too_often(failure: &Failure<'_>, told: &str, retry_after: Option<Duration>, text: &str) -> Finding {
    let id = &failure.issuer.id;
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let said = sentence(told);
    if is_paused(text) {
        let page = detail::url(told, &["https://"])
            .map_or_else(|| "the page that the CA names".to_owned(), |url| format!("{url} in a browser"));
        return Finding::new(
            "account-paused",
            format!(
                "The CA {id} has paused this account for the name, because it failed very often in a row and never succeeded. \
                 Waiting does not help. It says: {said}"
            ),
            format!(
                "Mend first why the name fails (`portward acme attempts {id}` and `portward acme check NAME --issuer {ca}`), or \
                 remove the certificate. Then open {page}, allow it again there, and {again}.",
                id = failure.certificate,
                ca = failure.issuer.id,
                again = failure.renew()
            ),
        );
    }
    let until = retry_after.map(|wait| failure.now.plus(wait)).or_else(|| detail::retry_time(told));
    let (cause, hint) = if has(&["exact set"]) {
        (
            "too many certificates for exactly these names",
            match failure.expires {
                Some(_) => "The certificate that was issued last is served. One more name makes it another set.",
                None => {
                    "They were issued for another server, or before this one was set up: one of them can be brought with \
                     `portward certificate import FILE...`. One more name makes it another set."
                }
            },
        )
    } else if has(&["failed authorizations", "failed validations"]) {
        (
            "too many failed validations of the same name",
            "Mend meanwhile what failed before, as the earlier attempts say.",
        )
    } else if has(&["already issued for", "certificates already issued", "per registered domain"]) {
        (
            "too many new certificates for the same domain, by whatever account",
            "One wildcard can take the place of many certificates.",
        )
    } else if has(&["new registrations", "registrations"]) {
        ("too many new accounts from this address", "One account is enough for all certificates.")
    } else if has(&["new orders"]) {
        ("too many new orders of this account", "Fewer certificates with more names each need fewer orders.")
    } else {
        ("too many requests", "Do not ask again before, as each try may count.")
    };
    let on = until.map_or_else(
        || "It is tried again by itself, later and later.".to_owned(),
        |until| format!("Nothing is asked before {until}; then it goes on by itself."),
    );
    Finding::new("rate-limited", format!("The CA {id} counts {cause}. It says: {said}"), format!("{on} {hint}"))
        .with(&[Check::Budget])
}

/// As Let's Encrypt says it, whatever the type is.
fn is_paused(text: &str) -> bool {
    text.contains("temporarily prevented from requesting")
}

fn by_name(failure: &Failure<'_>, problem: &AcmeProblem, first: &Subproblem) -> Finding {
    let alone = AcmeProblem {
        kind: first.kind.clone(),
        detail: first.detail.clone(),
        status: problem.status,
        subproblems: Vec::new(),
    };
    let name = first.identifier.as_deref().unwrap_or("a name");
    let pattern = HostPattern::parse(name).ok();
    let mut finding = match alone.word() {
        "rejectedIdentifier" => refused(failure, name, &said(&alone)),
        "unsupportedIdentifier" => unsupported(failure, name, &said(&alone)),
        _ => challenge::about_names(failure, &alone, pattern.as_ref())
            .or_else(|| challenge::find_by_text(failure, &alone, pattern.as_ref()))
            .unwrap_or_else(|| find(failure, &alone, None)),
    };
    let others: Vec<String> = problem.subproblems.iter().skip(1).map(of_one).collect();
    if !others.is_empty() {
        finding.cause = format!("{} Also refused: {}", finding.cause, sentence(&others.join("; ")));
    }
    finding
}

fn of_one(problem: &Subproblem) -> String {
    let name = problem.identifier.as_deref().unwrap_or("a name");
    if problem.detail.is_empty() {
        name.to_owned()
    } else {
        format!("{name} ({})", problem.detail.trim_end_matches('.'))
    }
}

fn reaching(failure: &Failure<'_>, code: &'static str, what: &str, said: &str) -> Finding {
    Finding::new(
        code,
        format!("The CA {} {what}: {said}", failure.issuer.id),
        format!(
            "See what the CA would see with `portward acme check NAME --issuer {}` for each name, then {}.",
            failure.issuer.id,
            failure.renew()
        ),
    )
    .with(challenge::REACHING)
}

fn gone(failure: &Failure<'_>, what: &str, said: &str) -> Finding {
    let id = &failure.issuer.id;
    Finding::new(
        "account-gone",
        format!("The CA {id} {what}: {said}"),
        format!("Register anew: {}. A test CA forgets its accounts whenever it starts.", failure.set_up_again("")),
    )
}

fn terms(failure: &Failure<'_>, said: &str) -> Finding {
    let id = &failure.issuer.id;
    let page = detail::url(said, &["https://", "http://"]);
    Finding::new(
        "terms-changed",
        format!("The CA {id} wants its terms of service agreed to before it goes on: {said}"),
        own::agree(failure, page),
    )
}

fn eab(failure: &Failure<'_>, what: &str, said: &str) -> Finding {
    let id = &failure.issuer.id;
    Finding::new(
        "external-account-needed",
        format!("The CA {id} {what}: {said}"),
        format!(
            "Get a key identifier and a MAC key (EAB credentials) from your account with the CA, as most serve once, and set \
             the issuer up with them: {}.",
            failure.set_up_again(" --eab-key-id K --eab-mac-key-file FILE")
        ),
    )
}

fn replaced(failure: &Failure<'_>, what: &str, said: &str) -> Finding {
    Finding::new(
        "already-replaced",
        format!("The CA {} refuses the order, as {what}: {said}", failure.issuer.id),
        "Nothing: it is ordered again without naming the old certificate. Other servers that renew the same certificate with \
         the same account are a cause of this.",
    )
}

fn profile(failure: &Failure<'_>, said: &str) -> Finding {
    let id = &failure.issuer.id;
    let asked = failure.managed.profile.as_ref().or(failure.issuer.profile.as_ref());
    let which = asked.map_or_else(String::new, |profile| format!(" `{profile}`"));
    Finding::new(
        "profile-unknown",
        format!("The CA {id} does not offer the profile{which} to this account: {said}"),
        format!(
            "See which it offers with `curl {}`, at `profiles`, and ask for one of them: {}.",
            failure.issuer.directory,
            failure.with_profile("PROFILE")
        ),
    )
}

fn refused(failure: &Failure<'_>, name: &str, said: &str) -> Finding {
    let found = challenge::name_in(said).filter(|_| name.is_empty());
    let what = found.as_deref().unwrap_or(if name.is_empty() { "a name of the order" } else { name });
    let text = detail::words(said);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let remedy = if has(&["public suffix", "valid tld", "top-level", "iana", "not end with"]) {
        "Public CAs sign for names under public top-level domains only. Take a name that was bought, or ask a private CA: \
         `portward acme issuer add DIRECTORY`."
            .to_owned()
    } else if has(&["invalid character", "invalid label", "malformed", "not a valid", "too long", "wildcard"]) {
        format!("Check the spelling of the name, then {}.", failure.with_names())
    } else {
        format!(
            "Ask without that name: {}; or have another CA asked: {}. This one's policy forbids the name, and trying again \
             does not help.",
            failure.with_names(),
            failure.with_another_ca()
        )
    };
    Finding::new("name-refused", format!("The CA {} does not sign for {what}: {said}", failure.issuer.id), remedy)
}

fn unsupported(failure: &Failure<'_>, name: &str, said: &str) -> Finding {
    let what = if name.is_empty() { String::new() } else { format!(" as {name}") };
    Finding::new(
        "name-unsupported",
        format!("The CA {} does not sign for such names{what}: {said}", failure.issuer.id),
        "For an IP address, ask for a profile that takes it (`shortlived` at Let's Encrypt), or ask for a name that leads to \
         the address.",
    )
}

fn contacts(failure: &Failure<'_>) -> String {
    if failure.issuer.contacts.is_empty() {
        String::new()
    } else {
        format!(" ({})", failure.issuer.contacts.join(", "))
    }
}

fn said(problem: &AcmeProblem) -> String {
    sentence(if problem.detail.is_empty() { &problem.kind } else { &problem.detail })
}
