//! What went wrong, and how the program ends because of it.

use std::fmt::{self, Write};

use portward_api::ClientError;

use crate::{exit::Exit, terminal};

/// Is the end of a command that was not done.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the program ends.
    pub(crate) exit: Exit,
    error: anyhow::Error,
    /// Further lines: what was found, one thing each.
    details: Vec<String>,
}

impl Failure {
    /// The words on the command line make no sense.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into(), details: Vec::new() }
    }

    /// The server cannot run with its configuration.
    pub(crate) fn configuration(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Configuration, error: error.into(), details: Vec::new() }
    }

    /// Something that was tried did not work.
    pub(crate) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::ending(Exit::Failed, error)
    }

    /// Something that was tried did not work, for a reason that has an exit code.
    pub(crate) fn ending(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into(), details: Vec::new() }
    }
}

impl Failure {
    /// Says of which thing it is told.
    pub(crate) fn within(self, what: &str) -> Self {
        Self { error: self.error.context(what.to_owned()), ..self }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match &error {
            ClientError::Problem(problem) => Exit::of_status(problem.status),
            ClientError::NotPermitted { .. } => Exit::NotPermitted,
            _ => Exit::Failed,
        };
        let details = match &error {
            ClientError::Problem(problem) => problem
                .findings
                .iter()
                .map(|finding| &finding.message)
                .filter(|message| !problem.detail.contains(*message))
                .cloned()
                .collect(),
            _ => Vec::new(),
        };
        Self { exit, error: error.into(), details }
    }
}

/// The whole message: `portward: what: cause`, then a line for each thing that was found.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::from("portward: ");
        text.push_str(&without_numbers(&format!("{:#}", self.error)));
        for detail in &self.details {
            write!(text, "\n  - {detail}")?;
        }
        f.write_str(&terminal::printable(&text))
    }
}

/// Takes out the numbers of the operating system's errors, whose words say the same.
fn without_numbers(text: &str) -> String {
    let mut pieces = text.split(" (os error ");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => out.push_str(rest),
            _ => {
                out.push_str(" (os error ");
                out.push_str(piece);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use portward_api::{FindingView, FindingWeight, Problem};

    use super::*;

    fn problem(status: u16, findings: &[&str]) -> Failure {
        let finding = |message: &&str| FindingView {
            code: "expired".to_owned(),
            weight: FindingWeight::Refuses,
            message: (*message).to_owned(),
        };
        Failure::from(ClientError::Problem(Box::new(Problem {
            type_uri: "urn:portward:problem:refused".to_owned(),
            title: "Refused".to_owned(),
            status,
            detail: "The certificate was not taken.".to_owned(),
            code: "refused".to_owned(),
            instance: None,
            findings: findings.iter().map(finding).collect(),
        })))
    }

    #[test]
    fn a_problem_document_becomes_its_detail_and_a_line_for_each_finding() {
        let failure = problem(409, &["it expired", "its chain is incomplete"]);
        assert_eq!(failure.exit, Exit::Conflict);
        assert_eq!(
            failure.to_string(),
            "portward: The certificate was not taken.\n  - it expired\n  - its chain is incomplete"
        );
    }

    #[test]
    fn a_finding_that_the_detail_tells_is_not_repeated() {
        let failure = problem(422, &["The certificate was not taken"]);
        assert_eq!(failure.to_string(), "portward: The certificate was not taken.");
    }

    #[test]
    fn causes_follow_what_was_tried_and_each_is_told_once() {
        let error = Err::<(), _>(std::io::Error::other("disk full")).context("cannot write shop.pfx");
        let failure = error.map_err(Failure::from).map_or_else(|failure| failure.to_string(), |()| String::new());
        assert_eq!(failure, "portward: cannot write shop.pfx: disk full");
    }

    #[test]
    fn numbers_of_the_operating_system_are_not_told() {
        for (text, told) in [
            ("cannot read a: No such file or directory (os error 2)", "cannot read a: No such file or directory"),
            ("a: x (os error 13). Nothing was saved", "a: x. Nothing was saved"),
            ("the file \"b (os error x)\"", "the file \"b (os error x)\""),
            ("c (os error 1", "c (os error 1"),
        ] {
            assert_eq!(without_numbers(text), told);
        }
    }

    #[test]
    fn a_message_cannot_move_the_cursor() {
        let failure = Failure::failed(anyhow::anyhow!("the name \u{1b}[2J is odd"));
        assert_eq!(failure.to_string(), "portward: the name \\u{1b}[2J is odd");
    }
}
