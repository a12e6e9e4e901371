//! The horizon as a picture: a lane for each certificate, from a month ago to three months ahead.
//!
//! What lies across is in per cent, so that the picture is fluid without script. Today stands at [`TODAY`],
//! the last day that is drawn to scale at [`SCALE_END`]; behind the tear stands the last announced change of lifetimes.

use std::time::Duration;

use portward_core::{CertificateStatus, Timestamp};

use super::super::{
    certificates::issued_by,
    view::{Mark, absolute, counted, day, grouped, relative, span},
};
use crate::app::horizon::{DETAILED, Lane};

/// Is everything that is drawn.
pub(super) struct Horizon {
    /// How many certificates there are, in words.
    pub(super) count: String,
    /// First days of months: where, and what they are called.
    pub(super) months: Vec<Month>,
    /// As in "Today, 20 Nov".
    pub(super) today: String,
    /// Changes of lifetimes to come.
    pub(super) rules: Vec<Rule>,
    /// The certificates that are drawn by themselves.
    pub(super) lanes: Vec<LaneView>,
    /// All others in one lane.
    pub(super) fold: Option<Fold>,
}

/// Is the first day of a month.
pub(super) struct Month {
    /// Where, in per cent.
    pub(super) x: String,
    /// As in "Dec" or "Jan 2027".
    pub(super) name: String,
    /// Whether there is no room for it on a phone.
    pub(super) is_narrow: bool,
}

/// Is a change of lifetimes.
pub(super) struct Rule {
    /// Where its line is, in per cent.
    pub(super) x: String,
    /// What it says, in one line or two.
    pub(super) lines: Vec<String>,
    /// Whether it stands behind the tear.
    pub(super) is_far: bool,
}

/// Is one certificate.
pub(super) struct LaneView {
    /// What people call it.
    pub(super) name: String,
    /// Its page.
    pub(super) path: String,
    /// What is drawn below the line of today, in order.
    pub(super) under: Vec<Shape>,
    /// What is drawn above it.
    pub(super) over: Vec<Shape>,
    /// What comes next, with its mark if it needs a hand.
    pub(super) next: String,
    /// The mark of it.
    pub(super) mark: Mark,
    /// The same at length.
    pub(super) detail: String,
    /// For the table: who issues it.
    pub(super) issuer: String,
    /// For the table: its first day.
    pub(super) from: String,
    /// For the table: its last day.
    pub(super) until: String,
    /// For the table: how often it was renewed in 30 days.
    pub(super) renewed: usize,
    /// For the table: how often that failed in 30 days.
    pub(super) failed: usize,
}

/// Is what stands for all certificates that are not drawn by themselves.
pub(super) struct Fold {
    /// How many, and what is first.
    pub(super) text: String,
    /// Where they are renewed.
    pub(super) at: Vec<String>,
    /// Whether all of them are on plan; how many are not.
    pub(super) end: String,
}

/// Is one thing that is drawn; numbers across are per cents.
pub(super) enum Shape {
    /// A bar.
    Bar {
        /// Its class.
        class: &'static str,
        /// Where it begins.
        x: String,
        /// How long it is.
        width: String,
        /// Its upper edge.
        y: u8,
        /// How high it is.
        height: u8,
        /// How round its corners are.
        round: u8,
    },
    /// An upright line, or a level one.
    Line {
        /// Its class.
        class: &'static str,
        /// Where it begins across.
        x1: String,
        /// Where it ends across.
        x2: String,
        /// Its upper end.
        y1: u8,
        /// Its lower end.
        y2: u8,
    },
    /// A mark.
    Symbol {
        /// Its class.
        class: &'static str,
        /// The name of its symbol.
        symbol: &'static str,
        /// Where it is across.
        x: String,
        /// How far down.
        y: u8,
    },
}

/// Draws certificates against time.
pub(super) fn draw(lanes: &[Lane], changes: &[(Timestamp, u64)], now: Timestamp) -> Horizon {
    let axis = Axis { now };
    let (drawn, others) = lanes.split_at(lanes.len().min(DETAILED));
    Horizon {
        count: match lanes.len() {
            1 => "1 certificate".to_owned(),
            count => format!("{}, most urgent first", counted(count, "certificate")),
        },
        months: axis.months(),
        today: format!("Today, {}", short_day(now)),
        rules: axis.rules(changes),
        lanes: drawn.iter().map(|lane| axis.lane(lane)).collect(),
        fold: (!others.is_empty()).then(|| axis.fold(others)),
    }
}

/// Sets times on the line across.
struct Axis {
    now: Timestamp,
}

impl Axis {
    /// Where a time is, in per cent; what is out of sight stands at the edge.
    fn at(&self, time: Timestamp) -> f64 {
        let days = (time.unix() - self.now.unix()) as f64 / DAY as f64;
        (TODAY + days * PER_DAY).clamp(0.0, 100.0)
    }

    fn is_seen(&self, time: Timestamp) -> bool {
        let days = (time.unix() - self.now.unix()) as f64 / DAY as f64;
        (-TODAY / PER_DAY..=DAYS_AHEAD).contains(&days)
    }

