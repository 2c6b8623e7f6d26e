//! Operations, fences, mail, late answers and devices.

use model::{
    Certainty, CommitError, DeviceId, Dialect, FailCause, Fence, GroupId, Opaque, OperationId, OperationRow, Outcome,
    OutcomeKind, Partition, Target, Write,
};

use super::Place;
use super::given::*;
use crate::sqlite::WRITES_PER_TRANSACTION;
use crate::{Filter, Horizon, Inspect, LATE_ANSWERS_PER_OPERATION, Progress};

pub(crate) fn what_is_accepted_is_there_as_it_was(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    let targets = [
        Target::Device(DeviceId::parse("device-001").unwrap()),
        Target::AnyOfGroup,
        Target::FirstIdle,
        Target::Serving("kitchen 'ü'".into()),
    ];
    let rows: Vec<OperationRow> = (0..)
        .zip(targets)
        .map(|(n, target)| {
            let deliver_by = (n % 2 == 0).then(|| at(n + 5));
            let memo = Opaque::from(vec![0, 255, u8::try_from(n).unwrap()]);
            OperationRow { target, deliver_by, memo, request: Opaque::new(), ..work(1, n) }
        })
        .collect();
    let writes = rows.iter().cloned().map(|row| Write::Accepted(Box::new(row))).collect();
    write(&mut *store, 1, fence, writes);
    assert_eq!(store.operations(None, 10).unwrap(), rows);
    drop(store);
    assert_eq!(place.open().operations(None, 10).unwrap(), rows);
}

pub(crate) fn every_outcome_comes_back_as_it_was(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    let mut outcomes = vec![completed("done"), completed(""), declined("no")];
    for certainty in [Certainty::NotDelivered, Certainty::Unknown] {
        outcomes.extend([Outcome::Expired { certainty }, Outcome::Cancelled { certainty }]);
        for cause in [FailCause::PerformerLost, FailCause::Performer, FailCause::Absent, FailCause::Service] {
            outcomes.push(Outcome::Failed { cause, certainty, body: Opaque::from_static(b"why") });
        }
    }
    for (n, outcome) in (0..).zip(&outcomes) {
        write(&mut *store, 1, fence, vec![accepted(1, n), ended(1, n, outcome.clone())]);
    }
    let stored: Vec<_> = store.operations(None, 100).unwrap().into_iter().map(|row| row.outcome).collect();
    let said: Vec<_> = (0..).zip(outcomes).map(|(n, outcome)| Some((outcome, at(n + 1)))).collect();
    assert_eq!(stored, said);
}

pub(crate) fn an_operation_accepted_twice_stays_as_it_was(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    write(&mut *store, 1, fence, vec![accepted(1, 0), ended(1, 0, completed("done"))]);
    let before = everything(&*store);
    let other = OperationRow { memo: Opaque::from_static(b"other"), ..work(1, 0) };
    write(&mut *store, 1, fence, vec![accepted(1, 0), Write::Accepted(Box::new(other))]);
    assert_eq!(everything(&*store), before);
}

pub(crate) fn the_first_outcome_wins(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    write(
        &mut *store,
        1,
        fence,
        vec![accepted(1, 0), ended(1, 0, completed("first")), ended(1, 0, declined("second"))],
    );
    write(&mut *store, 1, fence, vec![ended(1, 0, Outcome::Expired { certainty: Certainty::Unknown })]);
    assert_eq!(store.operations(None, 1).unwrap()[0].outcome, Some((completed("first"), at(1))));
}

pub(crate) fn the_newest_operation_under_a_key_is_found(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    let same = |n| OperationRow { key: key("order-1"), ..work(1, n) };
    write(&mut *store, 1, fence, [3, 1, 2].map(|n| Write::Accepted(Box::new(same(n)))).into());
    write(&mut *store, 2, fence, vec![accepted(2, 9)]);
    assert_eq!(store.earlier(&shop(1), &key("order-1")).unwrap(), Some(same(3)));
    assert_eq!(store.earlier(&shop(2), &key("order-1")).unwrap(), None);
    assert_eq!(store.earlier(&shop(1), &key("order-2")).unwrap(), None);
    assert_eq!(store.earlier(&shop(2), &key("key-9")).unwrap(), Some(work(2, 9)));
}

