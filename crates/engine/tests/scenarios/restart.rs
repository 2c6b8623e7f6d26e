//! A new owner starts from what was written: nothing that was said becomes untrue.

use std::sync::Arc;

use model::{Capacity, Fence, Loaded, OperationId, Partition, Reoffer, RequesterLost, Target, Verdict};

use crate::support::{Work, World, again, at, completed, decided, evidence, group, loaded, performer, requester, s};
use crate::{shop_and_reader, then};

#[test]
fn running_work_goes_on_to_its_deadline() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    then(world.restart(), &[]);
    then(world.admit("till again", requester("shop")), &["till again= admitted e2.1"]);
    then(
        world.wait(s(30)),
        &[
            "+30s write ended k1 expired unknown",
            "+30s write owed k1 to shop until +90s",
            "+30s till again: outcome k1 expired unknown",
            "+30s write paid k1",
            "+30s event 1 ended k1 expired",
        ],
    );
}

#[test]
fn running_work_is_offered_again_to_whoever_comes() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.restart();
    world.admit("till again", requester("shop"));
    then(
        world.admit("reader again", performer("d1")),
        &["reader again= admitted e2.2", "write seen d1", "event 1 d1 online e2.2", "reader again: offer k1 by +30s"],
    );
    then(
        world.answer("reader again", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "till again: outcome k1 completed seen",
            "write paid k1",
            "event 2 ended k1 completed",
            "reader again= taken k1 ended completed",
        ],
    );
}

#[test]
fn an_offer_that_must_never_be_repeated_is_not_and_its_result_is_taken() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1").device("d1").rules(|rules| rules.reoffer = Reoffer::Never));
    world.restart();
    world.admit("till again", requester("shop"));
    world.admit("other", performer("d2"));
    then(
        world.admit("reader again", performer("d1")),
        &["reader again= admitted e2.3", "write seen d1", "event 2 d1 online e2.3"],
    );
    then(
        world.answer("other", "k1", completed("not mine")),
        &["other= taken k1 not_yours", "event 3 alert contradiction k1 d2"],
    );
    then(
        world.answer("reader again", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "till again: outcome k1 completed seen",
            "write paid k1",
            "event 4 ended k1 completed",
            "reader again= taken k1 ended completed",
        ],
    );
}

#[test]
fn a_device_that_answers_for_restored_work_has_it() {
    let mut world = shop_and_reader();
    let rules = |rules: &mut model::Rules| {
        rules.reoffer = Reoffer::Never;
        rules.capacity = Capacity::Busy;
        rules.performer_lost = model::PerformerLost::Fail;
    };
    world.submit("till", Work::new("k1").device("d1").rules(rules));
    world.restart();
    world.admit("till again", requester("shop"));
    world.admit("reader again", performer("d1"));
    then(world.answer("reader again", "k1", Verdict::Started), &["reader again= taken k1 noted"]);
    then(world.submit("till again", Work::new("k2").device("d1").rules(rules)), &["till again= refused k2 busy"]);
    then(
        world.leave("reader again"),
        &[
            "write seen d1",
            "event 2 d1 offline e2.2",
            "write ended k1 failed performer_lost unknown -",
            "write owed k1 to shop until +60s",
            "till again: outcome k1 failed performer_lost unknown -",
            "write paid k1",
            "event 3 ended k1 failed",
        ],
    );
}

#[test]
fn a_queue_or_a_first_deadline_that_passed_does_not_end_what_a_device_may_be_doing() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1").device("d1").rules(|rules| rules.capacity = Capacity::Queue(s(5))));
    world.submit("till", Work::new("k2").to(Target::FirstIdle).deliver_in(s(5)));
    world.sleep(s(10));
    then(world.restart(), &[]);
    world.admit("till again", requester("shop"));
    // One is offered again; the other is too late to be delivered, but not to be done.
    then(
        world.admit("reader again", performer("d1")),
        &["reader again= admitted e2.2", "write seen d1", "event 1 d1 online e2.2", "reader again: offer k1 by +30s"],
    );
    then(
        world.answer("reader again", "k2", completed("done")),
        &[
            "write ended k2 completed done",
            "write owed k2 to shop until +70s",
            "till again: outcome k2 completed done",
            "write paid k2",
            "event 2 ended k2 completed",
            "reader again= taken k2 ended completed",
        ],
    );
}

#[test]
fn overdue_work_expires_at_the_first_turn_as_possibly_done() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.submit("till", Work::new("k2").answer_in(s(90)));
    world.sleep(s(40));
    then(
        world.restart(),
        &["write ended k1 expired unknown", "write owed k1 to shop until +100s", "event 1 ended k1 expired"],
    );
    then(
        world.admit("till again", requester("shop")),
        &["till again= admitted e2.1 owed 1", "till again: outcome k1 expired unknown", "write paid k1"],
    );
}

#[test]
fn ended_work_still_refuses_repeats_and_acknowledges_late_answers() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", completed("seen"));
    world.restart();
    world.admit("till again", requester("shop"));
    world.admit("reader again", performer("d1"));
    then(world.submit("till again", Work::new("k1")), &["till again= refused k1 duplicate"]);
    then(world.answer("reader again", "k1", completed("seen again")), &["reader again= taken k1 late completed"]);
}

#[test]
fn owed_mail_is_said_in_order() {
    let mut world = shop_and_reader();
    for key in ["k1", "k2", "k3"] {
        world.submit("till", Work::new(key));
    }
    world.leave("till");
    for key in ["k3", "k1"] {
        world.answer("reader", key, completed("done"));
        world.wait(s(1));
    }
    world.restart();
    then(
        world.admit("till again", requester("shop")),
        &[
            "till again= admitted e2.1 owed 2",
            "till again: outcome k3 completed done",
            "write paid k3",
            "till again: outcome k1 completed done",
            "write paid k1",
        ],
    );
}

