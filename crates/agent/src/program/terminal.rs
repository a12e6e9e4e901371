//! What goes to stdout and stderr: the one place that writes to either.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use super::{
    args::Format,
    failure::{Exit, Failure},
};
use crate::wording::one_line;

/// Writes lines to stdout; a reader that has gone away has read enough.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(anyhow::Error::new(error).context("cannot write to stdout")))
        }
        _ => Ok(()),
    }
}

/// Tells people something; programs that read stdout do not see it.
pub(super) fn tell(message: &str) {
    // Nobody is left to be told if stderr cannot be written.
    let _ = writeln!(io::stderr().lock(), "{}", printable(message));
}

/// Writes a result: the view itself for programs, the text for people.
pub(super) fn result<V: Serialize>(format: Format, view: &V, text: impl FnOnce() -> String) -> Result<Exit, Failure> {
    match format {
        Format::Json => print(&serde_json::to_string_pretty(view).map_err(Failure::failed)?)?,
        Format::Table => print(&printable(&text()))?,
    }
    Ok(Exit::Done)
}

/// Shows control characters instead of sending them: names in certificates come from strangers.
pub(super) fn printable(text: &str) -> String {
    text.split('\n').map(one_line).collect::<Vec<_>>().join("\n")
}
