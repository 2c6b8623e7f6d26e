//! What only SQLite can get wrong: folders, locks, other processes, full disks, damaged files.

use std::fs;
use std::path::Path;

use model::{EndpointId, Fence, Opaque, OperationRow, Secret, Write};

use super::*;
use crate::conformance::given::*;
use crate::conformance::{Folder, Place};
use crate::{Horizon, Seal};

fn open(folder: &Folder) -> Sqlite {
    Sqlite::open(folder.path()).unwrap()
}

/// Another program at the same file.
fn meddle(folder: &Folder, sql: &str) {
    Connection::open(folder.path().join("tillgate.db")).unwrap().execute_batch(sql).unwrap();
}

fn large(shop_number: u64, n: u64, bytes: usize) -> Write {
    Write::Accepted(Box::new(OperationRow { request: Opaque::from(vec![7; bytes]), ..work(shop_number, n) }))
}

#[test]
fn a_second_gateway_on_a_folder_is_refused_until_the_first_is_gone() {
    let folder = Folder::new();
    let first = open(&folder);
    let refused = Sqlite::open(folder.path()).unwrap_err();
    let expected = format!("another gateway is using the folder {}", folder.path().display());
    assert_eq!(refused, StoreError::Locked(expected));
    drop(first);
    drop(open(&folder));
}

#[test]
fn the_command_line_works_beside_a_gateway_and_is_noticed() {
    let folder = Folder::new();
    let gateway = open(&folder);
    let before = gateway.credentials_version().unwrap();
    let mut keys = Sqlite::attach(folder.path()).unwrap();
    keys.add_credentials(&[credential("a", 1)]).unwrap();
    assert_ne!(gateway.credentials_version().unwrap(), before);
    assert_eq!(gateway.credentials().unwrap(), [credential("a", 1)]);
}

#[test]
fn the_command_line_makes_what_is_not_there_and_keeps_no_lock() {
    let folder = Folder::new();
    let inner = folder.path().join("data");
    let mut keys = Sqlite::attach(&inner).unwrap();
    keys.add_credentials(&[credential("a", 1)]).unwrap();
    assert_eq!(Sqlite::open(&inner).unwrap().credentials().unwrap(), [credential("a", 1)]);
}

#[test]
fn two_processes_that_write_at_once_both_get_their_turn() {
    let folder = Folder::new();
    let mut gateway = open(&folder);
    let fence = own(&mut gateway);
    let path = folder.path().to_owned();
    let beside = thread::spawn(move || {
        let mut keys = Sqlite::attach(&path).unwrap();
        for n in 0..20 {
            keys.add_credentials(&[credential(&format!("key-{n}"), n)]).unwrap();
        }
    });
    for n in 0..20 {
        write(&mut gateway, 1, fence, vec![accepted(1, n)]);
    }
    beside.join().unwrap();
    assert_eq!((gateway.credentials().unwrap().len(), gateway.operations(None, 99).unwrap().len()), (20, 20));
}

#[cfg(unix)]
#[test]
fn folder_and_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let inner = folder.path().join("data");
    let mut store = Sqlite::open(&inner).unwrap();
    own(&mut store);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    let files: Vec<_> = fs::read_dir(&inner).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_reader_sees_what_was_committed_from_another_thread() {
    let folder = Folder::new();
    let mut store = open(&folder);
    let fence = own(&mut store);
    let reader = store.reader().unwrap();
    assert_eq!(reader.earlier(&shop(1), &key("key-0")).unwrap(), None);
    write(&mut store, 1, fence, vec![accepted(1, 0)]);
    let found = thread::spawn(move || (reader.earlier(&shop(1), &key("key-0")), reader.operations(None, 9)));
    assert_eq!(found.join().unwrap(), (Ok(Some(work(1, 0))), Ok(vec![work(1, 0)])));
}

