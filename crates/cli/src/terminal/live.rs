//! Lines at the end of a terminal that are drawn again and again.

use std::io::{self, IsTerminal, Write};

use super::{is_colourless, is_dumb, printable};
use crate::{
    rail::{Marks, cut},
    table::Colour,
};

/// Draws on the terminal of stderr.
#[derive(Debug)]
pub(crate) struct Live {
    /// Whether what is drawn may have colour.
    pub(crate) colour: Colour,
    /// What stands before a stage.
    pub(crate) marks: Marks,
    /// How many lines were drawn; the cursor is at the end of the last.
    drawn: usize,
}

impl Live {
    /// Begins; none where stderr is no terminal that can be drawn on.
    pub(crate) fn open() -> Option<Self> {
        if !io::stderr().is_terminal() || is_dumb() {
            return None;
        }
        let colour = if is_colourless() { Colour::None } else { Colour::Ansi };
        let marks = if is_unicode() { Marks::UNICODE } else { Marks::ASCII };
        Some(Self { colour, marks, drawn: 0 })
    }

    /// How many characters a line has room for.
    pub(crate) fn width(&self) -> usize {
        let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
        let columns = if columns == 0 { USUAL_WIDTH } else { columns };
        // Some terminals wrap when the last column is written.
        columns - 1
    }

    /// Draws a line as it is, and under it a text of strangers, which is cut to the width.
    pub(crate) fn draw(&mut self, line: &str, text: &str) {
        let mut out = self.back();
        out.push_str(line);
        out.push('\n');
        out.push_str(&cut(&printable(&text.replace('\n', " ")), self.width()));
        self.drawn = 2;
        write(&out);
    }

    /// Takes away what was drawn, so that something else can be written.
    pub(crate) fn clear(&mut self) {
        write(&self.back());
        self.drawn = 0;
    }

    /// Leaves a line as the last of what was drawn.
    pub(crate) fn end(self, line: &str) {
        write(&format!("{}{line}\n", self.back()));
    }

    /// Goes to the beginning of what was drawn, and erases it.
    fn back(&self) -> String {
        match self.drawn {
            0 => String::new(),
            lines => format!("\r\u{1b}[{}A\u{1b}[J", lines - 1),
        }
    }
}

/// Whether the locale says that what is written is UTF-8; the first variable that is set counts (POSIX).
fn is_unicode() -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    // Nobody is left to see it if stderr cannot be written.
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Columns of a terminal that does not say how many it has.
const USUAL_WIDTH: usize = 80;
