#![allow(clippy::unwrap_used, reason = "tests")]

use portward_core::Timestamp;
use portward_proxy::{AccessLogCounts, HandshakeFailure};

use super::*;
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, binding, bundle, by, import, site},
};

/// Is a sample that was read: name and labels, and the value.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Is a sample that is expected.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

/// Reads the format strictly: HELP, TYPE, then the samples of that name.
fn parse(text: &str) -> Samples {
    assert!(text.ends_with('\n'));
    let is_name = |name: &str| {
        name.chars().next().is_some_and(|first| first.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let mut samples = Samples::new();
    let mut families = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line.strip_prefix("# HELP ").unwrap().split_once(' ').unwrap();
        assert!(is_name(name) && name.starts_with("portward_") && help.ends_with('.'), "{line}");
        assert!(!families.contains(&name), "{name} comes twice");
        families.push(name);
        let (again, kind) = lines.next().unwrap().strip_prefix("# TYPE ").unwrap().split_once(' ').unwrap();
        assert_eq!(again, name);
        match kind {
            "histogram" => {}
            kind => assert_eq!(kind, if name.ends_with("_total") { "counter" } else { "gauge" }, "{name}"),
        }
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let mut rest = line.strip_prefix(name).unwrap();
            let mut name = name.to_owned();
            if kind == "histogram" {
                let part = ["_bucket", "_sum", "_count"].into_iter().find(|part| rest.starts_with(part)).unwrap();
                name.push_str(part);
                rest = &rest[part.len()..];
            }
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => labels(rest),
                None => (BTreeMap::new(), rest),
            };
            assert!(labels.keys().all(|label| is_name(label)), "{line}");
            let value = value.strip_prefix(' ').unwrap().parse().unwrap();
            assert_eq!(samples.insert((name, labels), value), None, "{line} comes twice");
        }
    }
    samples
}

/// Reads labels to their end, and gives what follows.
fn labels(mut text: &str) -> (BTreeMap<String, String>, &str) {
    let mut labels = BTreeMap::new();
    loop {
        let (label, rest) = text.split_once("=\"").unwrap();
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().unwrap() {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    other => unreachable!("\\{other}"),
                }),
                (_, c) => value.push(c),
            }
        };
        labels.insert(label.to_owned(), value);
        match rest[end + 1..].split_at(1) {
            (",", rest) => text = rest,
            (last, rest) => {
                assert_eq!(last, "}");
                return (labels, rest);
            }
        }
    }
}

fn value(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
    samples.get(&(name.to_owned(), labels)).copied()
}

