//! Dates as HTTP and as people write them.

use portward_core::Timestamp;

/// As in `Fri, 20 Nov 2026 14:32:07 GMT` (RFC 9110 section 5.6.7).
pub(super) fn http(time: Timestamp) -> String {
    let (year, month, day, clock) = parts(time);
    // 1970-01-01 was a Thursday.
    let weekday = (time.unix().div_euclid(86_400) + 4).rem_euclid(7);
    let weekday = usize::try_from(weekday).ok().and_then(|index| WEEKDAYS.get(index)).unwrap_or(&"Thu");
    format!("{weekday}, {day} {month} {year} {clock} GMT")
}

/// As in `20 Nov 2026, 14:32:07 UTC`.
pub(super) fn page(time: Timestamp) -> String {
    let (year, month, day, clock) = parts(time);
    format!("{} {month} {year}, {clock} UTC", day.trim_start_matches('0'))
}

/// Year, name of the month, day in two digits, time of the day.
fn parts(time: Timestamp) -> (String, &'static str, String, String) {
    // Always `YYYY-MM-DDThh:mm:ssZ`.
    let text = time.to_string();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
    let month = part(5..7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    (part(0..4), month.copied().unwrap_or("Jan"), part(8..10), part(11..19))
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