#[test]
fn data_that_is_not_for_this_version_is_left_alone() {
    for (sql, expected) in [
        ("UPDATE meta SET schema = 99", "has schema 99; this version knows schemas up to 3, use a newer one"),
        ("UPDATE meta SET partitions = 64", "is placed in 64 partitions by"),
        ("UPDATE meta SET partition_function = 'crc'", "is placed in 256 partitions by \"crc\"; this version has 256"),
        ("PRAGMA application_id = 1", "was not made by tillgate"),
    ] {
        let folder = Folder::new();
        drop(open(&folder));
        meddle(&folder, sql);
        for refused in [Sqlite::open(folder.path()), Sqlite::attach(folder.path())] {
            let Err(StoreError::Foreign(text)) = refused else { panic!("{sql}: {refused:?}") };
            assert!(text.starts_with(&format!("the data in {} ", folder.path().display())), "{text}");
            assert!(text.contains(expected), "{text}");
        }
    }
}

/// A folder as the first version left it: with an operation that ended, one that runs, a credential and a device.
fn of_the_first_version() -> Folder {
    let folder = Folder::new();
    let first = include_str!("../../migrations/0001_first.sql");
    let columns =
        "group_name, network, requester, requester_name, dialect, kind, request_key, body, target, accepted_at,
        answer_by, request, memo";
    let values = format!(
        "'shop-1', 'palms', 'till', 'Corner Shop', 'boop', 'payment', 'key-0', x'{}', 'any_of_group', {}, {},
        CAST('request' AS BLOB), CAST('memo' AS BLOB)",
        model::Digest::of(b"asked").0.map(|byte| format!("{byte:02x}")).concat(),
        at(0).millis(),
        at(30).millis(),
    );
    let digest = model::Digest::of(b"a").0.map(|byte| format!("{byte:02x}")).concat();
    let rows = format!(
        "INSERT INTO meta VALUES (1, 1, {}, '{}', 5);
        INSERT INTO operations (id, {columns}, ended_at, outcome, answer)
            VALUES ({}, {values}, {}, 'completed', CAST('done' AS BLOB));
        INSERT INTO operations (id, {columns}) VALUES ({}, {values});
        INSERT INTO credentials VALUES
            (1, 'a', 'boop', 'requester', 'palms', 'shop-1', 'till', NULL, NULL, 'Corner Shop', 'sha-256', x'{digest}',
            NULL, {}, NULL, NULL);
        INSERT INTO devices VALUES ('shop-1', 'a', 'boop', {});
        INSERT INTO partitions VALUES ({}, 8);
        PRAGMA application_id = 0x54696c6c;",
        model::Partition::COUNT,
        model::Partition::FUNCTION.replace('\'', "''"),
        id(1, 0).number(),
        at(1).millis(),
        id(1, 3).number(),
        wall(1).millis(),
        at(3).millis(),
        home(1).0,
    );
    meddle(&folder, &format!("{first}{rows}"));
    folder
}

#[test]
fn a_folder_of_the_first_version_goes_on() {
    let folder = of_the_first_version();
    let mut store = open(&folder);
    assert_eq!(store.credentials().unwrap(), [credential("a", 1)]);
    assert_eq!(store.credentials_version(), Ok(5));
    let loaded = store.load(&[home(1)], Horizon::at(at(0))).unwrap().remove(0);
    let again = OperationRow { id: id(1, 3), ..work(1, 0) };
    let ended = OperationRow { outcome: Some((completed("done"), at(1))), ..work(1, 0) };
    assert_eq!((loaded.fence, &loaded.operations[..]), (Fence(9), &[ended, again][..]));
    assert_eq!(loaded.devices, [device(1, "a", 3)]);
    let made_good = vec![late(1, 0, "after all", 4), Write::Accepted(Box::new(good_for(1, 5, 0)))];
    write(&mut store, 1, loaded.fence, made_good);
    store.add_credentials(&[signing("b", 2)]).unwrap();
    store.check().unwrap();
    drop(store);
    let row = open(&folder).operations(None, 1).unwrap().remove(0);
    assert_eq!((row.late.unwrap().1, row.compensation), (at(4), Some((id(1, 5), None))));
}

#[test]
fn the_command_line_brings_an_older_folder_up_when_no_gateway_uses_it() {
    let folder = of_the_first_version();
    let mut keys = Sqlite::attach(folder.path()).unwrap();
    keys.add_credentials(&[signing("b", 2)]).unwrap();
    assert_eq!(open(&folder).credentials().unwrap(), [credential("a", 1), signing("b", 2)]);
}