pub(crate) fn operations_come_oldest_first_and_a_few_at_a_time(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    write(&mut *store, 2, fence, vec![accepted(2, 4), accepted(2, 1)]);
    write(&mut *store, 1, fence, vec![accepted(1, 3), accepted(1, 2)]);
    let listed =
        |after, limit| -> Vec<_> { store.operations(after, limit).unwrap().iter().map(|row| row.id).collect() };
    assert_eq!(listed(None, 3), [id(2, 1), id(1, 2), id(1, 3)]);
    assert_eq!(listed(Some(id(1, 3)), 3), [id(2, 4)]);
    assert_eq!(listed(Some(id(2, 4)), 3), []);
    assert_eq!(listed(None, 0), []);
}

pub(crate) fn a_ledger_is_read_a_page_at_a_time(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    write(&mut *store, 1, fence, (0..7).map(|n| accepted(1, n)).collect());
    write(&mut *store, 2, fence, vec![accepted(2, 3), ended(2, 3, completed("done")), late(2, 3, "again", 9)]);
    let (mut pages, mut rows, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = store.ledger(after, 3, &Filter::default()).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        pages.push(page.len());
        rows.extend(page);
    }
    assert_eq!(pages, [3, 3, 2]);
    assert_eq!(rows, store.operations(None, 100).unwrap(), "whole rows, in order");
    assert_eq!(store.ledger(None, 0, &Filter::default()).unwrap(), []);
}

pub(crate) fn a_ledger_shows_what_a_filter_lets_pass(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    let device = DeviceId::parse("lane 'ü'").unwrap();
    let aimed = OperationRow { target: Target::Device(device.clone()), ..work(1, 2) };
    let named = OperationRow { target: Target::Serving("lane 'ü'".into()), ..work(1, 3) };
    let modulus = OperationRow { dialect: Dialect::Modulus, ..work(1, 4) };
    let rows = [work(1, 1), aimed, named, modulus, good_for(1, 5, 1)];
    write(&mut *store, 1, fence, rows.into_iter().map(|row| Write::Accepted(Box::new(row))).collect());
    write(&mut *store, 1, fence, vec![ended(1, 4, completed("done"))]);
    write(&mut *store, 2, fence, vec![accepted(2, 6)]);
    let shown = |filter: Filter| -> Vec<u64> {
        let rows = store.ledger(None, 100, &filter).unwrap();
        rows.iter().map(|row| row.accepted_at.since(at(0)).as_secs()).collect()
    };
    let all = Filter::default;
    assert_eq!(shown(all()), [1, 2, 3, 4, 6]);
    assert_eq!(shown(Filter { with_compensations: true, ..all() }), [1, 2, 3, 4, 5, 6]);
    assert_eq!(shown(Filter { dialect: Some(Dialect::Modulus), ..all() }), [4]);
    assert_eq!(shown(Filter { device: Some(device.clone()), ..all() }), [2]);
    assert_eq!(shown(Filter { key: Some(key("key-1")), ..all() }), [1]);
    assert_eq!(shown(Filter { key: Some(key("key-1")), with_compensations: true, ..all() }), [1, 5]);
    assert_eq!(shown(Filter { group: Some(shop(2).name().into()), ..all() }), [6]);
    assert_eq!(shown(Filter { progress: Some(Progress::Running), ..all() }), [1, 2, 3, 6]);
    assert_eq!(shown(Filter { progress: Some(Progress::Running), key: Some(key("key-2")), ..all() }), [2]);
    assert_eq!(shown(Filter { progress: Some(Progress::Ended(OutcomeKind::Completed)), ..all() }), [4]);
    assert!(shown(Filter { progress: Some(Progress::Ended(OutcomeKind::Expired)), ..all() }).is_empty());
    assert_eq!(shown(Filter { since: Some(at(3)), until: Some(at(6)), ..all() }), [3, 4]);
    assert!(
        shown(Filter { dialect: Some(Dialect::Boop), device: Some(device), until: Some(at(2)), ..all() }).is_empty()
    );
    let slashed = GroupId::of(Dialect::Boop, "north/1").unwrap();
    let row = OperationRow { id: OperationId::next(Partition::of(&slashed), START + 9, None), ..work(1, 9) };
    let commit_of = |fence| model::Commit {
        partition: Partition::of(&slashed),
        fence,
        batch: 1,
        writes: vec![Write::Accepted(Box::new(OperationRow { group: slashed.clone(), ..row }))],
        settles: Vec::new(),
        announces: Vec::new(),
    };
    let fence = store.load(&[Partition::of(&slashed)], Horizon::at(at(0))).unwrap()[0].fence;
    assert_eq!(commit(&mut *store, commit_of(fence)), Ok(vec![]));
    let named = |name: &str| store.ledger(None, 9, &Filter { group: Some(name.into()), ..all() }).unwrap().len();
    assert_eq!((named("north/1"), named("1"), named("boop/north/1")), (1, 0, 0));
}

