//! What operators measure: counters each core keeps for itself, rarer things in families, all of it under `/metrics`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use dialects::Way;
use model::{Alert, Denied, Dialect, OutcomeKind, Reason, Tried};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// The content type of what [`Metrics::text`] gives.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A number that only one thread changes and others read.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    /// Counts on; only from the thread that owns it.
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// Counts back; only from the thread that owns it.
    pub(crate) fn take(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(count), Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What one core counts. On cache lines of its own, so that cores do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CoreCounters {
    pub(crate) accepted: Tally,
    pub(crate) upgraded: Tally,
    pub(crate) frames_in: Tally,
    pub(crate) frames_out: Tally,
    pub(crate) bytes_in: Tally,
    pub(crate) bytes_out: Tally,
    pub(crate) dropped: Tally,
    pub(crate) panics: Tally,
    pub(crate) open: Tally,
    pub(crate) logged_in: Tally,
    pub(crate) loading: Tally,
    pub(crate) queued: Tally,
    pub(crate) waiting: Tally,
    pub(crate) calls: Tally,
}

/// The counters of all cores, summed when somebody looks.
#[derive(Clone, Debug)]
struct Cores(Arc<[CoreCounters]>);

type Pick = fn(&CoreCounters) -> &Tally;

const COUNTERS: [(&str, &str, Pick); 9] = [
    ("connections_accepted", "Connections taken from the listeners", |core| &core.accepted),
    ("connections_queued", "Connections over a rate that waited in line", |core| &core.queued),
    ("upgrades_accepted", "Requests that became a WebSocket", |core| &core.upgraded),
    ("frames_in", "Messages and control frames received", |core| &core.frames_in),
    ("frames_out", "Messages queued for peers", |core| &core.frames_out),
    ("bytes_in", "Bytes received after the upgrade", |core| &core.bytes_in),
    ("bytes_out", "Bytes sent after the upgrade", |core| &core.bytes_out),
    ("telemetry_dropped", "Telemetry frames dropped for peers that did not read", |core| &core.dropped),
    ("panics", "Turns that panicked: report them", |core| &core.panics),
];

const GAUGES: [(&str, &str, Pick); 5] = [
    ("connections_open", "Open WebSocket connections", |core| &core.open),
    ("connections_waiting", "Connections in line now", |core| &core.waiting),
    ("calls_open", "HTTP calls that are read or wait for their answer", |core| &core.calls),
    ("sessions_logged_in", "Connections that are logged in", |core| &core.logged_in),
    ("partitions_loading", "Partitions not loaded yet", |core| &core.loading),
];

impl Cores {
    fn sum(&self, pick: Pick) -> u64 {
        self.0.iter().map(|core| pick(core).get()).sum()
    }
}

impl Collector for Cores {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, help, pick) in COUNTERS {
            let metric = ConstCounter::new(self.sum(pick));
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        }
        for (name, help, pick) in GAUGES {
            let metric = ConstGauge::new(i64::try_from(self.sum(pick)).unwrap_or(i64::MAX));
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        }
        Ok(())
    }
}

/// Labels as pairs of fixed words; every one of them is bounded.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Everything that is counted in this process.
#[derive(Debug)]
pub(crate) struct Metrics {
    cores: Cores,
    registry: Registry,
    refused: Family<Labels<1>, Counter>,
    calls: Family<Labels<2>, Counter>,
    calls_refused: Family<Labels<1>, Counter>,
    cut: Family<Labels<1>, Counter>,
    tls_failed: Family<Labels<1>, Counter>,
    certificates: Family<Labels<1>, Counter>,
    closes: Family<Labels<2>, Counter>,
    login_refused: Family<Labels<2>, Counter>,
    operations_accepted: Counter,
    operations_ended: Family<Labels<1>, Counter>,
    alerts: Family<Labels<1>, Counter>,
    webhooks: Family<Labels<1>, Counter>,
    operators: Family<Labels<1>, Counter>,
    streams_ended: Family<Labels<1>, Counter>,
    /// Requests of operators that are being answered.
    pub(crate) operators_open: Gauge,
    /// Operators that hear events.
    pub(crate) streams_open: Gauge,
    commits: Family<Labels<1>, Counter>,
    commit_seconds: Histogram,
    commit_batches: Histogram,
}

