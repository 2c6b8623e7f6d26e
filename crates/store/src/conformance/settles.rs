//! Answers decided upon: outcome, mail and money together, or nothing.

use model::{CommitError, Fence, Member, NetworkId, Opaque, Settled};

use super::Place;
use super::given::*;
use crate::{Horizon, Inspect};

/// A store with one running operation of shop 1 and Ann, who has 100.00.
fn scene(place: &impl Place) -> (Box<dyn Inspect>, Fence) {
    let mut store = place.open();
    let fence = own(&mut *store);
    store.put_member(&person("ann")).unwrap();
    write(&mut *store, 1, fence, vec![accepted(1, 0)]);
    (store, fence)
}

fn balance(store: &dyn Inspect) -> i64 {
    let ann = person("ann");
    let accounts = store.accounts().unwrap();
    assert!(accounts.iter().all(crate::Account::adds_up), "{accounts:?}");
    store.member(&ann.network, &ann.id).unwrap().unwrap().balance.minor
}

fn owed(store: &mut dyn Inspect) -> usize {
    store.load(&[home(1)], Horizon::at(at(0))).unwrap()[0].mail.len()
}

fn said(body: &str) -> Answer {
    Ok(vec![Settled::Outcome(completed(body))])
}

pub(crate) fn a_payment_is_outcome_debit_and_mail_together(place: &impl Place) {
    let (mut store, fence) = scene(place);
    let answer = commit(&mut *store, answering(fence, settle(1, 0, Some("ann-left"), "pay 2500")));
    assert_eq!(answer, said("ann had 10000"));
    drop(store);
    let mut store = place.open();
    assert_eq!(balance(&*store), 7_500);
    assert_eq!(store.operations(None, 1).unwrap()[0].outcome, Some((completed("ann had 10000"), at(2))));
    assert_eq!(owed(&mut *store), 1);
    let account = store.accounts().unwrap().remove(0);
    assert_eq!((account.opening, account.balance), (usd(10_000), usd(7_500)));
    assert_eq!((account.debits, account.debited), (1, 2_500));
}

pub(crate) fn a_second_settle_says_the_first_outcome_and_takes_nothing(place: &impl Place) {
    let (mut store, fence) = scene(place);
    let pay = || answering(fence, settle(1, 0, Some("ann-left"), "pay 2500"));
    assert_eq!(commit(&mut *store, pay()), said("ann had 10000"));
    write(&mut *store, 1, fence, vec![model::Write::Paid { operation: id(1, 0) }]);
    assert_eq!(commit(&mut *store, pay()), said("ann had 10000"));
    let other = answering(fence, settle(1, 0, Some("ann-left"), "panic"));
    assert_eq!(commit(&mut *store, other), said("ann had 10000"), "the service is not even asked");
    assert_eq!((balance(&*store), owed(&mut *store)), (7_500, 0));
}

pub(crate) fn two_settles_in_one_batch_take_money_once(place: &impl Place) {
    let (mut store, fence) = scene(place);
    let mut both = answering(fence, settle(1, 0, Some("ann-left"), "pay 2500"));
    both.settles.push(settle(1, 0, Some("ann-right"), "pay 100"));
    let first = || Settled::Outcome(completed("ann had 10000"));
    assert_eq!(commit(&mut *store, both), Ok(vec![first(), first()]));
    assert_eq!(balance(&*store), 7_500);
}

pub(crate) fn what_goes_on_writes_nothing(place: &impl Place) {
    let (mut store, fence) = scene(place);
    let before = everything(&*store);
    let answer = commit(&mut *store, answering(fence, settle(1, 0, Some("ann-left"), "again")));
    assert_eq!(answer, Ok(vec![Settled::Again { note: Opaque::from_static(b"note") }]));
    assert_eq!(everything(&*store), before);
    assert_eq!(owed(&mut *store), 0);
}

pub(crate) fn too_little_money_is_the_services_decision(place: &impl Place) {
    let (mut store, fence) = scene(place);
    let answer = commit(&mut *store, answering(fence, settle(1, 0, Some("ann-left"), "pay 10001")));
    assert_eq!(answer, Ok(vec![Settled::Outcome(declined("funds"))]));
    assert_eq!((balance(&*store), owed(&mut *store)), (10_000, 1));
}

pub(crate) fn nobody_is_looked_up_when_the_subject_is_unknown(place: &impl Place) {
    let (mut store, fence) = scene(place);
    write(&mut *store, 1, fence, vec![accepted(1, 1)]);
    for (n, subject) in [(0, Some("bob-left")), (1, None)] {
        let answer = commit(&mut *store, answering(fence, settle(1, n, subject, "pay 1")));
        assert_eq!(answer, Ok(vec![Settled::Outcome(declined("nobody"))]));
    }
    assert_eq!(balance(&*store), 10_000);
}