pub(crate) fn a_new_owner_starts_from_what_runs_is_recent_or_is_owed(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    let done = || completed("done");
    write(
        &mut *store,
        1,
        fence,
        vec![accepted(1, 10), accepted(1, 20), accepted(1, 30), accepted(1, 40), accepted(1, 50)],
    );
    // 10 runs; 20 ended long ago and is owed; 30 ended long ago; 40 ended just before, 50 just at the horizon.
    let owed = Write::Owed(mail(1, 20));
    write(
        &mut *store,
        1,
        fence,
        vec![ended(1, 20, done()), owed, ended(1, 30, done()), ended(1, 40, done()), ended(1, 50, done())],
    );
    let loaded = store.load(&[home(1)], Horizon::at(at(51))).unwrap().remove(0);
    let ids: Vec<_> = loaded.operations.iter().map(|row| row.id).collect();
    assert_eq!(ids, [id(1, 10), id(1, 20), id(1, 50)]);
    assert_eq!(loaded.operations[1], OperationRow { outcome: Some((done(), at(21))), ..work(1, 20) });
    assert_eq!(loaded.mail, [mail(1, 20)]);
}

pub(crate) fn a_load_gives_each_partition_its_own(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    for n in 1..=3 {
        write(&mut *store, n, fence, vec![accepted(n, 0), Write::Owed(mail(n, 0))]);
    }
    let loaded = store.load(&[home(3), home(1)], Horizon::at(at(0))).unwrap();
    assert_eq!(loaded.len(), 2);
    for (loaded, n) in loaded.iter().zip([3, 1]) {
        assert_eq!(loaded.partition, home(n));
        assert_eq!(loaded.operations, [work(n, 0)]);
        assert_eq!(loaded.mail, [mail(n, 0)]);
        let newest = (1..=3).map(|n| id(n, 0)).max();
        assert_eq!(loaded.newest, newest, "of all partitions");
    }
    assert_eq!(store.load(&[], Horizon::at(at(0))).unwrap(), []);
}

pub(crate) fn fences_rise_with_every_load_and_shut_out_older_owners(place: &impl Place) {
    let mut store = place.open();
    assert_eq!(commit(&mut *store, batch(1, Fence(0), vec![])), Err(CommitError::Fenced), "nobody owns it yet");
    let first = own(&mut *store);
    drop(store);
    let mut store = place.open();
    let second = own(&mut *store);
    assert!(second > first, "a restart does not forget who owned a partition");
    assert_eq!(commit(&mut *store, batch(1, first, vec![accepted(1, 0)])), Err(CommitError::Fenced));
    assert_eq!(commit(&mut *store, batch(1, Fence(second.0 + 1), vec![accepted(1, 0)])), Err(CommitError::Fenced));
    assert_eq!(store.operations(None, 1).unwrap(), []);
    write(&mut *store, 1, second, vec![accepted(1, 0)]);
    let other = store.load(&[home(2)], Horizon::at(at(0))).unwrap().remove(0).fence;
    assert!(other > second);
    write(&mut *store, 1, second, vec![accepted(1, 1)]);
}

pub(crate) fn a_fenced_batch_fails_alone(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    let newer = store.load(&[home(2)], Horizon::at(at(0))).unwrap().remove(0).fence;
    let answers = store.commit(&[
        batch(1, fence, vec![accepted(1, 0)]),
        batch(2, fence, vec![accepted(2, 0)]),
        batch(3, fence, vec![accepted(3, 0)]),
        batch(2, newer, vec![accepted(2, 1)]),
    ]);
    assert_eq!(answers, [Ok(vec![]), Err(CommitError::Fenced), Ok(vec![]), Ok(vec![])]);
    let ids: Vec<_> = store.operations(None, 9).unwrap().into_iter().map(|row| row.id).collect();
    let mut expected = vec![id(1, 0), id(3, 0), id(2, 1)];
    expected.sort();
    assert_eq!(ids, expected);
}

