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
        traffic::{Figure, Spark, clock, percent, rate, share_of, size, took},
        view::{When, day, grouped},
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
    figures: [Figure; 4],
    spark: Spark,
    /// How many answers, and within what time they begin.
    took: Vec<(&'static str, String)>,
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
        let clients = traffic.plain_clients.iter().map(|client| Client {
            family: client.family.clone(),
            kind: if client.is_browser { "browser" } else { "program" },
            requests: grouped(client.requests),
            last: When::new(client.last, now),
        });
        let hour = &traffic.hour;
        let within = |what, per_cent| {
            let (value, unit) = took(hour.latency.within(per_cent));
            (what, format!("{value} {unit}"))
        };
        Self {
            figures: [
                Figure::new("requests", rate(traffic.last_minute())),
                Figure::new("slowest 5 %", took(hour.latency.within(95))),
                Figure::new("failed", share_of(hour.server_errors, hour.answers)),
                Figure::new("sent", size(hour.bytes)),
            ],
            spark: Spark::of(&traffic.minutes, now),
            took: vec![within("half of them", 50), within("90 %", 90), within("95 %", 95), within("99 %", 99)],
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
