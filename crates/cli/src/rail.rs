//! The rail of stages: how far an order has come, in one line.

use portward_core::acme::Stage;

use crate::table::{Colour, Tone};

/// Says how the order is doing at its stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Going {
    /// It goes on.
    On,
    /// It is where it was to come to.
    Done,
    /// It goes no further.
    Stopped,
}

/// Holds what stands before a stage, so that nobody needs colour to read the rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    done: char,
    now: char,
    stopped: char,
    ahead: char,
}

impl Marks {
    /// For terminals that show Unicode.
    pub(crate) const UNICODE: Self = Self { done: '✓', now: '●', stopped: '✗', ahead: '·' };
    /// For all others.
    pub(crate) const ASCII: Self = Self { done: '+', now: '*', stopped: 'x', ahead: '.' };
}

/// One line of at most `width` characters: all stages with a mark each, or the stage alone where there is no room.
pub(crate) fn rail(stage: Option<Stage>, going: Going, width: usize, marks: Marks, colour: Colour) -> String {
    let stages = Stage::ALL.map(|each| {
        let (mark, tone) = match (stage, going) {
            (_, Going::Done) => (marks.done, Tone::Good),
            (Some(stage), _) if each < stage => (marks.done, Tone::Good),
            (Some(stage), Going::On) if each == stage => (marks.now, Tone::Warning),
            (Some(stage), Going::Stopped) if each == stage => (marks.stopped, Tone::Bad),
            _ => (marks.ahead, Tone::Plain),
        };
        (format!("{mark} {each}"), tone)
    });
    let needed = stages.iter().map(|(text, _)| text.chars().count() + 1).sum::<usize>() - 1;
    if needed <= width {
        return stages.map(|(text, tone)| tone.paint(&text, colour)).join(" ");
    }
    let at = match going {
        Going::Done => Stage::ALL.len() - 1,
        _ => Stage::ALL.iter().position(|each| Some(*each) == stage).unwrap_or(0),
    };
    let (text, tone) = &stages[at];
    tone.paint(&cut(&format!("{text} ({} of {})", at + 1, stages.len()), width), colour)
}

/// The beginning of a text, so that it stays in its line.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(width.saturating_sub(3)).collect();
    out.push_str("...");
    out.chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(stage: Option<Stage>, going: Going, width: usize) -> String {
        rail(stage, going, width, Marks::UNICODE, Colour::None)
    }

    #[test]
    fn the_marks_say_how_far_it_is() {
        let at = Some(Stage::Challenged);
        for (stage, going, expected) in [
            (None, Going::On, "· planned · ordered · challenged · ready · finalizing · issued · published"),
            (at, Going::On, "✓ planned ✓ ordered ● challenged · ready · finalizing · issued · published"),
            (at, Going::Stopped, "✓ planned ✓ ordered ✗ challenged · ready · finalizing · issued · published"),
            (at, Going::Done, "✓ planned ✓ ordered ✓ challenged ✓ ready ✓ finalizing ✓ issued ✓ published"),
        ] {
            assert_eq!(plain(stage, going, 80), expected);
        }
        assert_eq!(
            rail(at, Going::On, 80, Marks::ASCII, Colour::None),
            "+ planned + ordered * challenged . ready . finalizing . issued . published"
        );
    }

    #[test]
    fn a_narrow_terminal_gets_the_stage_alone() {
        assert_eq!(plain(Some(Stage::Challenged), Going::On, 40), "● challenged (3 of 7)");
        assert_eq!(plain(Some(Stage::Ready), Going::Done, 40), "✓ published (7 of 7)");
        assert_eq!(plain(Some(Stage::Ready), Going::On, 10), "● ready...");
        assert_eq!(plain(Some(Stage::Ready), Going::On, 2), "..");
    }

    #[test]
    fn colour_takes_no_room() {
        let coloured = rail(Some(Stage::Ordered), Going::On, 74, Marks::UNICODE, Colour::Ansi);
        assert!(
            coloured.starts_with("\u{1b}[32m✓ planned\u{1b}[0m \u{1b}[33m● ordered\u{1b}[0m · chall"),
            "{coloured}"
        );
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        for (width, expected) in [(20, "Asking for an order."), (12, "Asking fo..."), (2, ".."), (0, "")] {
            assert_eq!(cut("Asking for an order.", width), expected);
        }
    }
}
