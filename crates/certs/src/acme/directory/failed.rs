//! What a call that failed is told as.

use std::time::Duration;

use portward_core::{
    Timestamp,
    acme::{AcmeProblem, CaError, CaErrorKind},
};
use serde_json::Value;

use super::objects;
use crate::acme::http::{Answer, Failure};

/// Tells an answer that is no success, or a success that cannot be read, for which `why` is the reason.
pub(super) fn answered(doing: &'static str, answer: &Answer, why: Option<String>) -> CaError {
    let problem = match why {
        Some(_) => None,
        None => problem_of(answer),
    };
    let in_text = problem.as_ref().and_then(|problem| told_in_text(problem, answer.date()));
    let kind = match problem {
        Some(problem) => CaErrorKind::Problem(problem),
        None => CaErrorKind::Malformed { why: why.unwrap_or_else(|| guess(answer)), body: answer.beginning() },
    };
    CaError {
        doing,
        url: answer.url.clone(),
        kind,
        status: Some(answer.status.as_u16()),
        retry_after: answer.retry_after().or(in_text),
    }
}

/// Tells a request without an answer.
pub(super) fn unanswered(doing: &'static str, url: &str, failure: &Failure) -> CaError {
    let kind = match failure {
        Failure::Unreachable(why) => CaErrorKind::Unreachable(why.clone()),
        Failure::TimedOut => CaErrorKind::TimedOut,
        other => CaErrorKind::Malformed { why: other.to_string(), body: String::new() },
    };
    CaError { doing, url: url.to_owned(), kind, status: None, retry_after: None }
}

/// Tells what cannot be asked.
pub(super) fn unsupported(doing: &'static str, url: &str, why: impl Into<String>) -> CaError {
    CaError { doing, url: url.to_owned(), kind: CaErrorKind::Unsupported(why.into()), status: None, retry_after: None }
}

/// The problem document in an answer that is no success.
pub(super) fn problem_of(answer: &Answer) -> Option<AcmeProblem> {
    if answer.status.is_success() {
        return None;
    }
    objects::problem(&serde_json::from_slice::<Value>(&answer.body).ok()?)
}

/// Says what an answer seems to be that is no problem document.
fn guess(answer: &Answer) -> String {
    if answer.status.is_redirection() {
        let to = answer.location().unwrap_or_else(|| "nowhere".to_owned());
        return format!("it redirects to {to}; name the URL of the directory itself");
    }
    let beginning = answer.beginning();
    let beginning = beginning.trim_start();
    if beginning.is_empty() {
        "it has no problem document".to_owned()
    } else if beginning.starts_with('<') {
        "it is a page of HTML instead of a problem document".to_owned()
    } else {
        "it is not a problem document".to_owned()
    }
}

/// Finds the time in the text of a rate limit, as Let's Encrypt writes it: `retry after 2026-11-20 12:34:56 UTC`.
fn told_in_text(problem: &AcmeProblem, now: Option<Timestamp>) -> Option<Duration> {
    if problem.word() != "rateLimited" {
        return None;
    }
    let at = problem.detail.to_ascii_lowercase().find(RETRY_AFTER)? + RETRY_AFTER.len();
    let rest = problem.detail.get(at..)?.trim_start();
    let (date, time) = (rest.get(..10)?, rest.get(11..)?);
    let time_end = time.find(|sign: char| !sign.is_ascii_digit() && !":.".contains(sign)).unwrap_or(time.len());
    let (time, zone) = time.split_at(time_end);
    let zone = zone.trim_start();
    let zone = match zone.as_bytes().first() {
        Some(b'+' | b'-') => zone.get(..6)?,
        _ => "Z",
    };
    let told = Timestamp::parse(&format!("{date}T{}{zone}", time.trim_end_matches('.'))).ok()?;
    Some(told.since(now?))
}

const RETRY_AFTER: &str = "retry after ";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use http::{HeaderMap, Method, StatusCode, header};
    use serde_json::json;

    use super::*;

    fn answer(status: u16, retry_after: Option<&str>, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(header::DATE, "Fri, 20 Nov 2026 12:00:00 GMT".parse().unwrap());
        if let Some(value) = retry_after {
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
        }
        Answer {
            method: Method::POST,
            url: "https://ca.test/new-order".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn a_rate_limit_tells_when_to_come_back_in_its_text() {
        for (detail, expected) in [
            ("too many certificates, retry after 2026-11-20 12:34:56 UTC: see https://ca.test", Some(34 * 60 + 56)),
            ("too many. Retry after 2026-11-20T12:00:30Z", Some(30)),
            ("retry after 2026-11-20T13:00:30.25+01:00.", Some(30)),
            ("retry after 2026-11-20T12:00:30.", Some(30)),
            ("retry after 2026-11-20 11:00:00 UTC", Some(0)),
            ("retry after a while", None),
            ("retry after ", None),
            ("retry after 2026-11-2ü", None),
            ("too many", None),
        ] {
            let body = json!({ "type": "urn:ietf:params:acme:error:rateLimited", "detail": detail }).to_string();
            let error = answered("asking", &answer(429, None, &body), None);
            assert_eq!(error.retry_after, expected.map(Duration::from_secs), "{detail}");
            assert!(error.is_rate_limit());
            let error = answered("asking", &answer(429, Some("7"), &body), None);
            assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
        }
        let body =
            json!({ "type": "urn:ietf:params:acme:error:malformed", "detail": "retry after 2026-11-20 12:34:56" });
        assert_eq!(answered("asking", &answer(400, None, &body.to_string()), None).retry_after, None);
    }

    #[test]
    fn a_problem_is_kept_verbatim() {
        let body = json!({
            "type": "urn:ietf:params:acme:error:rejectedIdentifier",
            "detail": "Some of the identifiers requested were rejected",
            "status": 400,
            "subproblems": [
                { "type": "x:y", "detail": "no", "identifier": { "type": "x", "value": "_a" } },
                { "detail": "never" },
            ],
        });
        let error = answered("asking", &answer(403, Some("Fri, 20 Nov 2026 12:01:00 GMT"), &body.to_string()), None);
        let problem = error.problem().unwrap();
        assert_eq!(problem.word(), "rejectedIdentifier");
        assert_eq!(problem.status, Some(400));
        assert_eq!(problem.subproblems[0].identifier.as_deref(), Some("_a"));
        assert_eq!(problem.subproblems[1].kind, "about:blank");
        assert_eq!((error.status, error.retry_after), (Some(403), Some(Duration::from_secs(60))));
    }

    #[test]
    fn what_is_no_problem_document_is_told_with_its_beginning() {
        let page = format!("<html>{}", "x".repeat(1000));
        let cases = [
            (503, page.as_str(), "HTML"),
            (502, "", "no problem document"),
            (500, "{\"type\": \"urn", "not a problem document"),
            (500, "[]", "not a problem document"),
        ];
        for (status, body, expected) in cases {
            let error = answered("asking", &answer(status, Some("30"), body), None);
            let CaErrorKind::Malformed { why, body: shown } = &error.kind else { panic!("{error:?}") };
            assert!(why.contains(expected), "{why}");
            assert_eq!(*shown, body.chars().take(500).collect::<String>());
            assert_eq!((error.status, error.retry_after), (Some(status), Some(Duration::from_secs(30))));
        }
    }
}
