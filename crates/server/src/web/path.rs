//! Paths that can be read in one way only.
//!
//! Whoever lets some paths pass unasked must read them as whoever serves them does: TeamCity let
//! `/.well-known/acme-challenge/../../app/https/settings/uploadCertificate` pass (CVE-2024-27199).

use percent_encoding::percent_decode_str;

/// Whether a path has neither dot segments nor empty ones, and nothing in it that some take for a slash or an end.
///
/// It is looked at as it came and after one decoding; what would change with a second one is refused too.
pub(super) fn is_plain(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else { return false };
    if segments.is_empty() {
        return true;
    }
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        // One slash at the end is nothing that anybody reads in two ways.
        let is_end = segment.is_empty() && segments.peek().is_none();
        if !is_end && !is_plain_segment(segment) {
            return false;
        }
    }
    true
}

fn is_plain_segment(segment: &str) -> bool {
    let Ok(decoded) = percent_decode_str(segment).decode_utf8() else { return false };
    let is_odd = |c: char| c.is_control() || matches!(c, '/' | '\\' | ';' | '%' | '?' | '#');
    !decoded.is_empty() && decoded != "." && decoded != ".." && !decoded.contains(is_odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_can_be_read_in_two_ways_is_not_plain() {
        for (path, expected) in [
            ("/", true),
            ("/sites/shop-test", true),
            ("/sites/", true),
            ("/assets/portward.css", true),
            ("/api/v1/certificates/No%20Id", true),
            ("/sites/b%C3%BCcher", true),
            ("/..a/a..", true),
            ("", false),
            ("*", false),
            ("//", false),
            ("//sites", false),
            ("/assets//portward.css", false),
            ("/assets/../sites", false),
            ("/assets/./x", false),
            ("/assets/..", false),
            ("/assets/%2e%2e/sites", false),
            ("/assets/.%2E/sites", false),
            ("/assets/..%2fsites", false),
            ("/assets/%2Fsites", false),
            ("/assets/..\\sites", false),
            ("/assets/%5csites", false),
            ("/assets/..;/sites", false),
            ("/assets;x=1/portward.css", false),
            ("/assets/x%3by", false),
            ("/assets/%252e%252e/sites", false),
            ("/assets/%00", false),
            ("/assets/a%0d%0ab", false),
            ("/assets/%ff", false),
            ("/assets/%3fx", false),
        ] {
            assert_eq!(is_plain(path), expected, "{path}");
        }
    }
}
