//! What went wrong, and how the program ends because of it.

use std::{
    fmt::{self, Write},
    process::ExitCode,
};

use portward_api::ClientError;

use super::terminal;
use crate::{BeginError, DirectoryError, JoinError, wording::without_numbers};

/// Lists the exit codes, which are those of `portward`; scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It is done.
    Done,
    /// It could not be done.
    Failed,
    /// The words on the command line make no sense.
    Usage,
    /// There is no such thing.
    NotFound,
    /// Somebody does not permit it.
    NotPermitted,
    /// It contradicts what is there.
    Conflict,
    /// The agent cannot run with what is in its directory (`EX_USAGE` of sysexits.h).
    Configuration,
}

/// Is the end of a command that was not done.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    error: anyhow::Error,
}

impl Exit {
    /// What the HTTP status of a refusal means here.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::NotPermitted,
            404 | 410 => Self::NotFound,
            409 | 412 => Self::Conflict,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotFound => 3,
            Exit::NotPermitted => 4,
            Exit::Conflict => 5,
            Exit::Configuration => 64,
        })
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match &error {
            ClientError::Problem(problem) => Exit::of_status(problem.status),
            _ => Exit::Failed,
        };
        Self::ending(exit, error)
    }
}

impl Failure {
    /// The words on the command line make no sense.
    pub(super) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into() }
    }

    /// Something that was tried did not work.
    pub(super) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Failed, error: error.into() }
    }

    /// The agent cannot run with what it is given.
    pub(super) fn configuration(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Configuration, error: error.into() }
    }

    /// Something that was tried did not work, for a reason that has an exit code.
    pub(super) fn ending(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// Something that was tried did not work, and here is why.
    pub(super) fn says(message: impl Into<String>) -> Self {
        Self::failed(anyhow::Error::msg(message.into()))
    }

    /// The words on the command line make no sense, and here is why.
    pub(super) fn misses(message: impl Into<String>) -> Self {
        Self::usage(anyhow::Error::msg(message.into()))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(error)
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        let exit = match &error {
            DirectoryError::Damaged { .. } | DirectoryError::Newer { .. } => Exit::Configuration,
            _ => Exit::Failed,
        };
        Self { exit, error: error.into() }
    }
}

impl From<BeginError> for Failure {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Directory(error) => error.into(),
            other => Self::failed(other),
        }
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Directory(error) => error.into(),
            refused @ JoinError::Refused(_) => Self { exit: Exit::NotPermitted, error: refused.into() },
            other => Self::failed(other),
        }
    }
}

/// The whole message: `portward-agent: what: cause`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::from("portward-agent: ");
        write!(text, "{:#}", self.error)?;
        f.write_str(&terminal::printable(&without_numbers(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_causes_once_and_cannot_move_the_cursor() {
        let error = std::io::Error::from_raw_os_error(13);
        let failure = Failure::failed(anyhow::Error::new(error).context("cannot write \u{1b}[2J"));
        assert_eq!(failure.to_string(), "portward-agent: cannot write \\u{1b}[2J: Permission denied");
    }
}
