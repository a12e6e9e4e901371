//! The drift board: certificates by machines, with the version that each machine really serves.

use std::collections::{BTreeMap, BTreeSet};

use portward_api::DeliveryView;

use super::super::{
    answer::as_sentence,
    deliveries::{is_trouble, mark_and_word, rank},
    view::{Mark, counted, grouped, sentence_case},
};
/// Is what the board shows.
pub(super) struct Board {
    /// The machines, a column each.
    pub(super) machines: Vec<String>,
    /// The certificates, a row each.
    pub(super) rows: Vec<BoardRow>,
    /// As in "15 of 20 as wanted".
    pub(super) tally: String,
    /// What is not shown, if something is not.
    pub(super) cut: Option<String>,
    /// Whether there are so many that one looks for some.
    pub(super) is_long: bool,
    /// Whether nothing is delivered at all.
    pub(super) is_empty: bool,
    /// The words that are looked for.
    pub(super) q: String,
    /// The worst of what is not as wanted.
    pub(super) troubles: Vec<Trouble>,
    /// Machines that serve something else.
    pub(super) drifted: usize,
    /// Installations that did not work.
    pub(super) failed: usize,
}

/// Is one certificate.
pub(super) struct BoardRow {
    pub(super) certificate: String,
    /// As in "v11"; empty if it has none.
    pub(super) wanted: String,
    /// What is on each machine; none where it is not wanted.
    pub(super) cells: Vec<Option<Cell>>,
}

/// Is what is on one machine.
pub(super) struct Cell {
    pub(super) path: String,
    pub(super) mark: Mark,
    pub(super) class: &'static str,
    pub(super) label: String,
    pub(super) title: String,
    pub(super) text: String,
    pub(super) is_current: bool,
}

/// Is one delivery that is not as wanted, with its cause and what to do.
pub(super) struct Trouble {
    pub(super) id: String,
    pub(super) certificate: String,
    pub(super) agent: String,
    pub(super) mark: Mark,
    pub(super) says: String,
    pub(super) cause: String,
    /// What a command there said.
    pub(super) output: Option<String>,
}

impl Board {
    /// Draws it; with words, of what has all of them in its certificate or its machine.
    pub(super) fn of(deliveries: &[DeliveryView], q: &str) -> Self {
        let typed = q.to_lowercase();
        let finds = |delivery: &&DeliveryView| {
            let text = format!("{} {}", delivery.certificate, delivery.agent);
            typed.split_whitespace().all(|word| text.contains(word))
        };
        let found: Vec<&DeliveryView> = deliveries.iter().filter(finds).collect();
        let as_wanted = found.iter().filter(|delivery| delivery.state == "installed").count();
        let (machines, machines_all) = chosen(&found, |delivery| &delivery.agent, MACHINES, |_| true);
        let is_on = |delivery: &DeliveryView| machines.contains(&delivery.agent);
        let (certificates, certificates_all) = chosen(&found, |delivery| &delivery.certificate, CERTIFICATES, is_on);
        let mut cells: BTreeMap<(&str, &str), Vec<&DeliveryView>> = BTreeMap::new();
        for delivery in &found {
            cells.entry((&delivery.certificate, &delivery.agent)).or_default().push(delivery);
        }
        let troubles = troubles(&found);
        let current = troubles.first().map(|trouble| trouble.id.as_str());
        let row = |certificate: &String| BoardRow {
            wanted: found
                .iter()
                .find(|delivery| delivery.certificate == *certificate)
                .and_then(|delivery| delivery.wanted)
                .map(|number| format!("v{number}"))
                .unwrap_or_default(),
            cells: machines
                .iter()
                .map(|machine| Some(cell(cells.get(&(certificate.as_str(), machine.as_str()))?, current)))
                .collect(),
            certificate: certificate.clone(),
        };
        let count = |state: &str| found.iter().filter(|delivery| delivery.state == state).count();
        let is_long = machines_all > MACHINES || certificates_all > CERTIFICATES;
        let cut = is_long.then(|| {
            format!(
                "Shown: {} of {} and {} of {}, those with trouble first.",
                machines.len(),
                counted(machines_all, "machine"),
                certificates.len(),
                counted(certificates_all, "certificate")
            )
        });
        Self {
            rows: certificates.iter().map(row).collect(),
            tally: format!("{} of {} as wanted", grouped(as_wanted as u64), grouped(found.len() as u64)),
            cut,
            is_long: is_long || !q.is_empty(),
            is_empty: deliveries.is_empty(),
            q: q.to_owned(),
            drifted: count("drifted"),
            failed: count("failed"),
            troubles,
            machines,
        }
    }
}

