//! Thumbprints as people paste them: whatever the spelling, the same one or none.

use portward_core::{Sha1Thumbprint, Thumbprint, ThumbprintError};

/// Numbers that look like chance, and are the same in each run (xorshift).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }
}

const SEPARATORS: [&str; 8] = ["", ":", " ", "-", "\n", "\t", "\u{200e}", "\u{feff}"];

#[test]
fn every_spelling_of_a_thumbprint_is_that_thumbprint() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for round in 0..2000_u32 {
        let print = Thumbprint::of(&round.to_be_bytes());
        assert_eq!(Thumbprint::parse(&print.to_string()), Ok(print));
        assert_eq!(Thumbprint::from_bytes(*print.as_bytes()), print);
        let mut spelling = String::new();
        for digit in print.to_string().chars() {
            let upper = chance.below(2) == 0;
            spelling.push(if upper { digit.to_ascii_uppercase() } else { digit });
            spelling.push_str(SEPARATORS[chance.below(SEPARATORS.len())]);
        }
        assert_eq!(Thumbprint::parse(&spelling), Ok(print), "{spelling:?}");
    }
}

#[test]
fn another_number_of_digits_or_another_character_is_no_thumbprint() {
    let print = Thumbprint::of(b"certificate");
    let text = print.to_string();
    for length in 0..64 {
        let expected = match length {
            0 => ThumbprintError::Empty,
            40 => ThumbprintError::Sha1,
            other => ThumbprintError::Length(other),
        };
        assert_eq!(Thumbprint::parse(&text[..length]), Err(expected));
    }
    assert_eq!(Thumbprint::parse(&format!("{text}0")), Err(ThumbprintError::Length(65)));
    assert_eq!(Thumbprint::parse(&text.repeat(2)), Err(ThumbprintError::Length(128)));
    assert_eq!(Thumbprint::parse(&Sha1Thumbprint::of(b"certificate").to_string()), Err(ThumbprintError::Sha1));
    let mut chance = Chance(7);
    for _ in 0..2000 {
        let at = chance.below(64);
        let other = ['g', 'x', '0', 'O', '\u{660}', '\u{ff11}', '\u{430}', '.', '/'][chance.below(9)];
        let mut changed: Vec<char> = text.chars().collect();
        changed[at] = other;
        let changed: String = changed.into_iter().collect();
        match Thumbprint::parse(&changed) {
            Ok(read) => assert!(other == '0' && (read == print) == (changed == text), "{changed}"),
            Err(error) => assert_eq!(error, ThumbprintError::Character(other)),
        }
    }
}

#[test]
fn text_of_any_kind_does_not_make_it_panic_and_what_is_read_is_written_alike() {
    let mut chance = Chance(42);
    let alphabet: Vec<char> = "0123456789abcdefABCDEF:- \u{200e}gé\u{1F600}\0".chars().collect();
    for _ in 0..20_000 {
        let text: String = (0..chance.below(160)).map(|_| alphabet[chance.below(alphabet.len())]).collect();
        if let Ok(read) = Thumbprint::parse(&text) {
            assert_eq!(Thumbprint::parse(&read.to_string()), Ok(read));
            let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
            assert_eq!(digits.to_ascii_lowercase(), read.to_string());
        }
    }
}
