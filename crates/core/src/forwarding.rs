//! How the requests of a site reach its upstreams: which of several, over what, and whether they are asked for health.

use std::fmt;

use crate::{Upstream, UpstreamError};

/// Says how the requests of a site reach its upstreams.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Forwarding {
    /// Which of several upstreams takes a request.
    pub balance: Balance,
    /// What upstreams are asked for to find out whether they are well; none to learn it from requests alone.
    pub health: Option<HealthPath>,
    /// Whether upstreams are told the client's address before the first byte of HTTP.
    pub proxy_protocol: ProxyProtocol,
    /// Which HTTP upstreams are spoken to in.
    pub http: UpstreamHttp,
    /// Paths that go to other upstreams than the site's own; the longest prefix counts, and no prefix is there twice.
    pub routes: Vec<PathRoute>,
}

impl Forwarding {
    /// The route that takes a path, normalised and without its query: the one with the longest prefix that has it.
    pub fn route(&self, path: &str) -> Option<&PathRoute> {
        let fits = self.routes.iter().filter(|route| route.prefix.has(path));
        fits.max_by_key(|route| route.prefix.as_str().len())
    }
}

/// Says which of several upstreams takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Balance {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// The one that answers the fewest requests now.
    LeastConnections,
    /// The one that answered this client before, told by a cookie; each in turn for who has none.
    Sticky,
}

/// Is a path with its query, of which an upstream that is well answers a `GET` with a status of 200 to 399.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthPath(Box<str>);

/// Says in which form upstreams are told the client's address at the beginning of a connection, by the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ProxyProtocol {
    /// Not at all.
    #[default]
    Off,
    /// As a line of text.
    V1,
    /// As a binary header.
    V2,
}

/// Says which HTTP upstreams are spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum UpstreamHttp {
    /// HTTP/2 where an https upstream agrees to it by ALPN, else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    One,
    /// HTTP/2; in the clear with prior knowledge (RFC 9113 section 3.3).
    Two,
}

/// Sends the paths below a prefix to upstreams of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRoute {
    /// What the paths begin with.
    pub prefix: PathPrefix,
    /// Where they go; never empty, and never the portal.
    pub upstreams: Vec<Upstream>,
}

/// Is the beginning of paths, in whole segments: `/api` has `/api` and `/api/users`, and not `/apis`.
///
/// It begins with a slash, and ends with none unless it is `/` itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPrefix(Box<str>);

/// Says why something about forwarding cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardingError {
    /// No such way to balance.
    #[error("\"{0}\" is no way to choose among upstreams; it is round-robin, least-connections or sticky")]
    Balance(String),
    /// Not a path.
    #[error(
        "\"{0}\" is no path to ask for health at; it begins with / and has no spaces and no #, like /health; the word none stops asking"
    )]
    HealthPath(String),
    /// No such version.
    #[error("\"{0}\" is no version of the PROXY protocol; it is off, v1 or v2")]
    ProxyProtocol(String),
    /// No such version.
    #[error("\"{0}\" is no HTTP to speak to upstreams; it is 1, 2 or auto")]
    Http(String),
    /// Nothing to split at.
    #[error("\"{0}\" is no route; it is PREFIX=URL, like /api=http://127.0.0.1:8081")]
    Route(String),
    /// Not a prefix.
    #[error(
        "\"{0}\" is no beginning of paths; it begins with /, is made of whole segments without . and .., and has none of % ? # ; = and no backslash, like /api"
    )]
    Prefix(String),
    /// A route to nowhere.
    #[error("the route of {0} has no upstream; give at least one, like http://127.0.0.1:8081")]
    RouteEmpty(PathPrefix),
    /// Two routes of one prefix.
    #[error("there are two routes of {0}; give one with all its upstreams")]
    RouteTwice(PathPrefix),
    /// Where a route goes cannot be read.
    #[error("the route of {prefix} leads nowhere")]
    RouteUpstream {
        /// The route's prefix.
        prefix: PathPrefix,
        /// What is wrong with its upstream.
        #[source]
        source: UpstreamError,
    },
    /// The portal below a prefix.
    #[error("the route of {0} leads to the portal, which is a site of its own: give the portal a host name")]
    RouteToPortal(PathPrefix),
}

impl Balance {
    /// Reads `round-robin`, `least-connections` or `sticky`.
    pub fn parse(text: &str) -> Result<Self, ForwardingError> {
        match text {
            "round-robin" => Ok(Self::RoundRobin),
            "least-connections" => Ok(Self::LeastConnections),
            "sticky" => Ok(Self::Sticky),
            _ => Err(ForwardingError::Balance(text.to_owned())),
        }
    }

    /// As it is read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
            Self::Sticky => "sticky",
        }
    }
}

