//! What is served beside the upgrade.

use crate::peer::{Peer, request};
use crate::start;

#[test]
fn health_and_metrics_are_served_on_one_connection() {
    let running = start(|_| {});
    let mut peer = Peer::connect(running.addresses()[0]);
    let mut get = |path: &str| {
        peer.send(format!("GET {path} HTTP/1.1\r\nHost: gate\r\nUpgrade: h2c\r\n\r\n").as_bytes());
        peer.answer()
    };

    let health = get("/health?x=1");
    assert_eq!(health.status, 200);
    let body: serde_json::Value = serde_json::from_str(&health.body).unwrap();
    assert_eq!((&body["status"], &body["version"]), (&"ok".into(), &env!("CARGO_PKG_VERSION").into()));
    assert!(model::Wall::parse(body["timestamp"].as_str().unwrap()).is_some(), "{body}");
    assert_eq!(get("/healthz").status, 200);
    assert_eq!(get("/readyz").status, 200);
    let nothing = get("/nothing");
    assert_eq!((nothing.status, nothing.header("content-type")), (404, Some("application/json")));

    let metrics = get("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.ends_with("# EOF\n"));
    for name in ["tillgate_build_info", "tillgate_connections_open 0", "tillgate_partitions_loading 0"] {
        assert!(metrics.body.contains(name), "{name}");
    }
}

#[test]
fn connections_and_traffic_are_counted() {
    let running = start(|_| {});
    let address = running.addresses()[0];
    let mut peer = Peer::open(address, "/echo");
    peer.say("hi");
    peer.hear();
    let mut refused = Peer::connect(address);
    refused.send(request("/refuse").as_bytes());
    refused.answer();
    let page = running.metrics();
    for line in [
        "tillgate_connections_open 1",
        "tillgate_upgrades_accepted_total 1",
        "tillgate_upgrades_refused_total{reason=\"unauthorized\"} 1",
        "tillgate_frames_in_total 1",
        "tillgate_frames_out_total 1",
        "tillgate_bytes_in_total 8",
        "tillgate_bytes_out_total 4",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}