pub(crate) fn a_subject_counts_in_its_own_network_only(place: &impl Place) {
    let (mut store, fence) = scene(place);
    let elsewhere = NetworkId::parse("elsewhere").unwrap();
    let mut other = settle(1, 0, Some("ann-left"), "pay 1");
    other.question.network = elsewhere.clone();
    assert_eq!(commit(&mut *store, answering(fence, other)), Ok(vec![Settled::Outcome(declined("nobody"))]));

    let twin = Member { network: elsewhere.clone(), balance: usd(50), ..person("ann") };
    store.put_member(&twin).unwrap();
    write(&mut *store, 1, fence, vec![accepted(1, 1)]);
    let mut other = settle(1, 1, Some("ann-left"), "pay 20");
    other.question.network = elsewhere.clone();
    assert_eq!(commit(&mut *store, answering(fence, other)), said("ann had 50"));
    assert_eq!(store.member(&elsewhere, &twin.id).unwrap().unwrap().balance, usd(30));
    assert_eq!(balance(&*store), 10_000);
}

pub(crate) fn a_settle_sees_the_writes_of_its_batch(place: &impl Place) {
    let (mut store, fence) = scene(place);
    let mut fresh = answering(fence, settle(1, 7, Some("ann-left"), "pay 100"));
    fresh.writes.push(accepted(1, 7));
    fresh.writes.push(ended(1, 0, declined("by the requester")));
    fresh.settles.push(settle(1, 0, Some("ann-left"), "pay 100"));
    let expected = vec![Settled::Outcome(completed("ann had 10000")), Settled::Outcome(declined("by the requester"))];
    assert_eq!(commit(&mut *store, fresh), Ok(expected));
    assert_eq!(balance(&*store), 9_900);
}

pub(crate) fn a_debit_that_cannot_be_is_refused_with_everything_beside_it(place: &impl Place) {
    let (mut store, fence) = scene(place);
    let before = everything(&*store);
    for (evidence, cause) in [
        ("force 10001", "takes more than there is"),
        ("force 0", "takes no positive amount"),
        ("force -5", "takes no positive amount"),
        ("force -9223372036854775808", "takes no positive amount"),
        ("euros 5", "takes money of another currency than the balance"),
        ("stranger 5", "takes money from a member that is not there"),
        ("again_for 5", "takes money without an outcome"),
    ] {
        let mut batch = answering(fence, settle(1, 5, Some("ann-left"), "pay 100"));
        batch.writes.push(accepted(1, 5));
        batch.settles.push(settle(1, 0, Some("ann-left"), evidence));
        let refused = refused(commit(&mut *store, batch));
        assert_eq!(refused, format!("operation {} {cause}", id(1, 0)));
        assert_eq!(everything(&*store), before, "{evidence}");
    }
    assert_eq!((balance(&*store), owed(&mut *store)), (10_000, 0));
}

pub(crate) fn an_operation_that_is_not_stored_is_not_settled(place: &impl Place) {
    let (mut store, fence) = scene(place);
    let answer = commit(&mut *store, answering(fence, settle(1, 9, Some("ann-left"), "pay 1")));
    assert_eq!(refused(answer), format!("operation {} is not stored", id(1, 9)));
    let stale = answering(Fence(fence.0 - 1), settle(1, 0, Some("ann-left"), "pay 1"));
    assert_eq!(commit(&mut *store, stale), Err(CommitError::Fenced));
    assert_eq!(balance(&*store), 10_000);
}

pub(crate) fn a_panicking_service_spoils_its_own_batch_only(place: &impl Place) {
    let (mut store, fence) = scene(place);
    write(&mut *store, 2, fence, vec![accepted(2, 0)]);
    let mut spoiled = answering(fence, settle(1, 0, Some("ann-left"), "panic"));
    spoiled.writes.push(accepted(1, 1));
    let answers = store.commit(&[spoiled, answering(fence, settle(2, 0, Some("ann-left"), "pay 100"))]);
    assert_eq!(refused(answers[0].clone()), format!("the service panicked over operation {}", id(1, 0)));
    assert_eq!(answers[1], said("ann had 10000"));
    assert_eq!(commit(&mut *store, answering(fence, settle(1, 0, Some("ann-left"), "pay 100"))), said("ann had 9900"));
    assert_eq!(store.operations(None, 9).unwrap().len(), 2);
}