impl Metrics {
    pub(crate) fn new(cores: u8, version: &str) -> Self {
        let mut metrics = Self {
            cores: Cores((0..cores).map(|_| CoreCounters::default()).collect()),
            registry: Registry::with_prefix("tillgate"),
            refused: Family::default(),
            calls: Family::default(),
            calls_refused: Family::default(),
            cut: Family::default(),
            tls_failed: Family::default(),
            certificates: Family::default(),
            closes: Family::default(),
            login_refused: Family::default(),
            operations_accepted: Counter::default(),
            operations_ended: Family::default(),
            alerts: Family::default(),
            webhooks: Family::default(),
            operators: Family::default(),
            streams_ended: Family::default(),
            operators_open: Gauge::default(),
            streams_open: Gauge::default(),
            commits: Family::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 14)),
            commit_batches: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
        };
        let registry = &mut metrics.registry;
        registry.register("build", "What runs here", Info::new([("version", version.to_owned())]));
        registry.register_collector(Box::new(metrics.cores.clone()));
        registry.register("upgrades_refused", "Upgrades refused, by reason", metrics.refused.clone());
        registry.register("calls", "HTTP calls answered, by dialect and status", metrics.calls.clone());
        registry.register(
            "calls_refused",
            "HTTP calls no dialect was asked about, by reason",
            metrics.calls_refused.clone(),
        );
        registry.register("connections_cut", "Connections closed before a word, by reason", metrics.cut.clone());
        registry.register(
            "tls_handshakes_failed",
            "TLS handshakes that failed or were late",
            metrics.tls_failed.clone(),
        );
        registry.register(
            "certificates_read",
            "Changed certificates, by whether they are used",
            metrics.certificates.clone(),
        );
        registry.register("closes", "Connections ended, by dialect and reason", metrics.closes.clone());
        registry.register("logins_refused", "Logins refused, by dialect and cause", metrics.login_refused.clone());
        registry.register("operations_accepted", "Operations accepted", metrics.operations_accepted.clone());
        registry.register("operations_ended", "Operations ended, by outcome", metrics.operations_ended.clone());
        registry.register("alerts", "Things an operator should look at, by kind", metrics.alerts.clone());
        registry.register(
            "webhooks",
            "Tries to tell webhook endpoints, by what came of them",
            metrics.webhooks.clone(),
        );
        registry.register("operator_requests", "Requests of operators, by status", metrics.operators.clone());
        registry.register(
            "operator_requests_open",
            "Requests of operators that are being answered",
            metrics.operators_open.clone(),
        );
        registry.register("operator_streams_open", "Operators that hear events", metrics.streams_open.clone());
        registry.register(
            "operator_streams_ended",
            "Operators that hear events no more, by reason",
            metrics.streams_ended.clone(),
        );
        registry.register("commits", "Batches of partitions, by whether they are durable", metrics.commits.clone());
        registry.register("commit_seconds", "Time of one store transaction", metrics.commit_seconds.clone());
        registry.register("commit_batches", "Batches in one store transaction", metrics.commit_batches.clone());
        metrics
    }

    pub(crate) fn core(&self, number: u8) -> &CoreCounters {
        &self.cores.0[usize::from(number)]
    }

    /// WebSocket connections of all cores.
    pub(crate) fn open(&self) -> u64 {
        self.cores.sum(|core| &core.open)
    }

    /// Partitions of all cores that are not loaded.
    pub(crate) fn loading(&self) -> u64 {
        self.cores.sum(|core| &core.loading)
    }

    pub(crate) fn refused(&self, way: Way, reason: &'static str) {
        let refused = match way {
            Way::Socket => &self.refused,
            Way::Call => &self.calls_refused,
        };
        refused.get_or_create(&[("reason", reason)]).inc();
    }

    /// A call has its answer.
    pub(crate) fn answered(&self, dialect: Dialect, status: u16) {
        self.calls.get_or_create(&[("dialect", dialect.name()), ("status", class(status))]).inc();
    }

    /// An operator has its answer.
    pub(crate) fn operator_answered(&self, status: u16) {
        self.operators.get_or_create(&[("status", class(status))]).inc();
    }

    /// An operator hears events no more.
    pub(crate) fn stream_ended(&self, reason: &'static str) {
        self.streams_ended.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn cut(&self, reason: &'static str) {
        self.cut.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn tls_failed(&self, reason: &'static str) {
        self.tls_failed.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn certificates_read(&self, result: &'static str) {
        self.certificates.get_or_create(&[("result", result)]).inc();
    }

    pub(crate) fn closed(&self, dialect: Option<Dialect>, reason: Reason) {
        let dialect = dialect.map_or("none", Dialect::name);
        self.closes.get_or_create(&[("dialect", dialect), ("reason", reason.label())]).inc();
    }

    pub(crate) fn login_refused(&self, dialect: Dialect, denied: Denied) {
        self.login_refused.get_or_create(&[("dialect", dialect.name()), ("denied", denied.label())]).inc();
    }

    pub(crate) fn operation_accepted(&self) {
        self.operations_accepted.inc();
    }

    pub(crate) fn operation_ended(&self, how: OutcomeKind) {
        self.operations_ended.get_or_create(&[("how", how.label())]).inc();
    }

    pub(crate) fn alert(&self, alert: &Alert) {
        self.alerts.get_or_create(&[("kind", alert.label())]).inc();
    }

    pub(crate) fn webhook(&self, tried: Tried) {
        let result = match tried {
            Tried::Delivered => "delivered",
            Tried::Again(_) => "again",
            Tried::GivenUp => "given_up",
        };
        self.webhooks.get_or_create(&[("result", result)]).inc();
    }

    /// One transaction of the store.
    pub(crate) fn committed(&self, took: Duration, durable: usize, failed: usize) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.commit_batches.observe((durable + failed) as f64);
        self.commits.get_or_create(&[("result", "durable")]).inc_by(durable as u64);
        if failed > 0 {
            self.commits.get_or_create(&[("result", "failed")]).inc_by(failed as u64);
        }
    }

    /// The page, in the OpenMetrics text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => "# EOF\n".to_owned(),
        }
    }
}

