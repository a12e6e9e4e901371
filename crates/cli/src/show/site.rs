//! Sites for people.

use portward_api::{PresetView, SiteUpstreamsView, SiteView, TrafficView};

use super::shortened;
use crate::table::{Cell, Colour, Table, Tone};

/// One line for each site.
pub(crate) fn sites(sites: &[SiteView], colour: Colour) -> String {
    if sites.is_empty() {
        return EMPTY.to_owned();
    }
    let mut table = Table::new(&["ID", "NAMES", "UPSTREAMS", "FORCE HTTPS", "HSTS", "CERTIFICATE"]);
    for site in sites {
        table.row([
            (&site.id).into(),
            shortened(&site.names).into(),
            targets(site).into(),
            (&site.force_https).into(),
            (&site.hsts).into(),
            (&site.certificate).into(),
        ]);
    }
    table.render(colour)
}

/// Where its requests go, in few words.
fn targets(site: &SiteView) -> String {
    let upstreams = shortened(&site.upstreams);
    match site.routes.len() {
        0 => upstreams,
        1 => format!("{upstreams}, 1 route"),
        routes => format!("{upstreams}, {routes} routes"),
    }
}

/// One line for each setting of a site.
pub(crate) fn site(site: &SiteView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["id".into(), (&site.id).into()]);
    table.row(["names".into(), site.names.join(", ").into()]);
    table.row(["upstreams".into(), site.upstreams.join(", ").into()]);
    if let Some(trust) = &site.upstream_trust {
        let tone = if trust.contains("danger") { Tone::Bad } else { Tone::Plain };
        table.row(["upstream trust".into(), Cell::toned(trust, tone)]);
    }
    for route in &site.routes {
        table.row(["route".into(), format!("{} to {}", route.prefix, route.upstreams.join(", ")).into()]);
    }
    let is_dealt = site.upstreams.len() > 1 || site.routes.iter().any(|route| route.upstreams.len() > 1);
    let forwarding = [
        ("balance", &site.balance, if is_dealt { "" } else { "round-robin" }),
        ("health path", &site.health_path, ""),
        ("PROXY protocol", &site.proxy_protocol, "off"),
        ("upstream HTTP", &site.upstream_http, "auto"),
    ];
    for (name, setting, usual) in forwarding {
        if let Some(setting) = setting.as_ref().filter(|setting| *setting != usual) {
            table.row([name.into(), setting.into()]);
        }
    }
    table.row(["force HTTPS".into(), (&site.force_https).into()]);
    table.row(["HSTS".into(), (&site.hsts).into()]);
    table.row(["certificate".into(), (&site.certificate).into()]);
    if let Some(preset) = &site.preset {
        table.row(["preset".into(), preset.into()]);
    }
    let limits = [
        ("max body", &site.max_body),
        ("response timeout", &site.response_timeout),
        ("idle timeout", &site.idle_timeout),
    ];
    for (name, limit) in limits {
        if let Some(limit) = limit {
            table.row([name.into(), limit.into()]);
        }
    }
    for header in &site.set_headers {
        table.row(["sets header".into(), format!("{}: {}", header.name, header.value).into()]);
    }
    if !site.remove_headers.is_empty() {
        table.row(["removes headers".into(), site.remove_headers.join(", ").into()]);
    }
    table.render(colour)
}

/// One line for each setting of a site, and one for each upstream if there is something to tell of them.
pub(crate) fn site_with_upstreams(site: &SiteView, upstreams: &SiteUpstreamsView, colour: Colour) -> String {
    let settings = self::site(site, colour);
    let is_told = upstreams.upstreams.len() > 1
        || site.health_path.is_some()
        || upstreams.upstreams.iter().any(|upstream| upstream.state != "well");
    if is_told { format!("{settings}\n{}", self::upstreams(upstreams, colour)) } else { settings }
}

/// One line for each upstream.
pub(crate) fn upstreams(all: &SiteUpstreamsView, colour: Colour) -> String {
    let mut table = Table::new(&["UPSTREAM", "ROUTE", "STATE", "SINCE", "IN FLIGHT", "REASON"]);
    for upstream in &all.upstreams {
        let tone = match upstream.state.as_str() {
            "unwell" => Tone::Bad,
            "recovering" => Tone::Warning,
            _ => Tone::Plain,
        };
        // Of one that is well again the reason is old.
        let reason = upstream.reason.as_deref().filter(|_| upstream.state != "well");
        table.row([
            (&upstream.url).into(),
            upstream.route.as_deref().unwrap_or_default().to_owned().into(),
            Cell::toned(&upstream.state, tone),
            upstream.since.as_deref().unwrap_or_default().to_owned().into(),
            upstream.in_flight.to_string().into(),
            reason.unwrap_or_default().to_owned().into(),
        ]);
    }
    table.render(colour)
}

/// One line for each preset.
pub(crate) fn presets(presets: &[PresetView], colour: Colour) -> String {
    let mut table = Table::new(&["ID", "APPLICATION", "UPSTREAM", "FORCE HTTPS", "MAX BODY", "RESPONSE", "IDLE"]);
    for preset in presets {
        table.row([
            (&preset.id).into(),
            (&preset.name).into(),
            (&preset.upstream).into(),
            (&preset.force_https).into(),
            (&preset.max_body).into(),
            (&preset.response_timeout).into(),
            (&preset.idle_timeout).into(),
        ]);
    }
    table.render(colour)
}

/// One line for each count, and one for each who came in the clear.
pub(crate) fn traffic(traffic: &TrafficView, colour: Colour) -> String {
    let (http, answers) = (&traffic.http, &traffic.answers);
    let mut table = Table::of_fields();
    table.row(["since".into(), (&traffic.since).into()]);
    table.row(["requests".into(), format!("{}, {} in the last minute", traffic.requests, traffic.last_minute).into()]);
    let plain = format!(
        "{}: {} of browsers, {} of others; {} redirected",
        http.requests, http.browsers, http.others, http.redirected
    );
    table.row(["over HTTP".into(), plain.into()]);
    let secure = format!("{} by HTTP/2, {} by HTTP/1.1", traffic.https.http_2, traffic.https.http_1);
    table.row(["over HTTPS".into(), secure.into()]);
    let answered = format!(
        "2xx {}, 3xx {}, 4xx {}, 5xx {}",
        answers.success, answers.redirect, answers.client_error, answers.server_error
    );
    table.row(["answers".into(), answered.into()]);
    let hour = &traffic.last_hour;
    let failed = format!("{}, {} with 4xx, {} with 5xx", hour.answers, hour.client_errors, hour.server_errors);
    table.row(["in the last hour".into(), failed.into()]);
    if let (Some(half), Some(most)) = (hour.p50_microseconds, hour.p95_microseconds) {
        let milliseconds = |microseconds: u64| format!("{}.{} ms", microseconds / 1000, microseconds % 1000 / 100);
        let began = format!("half within {}, 95 % within {}", milliseconds(half), milliseconds(most));
        table.row(["answers begin".into(), began.into()]);
    }
    for client in &http.clients {
        let kind = if client.browser { "browser" } else { "program" };
        let line = format!("{} ({kind}), {}, last {}", client.family, client.requests, client.last);
        table.row(["HTTP client".into(), line.into()]);
    }
    table.render(colour)
}

const EMPTY: &str = "No site yet. A site is a set of host names and the application behind them. Add one: portward site add shop.example --upstream http://127.0.0.1:3000\n";
