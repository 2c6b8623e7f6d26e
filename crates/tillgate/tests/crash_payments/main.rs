//! `kill -9` at fifty random moments while tills pay on terminals: every payment has one outcome, and no money is taken
//! that the ledger does not know of.
//!
//! Terminals and tills live in this process and through the restarts: the [terminals](terminal) never lie, the [tills](till)
//! never give up, and the [webhook endpoints](receiver) of the shops take some of what they are told. `CRASH_SEED=…` replays the dice of a run, not its timing; `CRASH_ROUNDS`, `CRASH_TILLS` and
//! `CRASH_KEEP` make it longer, wider, and keep the data folder, as a run that fails does.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and prints its seed")]

#[path = "../common/mod.rs"]
mod common;
mod receiver;
mod terminal;
mod till;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use client::modulus::{TerminalConfig, TransactionId};
use client::{Endpoint, Login as _, State, drive};
use common::crash::{Dice, key, quick};
use common::server::{PATIENCE, Server, until};
use common::{ended, tillgate};
use model::{OperationRow, Outcome, OutcomeKind, Secret};
use receiver::Receiver;
use serde_json::Value;
use store::{Sqlite, Store};
use terminal::{Presence, Result, Terminal};
use till::{Heard, Hours, SharedBook, Till};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

const ROUNDS: u32 = 50;
const GROUPS: usize = 3;
const TILLS: usize = 6;
/// For each till.
const TERMINALS: usize = 2;
const CLERKS: usize = 2;
/// Look-ups at once.
const LOOKS: usize = 8;
const ENVIRONMENT: [(&str, &str); 14] = [
    ("TILLGATE_MODULUS_TERMINAL_GRACE", "200ms"),
    ("TILLGATE_MODULUS_ANSWER_WITHIN", "1500ms"),
    ("TILLGATE_MODULUS_LONG_POLL", "400ms"),
    ("TILLGATE_MODULUS_VOID_EVERY", "200ms"),
    ("TILLGATE_MODULUS_REMEMBER", "1s"),
    ("TILLGATE_MODULUS_FRAMES_PER_SPAN", "1000000"),
    ("TILLGATE_MODULUS_FRAMES_AT_MOST", "2000000"),
    ("TILLGATE_MODULUS_OWED_AT_MOST", "100000"),
    ("TILLGATE_MODULUS_ALLOW_PRIVATE_WEBHOOK_TARGETS", "true"),
    ("TILLGATE_MODULUS_WEBHOOK_LATE", "500ms"),
    ("TILLGATE_MODULUS_WEBHOOK_WITHIN", "300ms"),
    ("TILLGATE_MODULUS_WEBHOOK_PAUSE", "100ms"),
    ("TILLGATE_MODULUS_WEBHOOK_TRIES", "1000"),
    ("TILLGATE_LOG_LEVEL", "warn"),
];

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// A key for the terminals of each group, and one for each till.
struct Keys {
    lanes: Vec<Secret>,
    tills: Vec<Value>,
}

impl Keys {
    fn make(data: &Path, tills: usize) -> Self {
        let make = |role: &str, number: usize| {
            let group = format!("store-{}", number % GROUPS);
            key(data, &["--dialect", "modulus", "--role", role, "--group", &group])
        };
        let lane = |number| Secret::new(make("performer", number)["api_key"].as_str().unwrap());
        Self { lanes: (0..GROUPS).map(lane).collect(), tills: (0..tills).map(|till| make("requester", till)).collect() }
    }
}

/// The shops, and what is remembered of them.
struct Shops {
    book: SharedBook,
    tills: Vec<Arc<Till>>,
    /// By name: no two shops have terminals of the same name.
    disks: BTreeMap<String, terminal::Shared>,
}

impl Shops {
    /// Opens them, with everybody at work until they are sent home.
    fn open(keys: &Keys, listen: &str, dice: &mut Dice, hours: &watch::Receiver<Hours>) -> (Self, Vec<Work>) {
        let book = SharedBook::default();
        let tills = keys.tills.len();
        let mut disks = BTreeMap::new();
        let of_group = |number: usize| {
            let near = (0..tills * TERMINALS).filter(|other| other % GROUPS == number % GROUPS);
            near.map(|number| format!("lane-{number}")).collect::<Vec<_>>()
        };
        for number in 0..tills * TERMINALS {
            let (name, disk) = (format!("lane-{number}"), terminal::Shared::default());
            disks.insert(name.clone(), disk.clone());
            let config =
                TerminalConfig { preset: quick(), ..TerminalConfig::new(keys.lanes[number % GROUPS].clone(), &name) };
            let endpoint = config.endpoint(Endpoint::new(&format!("ws://{listen}/v1")));
            let dice = dice.split();
            tokio::spawn(async move {
                let (_nobody, commands) = mpsc::channel(1);
                let make = |seed, now| Terminal::new(config, disk, dice, seed, now);
                drive(endpoint, make, commands, std::future::pending(), |()| {}).await.unwrap();
            });
        }
        let mut clerks = Vec::new();
        let tills: Vec<Arc<Till>> = (0..tills)
            .map(|number| {
                let till = Till::new(number, listen, &keys.tills[number], of_group(number), book.clone());
                let till = Arc::new(till);
                for _ in 0..CLERKS {
                    clerks.push(tokio::spawn(till.clone().work(dice.split(), hours.clone())));
                }
                till
            })
            .collect();
        (Self { book, tills, disks }, clerks)
    }

