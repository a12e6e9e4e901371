//! One request, read and permitted.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::{RawPathParams, Request},
};
use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use portward_core::Revision;
use serde::de::DeserializeOwned;

use super::{body, table::actor_of};
use crate::app::{Allowed, App, AppError, Apply, Precondition, Right};

/// Is a request whose actor has the right that its route needs.
pub(super) struct Call<R> {
    /// What answers it.
    pub(super) app: Arc<App>,
    /// Who asks, with the proof that they may.
    pub(super) by: Allowed<R>,
    /// Whether it changes anything: `?dry_run=true`.
    pub(super) apply: Apply,
    /// What it demands to find: `If-Match`.
    pub(super) precondition: Precondition,
    /// What else the address says after the question mark, by the names that the route knows.
    pub(super) asked: BTreeMap<&'static str, String>,
    id: Option<String>,
    headers: HeaderMap,
    body: Body,
}

impl<R: Right> Call<R> {
    /// Asks for the right first, and reads the rest after that.
    pub(super) fn read(
        app: Arc<App>,
        params: &RawPathParams,
        request: Request,
        known: &[&'static str],
    ) -> Result<Self, AppError> {
        let actor = actor_of(&request)?;
        let by = actor.may::<R>()?;
        let (apply, asked) = query(request.uri().query().unwrap_or_default(), known)?;
        let precondition = precondition(request.headers())?;
        let id = params.iter().find(|(name, _)| *name == "id").map(|(_, value)| value.to_owned());
        let (parts, body) = request.into_parts();
        Ok(Self { app, by, apply, precondition, asked, id, headers: parts.headers, body })
    }

    /// The id in the path.
    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// Reads the body as JSON of at most that many bytes.
    pub(super) async fn json<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, AppError> {
        body::json(&self.headers, std::mem::take(&mut self.body), limit).await
    }

    /// Refuses a dry run, where there is nothing that could be tried.
    pub(super) fn no_dry_run(&self) -> Result<(), AppError> {
        match self.apply {
            Apply::Now => Ok(()),
            Apply::DryRun => {
                Err(AppError::malformed("unknown-parameter", "there is no dry run of this; leave dry_run out"))
            }
        }
    }

    /// Refuses a body, where none has a meaning.
    pub(super) async fn no_body(&mut self) -> Result<(), AppError> {
        body::none(std::mem::take(&mut self.body)).await
    }

    /// The body itself, if it has that media type.
    pub(super) fn stream(&mut self, media_type: &str) -> Result<Body, AppError> {
        body::demand_type(&self.headers, media_type)?;
        Ok(std::mem::take(&mut self.body))
    }
}

/// Reads the query: `dry_run`, and what the route knows.
fn query(query: &str, known: &[&'static str]) -> Result<(Apply, BTreeMap<&'static str, String>), AppError> {
    let (mut apply, mut asked) = (Apply::Now, BTreeMap::new());
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match (part, known.iter().find(|known| **known == name)) {
            ("dry_run=true", _) => apply = Apply::DryRun,
            ("dry_run=false", _) => apply = Apply::Now,
            (_, Some(known)) => {
                let value = percent_decode_str(value).decode_utf8();
                let value =
                    value.map_err(|_| AppError::malformed("invalid-parameter", format!("{name} is not UTF-8")))?;
                asked.insert(*known, value.into_owned());
            }
            // A dry run that is misspelt must not become a real one.
            (_, None) => {
                let mut all = known.to_vec();
                all.push("dry_run, which is true or false");
                let message = format!("the query has \"{name}\"; known is {}", all.join(", "));
                return Err(AppError::malformed("unknown-parameter", message));
            }
        }
    }
    Ok((apply, asked))
}

/// Reads `If-Match`: `*` or one entity tag of ours, which is a revision in quotes.
fn precondition(headers: &HeaderMap) -> Result<Precondition, AppError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(Precondition::None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Precondition::None);
    }
    let revision = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
    let revision = revision.ok_or_else(|| {
        AppError::malformed("if-match", "If-Match is neither * nor an ETag that this server gave, as in \"42\"")
    })?;
    Ok(Precondition::Revision(Revision(revision)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_dry_run_is_asked_for_by_the_query() {
        for (query, expected) in [
            ("", Ok(Apply::Now)),
            ("dry_run=false", Ok(Apply::Now)),
            ("dry_run=true", Ok(Apply::DryRun)),
            ("dryrun=true", Err("unknown-parameter")),
            ("dry_run=1", Err("unknown-parameter")),
            ("dry_run=true&x=y", Err("unknown-parameter")),
        ] {
            let read = super::query(query, &[]).map(|(apply, _)| apply);
            assert_eq!(read.map_err(|error| error.code()), expected, "{query}");
        }
    }

    #[test]
    fn a_route_knows_its_own_words() {
        let (apply, asked) = super::query("who=a%20b&dry_run=true", &["who", "what"]).unwrap();
        assert_eq!((apply, asked.get("who").map(String::as_str), asked.len()), (Apply::DryRun, Some("a b"), 1));
        for (query, code) in [("whom=a", "unknown-parameter"), ("who=%ff", "invalid-parameter")] {
            assert_eq!(super::query(query, &["who"]).unwrap_err().code(), code, "{query}");
        }
    }

    #[test]
    fn if_match_is_a_revision_in_quotes() {
        for (value, expected) in [
            ("\"42\"", Ok(Precondition::Revision(Revision(42)))),
            ("*", Ok(Precondition::None)),
            ("42", Err("if-match")),
            ("W/\"42\"", Err("if-match")),
            ("\"1\", \"2\"", Err("if-match")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, value.parse().unwrap());
            assert_eq!(precondition(&headers).map_err(|error| error.code()), expected, "{value}");
        }
    }
}
