//! Aligned columns for people.

use crate::terminal::printable;

/// Says whether words of status are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// They are not.
    None,
    /// They are, by the escape sequences of ECMA-48.
    Ansi,
}

/// Says what a cell means beside what it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Somebody should look.
    Warning,
    /// Something does not work.
    Bad,
}

/// Is one text of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// Holds rows under a head; columns are as wide as their widest cell.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with that head.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|title| Cell::from(*title)).collect()] }
    }

    /// Lines of a name and a value each, without a head.
    pub(crate) fn of_fields() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// Writes the rows, one a line, without spaces at the ends of lines.
    pub(crate) fn render(&self, colour: Colour) -> String {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let mut out = String::new();
        for row in &self.rows {
            let mut gap = 0;
            for (width, cell) in widths.iter().zip(row) {
                if cell.width() > 0 {
                    out.extend(std::iter::repeat_n(' ', gap));
                    out.push_str(&cell.tone.paint(&cell.text, colour));
                    gap = 0;
                }
                gap += width - cell.width() + GAP;
            }
            out.push('\n');
        }
        out
    }
}

impl Cell {
    /// A text with a meaning.
    pub(crate) fn toned(text: &str, tone: Tone) -> Self {
        // A cell is one line, whatever the text was.
        Self { text: printable(&text.replace(['\n', '\r'], " ")), tone }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::toned(&text, Tone::Plain)
    }
}

impl Tone {
    /// The text in the colour of its meaning; the words alone must say it too.
    pub(crate) fn paint(self, text: &str, colour: Colour) -> String {
        let code = match (colour, self) {
            (Colour::None, _) | (_, Self::Plain) => return text.to_owned(),
            (Colour::Ansi, Self::Good) => 32,
            (Colour::Ansi, Self::Warning) => 33,
            (Colour::Ansi, Self::Bad) => 31,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Spaces between columns.
const GAP: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn two_rows() -> Table {
        let mut table = Table::new(&["ID", "STATE", "PROBLEM"]);
        table.row(["https-443".into(), Cell::toned("bound", Tone::Good), "".into()]);
        table.row(["b".into(), Cell::toned("not bound", Tone::Bad), "port taken\nby nginx".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_lines_end_without_spaces() {
        assert_eq!(
            two_rows().render(Colour::None),
            "ID         STATE      PROBLEM\nhttps-443  bound\nb          not bound  port taken by nginx\n"
        );
    }

    #[test]
    fn colour_does_not_move_columns() {
        let coloured = two_rows().render(Colour::Ansi);
        assert!(coloured.contains("https-443  \u{1b}[32mbound\u{1b}[0m\n"), "{coloured:?}");
        assert!(coloured.contains("b          \u{1b}[31mnot bound\u{1b}[0m  port taken"), "{coloured:?}");
    }

    #[test]
    fn a_cell_keeps_to_its_line_and_cannot_move_the_cursor() {
        let mut table = Table::of_fields();
        table.row(["subject".into(), "CN=a\u{1b}[2J\r\nb".into()]);
        assert_eq!(table.render(Colour::None), "subject  CN=a\\u{1b}[2J  b\n");
    }

    #[test]
    fn an_empty_cell_in_the_middle_keeps_its_column() {
        let mut table = Table::of_fields();
        table.row(["a".into(), "long".into(), "c".into()]);
        table.row(["a".into(), "".into(), "c".into()]);
        assert_eq!(table.render(Colour::None), "a  long  c\na        c\n");
    }
}
