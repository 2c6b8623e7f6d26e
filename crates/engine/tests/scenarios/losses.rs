//! What becomes of work when its performer or its requester goes away.

use model::{PerformerLost, Reoffer, RequesterLost, Verdict};

use crate::support::{Work, World, completed, performer, requester, s};
use crate::{shop_and_reader, shop_and_reader_that_comes_back, shop_and_two_readers, then};

#[test]
fn where_a_lost_performer_fails_the_work_it_fails_at_once_and_may_be_done() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1").rules(|rules| rules.performer_lost = PerformerLost::Fail));
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
fn work_that_others_have_too_does_not_fail_with_one_of_them() {
    let mut world = shop_and_two_readers();
    world.submit("till", Work::new("k1").rules(|rules| rules.performer_lost = PerformerLost::Fail));
    then(world.leave("reader"), &["write seen d1", "event 4 d1 offline e1.2"]);
    then(
        world.leave("second"),
        &[
            "write seen d2",
            "event 5 d2 offline e1.3",
            "write ended k1 failed performer_lost unknown -",
            "write owed k1 to shop until +60s",
            "till: outcome k1 failed performer_lost unknown -",
            "write paid k1",
            "event 6 ended k1 failed",
        ],
    );
}

#[test]
fn where_a_lost_performer_holds_the_work_it_fails_when_that_is_over() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", Work::new("k1").rules(|rules| rules.performer_lost = PerformerLost::Hold(s(10))));
    then(world.leave("reader"), &["write seen d1", "event 3 d1 away e1.2"]);
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
fn a_performer_back_in_time_is_offered_what_it_had_not_begun() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", Work::new("k1").rules(|rules| rules.performer_lost = PerformerLost::Hold(s(10))));
    world.leave("reader");
    world.wait(s(9));
    then(
        world.admit("back", performer("d1")),
        &["back= admitted e1.3", "write seen d1", "event 4 d1 online e1.3", "back: offer k1 by +30s"],
    );
    then(world.wait(s(20)), &[]);
    then(
        world.answer("back", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +89s",
            "till: outcome k1 completed seen",
            "write paid k1",
            "event 5 ended k1 completed",
            "back= taken k1 ended completed",
        ],
    );
}

#[test]
fn a_performer_back_in_time_goes_on_with_what_it_had_begun() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", Work::new("k1").rules(|rules| rules.performer_lost = PerformerLost::Hold(s(10))));
    then(world.answer("reader", "k1", Verdict::Started), &["reader= taken k1 noted"]);
    world.leave("reader");
    then(world.admit("back", performer("d1")), &["back= admitted e1.3", "write seen d1", "event 4 d1 online e1.3"]);
    then(
        world.answer("back", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "till: outcome k1 completed seen",
            "write paid k1",
            "event 5 ended k1 completed",
            "back= taken k1 ended completed",
        ],
    );
}

#[test]
fn work_on_hold_ends_at_its_own_deadline_when_that_comes_first() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", Work::new("k1").rules(|rules| rules.performer_lost = PerformerLost::Hold(s(60))));
    world.leave("reader");
    then(
        world.wait(s(30)),
        &[
            "+30s write ended k1 expired unknown",
            "+30s write owed k1 to shop until +90s",
            "+30s till: outcome k1 expired unknown",
            "+30s write paid k1",
            "+30s event 4 ended k1 expired",
        ],
    );
}

#[test]
fn where_others_go_on_the_work_waits_for_its_deadline_whoever_leaves() {
    let mut world = shop_and_two_readers();
    world.submit("till", Work::new("k1"));
    then(world.leave("reader"), &["write seen d1", "event 4 d1 offline e1.2"]);
    then(world.leave("second"), &["write seen d2", "event 5 d2 offline e1.3"]);
    then(
        world.admit("back", performer("d2")),
        &["back= admitted e1.4", "write seen d2", "event 6 d2 online e1.4", "back: offer k1 by +30s"],
    );
    then(
        world.answer("back", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "till: outcome k1 completed seen",
            "write paid k1",
            "event 7 ended k1 completed",
            "back= taken k1 ended completed",
        ],
    );
}

#[test]
fn a_performer_whose_session_is_replaced_is_not_lost() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.admit("old", performer("d1").single("d1"));
    world.submit("till", Work::new("k1").rules(|rules| rules.performer_lost = PerformerLost::Fail));
    world.admit("new", performer("d1").single("d1"));
    then(
        world.leave("old"),
        &["new= admitted e1.3", "write seen d1", "event 3 d1 online e1.3", "new: offer k1 by +30s", "write seen d1"],
    );
}

#[test]
fn where_a_lost_requester_changes_nothing_the_outcome_is_owed() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    then(world.leave("till"), &[]);
    then(
        world.answer("reader", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
}

#[test]
fn where_a_lost_requester_cancels_the_work_ends_with_its_last_session() {
    let mut world = shop_and_reader();
    world.admit("other till", requester("shop"));
    world.submit("till", Work::new("k1").rules(|rules| rules.requester_lost = RequesterLost::Cancel));
    then(world.leave("till"), &[]);
    then(
        world.leave("other till"),
        &[
            "write ended k1 cancelled unknown",
            "write owed k1 to shop until +60s",
            "reader: withdrawn k1 cancelled",
            "event 3 ended k1 cancelled",
        ],
    );
}

#[test]
fn a_requester_whose_session_is_replaced_is_not_lost() {
    let mut world = World::new();
    world.admit("old", requester("shop").single("shop"));
    world.submit("old", Work::new("k1").rules(|rules| rules.requester_lost = RequesterLost::Cancel));
    world.admit("new", requester("shop").single("shop"));
    then(world.leave("old"), &["new= admitted e1.2"]);
    then(
        world.leave("new"),
        &["write ended k1 cancelled not_delivered", "write owed k1 to shop until +60s", "event 2 ended k1 cancelled"],
    );
}

#[test]
fn a_device_that_leaves_frees_nobody_else_for_its_work() {
    let mut world = shop_and_two_readers();
    let rules = |rules: &mut model::Rules| {
        rules.performer_lost = PerformerLost::OthersGoOn;
        rules.reoffer = Reoffer::Never;
    };
    world.submit("till", Work::new("k1").device("d1").rules(rules));
    then(world.leave("reader"), &["write seen d1", "event 4 d1 offline e1.2"]);
    then(world.admit("back", performer("d1")), &["back= admitted e1.4", "write seen d1", "event 5 d1 online e1.4"]);
    then(
        world.answer("back", "k1", completed("done after all")),
        &[
            "write ended k1 completed done after all",
            "write owed k1 to shop until +60s",
            "till: outcome k1 completed done after all",
            "write paid k1",
            "event 6 ended k1 completed",
            "back= taken k1 ended completed",
        ],
    );
}
