//! Numbers for whoever watches over servers, as OpenMetrics 1.0 or Prometheus' text format 0.0.4.
//!
//! All of them are read when they are asked for, and the same state always gives the same text.
//! Nothing is labelled by what clients send, so that they cannot make series.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use portward_api::Severity;
use portward_core::{AgentHealth, CertificateId, CertificateVersion, ChannelId, IssuerId, SiteId};
use portward_proxy::{AccessLogCounts, CountsView, LATENCY_BOUNDS, Latency, TrafficView, UpstreamState, UpstreamView};
use portward_store::desired::StoredCertificate;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet, prometheus_text, text},
    metrics::MetricType,
    registry::Registry,
};

use crate::{notice, served::ServedState, tasks::notice::Standing};

/// Is what is shown.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) served: Arc<ServedState>,
    /// What the data plane counted.
    pub(super) counts: CountsView,
    /// Lines of the access log; none if there is no such log.
    pub(super) access_log: Option<AccessLogCounts>,
    /// What came to each site that had requests.
    pub(super) sites: BTreeMap<SiteId, TrafficView>,
    /// How upstreams do of each site that asks them or had requests.
    pub(super) upstreams: Vec<(SiteId, Vec<UpstreamView>)>,
    /// How renewals stand.
    pub(super) standings: BTreeMap<CertificateId, Standing>,
    /// How many attempts ended, by issuer and outcome.
    pub(super) attempts: Vec<(IssuerId, &'static str, u64)>,
    /// How many turns certificates had.
    pub(super) turns: u64,
    /// How sending goes on channels.
    pub(super) channels: BTreeMap<ChannelId, notice::Standing>,
    /// How many agents there are, by how they are.
    pub(super) agents: BTreeMap<AgentHealth, usize>,
    /// How many of them are linked.
    pub(super) agents_connected: usize,
    /// How many deliveries there are, by how they are.
    pub(super) deliveries: BTreeMap<&'static str, usize>,
    /// Sign-ins that were refused.
    pub(super) sign_ins_refused: u64,
}

/// Names a form in which metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
    OpenMetrics,
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>.
    Prometheus,
}

impl Form {
    /// The form for who accepts that (RFC 9110 section 12.5.1): OpenMetrics for who names it, as Prometheus does.
    pub(super) fn accepted(accept: &str) -> Self {
        let types = accept.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
        match types.clone().any(|name| name.eq_ignore_ascii_case("application/openmetrics-text")) {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// Its media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Writes all metrics.
pub(super) fn text(measured: Measured, form: Form) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(measured));
    let mut text = String::new();
    match form {
        Form::OpenMetrics => text::encode(&mut text, &registry)?,
        Form::Prometheus => prometheus_text::encode(&mut text, &registry)?,
    }
    Ok(text)
}

impl Collector for Measured {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut page = Page(encoder);
        certificates(&mut page, self)?;
        acme(&mut page, self)?;
        server(&mut page, &self.served)?;
        page.counter(
            "portward_sign_ins_refused",
            "Sign-ins that were refused since the start: a wrong password, or a wrong code.",
            self.sign_ins_refused,
        )?;
        notifications(&mut page, self)?;
        agents(&mut page, self)?;
        traffic(&mut page, self.counts)?;
        access_log(&mut page, self.access_log)?;
        sites(&mut page, &self.sites)?;
        upstreams(&mut page, &self.upstreams)
    }
}

fn certificates(page: &mut Page<'_>, measured: &Measured) -> fmt::Result {
    let versions = || {
        let certificates = measured.served.desired.certificates.iter();
        certificates.filter_map(|stored| Some((stored, &**stored.value.current_version()?)))
    };
    let labels = |stored: &StoredCertificate| {
        let managed = stored.value.management.managed().is_some();
        vec![("certificate", stored.value.id.to_string()), ("managed", managed.to_string())]
    };
    let mut dates = |name, help, date: fn(&CertificateVersion) -> i64| {
        let samples = versions().map(|(stored, version)| (labels(stored), date(version)));
        page.gauges(name, help, samples)
    };
    dates(
        "portward_certificate_not_after_timestamp_seconds",
        "Last second of validity of the version that is served.",
        |version| version.facts.validity.not_after.unix(),
    )?;
    dates(
        "portward_certificate_not_before_timestamp_seconds",
        "First second of validity of the version that is served.",
        |version| version.facts.validity.not_before.unix(),
    )?;
    let due = measured.standings.iter().filter_map(|(id, standing)| Some((of(id), standing.due?.unix())));
    page.gauges(
        "portward_certificate_renewal_timestamp_seconds",
        "When the certificate is due to be renewed; a time that has gone means that it is due.",
        due,
    )
}

