//! Work that is held for the device that may have it, which is asked what became of it when it is back.

use model::{PerformerLost, Verdict};

use crate::support::{World, bytes, completed, payment, performer, requester, s};
use crate::{shop_and_reader_that_comes_back, then};

/// A payment on the reader's screen, and the reader away.
fn held() -> World {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", payment("k1"));
    world.leave("reader");
    world
}

/// And the reader back, asked.
fn asked() -> World {
    let mut world = held();
    world.wait(s(9));
    then(
        world.admit("back", performer("d1")),
        &["back= admitted e1.3", "write seen d1", "event 4 d1 online e1.3", "back: inquiry k1 by +30s"],
    );
    world
}

#[test]
fn a_device_back_within_the_hold_is_asked_and_may_say_that_it_goes_on() {
    let mut world = asked();
    then(world.answer("back", "k1", Verdict::Started), &["back= taken k1 noted"]);
    then(
        world.wait(s(21)),
        &[
            "+30s write ended k1 expired unknown",
            "+30s write owed k1 to shop until +90s",
            "+30s till: outcome k1 expired unknown",
            "+30s write paid k1",
            "+30s back: withdrawn k1 expired",
            "+30s event 5 ended k1 expired",
        ],
    );
}

#[test]
fn a_device_that_is_asked_may_have_done_it() {
    let mut world = asked();
    then(
        world.answer("back", "k1", completed("approved")),
        &[
            "write ended k1 completed approved",
            "write owed k1 to shop until +69s",
            "till: outcome k1 completed approved",
            "write paid k1",
            "event 5 ended k1 completed",
            "back= taken k1 ended completed",
        ],
    );
}

#[test]
fn a_device_that_certainly_did_nothing_is_offered_it_again_plainly() {
    let mut world = asked();
    then(world.answer("back", "k1", Verdict::NotStarted), &["back= taken k1 noted", "back: offer k1 by +30s"]);
    then(world.answer("back", "k1", Verdict::Started), &["back= taken k1 noted"]);
}

#[test]
fn a_device_that_had_begun_is_not_believed_that_it_did_nothing() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", payment("k1"));
    world.answer("reader", "k1", Verdict::Started);
    world.leave("reader");
    then(
        world.admit("back", performer("d1")),
        &["back= admitted e1.3", "write seen d1", "event 4 d1 online e1.3", "back: inquiry k1 by +30s"],
    );
    then(world.answer("back", "k1", Verdict::NotStarted), &["back= taken k1 noted"]);
}

#[test]
fn what_a_device_did_after_saying_that_it_did_nothing_is_a_fact() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", payment("k1").rules(|rules| rules.performer_lost = PerformerLost::OthersGoOn));
    // The device is gone, but an older session of it still speaks for it.
    world.admit("other session", performer("d1"));
    world.leave("other session");
    then(world.answer("reader", "k1", Verdict::NotStarted), &["reader= taken k1 noted"]);
    then(
        world.answer("reader", "k1", completed("approved")),
        &[
            "write ended k1 completed approved",
            "write owed k1 to shop until +60s",
            "till: outcome k1 completed approved",
            "write paid k1",
            "event 5 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
}

#[test]
fn when_the_hold_is_over_it_fails_and_may_have_been_done() {
    let mut world = held();
    then(
        world.wait(s(10)),
        &[
            "+10s write ended k1 failed performer_lost unknown -",
            "+10s write owed k1 to shop until +70s",
            "+10s till: outcome k1 failed performer_lost unknown -",
            "+10s write paid k1",
            "+10s event 4 ended k1 failed",
        ],
    );
}

#[test]
fn a_device_without_grace_is_not_waited_for() {
    let mut world = crate::shop_and_reader();
    world.submit("till", payment("k1"));
    then(
        world.leave("reader"),
        &[
            "write seen d1",
            "event 3 d1 offline e1.2",
            "write ended k1 failed performer_lost unknown -",
            "write owed k1 to shop until +60s",
            "till: outcome k1 failed performer_lost unknown -",
            "write paid k1",
            "event 4 ended k1 failed",
        ],
    );
}

#[test]
fn after_a_restart_the_device_is_asked_when_it_comes() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", payment("k1"));
    then(world.restart(), &[]);
    world.admit("till again", requester("shop"));
    then(
        world.admit("back", performer("d1")),
        &["back= admitted e2.2", "write seen d1", "event 1 d1 online e2.2", "back: inquiry k1 by +30s"],
    );
    // Whether it was offered before nobody remembers, but the device does.
    then(world.answer("back", "k1", Verdict::NotStarted), &["back= taken k1 noted", "back: offer k1 by +30s"]);
    then(
        world.answer("back", "k1", completed("approved")),
        &[
            "write ended k1 completed approved",
            "write owed k1 to shop until +60s",
            "till again: outcome k1 completed approved",
            "write paid k1",
            "event 2 ended k1 completed",
            "back= taken k1 ended completed",
        ],
    );
}

#[test]
fn after_a_restart_the_hold_begins_with_the_first_turn() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", payment("k1"));
    world.sleep(s(5));
    world.restart();
    then(
        world.wait(s(10)),
        &[
            "+15s write ended k1 failed performer_lost unknown -",
            "+15s write owed k1 to shop until +75s",
            "+15s event 1 ended k1 failed",
        ],
    );
}

#[test]
fn a_device_that_did_nothing_and_is_gone_leaves_work_that_was_not_delivered() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", payment("k1").rules(|rules| rules.performer_lost = PerformerLost::OthersGoOn));
    world.admit("other session", performer("d1"));
    world.leave("other session");
    world.answer("reader", "k1", Verdict::NotStarted);
    then(
        world.wait(s(30)),
        &[
            "+30s write ended k1 expired not_delivered",
            "+30s write owed k1 to shop until +90s",
            "+30s till: outcome k1 expired not_delivered",
            "+30s write paid k1",
            "+30s event 5 ended k1 expired",
        ],
    );
}

#[test]
fn a_new_session_of_the_same_device_is_asked() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.admit("old", performer("d1").single("d1").grace(60));
    world.submit("till", payment("k1"));
    world.admit("new", performer("d1").single("d1").grace(60));
    then(
        world.leave("old"),
        &["new= admitted e1.3", "write seen d1", "event 3 d1 online e1.3", "new: inquiry k1 by +30s", "write seen d1"],
    );
}

#[test]
fn an_answer_to_another_question_is_alarmed_and_the_work_goes_on() {
    let mut world = asked();
    then(
        world.answer("back", "k1", completed("other")),
        &["event 5 alert contradiction k1 d1", "back= taken k1 contradicts"],
    );
    world.wait(s(21));
    then(
        world.answer("back", "k1", completed("other")),
        &[
            "back= taken k1 late expired",
            "event 7 alert contradiction k1 d1",
            "write late k1 other",
            "write accepted k1' about k1",
            "event 8 accepted k1' undo",
            "back: offer k1' undo by +130s",
        ],
    );
    then(world.answer("back", "k1", completed("other")), &["back= taken k1 late expired"]);
}

#[test]
fn what_nobody_asked_for_is_alarmed() {
    let mut world = asked();
    then(world.answer("back", "k7", completed("it")), &["back= taken k7? late", "event 5 alert unasked k7 d1"]);
    then(world.answer("back", "k7", Verdict::Declined(bytes("no"))), &["back= taken k7? late"]);
}
