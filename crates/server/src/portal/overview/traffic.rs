//! What comes to all applications together, and to the busiest of them.

use portward_core::{Site, Timestamp};
use portward_proxy::{HourView, TrafficView};

use super::{
    super::{
        traffic::{Figure, Spark, rate, share_of, size, took},
        view::grouped,
    },
    verdict::name_of,
};
use crate::{app::App, served::ServedState};

/// Is what is shown of it.
pub(super) struct Traffic {
    pub(super) figures: [Figure; 4],
    pub(super) spark: Spark,
    /// The busiest first.
    pub(super) busiest: Vec<Busy>,
}

/// Is one site.
pub(super) struct Busy {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) requests: (String, &'static str),
    pub(super) slowest: (String, &'static str),
    pub(super) refused: String,
    pub(super) failed: String,
}

impl Traffic {
    /// Adds up what came to applications; who looks at the portal is not counted.
    pub(super) fn of(app: &App, served: &ServedState, now: Timestamp) -> Self {
        let sites = served.desired.sites.iter().map(|stored| &stored.value).filter(|site| !site.is_portal());
        let mut counted: Vec<(&Site, TrafficView)> =
            sites.filter_map(|site| Some((site, app.traffic_of(site)?))).collect();
        let (mut minutes, mut hour) = (vec![0; MINUTES], HourView::default());
        for (_, traffic) in &counted {
            for (sum, count) in minutes.iter_mut().zip(&traffic.minutes) {
                *sum += count;
            }
            hour.add(&traffic.hour);
        }
        counted.retain(|(_, traffic)| traffic.minutes.iter().any(|count| *count > 0));
        counted.sort_by_cached_key(|(site, traffic)| {
            (std::cmp::Reverse(traffic.minutes.iter().sum::<u64>()), site.id.clone())
        });
        let last_minute = minutes.iter().rev().nth(1).copied().unwrap_or_default();
        Self {
            figures: [
                Figure::new("requests", rate(last_minute)),
                Figure::new("slowest 5 %", took(hour.latency.within(95))),
                Figure::new("failed", share_of(hour.server_errors, hour.answers)),
                Figure::new("sent", size(hour.bytes)),
            ],
            spark: Spark::of(&minutes, now),
            busiest: counted.iter().take(MOST).map(|(site, traffic)| busy(site, traffic)).collect(),
        }
    }
}

fn busy(site: &Site, traffic: &TrafficView) -> Busy {
    let (value, unit) = share_of(traffic.hour.server_errors, traffic.hour.answers);
    Busy {
        id: site.id.to_string(),
        name: name_of(site),
        requests: rate(traffic.last_minute()),
        slowest: took(traffic.hour.latency.within(95)),
        refused: grouped(traffic.hour.client_errors),
        failed: format!("{value} {unit}").trim_end().to_owned(),
    }
}

/// As many as are counted.
const MINUTES: usize = 60;
/// The others are on the list of sites.
const MOST: usize = 5;
