//! Several sessions that wait for one piece of work, and calls that hear only what they wait for.

use model::{Audience, Repeat, RequesterLost, Rules};

use crate::support::{Work, World, caller, completed, requester};
use crate::{shop_and_reader, then};

fn joining(key: &str) -> Work {
    Work::new(key).rules(|rules| rules.repeat = Repeat::Join)
}

/// Its outcome is for those who wait.
fn called(key: &str) -> Work {
    joining(key).rules(|rules: &mut Rules| rules.audience = Audience::Waiting)
}

fn two_tills_wait() -> World {
    let mut world = shop_and_reader();
    world.admit("other till", requester("shop"));
    world.submit("till", joining("k1"));
    world.submit("other till", joining("k1"));
    world
}

#[test]
fn a_session_that_asks_twice_hears_once() {
    let mut world = two_tills_wait();
    world.submit("till", joining("k1"));
    then(
        world.answer("reader", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "other till: outcome k1 completed seen",
            "till: outcome k1 completed seen",
            "write paid k1",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
}

#[test]
fn of_several_that_wait_those_that_stay_hear() {
    let mut world = two_tills_wait();
    world.leave("till");
    then(
        world.answer("reader", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "other till: outcome k1 completed seen",
            "write paid k1",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
}

#[test]
fn an_outcome_that_one_of_several_did_not_get_is_not_told_to_another_twice() {
    let mut world = two_tills_wait();
    world.answer("reader", "k1", completed("seen"));
    world.leave("till");
    then(world.undelivered("k1"), &[]);
    world.leave("other till");
    then(world.undelivered("k1"), &["write owed k1 to shop until +60s"]);
}

#[test]
fn a_call_hears_what_it_waits_for_and_nothing_is_owed() {
    let mut world = shop_and_reader();
    world.admit("call", caller("shop"));
    world.submit("call", called("k1"));
    then(
        world.answer("reader", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "call: outcome k1 completed seen",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
    world.leave("call");
    then(world.undelivered("k1"), &[]);
}

#[test]
fn the_outcome_of_a_call_that_is_over_is_told_to_nobody() {
    let mut world = shop_and_reader();
    world.admit("call", caller("shop"));
    world.submit("call", called("k1"));
    world.leave("call");
    then(
        world.answer("reader", "k1", completed("seen")),
        &["write ended k1 completed seen", "event 3 ended k1 completed", "reader= taken k1 ended completed"],
    );
    then(world.admit("back", requester("shop")), &["back= admitted e1.4"]);
}

#[test]
fn a_call_is_never_told_what_others_wait_for_or_are_owed() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.submit("till", Work::new("k2"));
    world.leave("till");
    world.answer("reader", "k1", completed("seen"));
    then(world.admit("call", caller("shop")), &["call= admitted e1.3"]);
    then(
        world.answer("reader", "k2", completed("seen")),
        &[
            "write ended k2 completed seen",
            "write owed k2 to shop until +60s",
            "event 5 ended k2 completed",
            "reader= taken k2 ended completed",
        ],
    );
}

#[test]
fn a_call_does_not_count_as_its_requester_being_here() {
    let mut world = shop_and_reader();
    world.admit("call", caller("shop"));
    world.submit("till", Work::new("k1").rules(|rules| rules.requester_lost = RequesterLost::Cancel));
    then(
        world.leave("till"),
        &[
            "write ended k1 cancelled unknown",
            "write owed k1 to shop until +60s",
            "reader: withdrawn k1 cancelled",
            "event 3 ended k1 cancelled",
        ],
    );
    then(world.leave("call"), &[]);
}

#[test]
fn a_call_that_repeats_a_tills_work_hears_it_too() {
    let mut world = shop_and_reader();
    world.submit("till", joining("k1"));
    world.admit("call", caller("shop"));
    world.submit("call", joining("k1"));
    then(
        world.answer("reader", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "till: outcome k1 completed seen",
            "call: outcome k1 completed seen",
            "write paid k1",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
}
