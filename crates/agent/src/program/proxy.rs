//! HTTP proxies as people write them.

use std::path::Path;

use anyhow::anyhow;
use portward_core::DialAddress;
use portward_link::{HttpProxy, SecretText};

use super::{failure::Failure, password};

/// Reads `[http://][USER[:PASSWORD]@]HOST:PORT`; nothing, or `none`, is no proxy.
pub(super) fn parse(text: &str, password_file: Option<&Path>) -> Result<Option<HttpProxy>, Failure> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        // What follows may have a password in it, and is not told.
        Some(_) => return Err(Failure::usage(anyhow!("--proxy: give an http:// proxy, as in http://HOST:PORT"))),
        None => text,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (who, address) = match rest.rsplit_once('@') {
        Some((who, address)) => (Some(who), address),
        None => (None, rest),
    };
    let address = DialAddress::parse(address, None)
        .map_err(|error| Failure::usage(anyhow::Error::new(error).context("--proxy")))?;
    let (user, given) = match who.map(|who| who.split_once(':').unwrap_or((who, ""))) {
        Some((user, given)) => (Some(user.to_owned()), given.to_owned()),
        None => (None, String::new()),
    };
    let secret = match password_file {
        Some(path) if user.is_none() => {
            return Err(Failure::usage(anyhow!(
                "--proxy-password-file {}: give the user in --proxy too, as in http://USER@HOST:PORT",
                path.display()
            )));
        }
        Some(path) => password::from_file(path, "the password of the proxy")?.as_str().to_owned(),
        None => given,
    };
    Ok(Some(HttpProxy { address, credentials: user.map(|user| (user, SecretText::new(secret))) }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_proxy_is_an_address_and_may_want_a_user() {
        for (text, expected) in [
            ("", None),
            ("none", None),
            ("proxy.test:3128", Some(("proxy.test:3128", None))),
            ("http://proxy.test:3128/", Some(("proxy.test:3128", None))),
            ("http://web:p:w@d@proxy.test:3128", Some(("proxy.test:3128", Some(("web", "p:w@d"))))),
            ("web@proxy.test:3128", Some(("proxy.test:3128", Some(("web", ""))))),
        ] {
            let read = parse(text, None).unwrap();
            let read = read.map(|proxy| {
                let who = proxy.credentials.map(|(user, password)| (user, password.expose().to_owned()));
                (proxy.address.to_string(), who)
            });
            let expected = expected.map(|(address, who)| {
                (address.to_owned(), who.map(|(user, password)| (user.to_owned(), password.to_owned())))
            });
            assert_eq!(read, expected, "{text}");
        }
        for text in ["https://u:hunter2@proxy.test:1", "u:hunter2@proxy.test", "http://u:hunter2@:1"] {
            let refused = parse(text, None).unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
