//! One request, read and permitted.

use std::{any::TypeId, sync::Arc};

use axum::{
    body::Body,
    extract::{RawPathParams, Request},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use portward_core::Revision;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{
    body,
    doc::{Body as Described, Doc, Takes},
    openapi::Document,
    query::Query,
    replay::{Claim, fingerprint},
};
use crate::{
    app::{
        Actor, Allowed, App, AppError, Apply, Precondition, Right,
        access::{account::Me, sign_in::Origin},
    },
    web::{Listener, Way, actor_of},
};

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
    /// By which way it came; none where that was not said.
    pub(super) way: Option<Way>,
    /// What describes the API.
    pub(super) document: Option<Arc<Document>>,
    /// All that the address says.
    pub(super) query: Query,
    /// The address itself.
    pub(super) path: String,
    method: Method,
    raw_query: String,
    doc: Arc<Doc>,
    id: Option<String>,
    headers: HeaderMap,
    body: Body,
}

/// Is a request of somebody who may not have signed in.
pub(super) struct OpenCall {
    /// What answers it.
    pub(super) app: Arc<App>,
    /// Who asks; an error if they did not show it.
    pub(super) actor: Result<Actor, AppError>,
    way: Option<Way>,
    doc: Arc<Doc>,
    headers: HeaderMap,
    body: Body,
}

impl<R: Right> Call<R> {
    /// Asks for the right first, and reads the rest after that.
    pub(super) fn read(
        app: Arc<App>,
        doc: Arc<Doc>,
        params: &RawPathParams,
        request: Request,
    ) -> Result<Self, AppError> {
        let actor = actor_of(&request)?;
        let by = actor.may::<R>()?;
        let query = Query::parse(request.uri().query().unwrap_or_default(), &doc.takes)?;
        let precondition = match *request.method() {
            // What only reads may be asked for with it, and is what it is.
            Method::GET => Precondition::None,
            _ => precondition(request.headers(), doc.takes)?,
        };
        let id = params.iter().find(|(name, _)| *name == "id").map(|(_, value)| value.to_owned());
        let (mut parts, body) = request.into_parts();
        let (document, way) = (parts.extensions.remove(), parts.extensions.remove());
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        let (path, method, headers) = (parts.uri.path().to_owned(), parts.method, parts.headers);
        let apply = query.apply;
        Ok(Self { app, by, apply, precondition, way, document, query, path, method, raw_query, doc, id, headers, body })
    }

    /// What the request is called by its client: `Idempotency-Key`. The body is read for it, and stays.
    pub(super) async fn claim(&mut self) -> Result<Option<(Claim, [u8; 32])>, AppError> {
        let mut keys = self.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(key) = keys.next() else { return Ok(None) };
        let usable = |message: &str| AppError::malformed("idempotency-key", message.to_owned());
        if !self.doc.takes_key() || self.method != Method::POST {
            return Err(usable("no answer is kept for this; leave Idempotency-Key out"));
        }
        let key = key.to_str().ok().filter(|key| {
            let is_visible = key.bytes().all(|b| b.is_ascii_graphic());
            is_visible && (1..=255).contains(&key.len()) && keys.next().is_none()
        });
        let key = key.ok_or_else(|| usable("Idempotency-Key is one text of 1 to 255 visible characters"))?.to_owned();
        let bytes = body::bytes(std::mem::take(&mut self.body), LARGEST_KEYED).await?;
        let precondition = self.headers.get(header::IF_MATCH).map(|value| value.as_bytes()).unwrap_or_default();
        let fingerprint = fingerprint(&[self.raw_query.as_bytes(), precondition, &bytes]);
        self.body = Body::from(Bytes::from_owner(Wiped(bytes)));
        let route = format!("{} {}", self.method, self.path);
        Ok(Some((Claim { actor: self.by.actor().identity(), route, key }, fingerprint)))
    }

    /// The id in the path.
    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// A header, if it is there and can be read.
    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the address that is this route's own.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.others.get(name).map(String::as_str)
    }

    /// Reads the body as JSON of at most that many bytes; it is of the type that the table says.
    pub(super) async fn json<T: DeserializeOwned + 'static>(&mut self, limit: usize) -> Result<T, AppError> {
        read_json(&self.doc, &self.headers, std::mem::take(&mut self.body), limit).await
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

