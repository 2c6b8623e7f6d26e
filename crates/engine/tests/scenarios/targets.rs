//! Which performers work goes to, how much they take, and what happens when nobody is there.

use model::{Absent, Capacity, Target, Verdict};

use crate::support::{Work, World, bytes, completed, performer, requester, s};
use crate::{shop_and_reader, shop_and_two_readers, then};

#[test]
fn work_for_a_device_goes_to_that_device_only() {
    let mut world = shop_and_two_readers();
    then(
        world.submit("till", Work::new("k1").device("d2")),
        &["write accepted k1", "till= accepted k1", "event 3 accepted k1 scan", "second: offer k1 by +30s"],
    );
    then(
        world.answer("reader", "k1", completed("not mine")),
        &["reader= taken k1 not_yours", "event 4 alert contradiction k1 d1"],
    );
    then(
        world.answer("second", "k1", completed("mine")),
        &[
            "write ended k1 completed mine",
            "write owed k1 to shop until +60s",
            "till: outcome k1 completed mine",
            "write paid k1",
            "event 5 ended k1 completed",
            "second= taken k1 ended completed",
        ],
    );
}

#[test]
fn work_for_any_of_the_group_is_won_by_the_first_answer_and_withdrawn_from_the_others() {
    let mut world = shop_and_two_readers();
    then(
        world.submit("till", Work::new("k1")),
        &[
            "write accepted k1",
            "till= accepted k1",
            "event 3 accepted k1 scan",
            "reader: offer k1 by +30s",
            "second: offer k1 by +30s",
        ],
    );
    then(
        world.answer("second", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "till: outcome k1 completed seen",
            "write paid k1",
            "reader: withdrawn k1 completed",
            "event 4 ended k1 completed",
            "second= taken k1 ended completed",
        ],
    );
    then(world.answer("reader", "k1", completed("seen too")), &["reader= taken k1 late completed"]);
}

#[test]
fn work_for_any_of_the_group_also_goes_to_who_comes_later() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    then(
        world.admit("late", performer("d2")),
        &["late= admitted e1.3", "write seen d2", "event 3 d2 online e1.3", "late: offer k1 by +30s"],
    );
    then(
        world.answer("late", "k1", Verdict::Declined(bytes("no"))),
        &[
            "write ended k1 declined no",
            "write owed k1 to shop until +60s",
            "till: outcome k1 declined no",
            "write paid k1",
            "reader: withdrawn k1 declined",
            "event 4 ended k1 declined",
            "late= taken k1 ended declined",
        ],
    );
}

#[test]
fn work_for_the_first_idle_goes_to_whoever_has_nothing_to_do() {
    let mut world = shop_and_two_readers();
    let work = |key| Work::new(key).to(Target::FirstIdle).rules(|rules| rules.capacity = Capacity::Busy);
    then(
        world.submit("till", work("k1")),
        &["write accepted k1", "till= accepted k1", "event 3 accepted k1 scan", "reader: offer k1 by +30s"],
    );
    then(
        world.submit("till", work("k2")),
        &["write accepted k2", "till= accepted k2", "event 4 accepted k2 scan", "second: offer k2 by +30s"],
    );
    then(world.submit("till", work("k3")), &["till= refused k3 busy"]);
    world.answer("reader", "k1", completed("done"));
    then(
        world.submit("till", work("k4")),
        &["write accepted k4", "till= accepted k4", "event 6 accepted k4 scan", "reader: offer k4 by +30s"],
    );
}

#[test]
fn work_for_a_served_name_goes_to_one_that_serves_it_and_has_least_to_do() {
    let mut world = shop_and_two_readers();
    let work = |key| Work::new(key).to(Target::Serving("orders".into()));
    then(world.submit("till", work("k1")), &["write accepted k1", "till= accepted k1", "event 3 accepted k1 scan"]);
    then(world.serve("second", &["orders", "stock"]), &["second= serving", "second: offer k1 by +30s"]);
    then(world.serve("reader", &["orders"]), &["reader= serving"]);
    then(
        world.submit("till", work("k2")),
        &["write accepted k2", "till= accepted k2", "event 4 accepted k2 scan", "reader: offer k2 by +30s"],
    );
    // From now on it serves something else instead.
    then(world.serve("reader", &["stock"]), &["reader= serving"]);
    then(
        world.submit("till", work("k3")),
        &["write accepted k3", "till= accepted k3", "event 5 accepted k3 scan", "second: offer k3 by +30s"],
    );
}

#[test]
fn a_busy_device_refuses_a_second_piece_of_work() {
    let mut world = shop_and_reader();
    let work = |key| Work::new(key).device("d1").rules(|rules| rules.capacity = Capacity::Busy);
    world.submit("till", work("k1"));
    then(world.submit("till", work("k2")), &["till= refused k2 busy"]);
    world.answer("reader", "k1", completed("done"));
    then(
        world.submit("till", work("k2")),
        &["write accepted k2", "till= accepted k2", "event 4 accepted k2 scan", "reader: offer k2 by +30s"],
    );
}