pub(crate) fn a_batch_is_done_whole_or_not_at_all(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    write(&mut *store, 1, fence, vec![accepted(1, 0), accepted(1, 1), Write::Owed(mail(1, 1))]);
    let before = everything(&*store);
    let spoiled = vec![
        accepted(1, 5),
        ended(1, 0, completed("done")),
        Write::Owed(mail(1, 0)),
        Write::Paid { operation: id(1, 1) },
        Write::LateAnswer { operation: id(1, 0), body: Opaque::new(), at: at(3) },
        Write::Seen(device(1, "device-001", 3)),
        ended(1, 99, completed("of nothing")),
    ];
    let answers =
        store.commit(&[batch(2, fence, vec![accepted(2, 0)]), batch(1, fence, spoiled), batch(2, fence, vec![])]);
    assert_eq!((&answers[0], &answers[2]), (&Ok(vec![]), &Ok(vec![])));
    assert_eq!(refused(answers[1].clone()), format!("operation {} is not stored", id(1, 99)));
    assert_eq!(store.earlier(&shop(1), &key("key-5")).unwrap(), None);
    let after = everything(&*store);
    assert_ne!(after, before, "the batch beside it is there");
    let loaded = store.load(&[home(1)], Horizon::at(at(0))).unwrap().remove(0);
    assert_eq!(loaded.mail, [mail(1, 1)]);
    write(&mut *store, 1, loaded.fence, vec![]);
    assert_eq!(everything(&*store), after);
}

pub(crate) fn a_batch_cannot_touch_another_partition(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    write(&mut *store, 2, fence, vec![accepted(2, 0), Write::Owed(mail(2, 0))]);
    let before = everything(&*store);
    for write in [
        accepted(2, 1),
        ended(2, 0, completed("done")),
        Write::Owed(mail(2, 0)),
        Write::Paid { operation: id(2, 0) },
        Write::LateAnswer { operation: id(2, 0), body: Opaque::new(), at: at(3) },
    ] {
        let cause = refused(commit(&mut *store, batch(1, fence, vec![write])));
        assert!(cause.contains("belongs to partition"), "{cause}");
    }
    let mut foreign = answering(fence, settle(2, 0, None, "pay 1"));
    foreign.partition = home(1);
    assert!(refused(commit(&mut *store, foreign)).contains("belongs to partition"));
    assert_eq!(everything(&*store), before);
}

pub(crate) fn what_is_not_stored_cannot_end_or_be_owed(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    for write in [ended(1, 0, completed("done")), Write::Owed(mail(1, 0))] {
        let cause = refused(commit(&mut *store, batch(1, fence, vec![write])));
        assert_eq!(cause, format!("operation {} is not stored", id(1, 0)));
    }
    let late = Write::LateAnswer { operation: id(1, 0), body: Opaque::new(), at: at(3) };
    write(&mut *store, 1, fence, vec![Write::Paid { operation: id(1, 0) }, late]);
    assert_eq!(store.late_answers(id(1, 0)).unwrap(), []);
}

pub(crate) fn mail_keeps_its_order_over_a_restart_until_it_is_paid(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    write(&mut *store, 1, fence, (0..4).map(|n| accepted(1, n)).collect());
    write(&mut *store, 1, fence, [2, 0, 3].map(|n| Write::Owed(mail(1, n))).into());
    // Owed twice keeps its place; paid and owed again goes to the end.
    let paid = Write::Paid { operation: id(1, 0) };
    write(&mut *store, 1, fence, vec![Write::Owed(mail(1, 2)), paid, Write::Owed(mail(1, 1)), Write::Owed(mail(1, 0))]);
    drop(store);
    let mut store = place.open();
    let mailbox = store.load(&[home(1)], Horizon::at(at(0))).unwrap().remove(0);
    assert_eq!(mailbox.mail, [2, 3, 1, 0].map(|n| mail(1, n)));
    write(
        &mut *store,
        1,
        mailbox.fence,
        vec![Write::Paid { operation: id(1, 3) }, Write::Paid { operation: id(1, 3) }],
    );
    assert_eq!(store.load(&[home(1)], Horizon::at(at(0))).unwrap()[0].mail, [2, 1, 0].map(|n| mail(1, n)));
}