#[tokio::test]
async fn the_text_can_be_read_and_says_what_is_so() {
    let fixture = Fixture::start().await;
    let shop = bundle(&["shop.test"], 90);
    let validity = shop.facts.validity;
    fixture.app.import_certificate(&by(), import(&shop, None), Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    // No certificate has its name, which is a warning.
    fixture.app.add_site(&by(), &site(&["other.test"]), Apply::Now).await.unwrap();
    let served = fixture.served.now();
    let due = Timestamp::parse("2027-01-01T00:00:00Z").unwrap();
    let certificate = |text| CertificateId::parse(text).unwrap();
    let issuer = IssuerId::parse("letsencrypt").unwrap();
    let standing = notice::Standing {
        waiting: 3,
        deliveries: notice::Deliveries { delivered: 10, failed: 11, dropped: 12 },
        ..notice::Standing::default()
    };
    let mut traffic = TrafficView { answers: [0, 14, 0, 15, 16], bytes: 17, ..TrafficView::default() };
    // One that began within 5 ms, and two that took longer than all bounds.
    (traffic.latency.counts[5], traffic.latency.counts[18]) = (1, 2);
    traffic.latency.sum = Duration::from_millis(200_004);
    let upstream = |url: &str, state, prefix: Option<&str>| portward_proxy::UpstreamView {
        upstream: portward_core::Upstream::parse(url).unwrap(),
        prefix: prefix.map(|prefix| portward_core::PathPrefix::parse(prefix).unwrap()),
        health: portward_proxy::HealthView {
            state,
            since: None,
            reason: None,
            reason_at: None,
            in_flight: 22,
            failures: 23,
        },
    };
    use portward_proxy::UpstreamState as S;
    let upstreams = vec![
        upstream("http://127.0.0.1:1", S::Recovering, None),
        // It is told of once.
        upstream("http://127.0.0.1:1", S::Recovering, None),
        upstream("unix:/run/a.sock", S::Unwell, Some("/api")),
    ];
    let measured = || Measured {
        served: Arc::clone(&served),
        sites: BTreeMap::from([(SiteId::parse("other-test").unwrap(), traffic.clone())]),
        upstreams: vec![(SiteId::parse("other-test").unwrap(), upstreams.clone())],
        access_log: Some(AccessLogCounts { written: 14, dropped: 15 }),
        counts: CountsView {
            open: 1,
            accepted: 2,
            refused: 3,
            handshakes_failed: [HandshakeFailure::Closed; 4].into_iter().collect(),
            requests: 5,
            panics: 6,
            passed: 7,
            passages_failed: 8,
        },
        standings: BTreeMap::from([
            (certificate("shop-test"), Standing { due: Some(due), failures: 2 }),
            (certificate("new"), Standing { due: None, failures: 0 }),
        ]),
        attempts: vec![(issuer.clone(), "failed", 7), (issuer.clone(), "served", 8)],
        turns: 9,
        sign_ins_refused: 13,
        agents: BTreeMap::from([
            (portward_core::AgentHealth::Healthy, 18),
            (portward_core::AgentHealth::Unhealthy, 19),
        ]),
        agents_connected: 20,
        deliveries: BTreeMap::from([("failed", 21)]),
        channels: BTreeMap::from([(ChannelId::parse("ops").unwrap(), standing.clone())]),
    };
    let text = super::text(measured(), Form::Prometheus).unwrap();
    assert_eq!(text, super::text(measured(), Form::Prometheus).unwrap(), "it is always the same");
    let open = super::text(measured(), Form::OpenMetrics).unwrap();
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE portward_requests counter\n"), "{open}");
    // The bounds of buckets are written in two ways: 1.0 and 1.
    let lines = |text: &str| -> Vec<String> {
        let samples = text.lines().filter(|line| !line.starts_with('#') && !line.contains("le=\""));
        let mut samples: Vec<String> = samples.map(str::to_owned).collect();
        samples.sort();
        samples
    };
    assert_eq!(lines(&open), lines(&text), "both forms have the same samples");
    let buckets = |text: &str| text.lines().filter(|line| line.contains("le=\"")).count();
    assert_eq!((buckets(&open), buckets(&text)), (LATENCY_BOUNDS.len() + 1, LATENCY_BOUNDS.len() + 1));
    let samples = parse(&text);
    let seconds = |at: Timestamp| f64::from(u32::try_from(at.unix()).unwrap());
    let url = format!("https://127.0.0.1:{}", served.desired.bindings[0].value.address.port());
    let id = served.desired.bindings[0].value.id.to_string();
    let revision = f64::from(u32::try_from(served.desired.revision.0).unwrap());
    let shop = [("certificate", "shop-test"), ("managed", "false")];
    let expected: &[Expected<'_>] = &[
        ("portward_certificate_not_after_timestamp_seconds", &shop, seconds(validity.not_after)),
        ("portward_certificate_not_before_timestamp_seconds", &shop, seconds(validity.not_before)),
        ("portward_certificate_renewal_timestamp_seconds", &shop[..1], seconds(due)),
        ("portward_acme_attempts_total", &[("issuer", "letsencrypt"), ("outcome", "failed")], 7.0),
        ("portward_acme_attempts_total", &[("issuer", "letsencrypt"), ("outcome", "served")], 8.0),
        ("portward_acme_turns_total", &[], 9.0),
        ("portward_acme_failures_in_a_row", &shop[..1], 2.0),
        ("portward_acme_failures_in_a_row", &[("certificate", "new")], 0.0),
        ("portward_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0),
        ("portward_notification_deliveries_total", &[("channel", "ops"), ("outcome", "delivered")], 10.0),
        ("portward_notification_deliveries_total", &[("channel", "ops"), ("outcome", "failed")], 11.0),
        ("portward_notifications_given_up_total", &[("channel", "ops")], 12.0),
        ("portward_sign_ins_refused_total", &[], 13.0),
        ("portward_access_log_lines_total", &[], 14.0),
        ("portward_access_log_lines_dropped_total", &[], 15.0),
        ("portward_notifications_waiting", &[("channel", "ops")], 3.0),
        ("portward_agents", &[("health", "Healthy")], 18.0),
        ("portward_agents", &[("health", "Unhealthy")], 19.0),
        ("portward_agents_connected", &[], 20.0),
        ("portward_deliveries", &[("state", "failed")], 21.0),
        ("portward_problems", &[("severity", "error")], 0.0),
        ("portward_problems", &[("severity", "warning")], 1.0),
        ("portward_binding_bound", &[("binding", &id), ("url", &url)], 1.0),
        ("portward_revision", &[], revision),
        ("portward_connections_open", &[], 1.0),
        ("portward_connections_accepted_total", &[], 2.0),
        ("portward_connections_refused_total", &[], 3.0),
        ("portward_connections_panicked_total", &[], 6.0),
        ("portward_tls_handshakes_failed_total", &[("reason", "closed")], 4.0),
        ("portward_connections_passed_through_total", &[], 7.0),
        ("portward_passages_failed_total", &[], 8.0),
        ("portward_requests_total", &[], 5.0),
    ];
    let site = [("site", "other-test")];
    let answered = [("1xx", 0.0), ("2xx", 14.0), ("3xx", 0.0), ("4xx", 15.0), ("5xx", 16.0)];
    for (status, count) in answered {
        let labels = [site[0], ("status", status)];
        assert_eq!(value(&samples, "portward_site_responses_total", &labels), Some(count), "{status}");
    }
    let within = |le| value(&samples, "portward_site_response_seconds_bucket", &[site[0], ("le", le)]);
    assert_eq!(
        (within("0.002"), within("0.005"), within("60"), within("+Inf")),
        (Some(0.0), Some(1.0), Some(1.0), Some(3.0))
    );
    let of_plain = [site[0], ("upstream", "http://127.0.0.1:1"), ("route", "")];
    let of_routed = [site[0], ("upstream", "unix:/run/a.sock"), ("route", "/api")];
    let expected_of_site: &[Expected<'_>] = &[
        ("portward_upstream_up", &of_plain, 1.0),
        ("portward_upstream_up", &of_routed, 0.0),
        ("portward_upstream_failures_total", &of_plain, 23.0),
        ("portward_upstream_failures_total", &of_routed, 23.0),
        ("portward_upstream_requests_in_flight", &of_plain, 22.0),
        ("portward_upstream_requests_in_flight", &of_routed, 22.0),
        ("portward_site_response_bytes_total", &site, 17.0),
        ("portward_site_response_seconds_sum", &site, 200.004),
        ("portward_site_response_seconds_count", &site, 3.0),
    ];
    let buckets = LATENCY_BOUNDS.len() + 1;
    for (name, labels, expected) in expected.iter().chain(expected_of_site) {
        assert_eq!(value(&samples, name, labels), Some(*expected), "{name} {labels:?}\n{text}");
    }
    let other_reasons = HandshakeFailure::ALL.len() - 1;
    let counted = expected.len() + expected_of_site.len() + answered.len() + buckets + other_reasons;
    assert_eq!(samples.len(), counted, "{text}");
    let documented = include_str!("../../../../../docs/metrics.md");
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, _) = line.split_once(' ').unwrap();
        assert!(documented.contains(&format!("| `{name}` |")), "docs/metrics.md lacks {name}");
    }
}