impl HealthPath {
    /// Reads a path, with a query if there is one.
    pub fn parse(text: &str) -> Result<Self, ForwardingError> {
        let is_path = text.starts_with('/')
            && text.len() <= LONGEST_PATH
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if is_path { Ok(Self(text.into())) } else { Err(ForwardingError::HealthPath(text.to_owned())) }
    }

    /// Reads a path, or none from the word `none`.
    pub fn parse_choice(text: &str) -> Result<Option<Self>, ForwardingError> {
        if text == NONE { Ok(None) } else { Self::parse(text).map(Some) }
    }

    /// A choice, as it is read.
    pub fn write(path: Option<&Self>) -> String {
        path.map_or_else(|| NONE.to_owned(), Self::to_string)
    }

    /// The path, as it is asked for.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ProxyProtocol {
    /// Reads `off`, `v1` or `v2`.
    pub fn parse(text: &str) -> Result<Self, ForwardingError> {
        match text {
            "off" => Ok(Self::Off),
            "v1" => Ok(Self::V1),
            "v2" => Ok(Self::V2),
            _ => Err(ForwardingError::ProxyProtocol(text.to_owned())),
        }
    }

    /// As it is read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

impl UpstreamHttp {
    /// Reads `1`, `2` or `auto`.
    pub fn parse(text: &str) -> Result<Self, ForwardingError> {
        match text {
            "auto" => Ok(Self::Auto),
            "1" => Ok(Self::One),
            "2" => Ok(Self::Two),
            _ => Err(ForwardingError::Http(text.to_owned())),
        }
    }

    /// As it is read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::One => "1",
            Self::Two => "2",
        }
    }
}

impl PathRoute {
    /// Reads a prefix and where its paths go.
    pub fn parse<'a>(prefix: &str, urls: impl IntoIterator<Item = &'a str>) -> Result<Self, ForwardingError> {
        let prefix = PathPrefix::parse(prefix)?;
        let upstreams = urls.into_iter().map(|url| upstream(&prefix, url)).collect::<Result<Vec<_>, _>>()?;
        if upstreams.is_empty() { Err(ForwardingError::RouteEmpty(prefix)) } else { Ok(Self { prefix, upstreams }) }
    }

    /// Refuses two of one prefix.
    pub fn check_all(routes: &[Self]) -> Result<(), ForwardingError> {
        for (at, route) in routes.iter().enumerate() {
            if routes.iter().take(at).any(|other| other.prefix == route.prefix) {
                return Err(ForwardingError::RouteTwice(route.prefix.clone()));
            }
        }
        Ok(())
    }

    /// Reads `PREFIX=URL`s; those of one prefix make one route with several upstreams, in the order given.
    pub fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, ForwardingError> {
        let mut routes: Vec<Self> = Vec::new();
        for text in texts {
            let (prefix, url) = text.split_once('=').ok_or_else(|| ForwardingError::Route(text.to_owned()))?;
            let prefix = PathPrefix::parse(prefix)?;
            let upstream = upstream(&prefix, url)?;
            match routes.iter_mut().find(|route| route.prefix == prefix) {
                Some(route) => route.upstreams.push(upstream),
                None => routes.push(Self { prefix, upstreams: vec![upstream] }),
            }
        }
        Ok(routes)
    }

    /// The route as it is read, once for each upstream.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.upstreams.iter().map(|upstream| format!("{}={upstream}", self.prefix))
    }
}

/// Where a route leads.
fn upstream(prefix: &PathPrefix, url: &str) -> Result<Upstream, ForwardingError> {
    match Upstream::parse(url) {
        Ok(Upstream::Portal) => Err(ForwardingError::RouteToPortal(prefix.clone())),
        Ok(upstream) => Ok(upstream),
        Err(source) => Err(ForwardingError::RouteUpstream { prefix: prefix.clone(), source }),
    }
}

impl PathPrefix {
    /// Reads a prefix; a slash at its end says nothing more.
    pub fn parse(text: &str) -> Result<Self, ForwardingError> {
        let wrong = || ForwardingError::Prefix(text.to_owned());
        let inner = text.strip_prefix('/').ok_or_else(wrong)?;
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'?' | b'#' | b'\\' | b'=' | b';');
        let is_prefix = inner.len() < LONGEST_PATH
            && inner.bytes().all(is_plain)
            && (inner.is_empty() || inner.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
        if is_prefix { Ok(Self(format!("/{inner}").into())) } else { Err(wrong()) }
    }

    /// The prefix, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a path, normalised and without its query, is the prefix or below it.
    pub fn has(&self, path: &str) -> bool {
        match path.strip_prefix(self.as_str()) {
            Some(rest) => self.as_str() == "/" || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for HealthPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ProxyProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for UpstreamHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const NONE: &str = "none";
/// As long as a target may be with nginx's usual buffers, and then some.
const LONGEST_PATH: usize = 2048;

#[cfg(test)]
mod tests;
