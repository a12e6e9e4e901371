//! Calls of a CA that failed.

use std::time::Duration;

use super::{
    super::{Check, Verdict},
    CaError, Failure, Finding, detail, problem, sentence,
};
use crate::acme::{CaErrorKind, Issuer};

pub(super) fn find(failure: &Failure<'_>, error: &CaError) -> Finding {
    match &error.kind {
        CaErrorKind::Problem(told) if !error.is_rate_limit() && error.status.is_some_and(|status| status >= 500) => {
            let what = format!("answers with status {}: {}", error.status.unwrap_or(500), sentence(&told.to_string()));
            down(failure, &what, error.retry_after)
        }
        CaErrorKind::Problem(told) => problem::find(failure, told, error.retry_after),
        CaErrorKind::Unreachable(why) => unreachable(failure, error, why),
        CaErrorKind::TimedOut => no_connection(failure, error, "does not answer in time."),
        CaErrorKind::Malformed { .. } if error.is_rate_limit() => {
            problem::too_often(failure, "it was asked too often, and says no more", error.retry_after, "")
        }
        CaErrorKind::Malformed { why, .. } if error.status.is_some_and(|status| status >= 500) => {
            let what = format!("answers with status {}: {}", error.status.unwrap_or(500), sentence(why));
            down(failure, &what, error.retry_after)
        }
        CaErrorKind::Malformed { why, body } => not_acme(failure, error, why, body),
        CaErrorKind::Unsupported(why) => Finding::new(
            "ca-lacks-feature",
            format!("The CA {} cannot do what is asked for: {}", failure.issuer.id, sentence(why)),
            format!(
                "See what it offers with `curl {}`, and ask for no more; or ask another CA: {}.",
                failure.issuer.directory,
                failure.with_another_ca()
            ),
        ),
    }
}

fn unreachable(failure: &Failure<'_>, error: &CaError, why: &str) -> Finding {
    let lower = why.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let host = host(error, failure.issuer);
    if has(&["expired", "notvalidyet", "not valid yet", "not yet valid"]) && has(&["certificate"]) {
        let clock = if failure.was(Check::Clock, Verdict::Warning) {
            ""
        } else {
            " Either it is so, or the clock here is wrong."
        };
        return Finding::new(
            "clock-wrong",
            format!("The certificate of {host} is outside of its dates by the clock here ({why}).{clock}"),
            "Compare `date -u` with the true time and switch time synchronisation on, as with `timedatectl set-ntp true`; \
             if the clock is right, tell whoever runs the CA.",
        )
        .with(&[Check::Clock]);
    }
    if has(&["certificate", "unknownissuer", "unknown issuer", "self-signed", "self signed", "untrusted"]) {
        let remedy = if failure.is_lets_encrypt() {
            "Something between here and the CA opens TLS connections, such as a proxy that inspects them, or the list of \
             authorities of this machine is old: let the CA's host pass uninspected, or update the package \
             `ca-certificates`."
                .to_owned()
        } else {
            format!(
                "For a private CA, name the authority that signed its directory: {}. For a public one, update the authorities \
                 of this machine, and let a proxy that inspects TLS leave this host alone.",
                failure.set_up_again(" --directory-ca FILE")
            )
        };
        let cause = format!("Nobody that is trusted here vouches for the certificate of {host} ({why}).");
        return Finding::new("directory-not-trusted", cause, remedy).with(&[Check::Clock, Check::Directory]);
    }
    if has(&["dns", "resolve", "lookup", "name or service", "no such host", "nxdomain"]) {
        return Finding::new(
            "ca-unreachable",
            format!("The name {host} of the CA does not resolve on this machine ({why})."),
            format!(
                "See whether this machine resolves any name (`getent hosts {host}`), and check the directory's URL with \
                 `portward acme issuer show {}`. It is tried again by itself.",
                failure.issuer.id
            ),
        );
    }
    no_connection(failure, error, &format!("cannot be reached from here ({why})."))
}

fn no_connection(failure: &Failure<'_>, error: &CaError, what: &str) -> Finding {
    let host = host(error, failure.issuer);
    let url = if error.url.is_empty() { &failure.issuer.directory } else { &error.url };
    let port = detail::port(url).unwrap_or(443);
    let others = match failure.managed.issuers.len() {
        0 | 1 => String::new(),
        _ => ", and the next issuer of the certificate is asked meanwhile".to_owned(),
    };
    Finding::new(
        "ca-unreachable",
        format!("The CA at {host} {what} No name is to blame, and nothing counts against its limits."),
        format!(
            "Let this machine connect to {host} on port {port} (`curl -I {}`); if it can, the CA is down. It is tried again by \
             itself, first within minutes{others}.",
            failure.issuer.directory
        ),
    )
    .with(&[Check::Directory])
}

pub(super) fn down(failure: &Failure<'_>, what: &str, retry_after: Option<Duration>) -> Finding {
    let page = if failure.is_lets_encrypt() { " Its state is at https://letsencrypt.status.io/." } else { "" };
    let when = match retry_after {
        Some(wait) => format!("It asks for nothing before {}, and is asked again then", failure.now.plus(wait)),
        None => "It is asked again by itself, first within minutes, then every hour".to_owned(),
    };
    Finding::new(
        "ca-outage",
        format!("The CA {} has trouble of its own: it {what} Nothing here is to blame.", failure.issuer.id),
        format!("Wait. {when}.{page} Where it must be now, add another CA: {}.", failure.with_another_ca()),
    )
}

fn not_acme(failure: &Failure<'_>, error: &CaError, why: &str, body: &str) -> Finding {
    let host = host(error, failure.issuer);
    let status = error.status.map_or_else(String::new, |status| format!(" with status {status}"));
    let body = detail::beginning(body, 100);
    let shown = if body.is_empty() { String::new() } else { format!(" It begins with: {body}") };
    Finding::new(
        "ca-not-acme",
        format!("What {host} answers{status} is not what an ACME server answers: {}{shown}", sentence(why)),
        format!(
            "Check that the URL of `portward acme issuer show {}` is the CA's directory itself (`curl {}` must print JSON with \
             `newNonce`), and that no proxy or login page answers in its place.",
            failure.issuer.id, failure.issuer.directory
        ),
    )
    .with(&[Check::Directory])
}

fn host(error: &CaError, issuer: &Issuer) -> String {
    detail::host(&error.url).or_else(|| detail::host(&issuer.directory)).unwrap_or_else(|| issuer.id.to_string())
}
