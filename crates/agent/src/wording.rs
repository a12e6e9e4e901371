//! Words of the operating system, as people read them.

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

#[cfg(test)]
mod tests {
    use super::*;

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
