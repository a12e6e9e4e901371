//! One row of the list.

use portward_core::{LeafFacts, Timestamp, Validity};

use super::{
    super::view::{Mark, When, day, in_fours, upcoming, weekday},
    issuer_name,
    state::Standing,
};

/// Is what a row shows.
pub(super) struct Row {
    pub(super) mark: Mark,
    pub(super) word: &'static str,
    pub(super) path: String,
    pub(super) name: String,
    /// More names than the first one: how many, and which.
    pub(super) more: Option<(usize, String)>,
    pub(super) issuer: String,
    pub(super) is_managed: bool,
    pub(super) expires: Option<When>,
    pub(super) expires_day: String,
    pub(super) expires_weekday: String,
    pub(super) life: Life,
    /// When it is renewed; none if nobody does.
    pub(super) renewal: Option<String>,
    pub(super) used: String,
    /// All who use it.
    pub(super) used_all: String,
    pub(super) thumbprint: String,
}

/// Is a lifetime as a bar: what is over, and what is left, in pixels.
pub(super) struct Life {
    pub(super) over: u64,
    pub(super) left: u64,
    pub(super) notch: f32,
    pub(super) class: &'static str,
}

impl Row {
    /// Writes one.
    pub(super) fn of(standing: &Standing<'_>, now: Timestamp) -> Self {
        let certificate = &standing.stored.value;
        let facts: Option<&LeafFacts> = certificate.current_version().map(|version| &*version.facts);
        let names = facts.map(|facts| facts.names.as_slice()).unwrap_or_default();
        let more = names.len().saturating_sub(1);
        let all = || names.iter().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let end = facts.map(|facts| facts.validity.not_after);
        Self {
            mark: standing.state.mark(),
            word: standing.state.word(),
            path: format!("/certificates/{}", certificate.id),
            name: certificate.name.to_string(),
            more: (more > 0).then(|| (more, all())),
            issuer: facts.map(issued_by).unwrap_or_default(),
            is_managed: certificate.management.managed().is_some(),
            expires: end.map(|end| When::new(end, now)),
            expires_day: end.map(day).unwrap_or_default(),
            expires_weekday: end.map(weekday).unwrap_or_default(),
            life: Life::of(facts.map(|facts| facts.validity), standing.state.mark(), now),
            renewal: standing.renewal.map(|renewal| match renewal.stage {
                Some(_) => "now".to_owned(),
                None => upcoming(renewal.next, now),
            }),
            used: used(standing),
            used_all: used_all(standing),
            thumbprint: facts.map(|facts| short(&facts.thumbprint.to_string())).unwrap_or_default(),
        }
    }
}

impl Life {
    fn of(validity: Option<Validity>, mark: Mark, now: Timestamp) -> Self {
        let class = match mark {
            Mark::Bad => "bad",
            Mark::Warn => "warn",
            _ => "",
        };
        let Some(validity) = validity else { return Self { over: WIDTH, left: 0, notch: NOTCH_END, class } };
        let whole = validity.lifetime().as_secs().max(1);
        let over = (now.since(validity.not_before).as_secs().saturating_mul(WIDTH) / whole).min(WIDTH);
        let notch = (over as f32 - 1.0).clamp(0.0, NOTCH_END);
        Self { over, left: WIDTH - over, notch, class }
    }
}

/// Who issued a certificate, in a word or two.
pub(in crate::portal) fn issued_by(facts: &LeafFacts) -> String {
    if facts.self_signed { "self-signed".to_owned() } else { issuer_name(&facts.issuer) }
}

fn used(standing: &Standing<'_>) -> String {
    let Some(uses) = standing.uses else { return "none".to_owned() };
    match uses.sites.as_slice() {
        [] => "default".to_owned(),
        [only] => only.to_string(),
        [first, _] => format!("{first}, +1"),
        several => format!("{} sites", several.len()),
    }
}

fn used_all(standing: &Standing<'_>) -> String {
    let Some(uses) = standing.uses else { return "nobody uses it".to_owned() };
    let sites = uses.sites.iter().take(MOST_NAMED).map(|site| format!("site {site}"));
    let bindings = uses.bindings.iter().take(MOST_NAMED).map(|binding| format!("default of binding {binding}"));
    sites.chain(bindings).collect::<Vec<_>>().join(", ")
}

fn short(thumbprint: &str) -> String {
    let digits: String = thumbprint.chars().take(8).collect();
    format!("{}…", in_fours(&digits))
}

/// What a hint can hold.
const MOST_NAMED: usize = 10;
/// Of the bar.
const WIDTH: u64 = 72;
const NOTCH_END: f32 = 71.0;
