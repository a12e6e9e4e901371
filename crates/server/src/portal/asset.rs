//! Style sheet, script and icons, out of the program itself.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::visit::OpenVisit;
use crate::app::AppError;

/// Holds the files that there are, each with its tag.
pub(super) struct Assets(Vec<Asset>);

struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static [u8],
    tag: String,
}

impl Assets {
    /// Reads them all.
    pub(super) fn new() -> Self {
        let asset = |&(name, media_type, content): &(&'static str, &'static str, &'static [u8])| Asset {
            name,
            media_type,
            content,
            tag: format!("\"{}\"", sha256(content)),
        };
        Self(FILES.iter().map(asset).collect())
    }

    /// Shows one file.
    pub(super) fn show(&self, visit: &OpenVisit) -> Result<Response, AppError> {
        let name = visit.param("name");
        let Some(asset) = self.0.iter().find(|asset| asset.name == name) else {
            return Err(AppError::new(StatusCode::NOT_FOUND, "no-such-path", format!("there is no file {name}")));
        };
        let same = visit.header(header::IF_NONE_MATCH) == Some(asset.tag.as_str());
        let mut response = Response::new(if same { Body::empty() } else { Body::from(asset.content) });
        if same {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
        // Asked for again each time, and then mostly not sent: a restart with another program must show.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        if let Ok(tag) = HeaderValue::try_from(&asset.tag) {
            headers.insert(header::ETAG, tag);
        }
        Ok(response)
    }
}

fn sha256(content: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, content);
    digest.as_ref().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The files there are: name, media type, content.
const FILES: &[(&str, &str, &[u8])] = &[
    ("portward.css", "text/css; charset=utf-8", include_bytes!("../../assets/portward.css")),
    ("portward.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/portward.js")),
    ("live.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/live.js")),
    ("setup.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/setup.js")),
    ("favicon.svg", "image/svg+xml", include_bytes!("../../assets/favicon.svg")),
    ("favicon-attention.svg", "image/svg+xml", include_bytes!("../../assets/favicon-attention.svg")),
];