    fn months(&self) -> Vec<Month> {
        let first = self.now.minus(Duration::from_secs(30 * DAY));
        let mut months: Vec<Month> = Vec::new();
        for ahead in 0..=120 {
            let time = first.plus(Duration::from_secs(ahead * DAY));
            let date = time.date();
            if !date.ends_with("-01") {
                continue;
            }
            let Ok(midnight) = Timestamp::parse(&format!("{date}T00:00:00Z")) else { continue };
            let text = day(midnight);
            let mut words = text.split(' ').skip(1);
            let (name, year) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let name = if name == "Jan" { format!("{name} {year}") } else { name.to_owned() };
            months.push(Month { x: percent(self.at(midnight)), name, is_narrow: false });
        }
        let last = months.len().saturating_sub(1);
        for (index, month) in months.iter_mut().enumerate() {
            month.is_narrow = index == 0 || index == last;
        }
        months
    }

    fn rules(&self, changes: &[(Timestamp, u64)]) -> Vec<Rule> {
        let mut rules: Vec<Rule> = changes
            .iter()
            .filter(|(from, _)| *from > self.now && self.is_seen(*from))
            .map(|(from, days)| Rule {
                x: percent(self.at(*from)),
                lines: vec![format!("{days}-day lifetimes from {}", short_day(*from))],
                is_far: false,
            })
            .collect();
        if let Some((from, days)) = changes.iter().rfind(|(from, _)| *from > self.now && !self.is_seen(*from)) {
            rules.push(Rule { x: percent(FAR), lines: vec![format!("{days}-day from"), day(*from)], is_far: true });
        }
        rules
    }

    fn lane(&self, lane: &Lane) -> LaneView {
        let (mark, next, detail) = self.next(lane);
        let class = match mark {
            Mark::Bad => ("v bad", "cap bad"),
            Mark::Warn => ("v warn", "cap warn"),
            _ => ("v", "cap"),
        };
        let (begin, end) = (lane.validity.not_before, lane.validity.not_after);
        let (x0, x1) = (self.at(begin), self.at(end));
        let mut under = Vec::new();
        if let Some((start, stop)) = lane.window.filter(|(start, _)| self.is_seen(*start)) {
            let x = self.at(start);
            under.push(bar("win", x, (self.at(stop) - x).max(1.0), 4, 26, 2));
        }
        if lane.planned.is_some() && x1 < 100.0 && end > self.now && lane.later.iter().any(|at| self.is_seen(*at)) {
            under.push(Shape::Line { class: "next", x1: percent(x1), x2: "100%".to_owned(), y1: 17, y2: 17 });
        }
        if x0 < TODAY {
            under.push(bar("v-old", x0, x1.min(TODAY) - x0, 13, 8, 1));
        }
        if x1 > TODAY {
            let from = x0.max(TODAY);
            under.push(bar(class.0, from, x1 - from, 13, 8, 1));
        }
        if x1 < 100.0 {
            under.push(upright(class.1, x1, 9, 25));
        }
        if x1 > TEAR {
            under.push(Shape::Symbol { class: "", symbol: "hz-tear", x: percent(TEAR), y: 17 });
        }
        let seen = |times: &[Timestamp]| -> Vec<Timestamp> {
            times.iter().copied().filter(|at| self.is_seen(*at) && *at <= self.now).collect()
        };
        let (renewed, failed) = (seen(&lane.renewed), seen(&lane.failed));
        let mut over: Vec<Shape> = renewed.iter().map(|at| upright("done", self.at(*at), 9, 25)).collect();
        over.extend(failed.iter().map(|at| mark_at("fail", "hz-fail", self.at(*at), 12)));
        let later = lane.later.iter().filter(|at| self.is_seen(**at));
        over.extend(later.map(|at| mark_at("plan later", "hz-later", self.at(*at), 17)));
        if let Some(planned) = lane.planned.as_ref().filter(|planned| self.is_seen(planned.at)) {
            over.push(mark_at("plan", "hz-plan", self.at(planned.at), 17));
        }
        LaneView {
            name: lane.name.clone(),
            path: format!("/certificates/{}", lane.id),
            under,
            over,
            next,
            mark,
            detail,
            issuer: lane.issuer.as_ref().map_or_else(|| issued_by(&lane.facts), ToString::to_string),
            from: day(begin),
            until: day(end),
            renewed: renewed.len(),
            failed: failed.len(),
        }
    }

