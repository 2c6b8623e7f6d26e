//! Outcomes owed to a requester that is not there.

use crate::support::{Work, World, completed, performer, requester, s};
use crate::{shop_and_reader, then};

/// A shop that left while so many pieces of work ran.
fn away(keys: &[&str]) -> World {
    let mut world = shop_and_reader();
    for key in keys {
        world.submit("till", Work::new(key));
    }
    world.leave("till");
    world
}

#[test]
fn what_is_owed_is_said_in_order_at_the_next_admission_and_paid() {
    let mut world = away(&["k1", "k2", "k3"]);
    world.answer("reader", "k3", completed("third"));
    world.answer("reader", "k1", completed("first"));
    then(
        world.admit("back", requester("shop")),
        &[
            "back= admitted e1.3 owed 2",
            "back: outcome k3 completed third",
            "write paid k3",
            "back: outcome k1 completed first",
            "write paid k1",
        ],
    );
    then(
        world.answer("reader", "k2", completed("second")),
        &[
            "write ended k2 completed second",
            "write owed k2 to shop until +60s",
            "back: outcome k2 completed second",
            "write paid k2",
            "event 7 ended k2 completed",
            "reader= taken k2 ended completed",
        ],
    );
    world.leave("back");
    then(world.admit("once more", requester("shop")), &["once more= admitted e1.4"]);
}

#[test]
fn what_is_owed_is_nobody_elses() {
    let mut world = away(&["k1"]);
    world.answer("reader", "k1", completed("first"));
    then(world.admit("stranger", requester("kiosk")), &["stranger= admitted e1.3"]);
    then(
        world.admit("performer", performer("shop")),
        &["performer= admitted e1.4", "write seen shop", "event 4 shop online e1.4"],
    );
}

#[test]
fn beyond_its_count_the_oldest_is_given_up_with_an_alert() {
    let mut world = away(&["k1", "k2", "k3", "k4"]);
    for key in ["k1", "k2", "k3"] {
        world.answer("reader", key, completed("done"));
    }
    then(
        world.answer("reader", "k4", completed("done")),
        &[
            "write ended k4 completed done",
            "write owed k4 to shop until +60s",
            "write paid k1",
            "event 9 alert given_up k1 shop",
            "event 10 ended k4 completed",
            "reader= taken k4 ended completed",
        ],
    );
    then(
        world.admit("back", requester("shop")),
        &[
            "back= admitted e1.3 owed 3",
            "back: outcome k2 completed done",
            "write paid k2",
            "back: outcome k3 completed done",
            "write paid k3",
            "back: outcome k4 completed done",
            "write paid k4",
        ],
    );
}

#[test]
fn beyond_its_age_it_is_given_up_with_an_alert() {
    let mut world = away(&["k1", "k2"]);
    world.answer("reader", "k1", completed("first"));
    world.wait(s(10));
    world.answer("reader", "k2", completed("second"));
    then(world.wait(s(50)), &["+60s write paid k1", "+60s event 6 alert given_up k1 shop"]);
    then(
        world.admit("back", requester("shop")),
        &["back= admitted e1.3 owed 1", "back: outcome k2 completed second", "write paid k2"],
    );
}

#[test]
fn at_the_exact_instant_its_age_wins_over_an_admission() {
    let mut world = away(&["k1"]);
    world.answer("reader", "k1", completed("first"));
    world.sleep(s(60));
    then(
        world.admit("back", requester("shop")),
        &["write paid k1", "event 4 alert given_up k1 shop", "back= admitted e1.3"],
    );
}

#[test]
fn where_nothing_is_owed_an_absent_requester_never_hears() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1").rules(|rules| rules.owed_for = s(0)));
    world.submit("till", Work::new("k2").rules(|rules| rules.owed_for = s(0)));
    then(
        world.answer("reader", "k1", completed("first")),
        &[
            "write ended k1 completed first",
            "till: outcome k1 completed first",
            "event 4 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
    world.leave("till");
    then(
        world.answer("reader", "k2", completed("second")),
        &["write ended k2 completed second", "event 5 ended k2 completed", "reader= taken k2 ended completed"],
    );
    then(world.undelivered("k2"), &[]);
    then(world.admit("back", requester("shop")), &["back= admitted e1.3"]);
}

#[test]
fn an_outcome_that_met_a_closed_session_is_said_to_another_or_owed_again() {
    let mut world = shop_and_reader();
    world.admit("other till", requester("shop"));
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", completed("first"));
    world.leave("till");
    then(world.undelivered("k1"), &["other till: outcome k1 completed first"]);
    world.leave("other till");
    world.wait(s(30));
    then(world.undelivered("k1"), &["write owed k1 to shop until +90s"]);
    // A repeat had it told twice: it is owed once.
    then(world.undelivered("k1"), &[]);
    then(world.wait(s(59)), &[]);
    then(
        world.admit("back", requester("shop")),
        &["back= admitted e1.4 owed 1", "back: outcome k1 completed first", "write paid k1"],
    );
}

#[test]
fn work_that_still_runs_or_is_forgotten_is_not_owed() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    then(world.undelivered("k1"), &[]);
    world.answer("reader", "k1", completed("first"));
    world.leave("till");
    world.wait(s(61));
    then(world.undelivered("k1"), &[]);
}

#[test]
fn a_newcomer_hears_what_the_session_it_displaced_no_longer_could() {
    let mut world = World::new();
    world.admit("reader", performer("d1"));
    world.admit("old", requester("shop").single("shop"));
    world.submit("old", Work::new("k1"));
    world.admit("new", requester("shop").single("shop"));
    then(
        world.answer("reader", "k1", completed("first")),
        &[
            "write ended k1 completed first",
            "write owed k1 to shop until +60s",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
    then(world.leave("old"), &["new= admitted e1.3 owed 1", "new: outcome k1 completed first", "write paid k1"]);
}
