//! One request at a door, read and permitted.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequest, Multipart, RawPathParams, Request},
};
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use crate::app::{Actor, Allowed, App, AppError, Right};

/// Is a request whose actor has the right that its door needs.
pub(super) struct Knock<R> {
    /// What answers it.
    pub(super) app: Arc<App>,
    /// Who asks, with the proof that they may.
    pub(super) by: Allowed<R>,
    id: String,
    request: Request,
}

impl<R: Right> Knock<R> {
    /// Asks for the right first.
    pub(super) fn read(
        app: Arc<App>,
        actor: &Actor,
        params: &RawPathParams,
        request: Request,
    ) -> Result<Self, AppError> {
        let by = actor.may::<R>()?;
        let id = params.iter().find(|(name, _)| *name == "id").map(|(_, value)| value.to_owned());
        Ok(Self { app, by, id: id.unwrap_or_default(), request })
    }

    /// The id in the path.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Asks for another right, for a door that does more than one thing.
    pub(super) fn may<Other: Right>(&self) -> Result<Allowed<Other>, AppError> {
        self.by.actor().may()
    }

    /// Reads the body as JSON.
    ///
    /// Clients of these doors do not always say that it is: PowerShell sends it as a form. A page of somebody else can
    /// do that too, but it can send no token.
    pub(super) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, AppError> {
        let headers = self.request.headers();
        if !has_token(headers) && !is_json(headers) {
            let message = "the body must be application/json; say so with Content-Type: application/json";
            return Err(AppError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", message));
        }
        let body = std::mem::take(self.request.body_mut());
        let bytes = Limited::new(body, SMALL).collect().await.map_err(|_| {
            let message = format!("the body has more than {SMALL} bytes, or broke off");
            AppError::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", message)
        })?;
        serde_json::from_slice(&bytes.to_bytes()).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            AppError::malformed("malformed-json", format!("the body is not the JSON that is known here ({place})"))
        })
    }

    /// Reads the body as a form with files (RFC 7578).
    pub(super) async fn multipart(&mut self) -> Result<Multipart, AppError> {
        let request = std::mem::replace(&mut self.request, Request::new(Body::empty()));
        Multipart::from_request(request, &()).await.map_err(|error| AppError::malformed("form", error.to_string()))
    }
}

fn has_token(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key(super::OCTOPUS_API_KEY)
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

const SMALL: usize = 64 * 1024;
