//! A process that commits is killed at any moment: what it was told is there, and the money adds up.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::Sqlite;
use crate::conformance::given::*;
use crate::conformance::{Folder, Place};
use crate::{Inspect, Store};

/// Names the folder to the child.
const FOLDER: &str = "TILLGATE_STORE_KILL_FOLDER";
/// Payments a child makes in one batch.
const TOGETHER: u64 = 5;
/// Batches a child makes before it gives up waiting to be killed.
const BATCHES: u64 = 10_000;

/// Not a test by itself: what the child process does. Each payment takes 0.01 from Ann.
#[test]
fn child_pays_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut store = Sqlite::open(Path::new(&folder)).unwrap();
    let fence = own(&mut store);
    let known = u64::try_from(store.operations(None, usize::MAX).unwrap().len()).unwrap();
    // On stderr, where libtest says nothing, and each line in one piece.
    let say = |what: &str, id: model::OperationId| {
        std::io::stderr().write_all(format!("{what} {}\n", id.number()).as_bytes()).unwrap();
    };
    for n in 0..BATCHES {
        let numbers = || (0..TOGETHER).map(|at| 1_000 + known + n * TOGETHER + at);
        let accept = |shop| batch(shop, fence, numbers().map(|n| accepted(shop, n)).collect());
        assert!(store.commit(&[accept(1), accept(2)]).iter().all(Result::is_ok));
        for shop in [1, 2] {
            for n in numbers() {
                say("accepted", id(shop, n));
            }
        }
        let mut pay = batch(1, fence, vec![]);
        pay.settles = numbers().map(|n| settle(1, n, Some("ann-left"), "pay 1")).collect();
        let cancel = numbers().map(|n| ended(2, n, declined("no"))).collect();
        assert!(store.commit(&[pay, batch(2, fence, cancel)]).iter().all(Result::is_ok));
        for shop in [1, 2] {
            for n in numbers() {
                say("ended", id(shop, n));
            }
        }
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let folder = Folder::new();
    folder.open().put_member(&model::Member { balance: usd(1_000_000), ..person("ann") }).unwrap();
    let mut told = Vec::new();
    for round in 0..12 {
        let mut random = [0; 1];
        getrandom::fill(&mut random).unwrap();
        let lines = 1 + usize::from(random[0]);
        let heard = pay_and_kill(folder.path(), lines);
        println!("round {round}: killed after {lines} lines, {} heard", heard.len());
        told.extend(heard);
        judge(&folder, &told);
    }
}

/// Lets a child pay, kills it once it has said so many lines, and gives back all it said.
fn pay_and_kill(folder: &Path, lines: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["sqlite::kill::child_pays_until_killed", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut heard: Vec<String> = said.by_ref().take(lines).map(Result::unwrap).collect();
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it must not have ended by itself: {heard:?}");
    heard.extend(said.map_while(Result::ok));
    heard
}

fn judge(folder: &Folder, told: &[String]) {
    let store = Sqlite::open(folder.path()).unwrap();
    store.check().unwrap();
    let rows = store.operations(None, usize::MAX).unwrap();
    for line in told {
        let (what, number) = line.split_once(' ').unwrap();
        let Ok(number) = number.parse::<u64>() else { continue };
        let row = rows.iter().find(|row| row.id.number() == number);
        let row = row.unwrap_or_else(|| panic!("{line}, but it is not there"));
        assert!(what == "accepted" || row.outcome.is_some(), "{line}, but it runs");
    }
    let paid = rows.iter().filter(|row| matches!(row.outcome, Some((model::Outcome::Completed { .. }, _)))).count();
    let account = store.accounts().unwrap().remove(0);
    assert_eq!(account.debits, u64::try_from(paid).unwrap(), "every payment took money once, nothing else did");
    assert_eq!(account.balance, usd(1_000_000 - account.debited));
    // What belongs to one batch is there together.
    let ended = rows.iter().filter(|row| row.outcome.is_some()).count();
    assert_eq!((rows.len() % 10, ended % 10), (0, 0));
}
