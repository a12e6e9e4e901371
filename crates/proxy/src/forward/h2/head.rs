//! Heads between HTTP/1.1 as it is written for upstreams, and HTTP/2 as the crate has it.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, uri::PathAndQuery};
use portward_core::Scheme;

use crate::h1::trailers::Trailers;

/// Reads a head that [`crate::h1::request::write_upstream`] has written; none if HTTP/2 has no way to say it.
pub(super) fn request(head: &[u8], scheme: Scheme) -> Option<Request<()>> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut start = lines.next()?.split(|byte| *byte == b' ');
    let (method, target) = (start.next()?, start.next()?);
    let mut host = None;
    let mut headers = HeaderMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
        let name = HeaderName::from_bytes(name).ok()?;
        let mut value = HeaderValue::from_bytes(value[1..].trim_ascii()).ok()?;
        match name.as_str() {
            "host" => host = Some(value),
            // Framing is HTTP/2's own, and its connection is not the client's.
            "connection" | "transfer-encoding" => {}
            "authorization" | "cookie" | "proxy-authorization" => {
                // The requests of all clients share one table: what is secret is not put there (RFC 7541 section 7.1).
                value.set_sensitive(true);
                headers.append(name, value);
            }
            _ => {
                headers.append(name, value);
            }
        }
    }
    let uri = Uri::builder()
        .scheme(match scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        })
        .authority(host?.as_bytes())
        .path_and_query(path(target)?)
        .build()
        .ok()?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method).ok()?;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    Some(request)
}

/// Headers as the crate takes them; the codec has checked that each is one.
pub(super) fn fields<'h>(headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

/// The trailers that may be passed on.
pub(super) fn trailers(trailers: &HeaderMap) -> Trailers {
    Trailers::collect(trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// The path as it was received; what no URI has in it, and some clients send all the same, is written as it should be.
fn path(target: &[u8]) -> Option<PathAndQuery> {
    if let Ok(path) = PathAndQuery::try_from(target) {
        return Some(path);
    }
    let mut escaped = Vec::with_capacity(target.len() + 16);
    for byte in target {
        match byte {
            b'<' | b'>' | b'`' | b'^' | b'"' | b'{' | b'}' | b'|' | b'\\' => {
                escaped.push(b'%');
                escaped.extend([byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]));
            }
            byte => escaped.push(*byte),
        }
    }
    PathAndQuery::try_from(&escaped[..]).ok()
}

const HEX: [u8; 16] = *b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_written_head_becomes_a_request_of_http2() {
        let head = b"POST /a?b=c HTTP/1.1\r\nHost: Shop.test:8443\r\nX-A: 1\r\nX-A: two: 2\r\nCookie: a=b\r\n\
            Transfer-Encoding: chunked\r\nConnection: TE\r\nTE: trailers\r\nX-Empty: \r\n\r\n";
        let request = request(head, Scheme::Https).unwrap();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "https://Shop.test:8443/a?b=c");
        let headers: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(headers, [("x-a", "1"), ("x-a", "two: 2"), ("cookie", "a=b"), ("te", "trailers"), ("x-empty", "")]);
        assert!(request.headers()["cookie"].is_sensitive() && !request.headers()["x-a"].is_sensitive());
    }

    #[test]
    fn every_path_that_http1_takes_can_be_said() {
        let path = |path: &str| {
            let head = format!("OPTIONS {path} HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
            request(head.as_bytes(), Scheme::Http).unwrap().uri().path_and_query().unwrap().as_str().to_owned()
        };
        assert_eq!(path("*"), "*");
        assert_eq!(path("/a?q=<x>&r"), "/a?q=%3Cx%3E&r");
        let all: String = (b'!'..=b'~').filter(|byte| !b"#?".contains(byte)).map(char::from).collect();
        // The quote, the brace and the like are not in every table of the crate.
        for target in [format!("/{all}"), format!("/?{all}")] {
            let said = path(&target);
            assert_eq!(percent_encoding_undone(&said), percent_encoding_undone(&target), "{said}");
        }
    }

    fn percent_encoding_undone(path: &str) -> String {
        let mut undone = path.to_owned();
        for byte in b"<>`^\"{}|\\" {
            undone = undone.replace(&format!("%{byte:02X}"), &char::from(*byte).to_string());
        }
        undone
    }
}