/// Whether any file of the folder holds these bytes.
fn is_on_disk(folder: &Folder, bytes: &[u8]) -> bool {
    fs::read_dir(folder.path()).unwrap().any(|entry| {
        let bytes_there = fs::read(entry.unwrap().path()).unwrap();
        bytes_there.windows(bytes.len()).any(|part| part == bytes)
    })
}

#[test]
fn a_signing_secret_is_never_on_the_disk_in_clear() {
    let folder = Folder::new();
    let mut store = open(&folder);
    store.add_credentials(&[credential("plain", 1)]).unwrap();
    assert!(!folder.path().join("seal.key").exists(), "nothing is sealed yet");
    store.add_credentials(&[signing("terminal", 2), signing("till", 3)]).unwrap();
    assert!(is_on_disk(&folder, b"terminal"), "its name is, so this finds what is there");
    for secret in [&b"terminal-secret"[..], b"till-secret", b"-secret"] {
        assert!(!is_on_disk(&folder, secret), "in the log");
    }
    drop(store);
    assert!(!is_on_disk(&folder, b"-secret"), "in the database");
    assert_eq!(open(&folder).credentials().unwrap()[1], signing("terminal", 2));
}

#[test]
fn without_the_right_key_sealed_secrets_are_refused_and_nothing_is_added_under_another() {
    let folder = Folder::new();
    let mut store = open(&folder);
    store.add_credentials(&[signing("till", 1)]).unwrap();
    let key = folder.path().join("seal.key");
    let kept = fs::read(&key).unwrap();
    let refused = |store: &mut Sqlite, what: &str| {
        for answer in [store.credentials().map(drop), store.add_credentials(&[signing("other", 2)])] {
            let Err(StoreError::Sealed(text)) = answer else { panic!("{answer:?}") };
            assert!(text.contains(what) && text.contains("seal.key"), "{text}");
            assert!(!text.contains("-secret"), "{text}");
        }
    };
    fs::remove_file(&key).unwrap();
    refused(&mut store, "is not there");
    assert!(!key.exists(), "another key would hide that the right one is gone");
    Seal::open_or_create(&key).unwrap();
    refused(&mut store, "the secret of till does not open");
    store.add_credentials(&[credential("plain", 3)]).unwrap();
    assert!(store.end_credential(&credential("till", 1).id, wall(5), wall(5)).unwrap(), "revoking needs no key");
    fs::write(&key, kept).unwrap();
    let revoked = model::Credential { revoked_at: Some(wall(5)), ..signing("till", 1) };
    assert_eq!(store.credentials().unwrap(), [revoked, credential("plain", 3)]);
    // A sealed secret is bound to its credential.
    store.add_credentials(&[signing("thief", 4)]).unwrap();
    meddle(
        &folder,
        "UPDATE credentials SET sealed = (SELECT sealed FROM credentials WHERE id = 'till') WHERE id = 'thief'",
    );
    assert!(matches!(store.credentials(), Err(StoreError::Sealed(text)) if text.contains("the secret of thief")));
}

#[test]
fn what_is_no_database_is_refused() {
    let folder = Folder::new();
    fs::write(folder.path().join("tillgate.db"), "this is a letter to my aunt, and rather a long one ".repeat(40))
        .unwrap();
    assert!(matches!(Sqlite::open(folder.path()), Err(StoreError::Unavailable(_))));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(Sqlite::open(&file), Err(StoreError::Unavailable(_))));
}

