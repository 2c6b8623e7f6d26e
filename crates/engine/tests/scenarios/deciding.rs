//! Evidence goes to our service; what it decides is the outcome, or the work goes on.

use model::{Certainty, FailCause, Outcome, PerformerLost, RequesterLost, Settled, Verdict};

use crate::support::{NOTHING, Work, World, again, bytes, completed, decided, evidence, performer, requester, s};
use crate::{shop_and_reader, shop_and_reader_that_comes_back, shop_and_two_readers, then};

#[test]
fn evidence_is_decided_upon_and_the_decision_is_the_outcome() {
    let mut world = shop_and_two_readers();
    world.submit("till", Work::new("k1"));
    then(world.answer("reader", "k1", evidence("a palm")), &["settle k1 attempt 1 a palm owed until +60s"]);
    then(
        world.settled("k1", decided("it is Ada")),
        &[
            "till: outcome k1 completed it is Ada",
            "write paid k1",
            "second: withdrawn k1 completed",
            "event 4 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
    assert_eq!(world.unanswered(), NOTHING);
}

#[test]
fn a_decision_to_go_on_lets_any_performer_try_again() {
    let mut world = shop_and_two_readers();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", evidence("a smudge"));
    then(world.settled("k1", again("not recognised")), &["till: progress k1 not recognised", "reader= taken k1 again"]);
    then(world.answer("second", "k1", evidence("a palm")), &["settle k1 attempt 2 a palm owed until +60s"]);
    then(
        world.settled("k1", decided("it is Ada")),
        &[
            "till: outcome k1 completed it is Ada",
            "write paid k1",
            "reader: withdrawn k1 completed",
            "event 4 ended k1 completed",
            "second= taken k1 ended completed",
        ],
    );
}

#[test]
fn while_one_answer_is_decided_upon_others_are_told_so() {
    let mut world = shop_and_two_readers();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", evidence("a palm"));
    then(world.answer("second", "k1", evidence("another palm")), &["second= taken k1 deciding"]);
    then(world.answer("second", "k1", completed("done")), &["second= taken k1 deciding"]);
    then(world.answer("reader", "k1", Verdict::Started), &["reader= taken k1 deciding"]);
}

#[test]
fn a_cancel_while_deciding_ends_as_decided() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", evidence("a palm"));
    then(world.cancel("till", "k1"), &["till= cancelling k1"]);
    then(
        world.settled("k1", decided("it is Ada")),
        &[
            "till: outcome k1 completed it is Ada",
            "write paid k1",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
}

#[test]
fn a_cancel_while_deciding_ends_the_work_when_the_decision_is_to_go_on() {
    let mut world = shop_and_two_readers();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", evidence("a smudge"));
    then(world.cancel("till", "k1"), &["till= cancelling k1"]);
    then(
        world.settled("k1", again("not recognised")),
        &[
            "write ended k1 cancelled unknown",
            "write owed k1 to shop until +60s",
            "till: outcome k1 cancelled unknown",
            "write paid k1",
            "second: withdrawn k1 cancelled",
            "event 4 ended k1 cancelled",
            "reader= taken k1 late cancelled",
        ],
    );
}

#[test]
fn a_deadline_while_deciding_waits_for_the_decision() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", evidence("a palm"));
    then(world.wait(s(31)), &[]);
    then(
        world.settled("k1", decided("it is Ada")),
        &[
            "till: outcome k1 completed it is Ada",
            "write paid k1",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
}

#[test]
fn a_deadline_while_deciding_ends_the_work_when_the_decision_is_to_go_on() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", evidence("a smudge"));
    world.wait(s(30));
    then(
        world.settled("k1", again("not recognised")),
        &[
            "write ended k1 expired unknown",
            "write owed k1 to shop until +90s",
            "till: outcome k1 expired unknown",
            "write paid k1",
            "event 3 ended k1 expired",
            "reader= taken k1 late expired",
        ],
    );
}

#[test]
fn a_performer_that_left_while_deciding_is_lost_when_the_decision_is_to_go_on() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1").rules(|rules| rules.performer_lost = PerformerLost::Fail));
    world.answer("reader", "k1", evidence("a smudge"));
    then(world.leave("reader"), &["write seen d1", "event 3 d1 offline e1.2"]);
    then(
        world.settled("k1", again("not recognised")),
        &[
            "till: progress k1 not recognised",
            "write ended k1 failed performer_lost unknown -",
            "write owed k1 to shop until +60s",
            "till: outcome k1 failed performer_lost unknown -",
            "write paid k1",
            "event 4 ended k1 failed",
        ],
    );
}

#[test]
fn a_performer_that_left_while_deciding_is_waited_for_where_the_work_is_held() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", Work::new("k1").rules(|rules| rules.performer_lost = PerformerLost::Hold(s(5))));
    world.answer("reader", "k1", evidence("a smudge"));
    world.leave("reader");
    then(world.settled("k1", again("not recognised")), &["till: progress k1 not recognised"]);
    then(
        world.admit("back", performer("d1")),
        &["back= admitted e1.3", "write seen d1", "event 4 d1 online e1.3", "back: offer k1 by +30s"],
    );
}

#[test]
fn a_requester_that_left_while_deciding_takes_its_work_back_unless_it_is_decided() {
    let cancel = |rules: &mut model::Rules| rules.requester_lost = RequesterLost::Cancel;
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1").rules(cancel));
    world.submit("till", Work::new("k2").rules(cancel));
    world.answer("reader", "k1", evidence("a palm"));
    world.answer("reader", "k2", evidence("a smudge"));
    then(world.leave("till"), &[]);
    then(
        world.settled("k1", decided("it is Ada")),
        &["event 4 ended k1 completed", "reader= taken k1 ended completed"],
    );
    then(
        world.settled("k2", again("not recognised")),
        &[
            "write ended k2 cancelled unknown",
            "write owed k2 to shop until +60s",
            "event 5 ended k2 cancelled",
            "reader= taken k2 late cancelled",
        ],
    );
}

#[test]
fn a_service_that_could_not_decide_fails_the_work() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", evidence("a palm"));
    let outcome = Outcome::Failed { cause: FailCause::Service, certainty: Certainty::Unknown, body: bytes("") };
    then(
        world.settled("k1", Settled::Outcome(outcome)),
        &[
            "till: outcome k1 failed service unknown -",
            "write paid k1",
            "event 3 ended k1 failed",
            "reader= taken k1 ended failed",
        ],
    );
}

#[test]
fn a_decision_meets_a_requester_that_left_and_is_owed_as_long_as_was_stored() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.admit("reader", performer("d1"));
    world.submit("till", Work::new("k1"));
    then(world.answer("reader", "k1", evidence("a palm")), &["settle k1 attempt 1 a palm owed until +60s"]);
    world.leave("till");
    world.wait(s(20));
    then(
        world.settled("k1", decided("it is Ada")),
        &["event 3 ended k1 completed", "reader= taken k1 ended completed"],
    );
    then(world.wait(s(39)), &[]);
    then(
        world.admit("back", requester("shop")),
        &["back= admitted e1.3 owed 1", "back: outcome k1 completed it is Ada", "write paid k1"],
    );
}

#[test]
fn a_performer_that_came_while_deciding_is_offered_what_goes_on() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", evidence("a smudge"));
    then(world.admit("second", performer("d2")), &["second= admitted e1.3", "write seen d2", "event 3 d2 online e1.3"]);
    then(
        world.settled("k1", again("not recognised")),
        &["till: progress k1 not recognised", "second: offer k1 by +30s", "reader= taken k1 again"],
    );
}