/// The names that are shown, and how many there are: all by name where they are few, else those with trouble first.
fn chosen(
    found: &[&DeliveryView],
    name: impl Fn(&DeliveryView) -> &String,
    most: usize,
    counts: impl Fn(&DeliveryView) -> bool,
) -> (Vec<String>, usize) {
    let all: BTreeSet<&String> = found.iter().map(|delivery| name(delivery)).collect();
    if all.len() <= most {
        let count = all.len();
        return (all.into_iter().cloned().collect(), count);
    }
    // What is not on the other side of the board would be an empty line.
    let mut worst: BTreeMap<&String, (usize, u8)> = BTreeMap::new();
    for delivery in found.iter().filter(|delivery| counts(delivery)) {
        let (troubles, rank_of) = worst.entry(name(delivery)).or_insert((0, u8::MAX));
        *troubles += usize::from(is_trouble(delivery));
        *rank_of = (*rank_of).min(rank(delivery));
    }
    let mut ordered: Vec<(&String, (usize, u8))> = worst.into_iter().collect();
    ordered.sort_by(|(a, (a_troubles, a_rank)), (b, (b_troubles, b_rank))| {
        a_rank.cmp(b_rank).then(b_troubles.cmp(a_troubles)).then(a.cmp(b))
    });
    (ordered.into_iter().take(most).map(|(name, _)| name.clone()).collect(), all.len())
}

/// The worst of the deliveries of a certificate to a machine.
fn cell(deliveries: &[&DeliveryView], current: Option<&str>) -> Cell {
    let worst = deliveries.iter().min_by_key(|delivery| rank(delivery));
    let Some(worst) = worst else {
        return Cell {
            path: String::new(),
            mark: Mark::Unknown,
            class: "",
            label: String::new(),
            title: String::new(),
            text: String::new(),
            is_current: false,
        };
    };
    let (mark, _) = mark_and_word(worst);
    let there = worst.served.or(worst.stored).map(|number| format!("v{number}"));
    let wanted = worst.wanted.map(|number| format!("v{number}")).unwrap_or_default();
    let (label, text) = match (worst.state.as_str(), there) {
        ("installed", there) => ("as wanted".to_owned(), there.unwrap_or(wanted)),
        ("running", there) => (format!("installing {wanted}"), there.unwrap_or(wanted)),
        ("failed", Some(there)) => (format!("failed, {there} is there, wanted {wanted}"), format!("{there}, failed")),
        ("failed", None) => (format!("failed, nothing is there, wanted {wanted}"), "failed".to_owned()),
        ("drifted", Some(there)) => (format!("serves {there}, wanted {wanted}"), there),
        ("drifted", None) => (format!("something else is there, wanted {wanted}"), "another".to_owned()),
        ("unreachable", Some(there)) => (format!("out of reach, last known {there}"), format!("{there}?")),
        ("unreachable", None) => (format!("out of reach, wanted {wanted}"), format!("{wanted}?")),
        ("paused", there) => (format!("waits, wanted {wanted}"), there.unwrap_or_else(|| "waits".to_owned())),
        (_, _) if worst.wanted.is_none() => ("waits for the CA".to_owned(), "no version".to_owned()),
        (_, there) => (format!("comes next, wanted {wanted}"), there.unwrap_or(wanted)),
    };
    let more = if deliveries.len() > 1 { format!(" (the worst of {})", deliveries.len()) } else { String::new() };
    Cell {
        path: format!("/deliveries/{}", worst.id),
        class: match mark {
            Mark::Bad => "bad",
            Mark::Warn => "warn",
            _ => "",
        },
        mark,
        title: format!("{} on {}: {label}{more}", worst.certificate, worst.agent),
        label,
        text,
        is_current: deliveries.iter().any(|delivery| Some(delivery.id.as_str()) == current),
    }
}

fn troubles(found: &[&DeliveryView]) -> Vec<Trouble> {
    let mut bad: Vec<&&DeliveryView> =
        found.iter().filter(|delivery| ["failed", "drifted"].contains(&delivery.state.as_str())).collect();
    bad.sort_by_key(|delivery| rank(delivery));
    let trouble = |delivery: &&&DeliveryView| {
        let (mark, _) = mark_and_word(delivery);
        let wanted = delivery.wanted.map_or_else(|| "it".to_owned(), |number| format!("version {number}"));
        let says = match (delivery.state.as_str(), delivery.served.or(delivery.stored)) {
            ("failed", Some(there)) => {
                format!("Version {there} goes on being used; {wanted} could not be installed.")
            }
            ("failed", None) => format!("{} could not be installed.", sentence_case(&wanted)),
            (_, Some(there)) => format!("Serves version {there}, you asked for {wanted}."),
            (_, None) => format!("Something else is there; you asked for {wanted}."),
        };
        Trouble {
            id: delivery.id.clone(),
            certificate: delivery.certificate.clone(),
            agent: delivery.agent.clone(),
            mark,
            says,
            cause: delivery.message.as_deref().map(as_sentence).unwrap_or_default(),
            output: delivery.output.clone(),
        }
    };
    bad.iter().take(TROUBLES).map(trouble).collect()
}

/// Columns that fit on a wide screen.
const MACHINES: usize = 12;
/// Rows that are looked through.
const CERTIFICATES: usize = 40;
/// Causes are read one after the other.
const TROUBLES: usize = 2;