#[test]
fn values_of_labels_are_escaped() {
    #[derive(Debug)]
    struct Ugly;

    impl Collector for Ugly {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
            let labels = vec![("a", UGLY.to_owned()), ("b", String::new())];
            Page(encoder).gauges("portward_x", "A test.", [(labels, 1_u32)])
        }
    }

    const UGLY: &str = "a\"b\\c\nd,e=\"f}";
    for form in [Form::Prometheus, Form::OpenMetrics] {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Ugly));
        let mut text = String::new();
        match form {
            Form::Prometheus => prometheus_text::encode(&mut text, &registry).unwrap(),
            Form::OpenMetrics => text::encode(&mut text, &registry).unwrap(),
        }
        let text = text.trim_end_matches("# EOF\n");
        let samples = parse(text);
        assert_eq!(value(&samples, "portward_x", &[("a", UGLY), ("b", "")]), Some(1.0), "{text}");
        assert_eq!(text.lines().count(), 3);
    }
}

#[test]
fn who_names_openmetrics_gets_it() {
    for (accept, expected) in [
        ("", Form::Prometheus),
        ("*/*", Form::Prometheus),
        ("text/plain;version=0.0.4", Form::Prometheus),
        ("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5", Form::OpenMetrics),
    ] {
        assert_eq!(Form::accepted(accept), expected, "{accept}");
    }
}
