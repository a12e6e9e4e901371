//! What comes to a site.

use portward_api::{AnswersView, LastHourView, PlainClientView, PlainTrafficView, SecureTrafficView, TrafficView};
use portward_core::{Site, SiteId};
use portward_proxy::Snapshot;

use super::{Allowed, App, AppError, right};

impl App {
    /// Shows what came to a site.
    pub(crate) fn show_traffic(&self, _by: &Allowed<right::View>, id: &str) -> Result<TrafficView, AppError> {
        let served = self.served();
        let found = SiteId::parse(id).ok().and_then(|id| served.desired.site(&id));
        let site = found.ok_or_else(|| AppError::not_found("site", id))?;
        let counted = self.traffic_of(&site.value);
        counted.map(view).ok_or_else(|| {
            AppError::refused("site-not-served", format!("the site \"{id}\" is not served; portward status says why"))
        })
    }

    /// What was counted of each application's site that had requests.
    pub(crate) fn traffic_by_site(&self) -> Vec<(SiteId, portward_proxy::TrafficView)> {
        let served = self.served();
        let sites = served.desired.sites.iter().map(|stored| &stored.value).filter(|site| !site.is_portal());
        let counted = sites.filter_map(|site| Some((site.id.clone(), self.traffic_of(site)?)));
        counted.filter(|(_, traffic)| traffic.requests() > 0).collect()
    }

    /// What was counted of a site; none if it is not served.
    pub(crate) fn traffic_of(&self, site: &Site) -> Option<portward_proxy::TrafficView> {
        let snapshot: std::sync::Arc<Snapshot> = self.parts.proxy.snapshot();
        let mut served = site.names.iter().filter_map(|name| snapshot.sites.at(name));
        Some(served.find(|served| served.id == site.id)?.traffic.view(self.now()))
    }
}

fn view(counted: portward_proxy::TrafficView) -> TrafficView {
    let [informational, success, redirect, client_error, server_error] = counted.answers;
    let clients = counted.plain_clients.iter().map(|client| PlainClientView {
        family: client.family.clone(),
        browser: client.is_browser,
        requests: client.requests,
        last: client.last.to_string(),
    });
    TrafficView {
        since: counted.since.map(|since| since.to_string()).unwrap_or_default(),
        requests: counted.requests(),
        last_minute: counted.last_minute(),
        http: PlainTrafficView {
            requests: counted.http,
            browsers: counted.http_browsers,
            others: counted.http.saturating_sub(counted.http_browsers),
            redirected: counted.redirected,
            clients: clients.collect(),
        },
        https: SecureTrafficView { http_1: counted.https_http1, http_2: counted.https_http2 },
        answers: AnswersView { informational, success, redirect, client_error, server_error },
        bytes: counted.bytes,
        last_hour: last_hour(&counted.hour),
        minutes: counted.minutes,
    }
}

fn last_hour(hour: &portward_proxy::HourView) -> LastHourView {
    let within = |per_cent| {
        let took = hour.latency.within(per_cent)?;
        u64::try_from(took.as_micros()).ok()
    };
    LastHourView {
        answers: hour.answers,
        client_errors: hour.client_errors,
        server_errors: hour.server_errors,
        bytes: hour.bytes,
        p50_microseconds: within(50),
        p95_microseconds: within(95),
    }
}
