//! `kill -9` at twenty random moments under load: nothing that was said turns out untrue.
//!
//! The load are vendors making payment contexts and scanners answering them with registered, unknown and poor palms.
//! Clients live through the restarts and connect again. `CRASH_SEED=…` replays the dice of a run, not its timing.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and prints its seed")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::boop::{Capture, Requirements, Sample, Scan, ScannerClient, ScannerConfig, VendorClient, VendorConfig};
use client::{Direction, Endpoint, Tap};
use common::crash::{Dice, quick};
use common::feed;
use common::server::Server;
use model::{Currency, Money, OperationRow, OutcomeKind, Secret, Side};
use serde_json::Value;
use store::{Inspect, Sqlite, Store};

const KILLS: u32 = 20;
const VENDORS: usize = 3;
/// Contexts each vendor has open.
const OPEN: usize = 6;
const MEMBERS: usize = 4;
const OPENING: i64 = 1_000_000;
const ENVIRONMENT: [(&str, &str); 5] = [
    ("TILLGATE_BOOP_CONTEXT_LIFE", "2s"),
    ("TILLGATE_BOOP_CONTEXTS_PER_SPAN", "1000000"),
    ("TILLGATE_BOOP_FRAMES_PER_SPAN", "1000000"),
    ("TILLGATE_BOOP_FRAMES_AT_MOST", "2000000"),
    ("TILLGATE_LOG_LEVEL", "warn"),
];

/// What a vendor was told of a context, in the words of the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Completed {
        user: String,
        transaction: String,
    },
    NotCompleted,
    Expired,
    /// The context was never accepted.
    Refused(String),
}

/// Everything the vendors were told, by context.
type Heard = Arc<Mutex<BTreeMap<String, Vec<Told>>>>;

/// The terminal word in a frame, if it is one.
fn told(frame: &str) -> Option<(String, Told)> {
    let frame: Value = serde_json::from_str(frame).ok()?;
    let context = frame["context_id"].as_str()?.to_owned();
    let told = match frame["type"].as_str()? {
        "auth_result" if frame["result"]["success"] == true => Told::Completed {
            user: frame["result"]["user_id"].as_str().unwrap().to_owned(),
            transaction: frame["result"]["transaction_id"].as_str().unwrap().to_owned(),
        },
        "auth_result" => Told::NotCompleted,
        "error" => match frame["code"].as_str()? {
            "AUTH_CONTEXT_EXPIRED" => Told::Expired,
            "AUTH_BIOMETRIC_QUALITY" | "AUTH_DEVICE_ERROR" => return None,
            other => Told::Refused(other.to_owned()),
        },
        _ => return None,
    };
    Some((context, told))
}

/// What the store says of an operation that has ended.
fn stored(row: &OperationRow) -> Option<Told> {
    let (outcome, _) = row.outcome.as_ref()?;
    Some(match outcome {
        model::Outcome::Completed { body } => {
            let body: Value = serde_json::from_slice(body).unwrap();
            let text = |key: &str| body[key].as_str().unwrap().to_owned();
            Told::Completed { user: text("user_id"), transaction: text("transaction_id") }
        }
        model::Outcome::Expired { .. } => Told::Expired,
        model::Outcome::Declined { .. } | model::Outcome::Failed { .. } | model::Outcome::Cancelled { .. } => {
            Told::NotCompleted
        }
    })
}

/// Compares what was said with what is there. Gives how many operations there are, and how many have ended.
fn check(data: &Path, heard: &Heard) -> (usize, usize) {
    let store = Sqlite::open(data).unwrap();
    store.check().unwrap();
    let mut rows: Vec<OperationRow> = Vec::new();
    loop {
        let more = store.operations(rows.last().map(|row| row.id), 1000).unwrap();
        if more.is_empty() {
            break;
        }
        rows.extend(more);
    }
    let by_key: BTreeMap<&str, &OperationRow> = rows.iter().map(|row| (row.key.as_str(), row)).collect();
    assert_eq!(by_key.len(), rows.len(), "a context was accepted twice");
    for (context, told) in heard.lock().unwrap().iter() {
        let first = &told[0];
        assert!(told.iter().all(|again| again == first), "context {context} was told two outcomes: {told:?}");
        match (first, by_key.get(context.as_str())) {
            (Told::Refused(code), Some(row)) => {
                panic!("context {context} was refused with {code}, but there is {row:?}")
            }
            (Told::Refused(_), None) => {}
            (first, Some(row)) => assert_eq!(Some(first), stored(row).as_ref(), "context {context}"),
            (first, None) => panic!("context {context} was told {first:?}, but is not there"),
        }
    }
    let mut spent: BTreeMap<String, i64> = BTreeMap::new();
    for row in &rows {
        if let Some(Told::Completed { user, transaction }) = stored(row) {
            assert_eq!(transaction, format!("txn_{}", row.id));
            let request: Value = serde_json::from_slice(&row.request).unwrap();
            *spent.entry(user).or_default() += request["amount"].as_i64().unwrap();
        }
    }
    for account in store.accounts().unwrap() {
        assert!(account.adds_up(), "{account:?}");
        assert_eq!(account.opening.minor, OPENING);
        assert_eq!(account.debited, spent.get(account.member.as_str()).copied().unwrap_or(0), "{account:?}");
    }
    (rows.len(), rows.iter().filter(|row| row.outcome.is_some()).count())
}

fn key(data: &Path, arguments: &[&str]) -> Secret {
    let made = common::crash::key(data, &[&["--dialect", "boop"], arguments].concat());
    Secret::new(made["secret"].as_str().unwrap())
}

