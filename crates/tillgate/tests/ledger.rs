//! `tillgate ledger` on a data folder: what it shows, in every form, and whether it adds up.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use common::server::Server;
use common::{Said, ended, snapshot, squeezed, tillgate};
use model::{
    Certainty, Commit, DeviceId, Dialect, Digest, FailCause, GroupId, NetworkId, Opaque, OperationId, OperationRow,
    Outcome, Partition, PrincipalId, RequestKey, Target, Timestamp, Write,
};
use serde_json::Value;
use store::{Horizon, Sqlite, Store};

/// 2031-03-04T05:10:00Z.
const START: u64 = 1_930_367_400_000;

fn ledger(data: &Path, arguments: &[&str]) -> Said {
    ended(tillgate().arg("ledger").args(arguments).arg("--data").arg(data))
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(START + 1_000 * seconds)
}

fn text(body: &str) -> Opaque {
    Opaque::copy_from_slice(body.as_bytes())
}

/// Work of a shop, accepted so many seconds after the start.
fn work(dialect: Dialect, shop: &str, seconds: u64, key: &str) -> OperationRow {
    let group = GroupId::of(dialect, shop).unwrap();
    OperationRow {
        id: OperationId::next(Partition::of(&group), START + 1_000 * seconds, None),
        network: NetworkId::parse("default").unwrap(),
        requester: PrincipalId::parse("pos-1").unwrap(),
        requester_name: "Till 1".into(),
        dialect,
        kind: "payment".into(),
        key: RequestKey::parse(key).unwrap(),
        body: Digest::of(b"asked"),
        target: Target::AnyOfGroup,
        accepted_at: at(seconds),
        deliver_by: None,
        answer_by: at(seconds + 900),
        request: Opaque::new(),
        memo: Opaque::new(),
        outcome: None,
        about: None,
        late: None,
        compensation: None,
        group,
    }
}

/// A Modulus payment; the amount is JSON.
fn payment(seconds: u64, key: &str, amount: &str, currency: &str) -> OperationRow {
    let money = format!(r#""amount":{amount},"currency":"{currency}""#);
    let request = format!(
        r#"{{"transactionId":"{key}",{money},"paymentMethod":"CARD","metadata":{{"table":"nine"}},
        "customerInfo":{{"email":"ida@sample.test"}}}}"#
    );
    let memo = format!(r#"{{"v":1,"terminal_id":"lane-7",{money},"payment_method":"CARD"}}"#);
    OperationRow {
        target: Target::Device(DeviceId::parse("lane-7").unwrap()),
        request: text(&request),
        memo: text(&memo),
        ..work(Dialect::Modulus, "store-1", seconds, key)
    }
}

