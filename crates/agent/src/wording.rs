//! Words of others as people read them: of the operating system, and of strangers in their certificates.

/// Takes out the numbers of the operating system's errors, whose words say the same.
pub(crate) fn without_numbers(text: &str) -> String {
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

/// Shows control characters, ends of lines among them, instead of sending them: a stranger writes no line of a log.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        if is_unprintable(character) {
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
    fn strangers_write_no_line() {
        for (text, shown) in [
            ("CN=Käse 店", "CN=Käse 店"),
            ("a\nb\r\u{1b}[2J", "a\\u{a}b\\u{d}\\u{1b}[2J"),
            ("gpj\u{202e}exe", "gpj\\u{202e}exe"),
        ] {
            assert_eq!(one_line(text), shown);
        }
    }

    #[test]
    fn numbers_of_the_operating_system_are_not_told() {
        for (text, told) in [
            ("cannot read a: No such file or directory (os error 2)", "cannot read a: No such file or directory"),
            ("a: x (os error 13); b: y (os error 1)", "a: x; b: y"),
            ("the file \"b (os error x)\"", "the file \"b (os error x)\""),
            ("c (os error 1", "c (os error 1"),
        ] {
            assert_eq!(without_numbers(text), told);
        }
    }
}
