//! Style sheet, script and icons, out of the program itself.

use std::{fmt::Write as _, io::Write as _};

use aws_lc_rs::digest;
use axum::{body::Body, response::Response};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::visit::OpenVisit;
use crate::app::AppError;

/// Holds the files that there are, each with its tag.
pub(super) struct Assets(Vec<Asset>);

struct Asset {
    name: &'static str,
    media_type: &'static str,
    plain: Coded,
    /// Compressed with gzip (RFC 1952).
    zipped: Coded,
}

/// Is content in one coding, with its tag, which differs between codings (RFC 9110 section 8.8.3.3).
struct Coded {
    content: Bytes,
    tag: String,
}

impl Assets {
    /// Reads them all.
    pub(super) fn new() -> Self {
        let asset = |&(name, media_type, content): &(&'static str, &'static str, &'static [u8])| Asset {
            name,
            media_type,
            plain: Coded { content: Bytes::from_static(content), tag: format!("\"{}\"", sha256(content)) },
            zipped: Coded { content: gzip(content), tag: format!("\"{}-gzip\"", sha256(content)) },
        };
        Self(FILES.iter().map(asset).collect())
    }

    /// Shows one file.
    pub(super) fn show(&self, visit: &OpenVisit) -> Result<Response, AppError> {
        let name = visit.param("name");
        let Some(asset) = self.0.iter().find(|asset| asset.name == name) else {
            return Err(AppError::new(StatusCode::NOT_FOUND, "no-such-path", format!("there is no file {name}")));
        };
        let is_zipped = visit.header(header::ACCEPT_ENCODING).is_some_and(takes_gzip);
        let coded = if is_zipped { &asset.zipped } else { &asset.plain };
        let same = visit.header(header::IF_NONE_MATCH) == Some(coded.tag.as_str());
        let mut response = Response::new(if same { Body::empty() } else { Body::from(coded.content.clone()) });
        if same {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
        // Asked for again each time, and then mostly not sent: a restart with another program must show.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if is_zipped {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Ok(tag) = HeaderValue::try_from(&coded.tag) {
            headers.insert(header::ETAG, tag);
        }
        Ok(response)
    }
}

/// Whether a client reads gzip (RFC 9110 section 12.5.3).
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_refused = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0);
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

fn gzip(content: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 2), Compression::best());
    // A vector takes everything.
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    written.map(Bytes::from).unwrap_or_default()
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

#[cfg(test)]
impl Assets {
    /// How many bytes a browser gets for what every page needs at first besides itself.
    pub(super) fn weight(&self) -> usize {
        let first = ["portward.css", "portward.js", "live.js", "favicon.svg"];
        self.0.iter().filter(|asset| first.contains(&asset.name)).map(|asset| asset.zipped.content.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_compressed_is_the_same_and_a_quarter_of_it() {
        let assets = Assets::new();
        for asset in &assets.0 {
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&asset.zipped.content[..]).read_to_end(&mut text).unwrap();
            assert_eq!(text, asset.plain.content, "{}", asset.name);
            assert_ne!(asset.plain.tag, asset.zipped.tag, "{}", asset.name);
        }
        assert!(assets.weight() < 25_000, "{}", assets.weight());
    }

    #[test]
    fn gzip_is_for_those_who_read_it() {
        for (accepted, expected) in
            [("gzip, deflate, br", true), ("br;q=1, GZIP;q=0.8", true), ("br", false), ("gzip;q=0", false), ("", false)]
        {
            assert_eq!(takes_gzip(accepted), expected, "{accepted}");
        }
    }
}
