//! Host names, and the paths that sites are routed by.

use portward_core::{Authority, Host, HostPattern, PathPrefix, Thumbprint};

/// Reads a text as everything that names somebody; what passes is written in one form, and read again as the same.
pub fn authority(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(authority) = Authority::parse(text) {
        let shown = match authority.port {
            Some(port) => format!("{}:{port}", authority.host),
            None => authority.host.to_string(),
        };
        let again = Authority::parse(&shown).unwrap();
        assert_eq!((again.host, again.port), (authority.host, authority.port), "{shown}");
    }
    if let Ok(host) = Host::parse(text) {
        let shown = host.to_string();
        assert_eq!(Host::parse(&shown).unwrap(), host, "{shown}");
        assert_eq!(shown, shown.to_ascii_lowercase(), "one name has two spellings");
    }
    if let Ok(pattern) = HostPattern::parse(text) {
        assert_eq!(HostPattern::parse(&pattern.to_string()).unwrap(), pattern);
    }
    if let Ok(thumbprint) = Thumbprint::parse(text) {
        assert_eq!(Thumbprint::parse(&thumbprint.to_string()).unwrap(), thumbprint);
    }
}

/// Reads the first line as a prefix of paths and the second as a path.
pub fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (prefix, path) = text.split_once('\n').unwrap_or((text, text));
    let Ok(prefix) = PathPrefix::parse(prefix) else { return };
    let shown = prefix.to_string();
    assert_eq!(PathPrefix::parse(&shown).unwrap(), prefix);
    assert!(prefix.has(&shown));
    assert!(prefix.has(&format!("{}/below", shown.trim_end_matches('/'))));
    if prefix.has(path) {
        assert!(path.starts_with(&shown));
    }
}
