//! How what comes to sites is drawn and said, on Overview and on the page of a site.

use std::time::Duration;

use portward_core::Timestamp;

use super::view::{grouped, time_of_day};

/// Is a number that stands by itself.
pub(super) struct Figure {
    /// What it counts.
    pub(super) what: &'static str,
    /// The number.
    pub(super) value: String,
    /// Its unit; empty if it has none.
    pub(super) unit: &'static str,
}

/// Is the drawing of the requests of an hour.
pub(super) struct Spark {
    /// What it shows, for who does not see it.
    pub(super) label: String,
    /// The area below the line.
    pub(super) area: String,
    /// The line.
    pub(super) line: String,
    /// The times at its start and in its middle.
    pub(super) times: [String; 2],
}

impl Figure {
    pub(super) fn new(what: &'static str, (value, unit): (String, &'static str)) -> Self {
        Self { what, value, unit }
    }
}

impl Spark {
    /// Draws the requests of each minute, the oldest first; the last one runs still.
    pub(super) fn of(minutes: &[u64], now: Timestamp) -> Self {
        let most = minutes.iter().copied().max().unwrap_or(0);
        let last = minutes.iter().rev().nth(1).copied().unwrap_or_default();
        let (area, line) = drawing(minutes);
        let minute = Duration::from_secs(60);
        Self {
            label: format!(
                "Requests a minute in the last 60 minutes: at most {}, {} in the last one",
                grouped(most),
                grouped(last)
            ),
            area,
            line,
            times: [clock(now.minus(minute * 59)), clock(now.minus(minute * 30))],
        }
    }
}

/// As in "14:32 UTC".
pub(super) fn clock(at: Timestamp) -> String {
    format!("{} UTC", time_of_day(at).get(..5).unwrap_or_default())
}

/// Requests in a second, or in a minute where they are few.
pub(super) fn rate(a_minute: u64) -> (String, &'static str) {
    if a_minute < 60 { (a_minute.to_string(), "/ min") } else { (short(a_minute, 60), "/ s") }
}

/// A time that something took.
pub(super) fn took(time: Option<Duration>) -> (String, &'static str) {
    let Some(time) = time else { return ("none".to_owned(), "") };
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    if micros < 1_000_000 { (short(micros, 1000), "ms") } else { (short(micros, 1_000_000), "s") }
}

/// A number of bytes.
pub(super) fn size(bytes: u64) -> (String, &'static str) {
    match bytes {
        0..1_000 => (bytes.to_string(), "B"),
        1_000..1_000_000 => (short(bytes, 1_000), "kB"),
        1_000_000..1_000_000_000 => (short(bytes, 1_000_000), "MB"),
        1_000_000_000..1_000_000_000_000 => (short(bytes, 1_000_000_000), "GB"),
        _ => (short(bytes, 1_000_000_000_000), "TB"),
    }
}

/// A share in a hundred, with its sign as the unit.
pub(super) fn share_of(count: u64, of: u64) -> (String, &'static str) {
    let text = percent(count, of);
    text.strip_suffix(" %").map_or_else(|| (text.clone(), ""), |number| (number.to_owned(), "%"))
}

/// With one digit behind the point below ten, where it is not zero.
fn short(count: u64, unit: u64) -> String {
    let tenths = (u128::from(count) * 10 + u128::from(unit) / 2) / u128::from(unit);
    match (tenths / 10, tenths % 10) {
        (whole @ 0..10, digit @ 1..10) => format!("{whole}.{digit}"),
        (whole, _) => grouped(u64::try_from(whole).unwrap_or(u64::MAX)),
    }
}

/// A share in a hundred, with one digit where that matters.
pub(super) fn percent(count: u64, of: u64) -> String {
    if of == 0 {
        return "none".to_owned();
    }
    let thousandths = u128::from(count) * 1000 / u128::from(of);
    match thousandths {
        0 if count > 0 => "< 0.1 %".to_owned(),
        0 => "0 %".to_owned(),
        1..100 | 901..1000 => format!("{}.{} %", thousandths / 10, thousandths % 10),
        _ => format!("{} %", thousandths / 10),
    }
}

/// The area and the line of the drawing, 600 by 64.
fn drawing(minutes: &[u64]) -> (String, String) {
    let most = minutes.iter().copied().max().unwrap_or(0).max(1);
    let last = minutes.len().saturating_sub(1).max(1);
    let points: Vec<String> = minutes
        .iter()
        .enumerate()
        .map(|(index, count)| {
            let x = index * 600 / last;
            // Tenths of a pixel, with a little room above.
            let y = 640 - u128::from(*count) * 600 / u128::from(most);
            format!("{x},{}.{}", y / 10, y % 10)
        })
        .collect();
    let line = format!("M{}", points.join(" L"));
    (format!("M0,64 L{} L600,64 Z", points.join(" L")), line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_said_as_finely_as_they_matter() {
        for (count, of, expected) in [
            (0, 0, "none"),
            (0, 10, "0 %"),
            (1, 10_000, "< 0.1 %"),
            (2, 1000, "0.2 %"),
            (1, 2, "50 %"),
            (999, 1000, "99.9 %"),
            (7, 7, "100 %"),
        ] {
            assert_eq!(percent(count, of), expected, "{count} of {of}");
        }
    }

    #[test]
    fn the_drawing_stays_within_its_frame() {
        let (area, line) = drawing(&[0, 5, 10]);
        assert_eq!(line, "M0,64.0 L300,34.0 L600,4.0");
        assert_eq!(area, "M0,64 L0,64.0 L300,34.0 L600,4.0 L600,64 Z");
        assert_eq!(drawing(&[0; 60]).1.matches(",64.0").count(), 60);
    }

    #[test]
    fn numbers_have_the_unit_that_keeps_them_short() {
        for (a_minute, expected) in
            [(0, ("0", "/ min")), (59, ("59", "/ min")), (90, ("1.5", "/ s")), (60_000, ("1,000", "/ s"))]
        {
            assert_eq!(rate(a_minute), (expected.0.to_owned(), expected.1), "{a_minute}");
        }
        for (micros, expected) in
            [(250, ("0.3", "ms")), (18_200, ("18", "ms")), (1_500_000, ("1.5", "s")), (60_000_000, ("60", "s"))]
        {
            assert_eq!(took(Some(Duration::from_micros(micros))), (expected.0.to_owned(), expected.1), "{micros}");
        }
        assert_eq!(took(None), ("none".to_owned(), ""));
        for (bytes, expected) in [
            (0, ("0", "B")),
            (999, ("999", "B")),
            (1_500, ("1.5", "kB")),
            (20_000_000, ("20", "MB")),
            (u64::MAX, ("18,446,744", "TB")),
        ] {
            assert_eq!(size(bytes), (expected.0.to_owned(), expected.1), "{bytes}");
        }
    }
}