pub(crate) fn late_answers_are_kept_in_order_up_to_a_bound(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    write(&mut *store, 1, fence, vec![accepted(1, 0), ended(1, 0, completed("done"))]);
    for n in 0..u64::try_from(LATE_ANSWERS_PER_OPERATION).unwrap() + 3 {
        let body = Opaque::from(format!("late {n}"));
        write(&mut *store, 1, fence, vec![Write::LateAnswer { operation: id(1, 0), body, at: at(n) }]);
    }
    let late = store.late_answers(id(1, 0)).unwrap();
    assert_eq!(late.len(), LATE_ANSWERS_PER_OPERATION);
    assert_eq!((&late[0].body[..], late[1].at), (&b"late 0"[..], at(1)));
    assert!(!format!("{late:?}").contains("late 0"), "bodies do not show");
}

pub(crate) fn what_is_old_is_forgotten_unless_it_took_money_runs_or_is_owed(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    store.put_member(&person("ann")).unwrap();
    write(&mut *store, 1, fence, (0..6).map(|n| accepted(1, n)).collect());
    let late = Write::LateAnswer { operation: id(1, 0), body: Opaque::new(), at: at(9) };
    write(&mut *store, 1, fence, vec![ended(1, 0, declined("no")), late]);
    write(&mut *store, 1, fence, vec![ended(1, 1, declined("no")), Write::Owed(mail(1, 1))]);
    commit(&mut *store, answering(fence, settle(1, 2, Some("ann-left"), "pay 2500"))).unwrap();
    write(&mut *store, 1, fence, vec![Write::Paid { operation: id(1, 2) }]);
    write(&mut *store, 1, fence, vec![ended(1, 4, declined("no")), ended(1, 5, declined("no"))]);
    // An operation n ends at n + 1.
    assert_eq!(store.forget(at(6), 1), Ok(1), "the oldest first, so many at most");
    assert_eq!(store.forget(at(6), 10), Ok(1));
    assert_eq!(store.forget(at(6), 10), Ok(0));
    let left: Vec<_> = store.operations(None, 10).unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(left, [1, 2, 3, 5].map(|n| id(1, n)), "owed, paid, running, not old");
    assert_eq!(store.late_answers(id(1, 0)).unwrap(), []);
    assert_eq!(store.earlier(&shop(1), &work(1, 0).key).unwrap(), None);
    assert!(store.accounts().unwrap().iter().all(crate::Account::adds_up));
}

/// The `n`th operation of the first shop, as it is found under its key.
fn found(store: &dyn Inspect, n: u64) -> OperationRow {
    store.earlier(&shop(1), &work(1, n).key).unwrap().unwrap()
}

pub(crate) fn a_row_tells_what_came_after_its_outcome(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    // What a row says of these is never written with it.
    let made_up = OperationRow {
        late: Some((Opaque::from_static(b"made up"), at(1))),
        compensation: Some((id(1, 7), None)),
        ..work(1, 0)
    };
    write(&mut *store, 1, fence, vec![Write::Accepted(Box::new(made_up)), ended(1, 0, declined("no"))]);
    let before = OperationRow { outcome: Some((declined("no"), at(1))), ..work(1, 0) };
    assert_eq!(found(&*store, 0), before);
    write(&mut *store, 1, fence, vec![late(1, 0, "first", 9), late(1, 0, "second", 8)]);
    let row = OperationRow { late: Some((Opaque::from_static(b"second"), at(8))), ..before };
    assert_eq!(found(&*store, 0), row, "the newest, by their order");
    write(&mut *store, 1, fence, vec![Write::Accepted(Box::new(good_for(1, 10, 0)))]);
    let row = OperationRow { compensation: Some((id(1, 10), None)), ..row };
    assert_eq!(found(&*store, 0), row);
    assert_eq!(store.operations(None, 9).unwrap(), [row.clone(), good_for(1, 10, 0)]);
    write(&mut *store, 1, fence, vec![ended(1, 10, Outcome::Expired { certainty: Certainty::Unknown })]);
    let row = OperationRow { compensation: Some((id(1, 10), Some((OutcomeKind::Expired, at(11))))), ..row };
    assert_eq!(found(&*store, 0), row);
    write(&mut *store, 1, fence, vec![Write::Accepted(Box::new(good_for(1, 12, 0)))]);
    write(&mut *store, 1, fence, vec![ended(1, 12, completed("voided"))]);
    let row = OperationRow { compensation: Some((id(1, 12), Some((OutcomeKind::Completed, at(13))))), ..row };
    assert_eq!(found(&*store, 0), row, "the newest");
    drop(store);
    let loaded = place.open().load(&[home(1)], Horizon::at(at(0))).unwrap().remove(0);
    assert_eq!(loaded.operations[0], row);
    assert_eq!(loaded.operations[1].about, Some(id(1, 0)));
    assert_eq!(loaded.operations[1].compensation, None);
}