#[test]
fn a_queue_holds_the_second_until_the_first_is_done() {
    let mut world = shop_and_reader();
    let work = |key| Work::new(key).device("d1").rules(|rules| rules.capacity = Capacity::Queue(s(5)));
    world.submit("till", work("k1"));
    then(world.submit("till", work("k2")), &["write accepted k2", "till= accepted k2", "event 3 accepted k2 scan"]);
    then(world.submit("till", work("k3")), &["write accepted k3", "till= accepted k3", "event 4 accepted k3 scan"]);
    then(
        world.answer("reader", "k1", completed("done")),
        &[
            "write ended k1 completed done",
            "write owed k1 to shop until +60s",
            "till: outcome k1 completed done",
            "write paid k1",
            "event 5 ended k1 completed",
            "reader= taken k1 ended completed",
            "reader: offer k2 by +30s",
        ],
    );
}

#[test]
fn work_that_queued_too_long_has_failed_and_was_not_delivered() {
    let mut world = shop_and_reader();
    let work = |key| Work::new(key).device("d1").rules(|rules| rules.capacity = Capacity::Queue(s(5)));
    world.submit("till", work("k1"));
    world.submit("till", work("k2"));
    then(
        world.wait(s(5)),
        &[
            "+5s write ended k2 failed absent not_delivered -",
            "+5s write owed k2 to shop until +65s",
            "+5s till: outcome k2 failed absent not_delivered -",
            "+5s write paid k2",
            "+5s event 4 ended k2 failed",
        ],
    );
}

#[test]
fn a_device_takes_as_many_as_its_number_and_refuses_the_next() {
    let mut world = shop_and_reader();
    let work = |key| Work::new(key).device("d1").rules(|rules| rules.capacity = Capacity::Many(2));
    world.submit("till", work("k1"));
    then(
        world.submit("till", work("k2")),
        &["write accepted k2", "till= accepted k2", "event 3 accepted k2 scan", "reader: offer k2 by +30s"],
    );
    then(world.submit("till", work("k3")), &["till= refused k3 busy"]);
}

#[test]
fn what_waited_for_a_device_is_offered_as_room_comes_oldest_first() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    let work = |key| Work::new(key).device("d1").rules(|rules| rules.capacity = Capacity::Many(2));
    for key in ["k1", "k2", "k3", "k4"] {
        world.submit("till", work(key));
    }
    then(
        world.admit("reader", performer("d1")),
        &[
            "reader= admitted e1.2",
            "write seen d1",
            "event 5 d1 online e1.2",
            "reader: offer k1 by +30s",
            "reader: offer k2 by +30s",
        ],
    );
    then(
        world.answer("reader", "k2", completed("done")),
        &[
            "write ended k2 completed done",
            "write owed k2 to shop until +60s",
            "till: outcome k2 completed done",
            "write paid k2",
            "event 6 ended k2 completed",
            "reader= taken k2 ended completed",
            "reader: offer k3 by +30s",
        ],
    );
    then(
        world.cancel("till", "k1"),
        &[
            "till= cancelling k1",
            "write ended k1 cancelled unknown",
            "write owed k1 to shop until +60s",
            "till: outcome k1 cancelled unknown",
            "write paid k1",
            "reader: withdrawn k1 cancelled",
            "event 7 ended k1 cancelled",
            "reader: offer k4 by +30s",
        ],
    );
}

#[test]
fn where_absence_refuses_nothing_is_accepted_without_a_performer() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    let work = |key| Work::new(key).device("d1").rules(|rules| rules.absent = Absent::Refuse);
    then(world.submit("till", work("k1")), &["till= refused k1 unknown"]);
    world.admit("reader", performer("d1").grace(10));
    world.leave("reader");
    then(world.submit("till", work("k1")), &["till= refused k1 absent"]);
}

#[test]
fn where_absence_waits_the_work_goes_out_when_the_performer_comes() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    then(
        world.submit("till", Work::new("k1").device("d1")),
        &["write accepted k1", "till= accepted k1", "event 1 accepted k1 scan"],
    );
    world.wait(s(29));
    then(
        world.admit("reader", performer("d1")),
        &["reader= admitted e1.2", "write seen d1", "event 2 d1 online e1.2", "reader: offer k1 by +30s"],
    );
}

#[test]
fn where_absence_waits_and_nobody_comes_it_expires_not_delivered() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.submit("till", Work::new("k1").device("d1"));
    then(
        world.wait(s(30)),
        &[
            "+30s write ended k1 expired not_delivered",
            "+30s write owed k1 to shop until +90s",
            "+30s till: outcome k1 expired not_delivered",
            "+30s write paid k1",
            "+30s event 2 ended k1 expired",
        ],
    );
}

#[test]
fn one_group_never_sees_anothers_work() {
    let mut world = shop_and_reader();
    then(
        world.admit("stranger", performer("d1").of_group("elsewhere")),
        &["stranger= admitted e1.3", "write seen d1", "event 1 d1 online e1.3"],
    );
    then(
        world.submit("till", Work::new("k1")),
        &["write accepted k1", "till= accepted k1", "event 2 accepted k1 scan", "reader: offer k1 by +30s"],
    );
    then(
        world.answer("stranger", "k1", completed("stolen")),
        &["stranger= taken k1? late", "event 2 alert unasked k1 d1"],
    );
    then(world.answer_by_id("stranger", "k1", completed("stolen")), &["stranger= taken ? late"]);
}