#[test]
fn a_full_disk_fails_the_whole_transaction_and_leaves_nothing() {
    let folder = Folder::new();
    let mut store = open(&folder);
    let fence = own(&mut store);
    store.put_member(&person("ann")).unwrap();
    write(&mut store, 1, fence, vec![accepted(1, 0)]);
    let before = everything(&store);
    let pages: i64 = store.db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.db.pragma_update(None, "max_page_count", pages + 3).unwrap();
    let answers = store.commit(&[
        answering(fence, settle(1, 0, Some("ann-left"), "pay 100")),
        batch(3, Fence(0), vec![]),
        batch(2, fence, vec![large(2, 1, 1_000_000)]),
        batch(3, fence, vec![accepted(3, 0)]),
    ]);
    assert_eq!(answers[1], Err(CommitError::Fenced));
    for at in [0, 2, 3] {
        assert_eq!(answers[at], Err(CommitError::Unavailable(Arc::from("database or disk is full"))));
    }
    assert_eq!(everything(&store), before);
    store.db.pragma_update(None, "max_page_count", pages + 10_000).unwrap();
    write(&mut store, 2, fence, vec![large(2, 1, 1_000_000)]);
    commit(&mut store, answering(fence, settle(1, 0, Some("ann-left"), "pay 100"))).unwrap();
    store.check().unwrap();
}

#[test]
fn a_disk_that_cannot_be_written_is_an_answer() {
    let folder = Folder::new();
    let mut store = open(&folder);
    let fence = own(&mut store);
    store.db.pragma_update(None, "query_only", true).unwrap();
    let cause = refused(commit(&mut store, batch(1, fence, vec![accepted(1, 0)])));
    assert_eq!(cause, "attempt to write a readonly database");
    assert!(matches!(store.load(&[home(1)], Horizon::at(at(0))), Err(StoreError::Unavailable(_))));
    assert!(matches!(store.add_credentials(&[credential("a", 1)]), Err(StoreError::Unavailable(_))));
    assert!(matches!(store.put_member(&person("ann")), Err(StoreError::Unavailable(_))));
    store.db.pragma_update(None, "query_only", false).unwrap();
    write(&mut store, 1, fence, vec![accepted(1, 0)]);
}

#[test]
fn a_row_that_holds_nonsense_is_an_error_that_names_the_column_only() {
    for sql in [
        "UPDATE operations SET dialect = 'nonsense'",
        "UPDATE operations SET body = x'00'",
        "UPDATE operations SET target = 'device'",
        "UPDATE operations SET group_name = ''",
        "UPDATE operations SET answer_by = -1",
        "UPDATE operations SET ended_at = 1",
        "UPDATE operations SET ended_at = 1, outcome = 'failed', answer = x''",
    ] {
        let folder = Folder::new();
        let mut store = open(&folder);
        let fence = own(&mut store);
        write(&mut store, 1, fence, vec![accepted(1, 0)]);
        meddle(&folder, sql);
        let Err(StoreError::Corrupt(cause)) = store.operations(None, 9) else { panic!("{sql}") };
        assert!(
            cause.starts_with("operations.") && cause.ends_with(" does not hold what was written there"),
            "{cause}"
        );
        assert!(!cause.contains("nonsense"), "{cause}");
        if !sql.contains("group_name") {
            let (group, key) = (shop(1), key("key-0"));
            let read = store.reader().unwrap().earlier(&group, &key);
            assert!(matches!(read, Err(StoreError::Corrupt(_))), "{sql}");
        }
        let fences = "SELECT fence FROM partitions WHERE partition = ?1";
        let fence_of = |store: &Sqlite| -> u32 { store.db.query_row(fences, [home(1).0], |row| row.get(0)).unwrap() };
        if store.load(&[home(1)], Horizon::at(at(0))).is_err() {
            assert_eq!(fence_of(&store), fence.0, "no fence has moved");
        }
    }
    for sql in [
        "UPDATE attributes SET sides = '[\"up\"]'",
        "UPDATE balances SET currency = 'x'",
        "UPDATE members SET groups = '{'",
    ] {
        let folder = Folder::new();
        let mut store = open(&folder);
        let fence = own(&mut store);
        store.put_member(&person("ann")).unwrap();
        write(&mut store, 1, fence, vec![accepted(1, 0)]);
        meddle(&folder, sql);
        assert!(matches!(store.member(&network(), &person("ann").id), Err(StoreError::Corrupt(_))), "{sql}");
        let beside = batch(2, fence, vec![accepted(2, 0)]);
        let answers = store.commit(&[answering(fence, settle(1, 0, Some("ann-left"), "pay 1")), beside]);
        assert!(answers[0].is_err() && answers[1].is_ok(), "{sql}: {answers:?}");
    }
}

