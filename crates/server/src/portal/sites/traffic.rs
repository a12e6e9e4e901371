//! What comes to a site: how much, by which way, by whom, and how it is answered.

use askama::Template;
use axum::response::Response;
use portward_core::Timestamp;
use portward_proxy::TrafficView;

use super::{
    super::{
        answer,
        frame::{Frame, Nav},
        standing::Standing,
        view::{When, day, grouped, time_of_day},
        visit::Visit,
    },
    tab::{Head, Tab, find},
};
use crate::app::{AppError, right};

#[derive(Template)]
#[template(path = "sites/traffic.html")]
struct TrafficPage {
    frame: Frame,
    head: Head,
    live: Live,
}

/// The part that is asked for again while somebody looks.
#[derive(Template)]
#[template(path = "sites/traffic-live.html")]
struct Live {
    /// Counts with their unit.
    figures: [(String, &'static str, &'static str); 4],
    label: String,
    area: String,
    line: String,
    times: [String; 2],
    ways: Vec<Share>,
    answers: Vec<Share>,
    clients: Vec<Client>,
    since: String,
    is_served: bool,
}

/// Is a count, and its share of all.
struct Share {
    what: &'static str,
    count: String,
    share: String,
}

/// Is a family of clients.
struct Client {
    family: String,
    kind: &'static str,
    requests: String,
    last: When,
}

/// Shows it.
pub(in crate::portal) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let served = visit.app.served();
    let site = find(&served.desired, visit.param("id"))?;
    let standing = Standing::of(&visit.app, &served, site);
    let traffic = visit.app.traffic_of(site);
    let may_change = visit.may::<right::SiteChange>().is_ok();
    let head = Head::new(site, &standing, traffic.as_ref(), &served, Tab::Traffic, may_change);
    let live = Live::of(traffic, visit.app.now());
    answer::html(&TrafficPage { frame: visit.frame(Nav::Sites, format!("{} traffic", head.title)), head, live })
}

/// Shows the part that changes.
pub(in crate::portal) async fn show_live(visit: Visit<right::View>) -> Result<Response, AppError> {
    let served = visit.app.served();
    let site = find(&served.desired, visit.param("id"))?;
    answer::html(&Live::of(visit.app.traffic_of(site), visit.app.now()))
}

impl Live {
    fn of(traffic: Option<TrafficView>, now: Timestamp) -> Self {
        let is_served = traffic.is_some();
        let traffic = traffic.unwrap_or_else(|| TrafficView { minutes: vec![0; 60], ..TrafficView::default() });
        let all = traffic.requests();
        let answered: u64 = traffic.answers.iter().sum();
        let [informational, success, redirect, client_error, server_error] = traffic.answers;
        let share = |what, count: u64, of: u64| Share { what, count: grouped(count), share: percent(count, of) };
        let minutes: Vec<u64> = traffic.minutes.clone();
        let most = minutes.iter().copied().max().unwrap_or(0);
        let (area, line) = spark(&minutes);
        let clients = traffic.plain_clients.iter().map(|client| Client {
            family: client.family.clone(),
            kind: if client.is_browser { "browser" } else { "program" },
            requests: grouped(client.requests),
            last: When::new(client.last, now),
        });
        let clock = |at: Timestamp| time_of_day(at).get(..5).unwrap_or_default().to_owned();
        let minute = std::time::Duration::from_secs(60);
        Self {
            figures: [
                (grouped(traffic.last_minute()), "/ min", "requests"),
                (grouped(all), "", "since the start"),
                (percent(server_error, answered), "", "answered 5xx"),
                (percent(all.saturating_sub(traffic.http), all), "", "over HTTPS"),
            ],
            label: format!(
                "Requests a minute in the last 60 minutes: at most {}, {} in the last one",
                grouped(most),
                grouped(traffic.last_minute())
            ),
            area,
            line,
            times: [clock(now.minus(minute * 59)), clock(now.minus(minute * 30))],
            ways: vec![
                share("HTTPS, HTTP/2", traffic.https_http2, all),
                share("HTTPS, HTTP/1.1", traffic.https_http1, all),
                share("HTTP, browsers", traffic.http_browsers, all),
                share("HTTP, others", traffic.http.saturating_sub(traffic.http_browsers), all),
                share("HTTP, sent to HTTPS", traffic.redirected, all),
            ],
            answers: vec![
                share("1xx, upgrades", informational, answered),
                share("2xx, success", success, answered),
                share("3xx, redirects", redirect, answered),
                share("4xx, refused", client_error, answered),
                share("5xx, failed", server_error, answered),
            ],
            clients: clients.collect(),
            since: traffic.since.map(|at| format!("{}, {}", day(at), clock(at))).unwrap_or_default(),
            is_served,
        }
    }
}

/// A share in a hundred, with one digit where that matters.
fn percent(count: u64, of: u64) -> String {
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
fn spark(minutes: &[u64]) -> (String, String) {
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
        let (area, line) = spark(&[0, 5, 10]);
        assert_eq!(line, "M0,64.0 L300,34.0 L600,4.0");
        assert_eq!(area, "M0,64 L0,64.0 L300,34.0 L600,4.0 L600,64 Z");
        assert_eq!(spark(&[0; 60]).1.matches(",64.0").count(), 60);
    }
}