    /// Waits until everybody who does not want to be away is there.
    fn reconnected(&self) {
        until(PATIENCE, || {
            let tills = self.tills.iter().all(|till| till.socket.state() == State::Authenticated);
            let terminals = self.disks.values().all(|disk| disk.lock().unwrap().presence != Presence::Connecting);
            (tills && terminals).then_some(())
        });
    }

    /// Looks up what was heard of since the last time, or everything.
    async fn look_up(&self, everything: bool) {
        let mut news: Vec<(usize, String)> = {
            let mut book = self.book.lock().unwrap();
            let news = book.heard.iter_mut().filter(|(_, heard)| heard.is_there() && (heard.is_news || everything));
            news.map(|((till, id), heard)| {
                heard.is_news = false;
                (*till, id.clone())
            })
            .collect()
        };
        let share = news.len().div_ceil(LOOKS).max(1);
        let mut looks = JoinSet::new();
        while !news.is_empty() {
            let (tills, mine) = (self.tills.clone(), news.split_off(news.len().saturating_sub(share)));
            looks.spawn(async move {
                for (till, id) in mine {
                    let id = TransactionId::parse(&id).unwrap();
                    // What is not there any more is written down as wrong.
                    while tills[till].look(&id).await.is_none() {}
                }
            });
        }
        looks.join_all().await;
    }

    /// What no gateway may have said.
    #[track_caller]
    fn nothing_is_wrong(&self) {
        let mut wrongs = std::mem::take(&mut self.book.lock().unwrap().wrongs);
        for (name, disk) in &self.disks {
            let disk = disk.lock().unwrap();
            wrongs.extend(disk.wrongs.iter().map(|wrong| format!("{name}: {wrong}")));
            wrongs
                .extend(disk.payments.iter().filter(|(_, it)| it.charges > 1).map(|(id, it)| format!("{id}: {it:?}")));
        }
        assert!(wrongs.is_empty(), "{wrongs:#?}");
    }

    /// Whether the gateway has every result.
    fn is_quiet(&self) -> bool {
        self.disks.values().all(|disk| {
            let disk = disk.lock().unwrap();
            disk.payments.values().all(|it| it.acknowledged || it.result.is_none())
        })
    }

    /// Says how much happened, and that enough did.
    fn figures(&self, rounds: u32, ledger: &Value) {
        let book = self.book.lock().unwrap();
        let sum = |count: fn(&Heard) -> u32| book.heard.values().map(count).sum::<u32>();
        let of_disks =
            |count: fn(&terminal::Disk) -> u32| self.disks.values().map(|it| count(&it.lock().unwrap())).sum::<u32>();
        let charged = of_disks(|it| it.payments.values().map(|it| it.charges).sum());
        let reversed = of_disks(|it| it.payments.values().map(|it| it.reversals).sum());
        let inquiries = of_disks(|it| it.inquiries);
        let replayed = sum(|it| it.told.saturating_sub(1));
        let again = sum(|it| it.asked.saturating_sub(1));
        let refused = sum(|it| u32::from(it.refused.is_some()));
        println!(
            "{rounds} rounds, {} payments ({} completed, {} failed, {} cancelled, {} voided), {charged} charged, \
             {reversed} reversed, {} reversals unconfirmed; {refused} refused, {again} asked for again, \
             {replayed} outcomes told again, {inquiries} inquiries",
            ledger["accepted"],
            ledger["completed"],
            ledger["failed"],
            ledger["cancelled"],
            ledger["voided"],
            ledger["voids_unconfirmed"]
        );
        assert!(reversed > 0 && inquiries > 0 && again > 0, "too little went wrong to prove anything");
    }

    /// What a terminal knows of a payment, if any knows it.
    fn at_the_terminal<T>(&self, id: &str, look: impl Fn(&terminal::Payment) -> T) -> Option<T> {
        self.disks.values().find_map(|disk| disk.lock().unwrap().payments.get(id).map(&look))
    }
}

