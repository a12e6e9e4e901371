//! A fault with what the log says of it and the client is not told.

use std::{error::Error, fmt};

use portward_core::Upstream;

use super::Fault;

/// Is what went wrong with a request: what the client is told, and what is only for who runs the server.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the client is told.
    pub(crate) fault: Fault,
    /// The upstream that was asked, if one was.
    pub(crate) upstream: Option<Upstream>,
    /// Why it happened, where more is known than the fault says.
    pub(crate) cause: Option<Box<dyn Error>>,
}

impl Failure {
    /// The fault of an upstream that was asked, with its cause.
    pub(crate) fn of(upstream: Option<&Upstream>, fault: Fault, cause: impl Error + 'static) -> Self {
        Self { fault, upstream: upstream.cloned(), cause: Some(Box::new(cause)) }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { fault, upstream: None, cause: None }
    }
}

/// Shows an error with all its sources in one line, as people read it: `a: b: c`.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
