//! Work that was done after its requester was told that it was not, and the work that makes good for it.

use model::Verdict;

use crate::support::{World, bytes, completed, payment, performer, requester, s};
use crate::{shop_and_reader_that_comes_back, then};

/// A payment that expired at thirty seconds while the reader had it.
fn expired() -> World {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", payment("k1"));
    world.wait(s(30));
    world
}

/// And the reader says that it did it after all.
fn done_after_all() -> World {
    let mut world = expired();
    then(
        world.answer("reader", "k1", completed("did after all")),
        &[
            "reader= taken k1 late expired",
            "write late k1 did after all",
            "write accepted k1' about k1",
            "event 4 accepted k1' undo",
            "reader: offer k1' undo by +130s",
        ],
    );
    world
}

#[test]
fn a_late_success_is_made_good_and_its_requester_is_told_under_the_same_key() {
    let mut world = done_after_all();
    then(world.wait(s(30)), &["+60s reader: offer k1' undo by +130s"]);
    then(
        world.answer_about("reader", "k1", completed("undone")),
        &[
            "write ended k1' completed undone",
            "write owed k1' to shop until +120s",
            "till: outcome k1' undo completed undone",
            "write paid k1'",
            "event 5 ended k1' completed",
            "reader= taken k1' ended completed",
        ],
    );
    then(world.wait(s(60)), &[]);
}

#[test]
fn the_work_that_makes_good_does_not_keep_its_device_busy() {
    let mut world = done_after_all();
    then(
        world.submit("till", payment("k2")),
        &["write accepted k2", "till= accepted k2", "event 5 accepted k2 scan", "reader: offer k2 by +60s"],
    );
    then(world.submit("till", payment("k3")), &["till= refused k3 busy"]);
}

#[test]
fn a_second_late_success_makes_good_for_nothing_more() {
    let mut world = done_after_all();
    then(world.answer("reader", "k1", completed("did after all")), &["reader= taken k1 late expired"]);
    world.answer_about("reader", "k1", completed("undone"));
    then(world.answer("reader", "k1", completed("did after all")), &["reader= taken k1 late expired"]);
    then(world.answer_about("reader", "k1", completed("undone")), &["reader= taken k1' late completed"]);
}

#[test]
fn a_late_failure_is_only_put_on_record_and_a_success_after_it_still_counts() {
    let mut world = expired();
    then(
        world.answer("reader", "k1", Verdict::Failed(bytes("no card"))),
        &["reader= taken k1 late expired", "write late k1 no card"],
    );
    then(world.answer("reader", "k1", Verdict::Declined(bytes("no money"))), &["reader= taken k1 late expired"]);
    then(
        world.answer("reader", "k1", completed("did after all")),
        &[
            "reader= taken k1 late expired",
            "write late k1 did after all",
            "write accepted k1' about k1",
            "event 4 accepted k1' undo",
            "reader: offer k1' undo by +130s",
        ],
    );
}

#[test]
fn a_success_after_a_success_is_nothing() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", payment("k1"));
    world.answer("reader", "k1", completed("approved"));
    then(world.answer("reader", "k1", completed("approved")), &["reader= taken k1 late completed"]);
}

#[test]
fn a_success_after_a_cancel_or_a_failure_is_made_good_too() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", payment("k1"));
    world.cancel("till", "k1");
    then(
        world.answer("reader", "k1", completed("did after all")),
        &[
            "reader= taken k1 late cancelled",
            "write late k1 did after all",
            "write accepted k1' about k1",
            "event 4 accepted k1' undo",
            "reader: offer k1' undo by +100s",
        ],
    );
    world.submit("till", payment("k2"));
    world.leave("reader");
    world.wait(s(10));
    world.admit("back", performer("d1"));
    then(
        world.answer("back", "k2", completed("did after all")),
        &[
            "back= taken k2 late failed",
            "write late k2 did after all",
            "write accepted k2' about k2",
            "event 9 accepted k2' undo",
            "back: offer k2' undo by +110s",
        ],
    );
}

#[test]
fn a_success_after_days_is_made_good_and_not_twice() {
    let mut world = expired();
    world.wait(s(3 * 24 * 60 * 60));
    then(
        world.answer_late("reader", "k1", completed("did after all")),
        &[
            "reader= taken k1 late expired",
            "write late k1 did after all",
            "write accepted k1' about k1",
            "event 4 accepted k1' undo",
            "reader: offer k1' undo by +259330s",
        ],
    );
    then(world.answer_late("reader", "k1", completed("did after all")), &["reader= taken k1 late expired"]);
    world.answer_about("reader", "k1", completed("undone"));
    world.wait(s(3 * 24 * 60 * 60));
    then(world.answer_late("reader", "k1", completed("did after all")), &["reader= taken k1 late expired"]);
}

#[test]
fn another_device_makes_nothing_good() {
    let mut world = expired();
    world.admit("other", performer("d2"));
    then(
        world.answer("other", "k1", completed("did after all")),
        &["other= taken k1 not_yours", "event 5 alert contradiction k1 d2"],
    );
    world.wait(s(3 * 24 * 60 * 60));
    then(
        world.answer_late("other", "k1", completed("did after all")),
        &["other= taken k1 not_yours", "event 6 alert contradiction k1 d2"],
    );
}

#[test]
fn a_restart_in_between_makes_good_once() {
    let mut world = done_after_all();
    then(world.restart(), &[]);
    world.admit("till again", requester("shop"));
    then(
        world.admit("back", performer("d1")),
        &["back= admitted e2.2", "write seen d1", "event 1 d1 online e2.2", "back: offer k1' undo by +130s"],
    );
    then(world.answer_late("back", "k1", completed("did after all")), &["back= taken k1 late expired"]);
    then(
        world.answer_about("back", "k1", completed("undone")),
        &[
            "write ended k1' completed undone",
            "write owed k1' to shop until +90s",
            "till again: outcome k1' undo completed undone",
            "write paid k1'",
            "event 2 ended k1' completed",
            "back= taken k1' ended completed",
        ],
    );
}

#[test]
fn a_success_that_comes_after_a_restart_is_made_good() {
    let mut world = expired();
    world.restart();
    world.admit("back", performer("d1"));
    then(
        world.answer_late("back", "k1", completed("did after all")),
        &[
            "back= taken k1 late expired",
            "write late k1 did after all",
            "write accepted k1' about k1",
            "event 2 accepted k1' undo",
            "back: offer k1' undo by +130s",
        ],
    );
}

#[test]
fn what_nobody_made_good_for_is_alarmed_with_the_work_it_is_about() {
    let mut world = done_after_all();
    world.leave("reader");
    then(
        world.wait(s(100)),
        &[
            "+130s write ended k1' expired unknown",
            "+130s write owed k1' to shop until +190s",
            "+130s till: outcome k1' undo expired unknown",
            "+130s write paid k1'",
            "+130s event 6 ended k1' expired",
            "+130s event 7 alert not_compensated k1",
        ],
    );
}

#[test]
fn the_key_of_work_that_is_made_good_for_still_means_that_work() {
    let mut world = done_after_all();
    then(world.submit("till", payment("k1")), &["till= accepted k1", "till: outcome k1 expired unknown"]);
    then(world.cancel("till", "k1"), &["till= refused k1 not_found"]);
}
