//! Webhook endpoints on real sockets: what the store kept before a kill is told after it, signed, again when it was not
//! taken, and given up in the end; one that hangs holds nobody else up.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use gateway::{Gateway, Running};
use model::{
    Announce, Commit, Dialect, Digest, Endpoint, EndpointId, EndpointWork, GroupId, NetworkId, Notice, Occasion,
    Opaque, OperationId, OperationRow, Outcome, Partition, PrincipalId, RequestKey, Secret, Target, Timestamp, Wall,
    Write,
};
use store::{Horizon, Inspect as _, Memory, Store as _};

use crate::eventually;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn group() -> GroupId {
    GroupId::of(Dialect::Modulus, "store-1").unwrap()
}

fn operation() -> OperationId {
    OperationId::next(Partition::of(&group()), START.millis(), None)
}

fn print(_: &Announce, row: &OperationRow, endpoint: &EndpointId) -> Option<Notice> {
    let id = format!("evt_{endpoint}_{}", row.key);
    Some(Notice { event: "payment.completed", id: id.into(), body: Opaque::from_static(b"{\"paid\":true}") })
}

/// A store in which a payment has ended, and those endpoints are still to be told.
fn told_to(urls: &[String]) -> Memory {
    let mut store = Memory::new();
    for (index, url) in urls.iter().enumerate() {
        let endpoint = Endpoint {
            id: EndpointId::parse(&format!("wh_{index}")).unwrap(),
            group: group(),
            url: url.as_str().into(),
            events: vec!["payment.completed".into()],
            active: true,
            secret: Secret::new("whsec_demo"),
            description: None,
            metadata: None,
            created_at: Wall::default(),
            updated_at: Wall::default(),
        };
        store.endpoints(&group(), &EndpointWork::Add { endpoint: Box::new(endpoint), most: 16 }).unwrap();
    }
    let partition = Partition::of(&group());
    let fence = store.load(&[partition], Horizon::at(START)).unwrap()[0].fence;
    let row = OperationRow {
        id: operation(),
        group: group(),
        network: NetworkId::parse("main").unwrap(),
        requester: PrincipalId::parse("till").unwrap(),
        requester_name: "till".into(),
        dialect: Dialect::Modulus,
        kind: "payment_hook".into(),
        key: RequestKey::parse("K-118").unwrap(),
        body: Digest::of(b"asked"),
        target: Target::AnyOfGroup,
        accepted_at: START,
        deliver_by: None,
        answer_by: START,
        request: Opaque::new(),
        memo: Opaque::new(),
        outcome: Some((Outcome::Completed { body: Opaque::new() }, START)),
        about: None,
        late: None,
        compensation: None,
    };
    let announce = Announce { operation: row.id, occasion: Occasion::Ended, at: START, wall: Wall::default(), print };
    let writes = vec![Write::Accepted(Box::new(row))];
    let commit = Commit { partition, fence, batch: 1, writes, settles: vec![], announces: vec![announce] };
    store.commit(&[commit]).remove(0).unwrap();
    store
}

fn start(store: &Memory, private: bool) -> Running {
    let mut gateway = Gateway::new(vec!["127.0.0.1:0".parse().unwrap()]);
    gateway.settings.cores = 1;
    // What these stories tell of is old.
    gateway.settings.history_time = Duration::from_secs(36_500 * 86_400);
    let modulus = dialects::modulus::Choices {
        webhook_within: Duration::from_millis(300),
        webhook_pause: Duration::from_millis(100),
        webhook_tries: 2,
        allow_private_webhook_targets: private,
        ..Default::default()
    };
    let dialects = dialects::Config { modulus: Arc::new(modulus), ..Default::default() };
    let plan = gateway::Plan { dialects: Arc::new(dialects), ..crate::plan() };
    let store: Box<dyn store::Store> = Box::new(store.clone());
    gateway.start(store.into(), plan).unwrap()
}

/// A receiver with those answers, one for each connection; what it hears comes out.
fn receiver(answers: &'static [&'static str]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/pay", listener.local_addr().unwrap());
    let (hears, heard) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let said = request(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
            hears.send(said).unwrap();
        }
    });
    (url, heard)
}

fn request(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(b"{\"paid\":true}") {
        let mut some = [0; 1024];
        let count = stream.read(&mut some).unwrap();
        assert_ne!(count, 0, "it ended early");
        heard.extend_from_slice(&some[..count]);
    }
    String::from_utf8(heard).unwrap()
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let line = request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {request}"))
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const FAILED: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";

#[test]
fn what_was_not_taken_is_told_again_in_the_same_bytes_with_a_signature_of_its_own() {
    let (url, heard) = receiver(&[FAILED, OK]);
    let store = told_to(&[url]);
    let running = start(&store, true);
    let both = [(); 2].map(|()| heard.recv_timeout(Duration::from_secs(5)).unwrap());
    for request in &both {
        let timestamp = header(request, "x-webhook-timestamp");
        let signature = Secret::new("whsec_demo").sign(format!("{timestamp}.{{\"paid\":true}}").as_bytes());
        assert_eq!(header(request, "x-webhook-signature"), base64(&signature));
    }
    assert_ne!(header(&both[0], "x-webhook-timestamp"), header(&both[1], "x-webhook-timestamp"));
    eventually("it is written down", || store.kept_deliveries(operation()).unwrap()[0].delivered);
    let page = running.metrics();
    for result in ["again", "delivered"] {
        assert!(page.contains(&format!("tillgate_webhooks_total{{result=\"{result}\"}} 1")), "{page}");
    }
}

#[test]
fn one_that_hangs_is_given_up_and_holds_nobody_up() {
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, heard) = receiver(&[OK]);
    let store = told_to(&[format!("http://{}/", hangs.local_addr().unwrap()), url]);
    let running = start(&store, true);
    heard.recv_timeout(Duration::from_secs(5)).unwrap();
    eventually("it is given up", || running.metrics().contains("tillgate_webhooks_total{result=\"given_up\"} 1"));
    let kept = store.kept_deliveries(operation()).unwrap();
    let kept: Vec<_> = kept.iter().map(|each| (each.tries, each.due, each.delivered)).collect();
    assert_eq!(kept, [(2, None, false), (1, None, true)], "what was given up is kept");
}

#[test]
fn what_lies_inside_is_not_told_unless_that_is_allowed() {
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let address = inside.local_addr().unwrap();
    let store = told_to(&[format!("https://{address}/"), format!("http://{address}/")]);
    let running = start(&store, false);
    eventually("it is given up", || running.metrics().contains("tillgate_webhooks_total{result=\"given_up\"} 2"));
    assert!(inside.accept().is_err(), "nobody connected");
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[number >> (18 - 6 * place) & 63]);
            text.push(if place <= three.len() { digit } else { '=' });
        }
    }
    text
}
