//! Who comes in, who waits, who is told to come back, and whom proxies speak for.

use std::time::{Duration, Instant};

use gateway::{Front, Gateway, Running, Serves, Settings};

use crate::eventually;
use crate::parrot::Parrot;
use crate::peer::{Answer, Peer, request};
use crate::{start, storage};

/// A gateway with a listener for proxies that speak the PROXY protocol, one for peers and one for operators.
fn start_three(change: impl FnOnce(&mut Settings)) -> Running {
    let mut gateway = Gateway::new(vec!["127.0.0.1:0".parse().unwrap(); 3]);
    gateway.listen[0].front = Front::ProxyProtocol;
    gateway.listen[2].serves = Serves::Operators;
    gateway.settings.cores = 1;
    change(&mut gateway.settings);
    gateway.start_with(storage(), |birth, _| Box::new(Parrot::new(birth.core))).unwrap()
}

fn behind_proxy(running: &Running, address: &str) -> Peer {
    let mut peer = Peer::connect(running.addresses()[0]);
    let header = format!("PROXY TCP4 {address} 10.0.0.1 40000 443\r\n{}", request("/echo"));
    peer.send(header.as_bytes());
    peer
}

fn few(settings: &mut Settings) {
    settings.address_burst = 2;
    settings.address_rate = 1;
    settings.admission_wait = Duration::ZERO;
    settings.admission_spread = Duration::from_secs(3);
}

fn is_told_to_come_back(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds), "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"));
}

#[test]
fn addresses_a_proxy_names_are_limited_each_for_itself() {
    let running = start_three(few);
    let mut first: Vec<Peer> = (0..3).map(|_| behind_proxy(&running, "203.0.113.7")).collect();
    assert_eq!([first[0].answer().status, first[1].answer().status], [101, 101]);
    is_told_to_come_back(&first[2].answer(), 429);
    assert_eq!(behind_proxy(&running, "203.0.113.8").answer().status, 101, "others do not suffer");
    let page = running.metrics();
    assert!(page.contains("tillgate_upgrades_refused_total{reason=\"address_rate\"} 1"), "{page}");
}

#[test]
fn what_comes_to_a_proxys_listener_without_its_header_is_cut() {
    let running = start_three(|settings| settings.tls_handshake_time = Duration::from_millis(200));
    let mut direct = Peer::connect(running.addresses()[0]);
    direct.send(request("/echo").as_bytes());
    let mut silent = Peer::connect(running.addresses()[0]);
    silent.hear_end();
    direct.hear_end();
    let page = running.metrics();
    assert!(page.contains("tillgate_connections_cut_total{reason=\"proxy_header\"} 2"), "{page}");
}

#[test]
fn a_header_is_believed_only_from_proxies_that_are_named() {
    for (trusted, third) in [("127.0.0.1", 429), ("10.0.0.0/8", 101)] {
        let running = start_three(|settings| {
            few(settings);
            settings.trusted_proxies = [trusted.parse::<gateway::Network>().unwrap()].into_iter().collect();
        });
        let ask = |client: &str| {
            let mut peer = Peer::connect(running.addresses()[1]);
            let header = format!("Host: gate\r\nX-Forwarded-For: 1.2.3.4, {client}\r\n");
            peer.send(request("/echo").replace("Host: gate\r\n", &header).as_bytes());
            peer.answer().status
        };
        let statuses: Vec<u16> = (0..3).map(|_| ask("203.0.113.7")).collect();
        assert_eq!(statuses, [101, 101, third], "trusting {trusted}");
        assert_eq!(ask("203.0.113.8"), 101);
    }
}

#[test]
fn over_the_rate_connections_wait_in_line_and_come_in() {
    let running = start(|settings| {
        settings.connections_burst = 1;
        settings.connections_rate = 10;
    });
    let began = Instant::now();
    let mut peers: Vec<Peer> = (0..4).map(|_| Peer::connect(running.addresses()[0])).collect();
    for peer in &mut peers {
        peer.send(request("/echo").as_bytes());
    }
    for peer in &mut peers {
        assert_eq!(peer.answer().status, 101);
    }
    assert!(began.elapsed() >= Duration::from_millis(290), "{:?}", began.elapsed());
    let page = running.metrics();
    assert!(page.contains("tillgate_connections_queued_total 3"), "{page}");
    assert!(page.contains("tillgate_connections_waiting 0"), "{page}");
}

#[test]
fn everybody_together_is_told_when_the_line_is_too_long() {
    let running = start(|settings| {
        settings.connections_burst = 1;
        settings.connections_rate = 1;
        settings.admission_wait = Duration::ZERO;
    });
    let mut welcome = Peer::connect(running.addresses()[0]);
    welcome.send(request("/echo").as_bytes());
    assert_eq!(welcome.answer().status, 101);
    let mut refused = Peer::connect(running.addresses()[0]);
    refused.send(request("/echo").as_bytes());
    let answer = refused.answer();
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
}

#[test]
fn metrics_are_for_operators() {
    let running = start_three(|settings| {
        settings.connections_burst = 1;
        settings.connections_rate = 1;
        settings.admission_wait = Duration::ZERO;
    });
    let get = |listener: usize, path: &str, header: &str| {
        let mut peer = Peer::connect(running.addresses()[listener]);
        peer.send(format!("GET {path} HTTP/1.1\r\nHost: gate\r\n{header}\r\n").as_bytes());
        peer.answer()
    };
    assert_eq!(get(1, "/metrics", "").status, 200, "this machine");
    let forwarded = get(1, "/metrics", "X-Forwarded-For: 203.0.113.7\r\n");
    assert_eq!(forwarded.status, 403);
    assert!(forwarded.body.contains("operators_only"), "{}", forwarded.body);
    // However many come at once.
    for path in ["/metrics", "/readyz", "/healthz", "/health", "/metrics"] {
        assert_eq!(get(2, path, "X-Forwarded-For: 203.0.113.7\r\n").status, 200, "{path}");
    }
    for path in ["/readyz", "/healthz", "/health"] {
        assert_eq!(get(1, path, "X-Forwarded-For: 203.0.113.7\r\n").status, 200, "{path}");
    }
    let mut peer = Peer::connect(running.addresses()[2]);
    peer.send(request("/echo").as_bytes());
    assert_eq!(peer.answer().status, 404, "peers are not served there");
    eventually("all are gone", || running.connections() == 0);
}
