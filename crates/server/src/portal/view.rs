//! How numbers, times and states are written for people.

use portward_core::Timestamp;

/// Says which mark stands beside a state: shape and colour; the word stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// All is well.
    Ok,
    /// Off, or not used.
    Off,
    /// Something runs.
    Run,
    /// It is not known.
    Unknown,
    /// Somebody should look.
    Warn,
    /// Something does not work.
    Bad,
}

impl Mark {
    /// Its class, and the end of its symbol's name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Off => "off",
            Self::Run => "run",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A moment, as far away as it is, and exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct When {
    /// As in "in 9 days", "12 seconds ago".
    pub(super) relative: String,
    /// As in "20 Nov 2026, 14:32 UTC", for `title`.
    pub(super) absolute: String,
    /// RFC 3339, for `datetime`.
    pub(super) machine: String,
}

impl When {
    /// A moment, seen from another.
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { relative: relative(at, now), absolute: absolute(at), machine: at.to_string() }
    }
}

/// As in "in 9 days", "12 seconds ago".
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.unix() - now.unix();
    let size = seconds.unsigned_abs();
    if size < 5 {
        return "now".to_owned();
    }
    let text = span(size);
    if seconds > 0 { format!("in {text}") } else { format!("{text} ago") }
}

/// A length of time in its two digits that matter, as in "9 days", "40 minutes".
pub(super) fn span(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / MINUTE, "minute"),
        7_200..172_800 => (seconds / HOUR, "hour"),
        _ => (seconds / DAY, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// As in "20 Nov 2026, 14:32 UTC".
pub(super) fn absolute(at: Timestamp) -> String {
    // RFC 3339 has the parts at fixed places.
    let text = at.to_string();
    let time = text.get(11..16).unwrap_or_default();
    format!("{}, {time} UTC", day(at))
}

/// As in "20 Nov 2026".
pub(super) fn day(at: Timestamp) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = at.to_string();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let month: usize = part(5..7).parse().unwrap_or(1);
    let name = MONTHS.get(month.saturating_sub(1)).copied().unwrap_or_default();
    format!("{} {name} {}", part(8..10).trim_start_matches('0'), part(0..4))
}

/// As in "Sun 29 Nov 2026".
pub(super) fn weekday(at: Timestamp) -> String {
    // 1970-01-01 was a Thursday.
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let index = usize::try_from(at.unix().div_euclid(86_400).rem_euclid(7)).unwrap_or_default();
    format!("{} {}", DAYS.get(index).copied().unwrap_or_default(), day(at))
}

/// A time to come as it is said in a list: "now", "today 15:10 UTC", "22 Nov 03:12 UTC", "4 Jan 2028".
pub(super) fn upcoming(at: Timestamp, now: Timestamp) -> String {
    if at <= now {
        return "now".to_owned();
    }
    let text = at.to_string();
    let time = text.get(11..16).unwrap_or_default();
    match at.unix().div_euclid(86_400) - now.unix().div_euclid(86_400) {
        0 => format!("today {time} UTC"),
        1 => format!("tomorrow {time} UTC"),
        2..300 => {
            let day = day(at);
            format!("{} {time} UTC", day.rsplit_once(' ').map_or(day.as_str(), |(day, _)| day))
        }
        _ => day(at),
    }
}

/// The time of a day, as in "14:10:02".
pub(super) fn time_of_day(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

/// A count with a comma at each thousand.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 site", "24 sites".
pub(super) fn counted(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(count as u64))
}

/// Is a part of a text: words, or a command between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spoken {
    /// The text.
    pub(super) text: String,
    /// Whether a machine reads it.
    pub(super) is_code: bool,
}

/// A text with its commands apart: they stand between back-ticks.
pub(super) fn spoken(text: &str) -> Vec<Spoken> {
    let parts = text.split('`').enumerate();
    let part = |(index, text): (usize, &str)| Spoken { text: text.to_owned(), is_code: index % 2 == 1 };
    parts.map(part).filter(|part| !part.text.is_empty()).collect()
}

/// A text with a capital at its start, unless it begins with a name of a machine or a file.
pub(super) fn sentence_case(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_name = first.trim_end_matches(['.', ',', ':', ';']).contains(['.', '/', '_', '@']);
    let mut letters = text.chars();
    let mut sentence = String::with_capacity(text.len());
    match letters.next() {
        Some(letter) if !is_name => sentence.extend(letter.to_uppercase()),
        Some(letter) => sentence.push(letter),
        None => {}
    }
    sentence.push_str(letters.as_str());
    sentence
}

/// A thumbprint in groups of four, as it is compared by eye.
pub(super) fn in_fours(hex: &str) -> String {
    let digits: Vec<char> = hex.chars().filter(char::is_ascii_hexdigit).map(|c| c.to_ascii_uppercase()).collect();
    digits.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// Two letters that stand for a person.
pub(super) fn initials(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let letters: String = words.take(2).filter_map(|word| word.chars().next()).collect();
    letters.to_uppercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(unix: i64) -> Timestamp {
        Timestamp::from_unix(unix).unwrap()
    }

    #[test]
    fn times_are_said_as_far_away_as_they_are() {
        let now = at(1_795_000_000);
        for (offset, expected) in [
            (0, "now"),
            (12, "in 12 seconds"),
            (-12, "12 seconds ago"),
            (-300, "5 minutes ago"),
            (3 * 3600, "in 3 hours"),
            (9 * 86_400 + 5, "in 9 days"),
            (-86_400 * 400, "400 days ago"),
        ] {
            assert_eq!(relative(at(now.unix() + offset), now), expected, "{offset}");
        }
        assert_eq!(absolute(at(1_795_000_000)), "18 Nov 2026, 11:06 UTC");
        assert_eq!(weekday(at(1_795_000_000)), "Wed 18 Nov 2026");
        assert_eq!(time_of_day(at(1_795_000_000)), "11:06:40");
        for (offset, expected) in [
            (0, "now"),
            (3600, "today 12:06 UTC"),
            (86_400, "tomorrow 11:06 UTC"),
            (4 * 86_400, "22 Nov 11:06 UTC"),
            (400 * 86_400, "23 Dec 2027"),
        ] {
            assert_eq!(upcoming(at(now.unix() + offset), now), expected, "{offset}");
        }
    }

    #[test]
    fn numbers_and_names_are_written_for_eyes() {
        assert_eq!(
            (grouped(0), grouped(999), grouped(1_284), grouped(1_000_000)),
            ("0".to_owned(), "999".to_owned(), "1,284".to_owned(), "1,000,000".to_owned())
        );
        assert_eq!((counted(1, "site"), counted(24, "site")), ("1 site".to_owned(), "24 sites".to_owned()));
        for (text, expected) in [("it is so.", "It is so."), ("a.test: it is", "a.test: it is"), ("", "")] {
            assert_eq!(sentence_case(text), expected);
        }
        let parts = spoken("Try `curl -I x` then wait.");
        let parts: Vec<_> = parts.iter().map(|part| (part.text.as_str(), part.is_code)).collect();
        assert_eq!(parts, [("Try ", false), ("curl -I x", true), (" then wait.", false)]);
        assert_eq!(in_fours("b07c55e1:94"), "B07C 55E1 94");
        assert_eq!(initials("mara lindqvist (owner)"), "ML");
    }
}
