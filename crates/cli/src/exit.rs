//! How the program ends.

use std::process::ExitCode;

/// Lists the exit codes; scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It is done.
    Done,
    /// It could not be done.
    Failed,
    /// The words on the command line make no sense.
    Usage,
    /// There is no such thing.
    NotFound,
    /// This user or token may not.
    NotPermitted,
    /// It contradicts what is there.
    Conflict,
    /// Something is not as it was declared.
    Drift,
    /// The server cannot run with this configuration (`EX_USAGE` of sysexits.h).
    Configuration,
}

impl Exit {
    /// The number that the calling program sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::NotPermitted => 4,
            Self::Conflict => 5,
            Self::Drift => 7,
            Self::Configuration => 64,
        }
    }

    /// What the HTTP status of a refusal means here.
    pub(crate) fn of_status(status: u16) -> Self {
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
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_that_scripts_rely_on() {
        let codes = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::NotFound,
            Exit::NotPermitted,
            Exit::Conflict,
            Exit::Drift,
            Exit::Configuration,
        ];
        assert_eq!(codes.map(Exit::code), [0, 1, 2, 3, 4, 5, 7, 64]);
    }

    #[test]
    fn refusals_of_the_server_keep_their_kind() {
        for (status, exit) in [
            (400, Exit::Failed),
            (401, Exit::NotPermitted),
            (403, Exit::NotPermitted),
            (404, Exit::NotFound),
            (409, Exit::Conflict),
            (412, Exit::Conflict),
            (422, Exit::Failed),
            (500, Exit::Failed),
            (503, Exit::Failed),
        ] {
            assert_eq!(Exit::of_status(status), exit, "{status}");
        }
    }
}
