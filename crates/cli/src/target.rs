//! Which server a command talks to.

use std::path::PathBuf;

use anyhow::anyhow;
use portward_api::{Client, SecretText};
use portward_core::Thumbprint;

use crate::{args::ServerArgs, failure::Failure, request::bad};

/// Holds what the environment says.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// `PORTWARD_DATA_DIR`.
    pub(crate) data_dir: Option<PathBuf>,
    /// `PORTWARD_TOKEN`.
    pub(crate) token: Option<SecretText>,
    /// `PORTWARD_URL`.
    pub(crate) url: Option<String>,
    /// `PORTWARD_THUMBPRINT`.
    pub(crate) thumbprint: Option<String>,
}

/// Is where a command's server is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// On this machine, with that data directory.
    Local(PathBuf),
    /// At that URL, which the token opens; with that certificate, or with one of an authority.
    Remote(String, SecretText, Option<Thumbprint>),
}

impl Environment {
    /// Reads the variables; an empty one counts as none.
    pub(crate) fn read() -> Self {
        let filled = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        Self {
            data_dir: std::env::var_os("PORTWARD_DATA_DIR").filter(|path| !path.is_empty()).map(PathBuf::from),
            token: filled("PORTWARD_TOKEN").map(SecretText::new),
            url: filled("PORTWARD_URL"),
            thumbprint: filled("PORTWARD_THUMBPRINT"),
        }
    }
}

impl Target {
    /// Decides: flags, then the environment, then what is usual.
    pub(crate) fn choose(args: ServerArgs, environment: Environment) -> Result<Self, Failure> {
        // A directory that was named is meant, whatever the environment says.
        let url = args.url.or_else(|| environment.url.filter(|_| args.data_dir.is_none()));
        if let Some(url) = url {
            let token = environment.token.ok_or_else(|| {
                Failure::usage(anyhow!(
                    "--url and PORTWARD_URL need a token in the environment variable PORTWARD_TOKEN; it is not read from the command line, which every user of the machine can see"
                ))
            })?;
            let pin = environment.thumbprint.map(|text| Thumbprint::parse(&text)).transpose();
            return Ok(Self::Remote(url, token, pin.map_err(bad("PORTWARD_THUMBPRINT"))?));
        }
        let data_dir = args.data_dir.or(environment.data_dir).unwrap_or_else(|| {
            let here = PathBuf::from(HERE);
            if here.is_dir() { here } else { PathBuf::from(USUAL) }
        });
        Ok(Self::Local(data_dir))
    }

    /// The client that asks there.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        match self {
            Self::Local(data_dir) => Ok(Client::local(data_dir)),
            Self::Remote(url, token, None) => Client::remote(url, token.clone()).map_err(Failure::usage),
            Self::Remote(url, token, Some(pin)) => {
                Client::remote_pinned(url, token.clone(), *pin).map_err(Failure::usage)
            }
        }
    }
}

/// Where `make run` keeps everything.
const HERE: &str = "./portward-data";
/// Where a package keeps everything.
const USUAL: &str = "/var/lib/portward";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn flags_win_over_the_environment_and_the_environment_over_what_is_usual() {
        let local = |dir: &str| Target::Local(PathBuf::from(dir));
        for (flag, variable, expected) in [
            (Some("/flag"), Some("/variable"), local("/flag")),
            (None, Some("/variable"), local("/variable")),
            (None, None, local("/var/lib/portward")),
        ] {
            let args = ServerArgs { data_dir: flag.map(PathBuf::from), url: None };
            let environment = Environment { data_dir: variable.map(PathBuf::from), ..Environment::default() };
            assert_eq!(Target::choose(args, environment).unwrap(), expected);
        }
    }

    #[test]
    fn a_url_wins_over_the_directory_of_the_environment_and_needs_a_token() {
        let args = || ServerArgs { data_dir: None, url: Some("https://portward.test".to_owned()) };
        let token = || SecretText::new("ptw_1".to_owned());
        let with = Environment { data_dir: Some("/variable".into()), token: Some(token()), ..Environment::default() };
        let expected = |pin| Target::Remote("https://portward.test".to_owned(), token(), pin);
        assert_eq!(Target::choose(args(), with).unwrap(), expected(None));
        let with = |thumbprint: Option<&str>| Environment {
            token: Some(token()),
            url: Some("https://portward.test".to_owned()),
            thumbprint: thumbprint.map(str::to_owned),
            ..Environment::default()
        };
        assert_eq!(Target::choose(ServerArgs::default(), with(None)).unwrap(), expected(None));
        let named = ServerArgs { data_dir: Some("/flag".into()), url: None };
        assert_eq!(Target::choose(named, with(None)).unwrap(), Target::Local("/flag".into()));
        let pin = Thumbprint::of(b"leaf");
        let pinned = Target::choose(args(), with(Some(&pin.to_string()))).unwrap();
        assert_eq!(pinned, expected(Some(pin)));
        let refused = Target::choose(args(), with(Some("ab"))).unwrap_err();
        assert!(refused.to_string().contains("PORTWARD_THUMBPRINT"), "{refused}");
        let refused = Target::choose(args(), Environment::default()).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert!(refused.to_string().contains("PORTWARD_TOKEN"), "{refused}");
    }
}