#[test]
fn mail_owed_longer_than_its_work_is_remembered_is_still_said() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", completed("seen"));
    world.leave("till");
    world.wait(s(50));
    then(world.undelivered("k1"), &["write owed k1 to shop until +110s"]);
    world.restart();
    world.wait(s(50));
    then(
        world.admit("till again", requester("shop")),
        &["till again= admitted e2.1 owed 1", "till again: outcome k1 completed seen", "write paid k1"],
    );
}

#[test]
fn an_outcome_said_but_not_yet_paid_for_is_said_again() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", completed("seen"));
    // The write that it was paid may wait, and was lost with the process.
    let row = world.rows.values().next().expect("one").clone();
    let mail = model::MailRow { operation: row.id, group: row.group, principal: row.requester, until: at(60) };
    world.mail.push(mail);
    world.restart();
    then(
        world.admit("till again", requester("shop")),
        &["till again= admitted e2.1 owed 1", "till again: outcome k1 completed seen", "write paid k1"],
    );
}

#[test]
fn mail_whose_work_is_not_there_is_given_up_aloud() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.leave("till");
    world.answer("reader", "k1", completed("seen"));
    world.rows.clear();
    then(world.restart(), &["write paid k1", "event 1 alert given_up k1 shop"]);
    then(world.admit("till again", requester("shop")), &["till again= admitted e2.1"]);
}

#[test]
fn work_of_a_kind_nobody_knows_any_more_fails_and_is_owed() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1").kind("old trick"));
    world.submit("till", Work::new("k2").kind("old trick"));
    world.answer("reader", "k2", completed("seen"));
    world.forget_kinds();
    then(
        world.restart(),
        &["write ended k1 failed service unknown -", "write owed k1 to shop until +86400s", "event 1 ended k1 failed"],
    );
    then(
        world.admit("till again", requester("shop")),
        &["till again= admitted e2.1 owed 1", "till again: outcome k1 failed service unknown -", "write paid k1"],
    );
    then(world.submit("till again", Work::new("k2")), &["till again= refused k2 duplicate"]);
    // Its ids are not given again either.
    then(
        world.submit("till again", Work::new("k3")),
        &["write accepted k3", "till again= accepted k3", "event 2 accepted k3 scan"],
    );
}

#[test]
fn an_answer_that_was_being_decided_upon_may_be_given_again() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", evidence("a palm"));
    world.restart();
    world.admit("till again", requester("shop"));
    then(
        world.admit("reader again", performer("d1")),
        &["reader again= admitted e2.2", "write seen d1", "event 1 d1 online e2.2", "reader again: offer k1 by +30s"],
    );
    then(world.answer("reader again", "k1", evidence("a palm")), &["settle k1 attempt 1 a palm owed until +60s"]);
    then(
        world.settled("k1", again("not recognised")),
        &["till again: progress k1 not recognised", "reader again= taken k1 again"],
    );
    world.answer("reader again", "k1", evidence("a palm"));
    then(
        world.settled("k1", decided("it is Ada")),
        &[
            "till again: outcome k1 completed it is Ada",
            "write paid k1",
            "event 2 ended k1 completed",
            "reader again= taken k1 ended completed",
        ],
    );
}

#[test]
fn a_requester_that_does_not_come_back_does_not_cancel_and_one_that_does_may() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1").rules(|rules| rules.requester_lost = RequesterLost::Cancel));
    then(world.restart(), &[]);
    world.admit("till again", requester("shop"));
    then(
        world.cancel("till again", "k1"),
        &[
            "till again= cancelling k1",
            "write ended k1 cancelled unknown",
            "write owed k1 to shop until +60s",
            "till again: outcome k1 cancelled unknown",
            "write paid k1",
            "event 1 ended k1 cancelled",
        ],
    );
}

#[test]
fn fleeting_work_is_gone_without_a_trace() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1").rules(|rules| rules.durability = model::Durability::Fleeting));
    then(world.restart(), &[]);
    world.admit("till again", requester("shop"));
    then(world.cancel("till again", "k1"), &["till again= refused k1 not_found"]);
    then(world.wait(s(60)), &[]);
}

#[test]
fn everybody_who_is_in_or_waits_to_be_is_told_when_the_partition_starts_again() {
    let mut world = World::new();
    world.admit("old", requester("shop").single("shop"));
    world.admit("new", requester("shop").single("shop"));
    world.admit("reader", performer("d1"));
    world.leave("reader");
    let routes: Vec<u64> = world.partition.routes().into_iter().map(|route| route.slot).collect();
    assert_eq!(routes, [1, 2]);
    assert_eq!(world.partition.fence(), Fence(1));
}

#[test]
fn ids_go_on_after_the_newest_of_the_store_although_the_clock_went_back() {
    let place = Partition::of(&group());
    let newest = OperationId::next(Partition(place.0.wrapping_add(1)), 1_950_000_000_000, None);
    let loaded = Loaded { newest: Some(newest), ..loaded(2) };
    let mut world = World::new();
    world.partition = engine::Partition::new(loaded, Arc::new(|_, _| None));
    world.admit("till", requester("shop"));
    world.submit("till", Work::new("k1"));
    let operation = world.operation("k1");
    assert!(operation > newest && operation.partition() == place, "{operation:?} after {newest:?}");
}

#[test]
fn an_empty_store_makes_an_empty_partition() {
    let partition = engine::Partition::new(loaded(7), Arc::new(|_, _| None));
    assert_eq!((partition.deadline(), partition.fence()), (None, Fence(7)));
}
