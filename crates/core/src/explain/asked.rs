//! What is asked about: a host, and perhaps more of its URL.

use std::fmt;

use crate::{Authority, Host, HostError, Scheme};

/// Is a host, and perhaps a scheme, a port and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The host.
    pub host: Host,
    /// Plain or TLS; none if nobody said.
    pub scheme: Option<Scheme>,
    /// The port; none if nobody said.
    pub port: Option<u16>,
    /// Path and query; begins with `/`.
    pub path: String,
}

/// Says why a text is nothing that can be asked about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskedError {
    /// It has another scheme.
    #[error(
        "\"{0}\" is no URL of http:// or https://; give a host name, as in shop.example or https://shop.example:8443/cart"
    )]
    Scheme(String),
    /// The host or the port cannot be read.
    #[error("the host cannot be read")]
    Host(#[source] HostError),
    /// The path has something that no path has.
    #[error("the path has a space or a control character, or is longer than 2000 characters")]
    Path,
}

impl Asked {
    /// Reads `HOST[:PORT][/path]`, with or without `http://` or `https://` before it.
    pub fn parse(text: &str) -> Result<Self, AskedError> {
        let text = text.trim();
        let (scheme, rest) = match Scheme::split_url(text) {
            Some((scheme, rest)) => (Some(scheme), rest),
            None if text.contains("://") => return Err(AskedError::Scheme(text.to_owned())),
            None => (None, text),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // As browsers do: what is behind `#` is not sent.
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        if path.len() > 2000 || !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(AskedError::Path);
        }
        let Authority { host, port } = Authority::parse(authority).map_err(AskedError::Host)?;
        Ok(Self { host, scheme, port, path })
    }
}

/// As it is typed.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{scheme}://")?;
        }
        write!(f, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if self.path != "/" { f.write_str(&self.path) } else { Ok(()) }
    }
}