fn acme(page: &mut Page<'_>, measured: &Measured) -> fmt::Result {
    page.counters(
        "portward_acme_attempts",
        "Attempts to get a certificate that ended since the start.",
        measured.attempts.iter().map(|(issuer, outcome, count)| {
            (vec![("issuer", issuer.to_string()), ("outcome", (*outcome).to_owned())], *count)
        }),
    )?;
    page.counter(
        "portward_acme_turns",
        "Times that a managed certificate was looked at since the start.",
        measured.turns,
    )?;
    page.gauges(
        "portward_acme_failures_in_a_row",
        "Attempts that failed since the certificate was last issued.",
        measured.standings.iter().map(|(id, standing)| (of(id), standing.failures)),
    )
}

fn server(page: &mut Page<'_>, served: &ServedState) -> fmt::Result {
    page.gauges(
        "portward_build_info",
        "1, labelled by the version of Portward that runs.",
        [(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1_u32)],
    )?;
    page.gauges(
        "portward_problems",
        "What portward status tells of, by severity.",
        [("error", Severity::Error), ("warning", Severity::Warning)].map(|(word, severity)| {
            let count = served.problems.iter().filter(|problem| problem.severity == severity).count();
            (vec![("severity", word.to_owned())], count)
        }),
    )?;
    page.gauges(
        "portward_binding_bound",
        "1 if connections are accepted there, else 0.",
        served.desired.bindings.iter().map(|stored| {
            let binding = &stored.value;
            let is_bound = served.binding(&binding.id).is_some_and(|report| report.result.is_ok());
            (vec![("binding", binding.id.to_string()), ("url", binding.url())], u32::from(is_bound))
        }),
    )?;
    page.gauges(
        "portward_revision",
        "Number of the change that is served.",
        [(Labels::new(), served.desired.revision.0)],
    )
}

fn notifications(page: &mut Page<'_>, measured: &Measured) -> fmt::Result {
    let of = |id: &ChannelId| vec![("channel", id.to_string())];
    page.counters(
        "portward_notification_deliveries",
        "Messages that were sent on a channel since the start, by whether the other side took them.",
        measured.channels.iter().flat_map(|(id, standing)| {
            let outcome = |word: &str, count: u64| {
                let labels: Labels = vec![("channel", id.to_string()), ("outcome", word.to_owned())];
                (labels, count)
            };
            let deliveries = standing.deliveries;
            [outcome("delivered", deliveries.delivered), outcome("failed", deliveries.failed)]
        }),
    )?;
    page.counters(
        "portward_notifications_given_up",
        "Notices that could not be delivered in time, since the start.",
        measured.channels.iter().map(|(id, standing)| (of(id), standing.deliveries.dropped)),
    )?;
    page.gauges(
        "portward_notifications_waiting",
        "Notices that wait to be sent.",
        measured.channels.iter().map(|(id, standing)| (of(id), standing.waiting)),
    )
}

fn agents(page: &mut Page<'_>, measured: &Measured) -> fmt::Result {
    page.gauges(
        "portward_agents",
        "Agents, by how they were when they were last asked.",
        measured.agents.iter().map(|(health, count)| (vec![("health", health.to_string())], *count)),
    )?;
    page.gauges(
        "portward_agents_connected",
        "Agents that are linked now.",
        [(Labels::new(), measured.agents_connected)],
    )?;
    page.gauges(
        "portward_deliveries",
        "Certificates that are wanted on machines of agents, by how that is.",
        measured.deliveries.iter().map(|(state, count)| (vec![("state", (*state).to_owned())], *count)),
    )
}

fn traffic(page: &mut Page<'_>, counts: CountsView) -> fmt::Result {
    let CountsView { open, accepted, refused, handshakes_failed, requests, panics, passed, passages_failed } = counts;
    page.gauges("portward_connections_open", "Connections of clients that are open.", [(Labels::new(), open)])?;
    page.counter(
        "portward_connections_accepted",
        "Connections accepted since the start, the refused ones included.",
        accepted,
    )?;
    page.counter("portward_connections_refused", "Connections refused because too many were open.", refused)?;
    page.counter("portward_connections_panicked", "Connections that ended by a fault of Portward.", panics)?;
    page.counters(
        "portward_tls_handshakes_failed",
        "TLS handshakes that failed or took too long, by why.",
        handshakes_failed.by_reason().map(|(why, count)| (vec![("reason", why.as_str().to_owned())], count)),
    )?;
    page.counter("portward_connections_passed_through", "Connections passed through to their target.", passed)?;
    page.counter(
        "portward_passages_failed",
        "Connections to be passed through whose target could not be reached.",
        passages_failed,
    )?;
    page.counter("portward_requests", "Requests whose head was read.", requests)
}