type Work = tokio::task::JoinHandle<()>;

/// Every operation there is, the database being whole.
fn rows(data: &Path) -> Vec<OperationRow> {
    let store = Sqlite::open(data).unwrap();
    store.check().unwrap();
    store.operations(None, usize::MAX >> 1).unwrap()
}

/// The outcome as tills say it, with the processor's word where the terminal gave one.
fn stored(row: &OperationRow) -> Option<(&'static str, String)> {
    let (outcome, _) = row.outcome.as_ref()?;
    let ours = |code: &str| ("FAILED", code.to_owned());
    Some(match outcome {
        Outcome::Completed { body } | Outcome::Declined { body } => {
            let body: Value = serde_json::from_slice(body).unwrap();
            let status = match (outcome, body["status"].as_str().unwrap()) {
                (Outcome::Completed { .. }, "SUCCESS") => "SUCCESS",
                (Outcome::Declined { .. }, "FAILED") => "FAILED",
                (Outcome::Declined { .. }, "CANCELLED") => "CANCELLED",
                other => panic!("{other:?}"),
            };
            let code = body["authorizationCode"].as_str().or(body["errorCode"].as_str());
            (status, code.unwrap_or_default().to_owned())
        }
        Outcome::Failed { .. } => ours("TERMINAL_DISCONNECTED"),
        Outcome::Expired { .. } => ours("TERMINAL_TIMEOUT"),
        Outcome::Cancelled { .. } => panic!("nobody cancels: {row:?}"),
    })
}

/// Compares what was said and done with what is stored.
fn check(rows: &[OperationRow], shops: &Shops) {
    let payments: BTreeMap<&str, &OperationRow> =
        rows.iter().filter(|row| row.about.is_none()).map(|row| (row.key.as_str(), row)).collect();
    let asked = rows.iter().filter(|row| row.about.is_none()).count();
    assert_eq!(payments.len(), asked, "a payment was accepted twice");
    for ((_, id), heard) in &shops.book.lock().unwrap().heard {
        agrees(id, heard, payments.get(id.as_str()).copied());
    }
    for (id, row) in payments {
        let done = shops.at_the_terminal(id, |it| (it.result, it.has_money()));
        let (result, has_money) = done.unwrap_or_default();
        let why = || format!("{id} is {result:?} at its terminal, has money: {has_money}, but here {row:?}");
        match row.outcome.as_ref().map(|(outcome, _)| outcome.kind()) {
            Some(OutcomeKind::Completed) => {
                assert!(result == Some(Result::Charged) && has_money && row.compensation.is_none(), "{}", why());
            }
            Some(OutcomeKind::Declined) => {
                assert!(matches!(result, Some(Result::Declined | Result::Cancelled)), "{}", why());
            }
            Some(OutcomeKind::Failed | OutcomeKind::Expired | OutcomeKind::Cancelled) | None => {}
        }
        if let Some((_, Some((OutcomeKind::Completed, _)))) = row.compensation {
            assert!(!has_money, "{}", why());
        }
    }
}

/// What tills were told of one payment.
fn agrees(id: &str, heard: &Heard, row: Option<&OperationRow>) {
    let outcome = row.and_then(stored);
    assert!(heard.outcomes.len() <= 1, "{id} was told two outcomes: {heard:?}");
    if let Some(told) = heard.outcomes.first() {
        assert_eq!(Some(told), outcome.as_ref(), "{id}: {heard:?}");
    }
    for look in &heard.looks {
        let is_right = match *look {
            "PENDING" | "AWAITING_RECONNECT" => row.is_some(),
            "VOIDED" => outcome.as_ref().is_some_and(|(status, _)| *status == "FAILED"),
            look => outcome.as_ref().is_some_and(|(status, _)| *status == look),
        };
        assert!(is_right, "{id}: {heard:?} and {row:?}");
    }
    if heard.voided {
        let made_good = row.and_then(|row| row.compensation);
        assert!(matches!(made_good, Some((_, Some((OutcomeKind::Completed, _))))), "{id}: {heard:?} and {row:?}");
    }
    if heard.refused.is_some() {
        assert!(row.is_none(), "{id}: {heard:?} and {row:?}");
    }
}

/// Nothing runs any more: money is where the ledger says it is.
fn settled(rows: &[OperationRow], shops: &Shops) {
    for row in rows {
        assert!(row.outcome.is_some(), "it has no outcome: {row:?}");
        if row.about.is_some() {
            continue;
        }
        let has_money = shops.at_the_terminal(row.key.as_str(), terminal::Payment::has_money).unwrap_or_default();
        let is_completed = matches!(row.outcome, Some((Outcome::Completed { .. }, _)));
        let is_unconfirmed = matches!(row.compensation, Some((_, Some((kind, _)))) if kind != OutcomeKind::Completed);
        assert_eq!(has_money, is_completed || is_unconfirmed, "{row:?}");
    }
    for disk in shops.disks.values() {
        for (id, payment) in &disk.lock().unwrap().payments {
            let is_known = rows.iter().any(|row| row.key.as_str() == id);
            assert!(is_known || payment.charges == 0, "{id} is not in the ledger: {payment:?}");
        }
    }
}