fn template(member: usize) -> String {
    format!("cGFsbS1{member}")
}

/// One vendor asking for payments without end, and its scanner answering.
fn load(server: &Server, keys: &[(String, Secret, Secret)], heard: &Heard, dice: &mut Dice) {
    for (vendor_id, vendor_key, scanner_key) in keys {
        let heard = heard.clone();
        let tap = Tap::new(move |direction, frame| {
            if let (Direction::Received, Some((context, told))) = (direction, told(frame)) {
                heard.lock().unwrap().entry(context).or_default().push(told);
            }
        });
        let config = VendorConfig { preset: quick(), ..VendorConfig::new(vendor_id, vendor_key.clone()) };
        let vendor = VendorClient::connect(Endpoint::new(&server.url("/ws/vendor")).tap(tap), config).unwrap();
        for _ in 0..OPEN {
            let (vendor, mut dice) = (vendor.clone(), dice.split());
            tokio::spawn(async move {
                loop {
                    let minor = i64::try_from(1 + dice.roll(500)).unwrap();
                    let amount = Money { minor, currency: Currency::USD };
                    // What came of it is heard by the tap.
                    let _ = vendor.create_context(Requirements::payment(amount)).await;
                }
            });
        }
        let config =
            ScannerConfig { preset: quick(), ..ScannerConfig::new(&format!("pvs-{vendor_id}"), scanner_key.clone()) };
        let scanner = ScannerClient::connect(Endpoint::new(&server.url("/ws/pvs")), config).unwrap();
        let mut contexts = scanner.contexts();
        let mut dice = dice.split();
        tokio::spawn(async move {
            while let Some(context) = contexts.next().await {
                let (scanner, mut dice) = (scanner.clone(), dice.split());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(dice.roll(30))).await;
                    let palm = |member: usize| {
                        let sample = Sample::Template(Secret::new(&template(member)));
                        Scan::Captured(Capture { sample, side: Side::Left, quality: 90 })
                    };
                    let scan = match dice.roll(12) {
                        0 => Scan::PoorQuality,
                        1 => palm(MEMBERS),
                        2 => Scan::Cancelled,
                        3 => return,
                        _ => palm(usize::try_from(dice.roll(MEMBERS as u64)).unwrap()),
                    };
                    let _ = scanner.scan(&context.context_id, scan).await;
                });
            }
        });
    }
}

#[test]
fn whatever_was_said_is_still_true_after_kill_9() {
    let mut dice = Dice::of_this_run();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let log = folder.path().join("log.txt");

    let members: String = (0..MEMBERS)
        .map(|n| {
            let palm = template(n);
            format!(
                r#"{{"id":"usr_{n}","balance":{{"minor":{OPENING},"currency":"USD"}},"palms":[{{"template":"{palm}","side":"left"}}]}}"#
            )
        })
        .collect();
    feed(["members", "put", "--data", data.to_str().unwrap()], &members).good();
    let keys: Vec<(String, Secret, Secret)> = (0..VENDORS)
        .map(|n| {
            let vendor = format!("ven_{n}");
            let device = format!("pvs-{vendor}");
            let vendor_key = key(&data, &["--role", "requester", "--vendor-id", &vendor]);
            let scanner_key = key(&data, &["--role", "performer", "--group", &vendor, "--device", &device]);
            (vendor, vendor_key, scanner_key)
        })
        .collect();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let heard = Heard::default();
    let mut server = Server::serve(&data, "127.0.0.1:0", &log, &ENVIRONMENT);
    runtime.block_on(async { load(&server, &keys, &heard, &mut dice) });
    let listen = server.listen().to_owned();
    let mut seen = BTreeSet::new();
    for kill in 0..KILLS {
        std::thread::sleep(Duration::from_millis(30 + dice.roll(700)));
        server.kill();
        let (accepted, done) = check(&data, &heard);
        println!("kill {kill}: {accepted} accepted, {done} ended, {} told of", heard.lock().unwrap().len());
        seen.insert(accepted);
        server = Server::serve(&data, &listen, &log, &ENVIRONMENT);
    }
    assert!(seen.len() > KILLS as usize / 2, "there was hardly any load: {seen:?}");

    // No more load; whatever runs must end by its deadline.
    runtime.shutdown_background();
    std::thread::sleep(Duration::from_millis(2_500));
    server.kill();
    let (accepted, done) = check(&data, &heard);
    assert_eq!(accepted, done, "something accepted has no outcome");
    let kinds: BTreeSet<OutcomeKind> = {
        let store = Sqlite::open(&data).unwrap();
        let rows = store.operations(None, usize::MAX >> 1).unwrap();
        rows.iter().filter_map(|row| row.outcome.as_ref().map(|(outcome, _)| outcome.kind())).collect()
    };
    assert!(kinds.contains(&OutcomeKind::Completed) && kinds.contains(&OutcomeKind::Declined), "{kinds:?}");
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_lie_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let is_noticed = |told: &[Told]| {
        let heard: Heard = Arc::new(Mutex::new(BTreeMap::from([("context".to_owned(), told.to_vec())])));
        std::panic::catch_unwind(|| check(&data, &heard)).is_err()
    };
    assert!(is_noticed(&[Told::Expired]), "told, but not stored");
    assert!(is_noticed(&[Told::Expired, Told::NotCompleted]), "told two outcomes");
    assert!(!is_noticed(&[Told::Refused("VENDOR_RATE_LIMIT".to_owned())]));
}
