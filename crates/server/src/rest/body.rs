//! Reading request bodies: JSON only, bounded, strict, and without quoting values in errors.

use axum::body::Body;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::app::AppError;

/// Enough for the input of bindings and sites, with a few authorities in PEM.
pub(super) const SMALL: usize = 256 * 1024;

/// The most bytes of a document that may bring a bundle of authorities; one of all public ones has 250 KB.
pub(super) const WITH_AUTHORITIES: usize = 1024 * 1024;

/// The most bytes of a document that brings a PFX in base64.
pub(super) const WITH_PFX: usize = 2 * 1024 * 1024;

/// Reads a body as JSON of at most `limit` bytes.
///
/// The media type is demanded because a page of another site can make a browser send anything but that without asking.
pub(super) async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body, limit: usize) -> Result<T, AppError> {
    demand_type(headers, "application/json")?;
    let bytes = bytes(body, limit).await?;
    serde_json::from_slice(&bytes).map_err(|error| refusal(&error))
}

/// Refuses a body that is not empty.
pub(super) async fn none(body: Body) -> Result<(), AppError> {
    if bytes(body, 0).await.is_ok() {
        Ok(())
    } else {
        Err(AppError::malformed("unexpected-body", "this request has a body, and none is known for it"))
    }
}

/// Refuses another media type.
pub(super) fn demand_type(headers: &HeaderMap, wanted: &str) -> Result<(), AppError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let message = format!("the body must be {wanted}; say so with Content-Type: {wanted}");
    Err(AppError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", message))
}

/// Reads a whole body; it may have secrets in it, so our copy is wiped.
pub(super) async fn bytes(mut body: Body, limit: usize) -> Result<Zeroizing<Vec<u8>>, AppError> {
    let mut bytes: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            AppError::malformed("incomplete-body", "the body of the request broke off").caused_by(error)
        })?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > limit {
            let message = format!("the body has more than {limit} bytes");
            return Err(AppError::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", message));
        }
        if bytes.capacity() < bytes.len() + data.len() {
            // Growing in place would leave a copy behind that nobody wipes.
            let mut larger = Zeroizing::new(Vec::with_capacity((bytes.len() + data.len()) * 2));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// Says what is wrong with a body and where, by the names of fields and never by their values.
fn refusal(error: &serde_json::Error) -> AppError {
    let at = format!("line {}, column {}", error.line(), error.column());
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    match error.classify() {
        serde_json::error::Category::Data => {
            let names_field = ["unknown field ", "missing field ", "duplicate field "];
            let detail = if names_field.iter().any(|start| text.starts_with(start)) {
                text.replace('`', "\"")
            } else if let Some((_, expected)) = text.rsplit_once(", expected ") {
                format!("a value is not what it should be: expected {}", expected.replace('`', "\""))
            } else if text.starts_with("a file is not base64") {
                text.to_owned()
            } else {
                "a value is not what it should be".to_owned()
            };
            AppError::malformed("malformed-json", format!("the body cannot be used ({at}): {detail}"))
        }
        serde_json::error::Category::Eof => {
            AppError::malformed("malformed-json", format!("the body is not JSON: it ends too early ({at})"))
        }
        _ => AppError::malformed("malformed-json", format!("the body is not JSON ({at})")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_api::{BindingCreate, CertificateImport};

    use super::*;

    fn headers(media_type: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        headers
    }

    async fn binding(media_type: &str, text: &str) -> Result<BindingCreate, AppError> {
        json(&headers(media_type), Body::from(text.to_owned()), 100).await
    }

    #[tokio::test]
    async fn a_body_that_cannot_be_used_is_refused_with_its_place() {
        for (text, code, part) in [
            ("{\"url\": \"x\",\n \"port\": 80}", "malformed-json", "(line 2, column 7): unknown field \"port\""),
            ("{}", "malformed-json", "missing field \"url\""),
            ("{\"url\": 80}", "malformed-json", "expected a string"),
            ("{\"url\": \"x\"", "malformed-json", "ends too early (line 1, column 11)"),
            ("{\"url\": x}", "malformed-json", "not JSON (line 1, column 9)"),
            ("{\"url\": \"x\"} trailing", "malformed-json", "not JSON"),
            (&" ".repeat(101), "body-too-large", "more than 100 bytes"),
        ] {
            let error = binding("application/json", text).await.unwrap_err();
            assert_eq!(error.code(), code, "{text}");
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }

    #[tokio::test]
    async fn only_json_is_taken() {
        let good = "{\"url\": \"http://0.0.0.0:80\"}";
        for (media_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("application/jsonp", false),
        ] {
            assert_eq!(binding(media_type, good).await.is_ok(), expected, "{media_type}");
        }
        assert_eq!(demand_type(&HeaderMap::new(), "application/json").unwrap_err().code(), "media-type");
    }

    #[tokio::test]
    async fn errors_never_quote_values() {
        let good = r#"{"files": [{"name": "a", "data": "bWFya2Vy"}], "password": "marker"}"#;
        let read = async |text: String| -> Result<CertificateImport, AppError> {
            json(&headers("application/json"), Body::from(text), 1000).await
        };
        assert!(read(good.to_owned()).await.is_ok());
        for bad in [
            r#"{"files": "marker"}"#,
            r#"{"files": [], "password": ["marker"]}"#,
            r#"{"files": [{"name": "a", "data": "mar!ker"}]}"#,
            r#"{"files": [], "allow_expired": "marker"}"#,
            r#"{"files": [], "name": {"marker": 1}}"#,
            r#""marker""#,
        ] {
            let error = read(bad.to_owned()).await.unwrap_err();
            assert_eq!(error.code(), "malformed-json");
            assert!(!format!("{error} {error:?}").contains("marker"), "{bad}: {error}");
        }
        for end in 0..good.len() {
            let error = read(good[..end].to_owned()).await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("marker"), "{end}: {error}");
        }
    }
}