/// The sums of the ledger, which must balance.
fn ledger(data: &Path) -> Value {
    let said = ended(tillgate().args(["ledger", "--summary", "--data"]).arg(data)).good();
    let summary: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(summary["balances"], true, "{summary}");
    summary["dialects"][0].clone()
}

/// A data folder that is kept when the test fails.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("CRASH_KEEP").is_some() {
            println!("kept: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[test]
fn every_payment_ends_once_whenever_the_gateway_is_killed() {
    let mut dice = Dice::of_this_run();
    let folder = Folder(tempfile::tempdir().unwrap().keep());
    let (data, log) = (folder.0.join("data"), folder.0.join("log.txt"));
    let rounds = u32::try_from(number("CRASH_ROUNDS", ROUNDS as usize)).unwrap();

    let keys = Keys::make(&data, number("CRASH_TILLS", TILLS));
    let runtime = Runtime::new().unwrap();
    let receiver = runtime.block_on(Receiver::open(&data, GROUPS, dice.split()));
    let mut server = Server::serve(&data, "127.0.0.1:0", &log, &ENVIRONMENT);
    let listen = server.listen().to_owned();
    let (hours, told) = watch::channel(Hours::Open);
    let (shops, clerks) = runtime.block_on(async { Shops::open(&keys, &listen, &mut dice, &told) });
    let mut accepted = 0;
    for round in 0..rounds {
        shops.reconnected();
        runtime.block_on(shops.look_up(false));
        hours.send_replace(Hours::Open);
        std::thread::sleep(Duration::from_millis(50 + dice.roll(350)));
        server.kill();
        hours.send_replace(Hours::Break);
        let rows = rows(&data);
        println!("round {round}: {} accepted", rows.len());
        check(&rows, &shops);
        receiver.check(&rows);
        shops.nothing_is_wrong();
        accepted = rows.len();
        server = Server::serve(&data, &listen, &log, &ENVIRONMENT);
    }
    assert!(accepted > 10 * rounds as usize, "there was hardly any load: {accepted}");

    // No new payments; those there are end, and reversals too.
    hours.send_replace(Hours::Over);
    runtime.block_on(async {
        for clerk in clerks {
            tokio::time::timeout(PATIENCE, clerk).await.expect("a clerk waits for ever").unwrap();
        }
    });
    shops.reconnected();
    let settled_down = || {
        until(PATIENCE, || {
            let summary = ledger(&data);
            let is_quiet = shops.is_quiet() && receiver::is_quiet(&data);
            (summary["open"] == 0 && summary["voids_pending"] == 0 && is_quiet).then_some(summary)
        })
    };
    // A terminal may still make up its mind about a payment that failed without it: nothing must change for as long as
    // the slowest takes.
    let mut summary = settled_down();
    loop {
        std::thread::sleep(Duration::from_millis(2_500));
        let now = settled_down();
        if std::mem::replace(&mut summary, now.clone()) == now {
            break;
        }
    }
    runtime.block_on(shops.look_up(true));
    runtime.shutdown_background();
    server.kill();
    shops.nothing_is_wrong();
    let rows = rows(&data);
    check(&rows, &shops);
    settled(&rows, &shops);
    receiver.check(&rows);
    receiver.settled(&rows);
    assert_eq!(ledger(&data), summary);
    shops.figures(rounds, &summary);
    receiver.figures();
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_lie_to_a_till_is_noticed() {
    let is_noticed = |heard: &Heard| std::panic::catch_unwind(|| agrees("K-1", heard, None)).is_err();
    let outcome = |status| (status, String::new());
    assert!(is_noticed(&Heard { outcomes: [outcome("SUCCESS")].into(), ..Heard::default() }), "told, but not stored");
    let two = [outcome("SUCCESS"), outcome("FAILED")].into();
    assert!(is_noticed(&Heard { outcomes: two, ..Heard::default() }), "told two outcomes");
    assert!(is_noticed(&Heard { looks: ["PENDING"].into(), ..Heard::default() }), "looked up, but not stored");
    assert!(is_noticed(&Heard { voided: true, ..Heard::default() }), "reversed, but not stored");
    assert!(!is_noticed(&Heard { refused: Some("PAYMENT_IN_PROGRESS".to_owned()), ..Heard::default() }));
}