pub(crate) fn a_late_answer_and_what_makes_good_for_it_are_there_together_or_not_at_all(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    write(&mut *store, 1, fence, vec![accepted(1, 0), ended(1, 0, declined("no"))]);
    let before = everything(&*store);
    let making_good = || vec![late(1, 0, "it was done", 5), Write::Accepted(Box::new(good_for(1, 10, 0)))];
    let spoiled = [making_good(), vec![ended(1, 99, completed("of nothing"))]].concat();
    refused(commit(&mut *store, batch(1, fence, spoiled)));
    assert_eq!(everything(&*store), before);
    assert_eq!(found(&*store, 0).compensation, None);
    write(&mut *store, 1, fence, making_good());
    let row = found(&*store, 0);
    assert_eq!((row.late.unwrap().1, row.compensation.unwrap()), (at(5), (id(1, 10), None)));
    // Nobody makes good for what is in other hands.
    let foreign = OperationRow { about: Some(id(2, 0)), ..work(1, 11) };
    let cause = refused(commit(&mut *store, batch(1, fence, vec![Write::Accepted(Box::new(foreign))])));
    assert!(cause.ends_with("not to the batch's"), "{cause}");
}

pub(crate) fn what_makes_good_for_work_is_not_what_was_asked_for(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    write(&mut *store, 1, fence, vec![Write::Accepted(Box::new(good_for(1, 10, 0)))]);
    assert_eq!(store.earlier(&shop(1), &work(1, 0).key).unwrap(), None);
    write(&mut *store, 1, fence, vec![accepted(1, 0)]);
    let asked = found(&*store, 0);
    assert_eq!((asked.id, asked.compensation), (id(1, 0), Some((id(1, 10), None))));
    // Work may be asked for again under the key; then that is meant.
    let again = OperationRow { key: work(1, 0).key, ..work(1, 5) };
    write(&mut *store, 1, fence, vec![Write::Accepted(Box::new(again.clone()))]);
    assert_eq!(found(&*store, 0), again);
}

pub(crate) fn what_is_made_good_is_forgotten_after_that_has_ended_and_before_it(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    let good = Write::Accepted(Box::new(good_for(1, 10, 0)));
    write(&mut *store, 1, fence, vec![accepted(1, 0), ended(1, 0, declined("no")), late(1, 0, "done", 5), good]);
    assert_eq!(store.forget(at(99), 9), Ok(0), "it runs");
    write(&mut *store, 1, fence, vec![ended(1, 10, completed("voided")), Write::Owed(mail(1, 0))]);
    assert_eq!(store.forget(at(99), 9), Ok(0), "what is kept keeps what made good for it");
    assert!(found(&*store, 0).compensation.is_some());
    write(&mut *store, 1, fence, vec![Write::Paid { operation: id(1, 0) }]);
    assert_eq!(store.forget(at(99), 9), Ok(1));
    let left = store.operations(None, 9).unwrap();
    assert_eq!(left.iter().map(|row| (row.id, row.about)).collect::<Vec<_>>(), [(id(1, 10), Some(id(1, 0)))]);
    assert_eq!(store.forget(at(99), 9), Ok(1));
    assert_eq!(store.operations(None, 9).unwrap(), []);
}