/// A BOOP context; the money is JSON fields with a comma after them, or nothing.
fn context(seconds: u64, key: &str, kind: &str, money: &str) -> OperationRow {
    let request =
        format!(r#"{{"v":1,"kind":"{kind}",{money}"required":[],"optional":[],"adult_age":18,"scan_attempts":1}}"#);
    OperationRow { kind: kind.into(), request: text(&request), ..work(Dialect::Boop, "ven_bakery", seconds, key) }
}

fn answer(status: &str, amount: &str, currency: &str) -> Opaque {
    text(&format!(r#"{{"status":"{status}","amount":{amount},"currency":"{currency}","authorizationCode":"77Q2LM"}}"#))
}

fn completed(amount: &str, currency: &str) -> Outcome {
    Outcome::Completed { body: answer("SUCCESS", amount, currency) }
}

fn lost() -> Outcome {
    Outcome::Failed { cause: FailCause::PerformerLost, certainty: Certainty::Unknown, body: Opaque::new() }
}

/// Puts rows and what came after them into a folder, as a gateway would have.
fn seed(data: &Path, rows: Vec<OperationRow>, later: Vec<Write>) {
    let mut store = Sqlite::open(data).unwrap();
    let mut writes: Vec<Write> = rows.into_iter().map(|row| Write::Accepted(Box::new(row))).collect();
    writes.extend(later);
    for write in writes {
        let (Write::Ended { operation, .. } | Write::LateAnswer { operation, .. }) = &write else {
            let Write::Accepted(row) = &write else { panic!("no such write here") };
            let partition = row.id.partition();
            commit(&mut store, partition, write);
            continue;
        };
        let partition = operation.partition();
        commit(&mut store, partition, write);
    }
}

fn commit(store: &mut Sqlite, partition: Partition, write: Write) {
    let fence = store.load(&[partition], Horizon::at(at(0))).unwrap()[0].fence;
    let commit = Commit { partition, fence, batch: 1, writes: vec![write], settles: Vec::new(), announces: Vec::new() };
    assert!(store.commit(&[commit])[0].is_ok());
}

fn with(row: OperationRow, outcome: Outcome, seconds: u64) -> OperationRow {
    OperationRow { outcome: Some((outcome, at(seconds))), ..row }
}

/// The reversal of a payment.
fn void(of: &OperationRow, seconds: u64) -> OperationRow {
    OperationRow {
        id: OperationId::next(of.id.partition(), START + 1_000 * seconds, None),
        kind: "void".into(),
        accepted_at: at(seconds),
        about: Some(of.id),
        outcome: None,
        ..of.clone()
    }
}

/// A shop's morning: every status there is, and money in three currencies.
fn morning(data: &Path) {
    let declined = |body| Outcome::Declined { body };
    let voided = with(payment(30, "K-4", "\"40.10\"", "PHP"), lost(), 90);
    let stuck = with(payment(200, "K-5", "\"7\"", "PHP"), lost(), 260);
    let late = |row: &OperationRow, seconds, amount| Write::LateAnswer {
        operation: row.id,
        body: answer("SUCCESS", amount, "PHP"),
        at: at(seconds),
    };
    let certainty = Certainty::NotDelivered;
    let later = vec![late(&voided, 120, "\"40.10\""), late(&stuck, 290, "\"7.00\"")];
    let rows = vec![
        with(payment(0, "K-1", "\"1250.00\"", "PHP"), completed("1250.0", "PHP"), 4),
        with(payment(10, "K-2", "\"0.10\"", "PHP"), declined(answer("FAILED", "\"0.10\"", "PHP")), 13),
        with(payment(20, "K-3", "\"0.20\"", "PHP"), declined(answer("CANCELLED", "\"0.20\"", "PHP")), 22),
        with(void(&voided, 120), Outcome::Completed { body: text("{}") }, 121),
        voided,
        with(void(&stuck, 290), Outcome::Expired { certainty: Certainty::Unknown }, 890),
        stuck,
        OperationRow {
            kind: "payment_call".into(),
            ..with(payment(300, "=K,\"6\"", "300", "JPY"), completed("300", "JPY"), 302)
        },
        payment(400, "K-7", "\"99.99\"", "PHP"),
        with(context(500, "till2-91", "payment", r#""amount":1875,"currency":"USD","#), completed("1", "USD"), 502),
        with(context(600, "till2-92", "entrance", ""), Outcome::Expired { certainty }, 630),
    ];
    seed(data, rows, later);
}

#[test]
fn a_mornings_ledger_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    morning(data);
    let mut story = String::new();
    for arguments in [
        &[][..],
        &["--voids", "--dialect", "modulus", "--status", "completed", "--status", "failed"],
        &["--csv", "--group", "store-1"],
        &["--json", "--id", "K-4", "--voids"],
        &["--json", "--dialect", "boop"],
        &["--terminal", "lane-7", "--since", "2031-03-04T05:10:10Z", "--until", "2031-03-04T05:10:30Z"],
        &["--limit", "2", "--device", "lane-7"],
        &["--summary"],
        &["--since", "1h", "--until", "2026-01-01T00:00:00Z"],
        &["--status", "done"],
        &["--since", "yesterday"],
        &["--json", "--csv"],
    ] {
        story += &format!("$ tillgate ledger {}\n{}\n", arguments.join(" "), ledger(data, arguments).shown());
    }
    for secret in ["nine", "ida@", "77Q2LM", "lane-7\\", "CARD"] {
        assert!(!story.contains(secret), "{secret}");
    }
    snapshot("ledger.txt", &squeezed(&story));
}

#[test]
fn what_does_not_add_up_is_said_aloud() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let other = with(payment(0, "K-1", "\"1250.00\"", "PHP"), completed("12.50", "PHP"), 4);
    let taken = with(payment(1, "K-2", "\"10.00\"", "PHP"), lost(), 60);
    let unknown = OperationRow { kind: "haircut".into(), ..payment(2, "K-3", "\"1.00\"", "PHP") };
    let operation = taken.id;
    let late = Write::LateAnswer { operation, body: answer("SUCCESS", "10", "PHP"), at: at(70) };
    seed(data, vec![other, taken, unknown], vec![late]);
    let mut story = String::new();
    for arguments in [&[][..], &["--summary"], &["--status", "open"]] {
        let said = ledger(data, arguments);
        assert_eq!(said.code, 1, "{}", said.shown());
        story += &format!("$ tillgate ledger {}\n{}\n", arguments.join(" "), said.shown());
    }
    snapshot("ledger_doubts.txt", &squeezed(&story));
}

#[test]
fn a_ledger_is_read_beside_a_running_gateway_and_over_many_pages() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut store = Sqlite::open(&data).unwrap();
    let shop = payment(0, "K-0", "\"0.01\"", "PHP").group;
    let partition = Partition::of(&shop);
    let fence = store.load(&[partition], Horizon::at(at(0))).unwrap()[0].fence;
    let row = |n: u64| with(payment(n, &format!("K-{n}"), "\"0.01\"", "PHP"), completed("0.01", "PHP"), n + 1);
    let writes = (0..1_000).map(|n| Write::Accepted(Box::new(row(n)))).collect();
    let commit = Commit { partition, fence, batch: 1, writes, settles: Vec::new(), announces: Vec::new() };
    assert!(store.commit(&[commit])[0].is_ok());
    drop(store);
    let server = Server::serve(&data, "127.0.0.1:0", &folder.path().join("log"), &[]);
    let said = ledger(&data, &["--json"]);
    let keys: Vec<String> = said
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["transaction_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(keys.iter().eq((0..1_000).map(|n| format!("K-{n}")).collect::<Vec<_>>().iter()), "each once, in order");
    assert!(said.err.contains("modulus PHP: 10.00 accepted = 10.00 completed + 0 failed"), "{}", said.err);
    let (status, _) = server.stop();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_folder_that_is_no_data_folder_is_not_made_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("typo");
    assert_eq!(ledger(&data, &[]).code, 1);
    assert!(!data.exists());
}