#[test]
fn a_file_with_holes_never_panics() {
    let folder = Folder::new();
    let mut store = open(&folder);
    let fence = own(&mut store);
    store.put_member(&person("ann")).unwrap();
    store.add_credentials(&[credential("a", 1)]).unwrap();
    write(&mut store, 1, fence, (0..200).map(|n| accepted(1, n)).collect());
    drop(store);
    let path = folder.path().join("tillgate.db");
    let whole = fs::read(&path).unwrap();
    for hole in (0..whole.len()).step_by(1_777) {
        let mut damaged = whole.clone();
        let end = whole.len().min(hole + 300);
        damaged[hole..end].fill(0xa5);
        fs::write(&path, &damaged).unwrap();
        let Ok(mut store) = Sqlite::open(folder.path()) else { continue };
        let _ = store.load(&[home(1)], Horizon::at(at(0)));
        let _ = (store.operations(None, 999), store.credentials(), store.accounts(), store.check());
        let _ = store.member(&network(), &person("ann").id);
        let _ = store.commit(&[batch(1, Fence(fence.0 + 1), vec![accepted(1, 900), Write::Owed(mail(1, 5))])]);
        let _ = store.commit(&[answering(Fence(fence.0 + 1), settle(1, 5, Some("ann-left"), "pay 1"))]);
    }
}

#[test]
fn the_log_is_bounded_even_when_a_reader_stands_in_its_way_for_a_while() {
    const MIB: u64 = 1 << 20;
    let folder = Folder::new();
    let mut store = open(&folder);
    let fence = own(&mut store);
    let log = folder.path().join("tillgate.db-wal");
    let reader = store.reader().unwrap();
    reader.db.execute_batch("BEGIN; SELECT * FROM meta").unwrap();
    for n in 0..72 {
        write(&mut store, 1, fence, vec![large(1, n, 1 << 20)]);
    }
    let held = fs::metadata(&log).unwrap().len();
    assert!(held > 70 * MIB, "a snapshot keeps the log: {held}");
    reader.db.execute_batch("COMMIT").unwrap();
    for n in 100..180 {
        write(&mut store, 1, fence, vec![large(1, n, 1 << 20)]);
    }
    let after = fs::metadata(&log).unwrap().len();
    assert!(after < held + 8 * MIB, "{after}");
    store.check().unwrap();
}

#[test]
fn the_gateways_questions_are_answered_from_indexes() {
    let folder = Folder::new();
    let store = open(&folder);
    let plan = |sql: &str| -> String {
        let mut statement = store.db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters = vec![rusqlite::types::Null; statement.parameter_count()];
        let mut rows = statement.query(rusqlite::params_from_iter(parameters)).unwrap();
        let mut plan = String::new();
        while let Some(row) = rows.next().unwrap() {
            plan += &format!("{}\n", row.get::<_, String>(3).unwrap());
        }
        plan
    };
    let earlier = plan(operation::EARLIER);
    assert!(
        earlier.starts_with("SEARCH o USING INDEX operations_by_key (group_name=? AND request_key=?)\n"),
        "{earlier}"
    );
    for (question, plan) in [("earlier", earlier), ("load", plan(operation::LOAD))] {
        for part in ["SEARCH late USING PRIMARY KEY (operation=? AND place=?)", "operations_by_about (about=?)"] {
            assert!(plan.contains(part), "{question}: {plan}");
        }
        assert!(!plan.contains("SCAN operations") && !plan.contains("SCAN late"), "{question}: {plan}");
    }
    let (walk, running) = (plan(operation::LEDGER), plan(operation::LEDGER_RUNNING));
    assert!(walk.starts_with("SEARCH o USING INTEGER PRIMARY KEY (rowid>?)\n"), "{walk}");
    assert!(running.starts_with("SEARCH o USING INDEX operations_by_end (ended_at=?)\n"), "{running}");
    let load = plan(operation::LOAD);
    for part in ["(ended_at=?)", "(ended_at>?)"] {
        let part = format!("SEARCH operations USING COVERING INDEX operations_by_end {part}\n");
        assert!(load.contains(&part), "{load}");
    }
    assert!(!load.contains("SCAN operations"), "{load}");
    for sql in [hook::WAITING, hook::DUE, hook::TOLD, hook::REMOVED] {
        let plan = plan(sql);
        for table in ["d", "first", "webhook_deliveries", "e", "webhook_endpoints", "o"] {
            assert!(!plan.lines().any(|line| line == format!("SCAN {table}")), "{plan}");
        }
    }
}