pub(crate) fn a_new_owner_knows_the_devices_that_were_seen_lately(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    let seen = |shop, name, seconds| Write::Seen(device(shop, name, seconds));
    write(&mut *store, 1, fence, vec![seen(1, "b", 5), seen(1, "old", 4), seen(1, "a", 9)]);
    write(&mut *store, 2, fence, vec![seen(2, "b", 7)]);
    drop(store);
    let loaded = place.open().load(&[home(2), home(3), home(1)], Horizon::at(at(5))).unwrap();
    let devices: Vec<_> = loaded.into_iter().map(|loaded| loaded.devices).collect();
    assert_eq!(devices, [vec![device(2, "b", 7)], vec![], vec![device(1, "a", 9), device(1, "b", 5)]]);
}

pub(crate) fn a_new_owner_knows_so_many_devices_of_a_group_those_seen_last(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    let seen = |shop, name, seconds| Write::Seen(device(shop, name, seconds));
    write(&mut *store, 1, fence, vec![seen(1, "c", 8), seen(1, "b", 5), seen(1, "a", 9), seen(1, "d", 5)]);
    write(&mut *store, 2, fence, vec![seen(2, "z", 2)]);
    let mut load = |devices| {
        let horizon = Horizon { devices, ..Horizon::at(at(0)) };
        let loaded = store.load(&[home(1), home(2)], horizon).unwrap();
        loaded.into_iter().map(|loaded| loaded.devices).collect::<Vec<_>>()
    };
    let other = vec![device(2, "z", 2)];
    assert_eq!(load(3), [vec![device(1, "a", 9), device(1, "b", 5), device(1, "c", 8)], other.clone()]);
    assert_eq!(load(1), [vec![device(1, "a", 9)], other]);
    assert_eq!(load(0), [vec![], vec![]]);
}

pub(crate) fn devices_not_seen_for_long_are_forgotten_after_old_operations(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    let seen = |name, seconds| Write::Seen(device(1, name, seconds));
    write(&mut *store, 1, fence, vec![accepted(1, 0), ended(1, 0, declined("no"))]);
    write(&mut *store, 1, fence, vec![seen("a", 5), seen("b", 3), seen("c", 4), seen("d", 6)]);
    assert_eq!(store.forget(at(6), 2), Ok(2), "the operation, and the device that was seen first");
    assert_eq!(store.operations(None, 9).unwrap(), []);
    assert_eq!(store.devices(&shop(1)).unwrap(), [device(1, "a", 5), device(1, "c", 4), device(1, "d", 6)]);
    assert_eq!(store.forget(at(6), 9), Ok(2));
    assert_eq!(store.forget(at(6), 9), Ok(0));
    drop(store);
    assert_eq!(place.open().devices(&shop(1)).unwrap(), [device(1, "d", 6)]);
}

pub(crate) fn devices_remember_when_they_were_last_seen(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    let seen = |name, seconds| Write::Seen(device(1, name, seconds));
    write(&mut *store, 1, fence, vec![seen("b", 5), seen("a", 7), seen("b", 9), seen("a", 3)]);
    assert_eq!(store.devices(&shop(1)).unwrap(), [device(1, "a", 7), device(1, "b", 9)]);
    assert_eq!(store.devices(&shop(2)).unwrap(), []);
}

pub(crate) fn more_writes_than_a_transaction_holds_are_answered_in_order(place: &impl Place) {
    let mut store = place.open();
    let fence = own(&mut *store);
    let most = u64::try_from(WRITES_PER_TRANSACTION).unwrap();
    let large = (0..most + 10).map(|n| accepted(1, n)).collect();
    let mut commits = vec![batch(1, fence, large), batch(1, Fence(0), vec![])];
    commits.extend((0..most + 10).map(|n| batch(2, fence, vec![accepted(2, n)])));
    commits.push(batch(3, fence, vec![ended(3, 0, completed("of nothing"))]));
    let answers = store.commit(&commits);
    assert_eq!(answers.len(), commits.len());
    let bad: Vec<_> = (0..answers.len()).filter(|at| answers[*at].is_err()).collect();
    assert_eq!(bad, [1, commits.len() - 1]);
    assert_eq!(store.operations(None, usize::MAX).unwrap().len(), 2 * (WRITES_PER_TRANSACTION + 10));
    assert_eq!(store.commit(&[]), []);
}