/// Statuses are counted by their first digit.
const fn class(status: u16) -> &'static str {
    match status {
        0..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use model::{DeviceId, RequestKey};

    use super::*;

    #[test]
    fn the_page_names_what_was_counted() {
        let metrics = Metrics::new(2, "1.2.3");
        metrics.core(0).frames_in.add(2);
        metrics.core(1).frames_in.add(3);
        metrics.refused(Way::Socket, "origin");
        metrics.refused(Way::Call, "too_big");
        metrics.answered(Dialect::Modulus, 401);
        metrics.operator_answered(200);
        metrics.stream_ended("too_slow");
        metrics.closed(Some(Dialect::Boop), Reason::Slow);
        metrics.committed(Duration::from_millis(2), 3, 0);
        let device = DeviceId::parse("lane-7").unwrap();
        metrics.alert(&Alert::Unasked { key: RequestKey::parse("K-7").unwrap(), device });
        let page = metrics.text();
        for line in [
            "tillgate_build_info{version=\"1.2.3\"} 1",
            "tillgate_frames_in_total 5",
            "tillgate_connections_open 0",
            "tillgate_upgrades_refused_total{reason=\"origin\"} 1",
            "tillgate_calls_refused_total{reason=\"too_big\"} 1",
            "tillgate_calls_total{dialect=\"modulus\",status=\"4xx\"} 1",
            "tillgate_operator_requests_total{status=\"2xx\"} 1",
            "tillgate_operator_streams_ended_total{reason=\"too_slow\"} 1",
            "tillgate_operator_streams_open 0",
            "tillgate_closes_total{dialect=\"boop\",reason=\"slow\"} 1",
            "tillgate_commits_total{result=\"durable\"} 3",
            "tillgate_alerts_total{kind=\"unasked\"} 1",
            "tillgate_commit_seconds_count 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
    }
}