/// What it was told may be a year's, and nobody waits for that.
#[test]
fn what_a_removed_endpoint_was_told_goes_little_by_little() {
    let folder = Folder::new();
    let mut store = open(&folder);
    store.add_credentials(&[signing("key", 1)]).unwrap();
    let fence = own(&mut store);
    write(&mut store, 1, fence, vec![accepted(1, 1)]);
    let id = EndpointId::parse("wh_a").unwrap();
    let endpoint = Endpoint {
        id: id.clone(),
        group: shop(1),
        url: "https://hooks.example.test/".into(),
        events: vec!["ended".into()],
        active: true,
        secret: Secret::new("whsec_a"),
        description: None,
        metadata: None,
        created_at: wall(1),
        updated_at: wall(1),
    };
    store.endpoints(&shop(1), &EndpointWork::Add { endpoint: Box::new(endpoint), most: 1 }).unwrap();
    let operation = work(1, 1).id.number();
    let five = (0..5).map(|n| {
        format!("INSERT INTO webhook_deliveries (endpoint, operation, event, body, tries, due, delivered) VALUES (1, {operation}, 'evt_{n}', x'', 0, 1, 0);")
    });
    meddle(&folder, &five.collect::<String>());
    let count = |store: &Sqlite, table: &str| -> u64 {
        store.db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    meddle(&folder, "UPDATE webhook_endpoints SET sealed = x'01'");
    let everything = Wanted { by: at(9), busy: [].into(), full: [].into(), only: None, after: None, each: 9, most: 9 };
    let due = store.due(&everything).unwrap();
    assert_eq!(
        (due.deliveries, due.sealed),
        (Vec::new(), vec![id.clone()]),
        "a damaged secret is its owner's business"
    );

    store.endpoints(&shop(1), &EndpointWork::Remove(id)).unwrap();
    let sealed: Vec<u8> = store.db.query_row("SELECT sealed FROM webhook_endpoints", [], |row| row.get(0)).unwrap();
    assert_eq!(sealed, [0; 0], "its secret is gone at once");
    assert_eq!(store.endpoints(&shop(1), &EndpointWork::List).unwrap(), EndpointsDone::Listed(Vec::new()));
    assert_eq!(store.kept(0, 9, &KeptFilter::default()).unwrap(), []);
    for (forgotten, left) in [(3, 2), (2, 0), (0, 0)] {
        assert_eq!(store.forget(at(0), 3).unwrap(), forgotten);
        assert_eq!(count(&store, "webhook_deliveries"), left);
    }
    assert_eq!(count(&store, "webhook_endpoints"), 0);
    store.check().unwrap();
}

#[test]
fn what_another_process_changes_is_noticed_once() {
    let folder = Folder::new();
    let mut gateway = open(&folder);
    Sqlite::attach(folder.path()).unwrap().add_credentials(&[credential("c", 1)]).unwrap();
    assert!(gateway.changed_elsewhere().unwrap(), "since it was opened");
    gateway.add_credentials(&[credential("a", 1)]).unwrap();
    assert!(!gateway.changed_elsewhere().unwrap(), "our own changes are ours");
    Sqlite::attach(folder.path()).unwrap().send_again(&KeptFilter::default(), at(0)).unwrap();
    assert!(!gateway.changed_elsewhere().unwrap(), "nothing was sent again");
    Sqlite::attach(folder.path()).unwrap().add_credentials(&[credential("b", 1)]).unwrap();
    assert!(gateway.changed_elsewhere().unwrap());
    assert!(!gateway.changed_elsewhere().unwrap());
}