impl OpenCall {
    /// Reads a request.
    pub(super) fn read(app: Arc<App>, doc: Arc<Doc>, request: Request) -> Result<Self, AppError> {
        Query::parse(request.uri().query().unwrap_or_default(), &doc.takes)?;
        precondition(request.headers(), doc.takes)?;
        if request.headers().contains_key(IDEMPOTENCY_KEY) {
            // What is answered here is a session, or who somebody is, and is not kept.
            let message = "no answer is kept for this; leave Idempotency-Key out";
            return Err(AppError::malformed("idempotency-key", message));
        }
        let (actor, way) = (actor_of(&request), request.extensions().get::<Way>().cloned());
        let (parts, body) = request.into_parts();
        Ok(Self { app, actor, way, doc, headers: parts.headers, body })
    }

    /// Who asks; an error if they did not show it.
    pub(super) fn take_actor(&mut self) -> Result<Actor, AppError> {
        std::mem::replace(&mut self.actor, Err(AppError::internal("nobody asks", "the actor was taken")))
    }

    /// Somebody who signed in, and acts for themselves.
    pub(super) async fn me(&mut self) -> Result<Me, AppError> {
        let actor = self.take_actor()?;
        self.app.me(&actor).await
    }

    /// The way of the request, where a browser can keep a session on it.
    pub(super) fn browser_way(&self) -> Result<Way, AppError> {
        let way = self.way.clone().filter(|way| way.listener != Listener::Socket).ok_or_else(|| {
            let message = "there are no sessions on the admin socket, where the operating system says who asks";
            AppError::refused("no-session", message)
        })?;
        self.demand_privacy()?;
        Ok(way)
    }

    /// Refuses secrets that others could have read on their way; the entrance does so before.
    pub(super) fn demand_privacy(&self) -> Result<(), AppError> {
        if self.way.as_ref().is_some_and(Way::is_private) {
            return Ok(());
        }
        let message = "over plain http others can read along, so no secret is taken here; use the https address";
        Err(AppError::new(StatusCode::FORBIDDEN, "https-required", message))
    }

    /// From where the request came.
    pub(super) fn origin(&self) -> Origin {
        let agent = self.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Origin { address: self.way.as_ref().and_then(|way| way.client), agent: agent.map(str::to_owned) }
    }

    /// Reads the body as JSON of at most that many bytes; it is of the type that the table says.
    pub(super) async fn json<T: DeserializeOwned + 'static>(&mut self, limit: usize) -> Result<T, AppError> {
        read_json(&self.doc, &self.headers, std::mem::take(&mut self.body), limit).await
    }

    /// Refuses a body, where none has a meaning.
    pub(super) async fn no_body(&mut self) -> Result<(), AppError> {
        body::none(std::mem::take(&mut self.body)).await
    }
}

async fn read_json<T: DeserializeOwned + 'static>(
    doc: &Doc,
    headers: &HeaderMap,
    sent: Body,
    limit: usize,
) -> Result<T, AppError> {
    if !matches!(&doc.body, Some(Described::Json(described, _)) if *described == TypeId::of::<T>()) {
        let cause = format!("{} is described with another body than it reads", doc.id);
        return Err(AppError::internal("the body cannot be read", cause));
    }
    body::json(headers, sent, limit).await
}

/// Reads `If-Match`: `*` or one entity tag of ours, which is a revision in quotes.
fn precondition(headers: &HeaderMap, takes: Takes) -> Result<Precondition, AppError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(Precondition::None) };
    if !takes.if_match {
        // Who demands something must not be answered as if it had been looked at.
        return Err(AppError::malformed("if-match", "nothing is compared with If-Match here; leave it out"));
    }
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Precondition::None);
    }
    let revision = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
    let revision = revision.ok_or_else(|| {
        // What was never given matches nothing.
        let message = "If-Match is neither * nor an ETag that this server gave, as in \"42\"";
        AppError::new(StatusCode::PRECONDITION_FAILED, "if-match", message)
    })?;
    Ok(Precondition::Revision(Revision(revision)))
}

/// Is wiped once it is read.
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The name of the header (draft-ietf-httpapi-idempotency-key-header).
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The largest body whose answer is kept: more than any but files of other programs.
const LARGEST_KEYED: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

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
            let takes = Takes { if_match: true, ..Takes::default() };
            assert_eq!(precondition(&headers, takes).map_err(|error| error.code()), expected, "{value}");
            assert_eq!(precondition(&headers, Takes::default()).unwrap_err().code(), "if-match");
        }
    }
}