fn access_log(page: &mut Page<'_>, counts: Option<AccessLogCounts>) -> fmt::Result {
    let Some(counts) = counts else { return Ok(()) };
    page.counter("portward_access_log_lines", "Lines of the access log that were written.", counts.written)?;
    page.counter(
        "portward_access_log_lines_dropped",
        "Lines of the access log that were dropped: writing was too slow, or failed.",
        counts.dropped,
    )
}

fn sites(page: &mut Page<'_>, sites: &BTreeMap<SiteId, TrafficView>) -> fmt::Result {
    let of = |id: &SiteId| vec![("site", id.to_string())];
    page.counters(
        "portward_site_responses",
        "Answers to requests for the site, by the first digit of their status.",
        sites.iter().flat_map(|(id, traffic)| {
            ["1xx", "2xx", "3xx", "4xx", "5xx"]
                .into_iter()
                .zip(traffic.answers)
                .map(move |(status, count)| (vec![("site", id.to_string()), ("status", status.to_owned())], count))
        }),
    )?;
    page.counters(
        "portward_site_response_bytes",
        "Bytes of the bodies of answers that clients took.",
        sites.iter().map(|(id, traffic)| (of(id), traffic.bytes)),
    )?;
    page.histograms(
        "portward_site_response_seconds",
        "How long the application took until it began to answer.",
        sites.iter().map(|(id, traffic)| (of(id), &traffic.latency)),
    )
}

fn upstreams(page: &mut Page<'_>, sites: &[(SiteId, Vec<UpstreamView>)]) -> fmt::Result {
    let all = || {
        sites.iter().flat_map(|(id, upstreams)| {
            let distinct = upstreams.iter().enumerate().filter(|(at, upstream)| {
                // One that is there twice is one.
                let is_same =
                    |other: &UpstreamView| (&other.upstream, &other.prefix) == (&upstream.upstream, &upstream.prefix);
                !upstreams.iter().take(*at).any(is_same)
            });
            distinct.map(move |(_, upstream)| {
                let route = upstream.prefix.as_ref().map(ToString::to_string).unwrap_or_default();
                let labels: Labels =
                    vec![("site", id.to_string()), ("upstream", upstream.upstream.to_string()), ("route", route)];
                (labels, &upstream.health)
            })
        })
    };
    page.gauges(
        "portward_upstream_up",
        "Whether the upstream gets requests: 0 while it is passed over.",
        all().map(|(labels, health)| (labels, i64::from(health.state != UpstreamState::Unwell))),
    )?;
    page.gauges(
        "portward_upstream_requests_in_flight",
        "Requests and upgraded connections that the upstream has now.",
        all().map(|(labels, health)| (labels, i64::from(health.in_flight))),
    )?;
    page.counters(
        "portward_upstream_failures",
        "Requests that failed at the upstream, each time that one was tried.",
        all().map(|(labels, health)| (labels, health.failures)),
    )
}

fn of(certificate: &CertificateId) -> Labels {
    vec![("certificate", certificate.to_string())]
}

type Labels = Vec<(&'static str, String)>;

/// Writes metrics, each with all its samples.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauges<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in samples {
            if labels.is_empty() {
                family.encode_gauge(&value)?;
            } else {
                family.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    /// The name is without `_total`, which both forms add.
    fn counters<V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in samples {
            if labels.is_empty() {
                family.encode_counter::<NoLabelSet, V, u64>(&value, None)?;
            } else {
                family.encode_family(&labels)?.encode_counter::<NoLabelSet, V, u64>(&value, None)?;
            }
        }
        Ok(())
    }

    fn histograms<'l>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, &'l Latency)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let bounds = LATENCY_BOUNDS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
        for (labels, latency) in samples {
            let buckets: Vec<(f64, u64)> = bounds.clone().zip(latency.counts).collect();
            let (sum, count) = (latency.sum.as_secs_f64(), latency.count());
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters(name, help, [(Labels::new(), value)])
    }
}

#[cfg(test)]
mod tests;