    /// What comes next, in a few words and at length.
    fn next(&self, lane: &Lane) -> (Mark, String, String) {
        let end = lane.validity.not_after;
        let ends = relative(end, self.now);
        let plan = |planned: &crate::app::horizon::Planned| format!("{}, {}", absolute(planned.at), planned.why);
        match (&lane.status, &lane.planned) {
            (CertificateStatus::Expired, planned) => {
                let detail = planned.as_ref().map_or_else(|| "nobody renews it".to_owned(), plan);
                (Mark::Bad, format!("Expired {ends}"), detail)
            }
            (CertificateStatus::NotYetValid, _) => {
                let from = lane.validity.not_before;
                (Mark::Bad, format!("Valid {}", relative(from, self.now)), absolute(from))
            }
            (_, Some(planned)) if lane.failures > 0 => {
                let times = if lane.failures == 1 { "once".to_owned() } else { format!("{} times", lane.failures) };
                let detail = format!("has failed {times}; next try {}", absolute(planned.at));
                (Mark::Bad, format!("Expires {ends}"), detail)
            }
            (_, Some(planned)) if planned.at.unix() - self.now.unix() < 60 => {
                (Mark::Ok, "Renews now".to_owned(), plan(planned))
            }
            (_, Some(planned)) => {
                let away = u64::try_from(planned.at.unix() - self.now.unix()).unwrap_or_default();
                let next = match away {
                    0..172_800 => format!("Renews in {}", span(away)),
                    _ => format!("Renews {}", short_day(planned.at)),
                };
                (Mark::Ok, next, plan(planned))
            }
            (CertificateStatus::ExpiresSoon, None) => {
                (Mark::Warn, format!("Expires {ends}"), "unmanaged, nobody renews it".to_owned())
            }
            (CertificateStatus::Valid, None) => {
                (Mark::Ok, format!("Until {}", day(end)), "unmanaged, nobody renews it".to_owned())
            }
        }
    }

    fn fold(&self, lanes: &[Lane]) -> Fold {
        let soonest = lanes.iter().filter_map(|lane| lane.planned.as_ref().map(|planned| planned.at)).min();
        let count = grouped(lanes.len() as u64);
        let text = match soonest {
            Some(at) => format!("{count} more, the first due on {}", short_day(at)),
            None => format!("{count} more"),
        };
        let mut at: Vec<f64> = Vec::new();
        for planned in lanes.iter().filter_map(|lane| lane.planned.as_ref()).filter(|planned| self.is_seen(planned.at))
        {
            let x = self.at(planned.at);
            // Two in the same place look like one.
            if at.last().is_none_or(|last: &f64| x - last > 0.5) {
                at.push(x);
            }
        }
        let end = match lanes.iter().filter(|lane| self.next(lane).0 != Mark::Ok).count() {
            0 => "All on plan".to_owned(),
            1 => "1 needs a hand".to_owned(),
            count => format!("{} need a hand", grouped(count as u64)),
        };
        Fold { text, at: at.into_iter().map(percent).collect(), end }
    }
}

fn bar(class: &'static str, x: f64, width: f64, y: u8, height: u8, round: u8) -> Shape {
    Shape::Bar { class, x: percent(x), width: percent(width.max(0.0)), y, height, round }
}

fn upright(class: &'static str, x: f64, y1: u8, y2: u8) -> Shape {
    Shape::Line { class, x1: percent(x), x2: percent(x), y1, y2 }
}

fn mark_at(class: &'static str, symbol: &'static str, x: f64, y: u8) -> Shape {
    Shape::Symbol { class, symbol, x: percent(x), y }
}

fn percent(x: f64) -> String {
    format!("{x:.2}%")
}

/// As in "20 Nov".
fn short_day(at: Timestamp) -> String {
    let text = day(at);
    text.rsplit_once(' ').map_or_else(|| text.clone(), |(day, _)| day.to_owned())
}

const DAY: u64 = 86_400;
/// Where today stands.
pub(super) const TODAY: f64 = 23.0;
/// Where the last day to scale stands, [`DAYS_AHEAD`] from today.
pub(super) const SCALE_END: f64 = 92.0;
/// How far ahead is drawn to scale.
pub(super) const DAYS_AHEAD: f64 = 90.0;
const PER_DAY: f64 = (SCALE_END - TODAY) / DAYS_AHEAD;
/// Where the line is torn.
const TEAR: f64 = 94.3;
/// Where a change far ahead stands.
const FAR: f64 = 97.0;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn today_and_the_last_day_stand_where_they_should() {
        let now = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
        let axis = Axis { now };
        for (days, expected) in [(0, 23.0), (90, 92.0), (-30, 0.0), (-400, 0.0), (4000, 100.0)] {
            let at = Timestamp::from_unix(now.unix() + days * 86_400).unwrap();
            assert!((axis.at(at) - expected).abs() < 0.01, "{days}");
        }
        let names: Vec<String> = axis.months().into_iter().map(|month| month.name).collect();
        assert_eq!(names, ["Nov", "Dec", "Jan 2027", "Feb"]);
    }

    #[test]
    fn announced_changes_stand_on_the_line_or_behind_the_tear() {
        let now = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
        let at = |text| Timestamp::parse(text).unwrap();
        let changes = [(at("2027-02-10T00:00:00Z"), 64), (at("2028-02-16T00:00:00Z"), 45)];
        let rules = Axis { now }.rules(&changes);
        assert_eq!(rules[0].lines, ["64-day lifetimes from 10 Feb"]);
        assert_eq!((rules[1].lines.join(" ").as_str(), rules[1].is_far), ("45-day from 16 Feb 2028", true));
    }
}
