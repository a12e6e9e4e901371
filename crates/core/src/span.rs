//! Lengths of time and sizes as people write them: `20m`, `10GiB`.

use std::time::Duration;

/// Reads a number and a unit: `s`, `m`, `h`, `d`, `w` or `y`; without a unit it is seconds. None if it is neither.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let seconds_per_unit = match unit {
        "" | "s" => 1,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        "w" => 7 * DAY,
        "y" => 365 * DAY,
        _ => return None,
    };
    number.checked_mul(seconds_per_unit).map(Duration::from_secs)
}

/// Writes a length of time in the largest unit of which it is a whole number, as [`parse_duration`] reads it.
pub(crate) fn write_span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m")];
    match units.into_iter().find(|(size, _)| seconds > 0 && seconds.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", seconds / size),
        None => format!("{seconds}s"),
    }
}

/// Reads a size: bytes, or a number with `KiB`, `MiB`, `GiB` or `TiB`; `K`, `KB` and their like mean the same.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit) {
        "" if unit != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    number.checked_mul(1 << (10 * power))
}

/// Writes a size in the largest unit of which it is a whole number, as [`parse_size`] reads it.
pub(crate) fn write_size(bytes: u64) -> String {
    let units = [(4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")];
    match units.into_iter().find(|(power, _)| bytes > 0 && bytes.is_multiple_of(1 << (10 * power))) {
        Some((power, unit)) => format!("{}{unit}", bytes >> (10 * power)),
        None => format!("{bytes}B"),
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    Some((digits.parse().ok()?, unit))
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_written() {
        for (text, seconds, written) in [
            ("0", 0, "0s"),
            ("90", 90, "90s"),
            ("20m", 1200, "20m"),
            ("1200s", 1200, "20m"),
            ("24h", 86_400, "1d"),
            ("1w", 604_800, "7d"),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
            assert_eq!(write_span(Duration::from_secs(seconds)), written, "{text}");
            assert_eq!(parse_duration(written), parse_duration(text), "{text}");
        }
        for bad in ["", "m", "-1", "1x", "1.5h", "99999999999999999999", "9999999999999999y"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes, written) in [
            ("0", 0, "0B"),
            ("1000", 1000, "1000B"),
            ("512B", 512, "512B"),
            ("2048", 2048, "2KiB"),
            ("10GiB", 10 << 30, "10GiB"),
            ("10 gib", 10 << 30, "10GiB"),
            ("10G", 10 << 30, "10GiB"),
            ("5MB", 5 << 20, "5MiB"),
            ("1024T", 1 << 50, "1024TiB"),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
            assert_eq!(write_size(bytes), written, "{text}");
            assert_eq!(parse_size(written), parse_size(text), "{text}");
        }
        for bad in ["", "GiB", "1iB", "1.5G", "1X", "-1", "99999999999T", "99999999999999999999"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }
}
