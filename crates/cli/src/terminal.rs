//! What goes to stdout and stderr: the one place that writes to either.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::{args::Format, exit::Exit, failure::Failure, table::Colour};

mod live;

pub(crate) use live::Live;

/// Writes results to stdout and messages to stderr.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    format: Format,
    /// Whether words of status are coloured.
    pub(crate) colour: Colour,
}

impl Terminal {
    /// Writes in that format, with colour if a terminal takes it and nobody asked for none.
    pub(crate) fn new(format: Format) -> Self {
        let colour = if io::stdout().is_terminal() && !is_colourless() { Colour::Ansi } else { Colour::None };
        Self { format, colour }
    }

    /// Writes a result: the view itself for programs, the text for people.
    pub(crate) fn result<V: Serialize + ?Sized>(
        self,
        view: &V,
        text: impl FnOnce(Colour) -> String,
    ) -> Result<Exit, Failure> {
        let written = match self.format {
            Format::Json => {
                let mut json = serde_json::to_string_pretty(view).map_err(Failure::failed)?;
                json.push('\n');
                json
            }
            Format::Table => text(self.colour),
        };
        self.write(written.as_bytes())?;
        Ok(Exit::Done)
    }

    /// Writes a result that people only need to be told of.
    pub(crate) fn told<V: Serialize>(self, view: &V, message: &str) -> Result<Exit, Failure> {
        let exit = self.result(view, |_| String::new())?;
        self.tell(message);
        Ok(exit)
    }

    /// Writes bytes to stdout; a reader that has gone away has read enough.
    pub(crate) fn write(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::failed(anyhow::Error::new(error).context("cannot write to stdout")))
            }
            _ => Ok(()),
        }
    }

    /// Tells people something; programs that read stdout do not see it.
    pub(crate) fn tell(self, message: &str) {
        // Nobody is left to be told if stderr cannot be written.
        let _ = writeln!(io::stderr().lock(), "{}", printable(message));
    }
}

/// Whether somebody asked for no colour, or the terminal has none.
fn is_colourless() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || is_dumb()
}

/// Whether the terminal says that it knows no escape sequences.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Tells why a command was not done.
pub(crate) fn tell_failure(failure: &Failure) {
    let _ = writeln!(io::stderr().lock(), "{failure}");
}

/// Shows control characters instead of sending them: names in certificates come from strangers.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        if character != '\n' && is_unprintable(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
        out
    })
}

/// Control characters, and the marks that change the direction of text.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_sent() {
        for (text, shown) in [
            ("shop.example", "shop.example"),
            ("zwei\nZeilen", "zwei\nZeilen"),
            ("Käse 店", "Käse 店"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\rb", "a\\u{d}b"),
            ("gpj\u{202e}exe", "gpj\\u{202e}exe"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }
}
