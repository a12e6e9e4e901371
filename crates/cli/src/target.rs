//! Which server a command talks to.

use std::path::PathBuf;

use anyhow::anyhow;
use portward_api::{Client, SecretText};

use crate::{args::ServerArgs, failure::Failure};

/// Holds what the environment says.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// `PORTWARD_DATA_DIR`.
    pub(crate) data_dir: Option<PathBuf>,
    /// `PORTWARD_TOKEN`.
    pub(crate) token: Option<SecretText>,
}

/// Is where a command's server is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// On this machine, with that data directory.
    Local(PathBuf),
    /// At that URL, which the token opens.
    Remote(String, SecretText),
}

impl Environment {
    /// Reads the variables; an empty one counts as none.
    pub(crate) fn read() -> Self {
        let token = std::env::var("PORTWARD_TOKEN").ok().filter(|token| !token.is_empty());
        Self {
            data_dir: std::env::var_os("PORTWARD_DATA_DIR").filter(|path| !path.is_empty()).map(PathBuf::from),
            token: token.map(SecretText::new),
        }
    }
}

impl Target {
    /// Decides: flags, then the environment, then what is usual.
    pub(crate) fn choose(args: ServerArgs, environment: Environment) -> Result<Self, Failure> {
        if let Some(url) = args.url {
            let token = environment.token.ok_or_else(|| {
                Failure::usage(anyhow!(
                    "--url needs a token in the environment variable PORTWARD_TOKEN; it is not read from the command line, which every user of the machine can see"
                ))
            })?;
            return Ok(Self::Remote(url, token));
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
            Self::Remote(url, token) => Client::remote(url, token.clone()).map_err(Failure::usage),
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
            let environment = Environment { data_dir: variable.map(PathBuf::from), token: None };
            assert_eq!(Target::choose(args, environment).unwrap(), expected);
        }
    }

    #[test]
    fn a_url_wins_over_the_directory_of_the_environment_and_needs_a_token() {
        let args = || ServerArgs { data_dir: None, url: Some("https://portward.test".to_owned()) };
        let token = || SecretText::new("ptw_1".to_owned());
        let with = Environment { data_dir: Some("/variable".into()), token: Some(token()) };
        assert_eq!(Target::choose(args(), with).unwrap(), Target::Remote("https://portward.test".to_owned(), token()));
        let refused = Target::choose(args(), Environment::default()).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert!(refused.to_string().contains("PORTWARD_TOKEN"), "{refused}");
    }
}
