//! Two deadlines, one outcome, and what is said before it.

use std::time::Duration;

use model::{Capacity, Verdict};

use crate::support::{Work, World, admin, bytes, completed, performer, requester, s};
use crate::{shop_and_reader, shop_and_two_readers, then};

#[test]
fn work_that_no_performer_has_by_its_first_deadline_expires_not_delivered() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.submit("till", Work::new("k1").deliver_in(s(5)));
    then(
        world.wait(s(5)),
        &[
            "+5s write ended k1 expired not_delivered",
            "+5s write owed k1 to shop until +65s",
            "+5s till: outcome k1 expired not_delivered",
            "+5s write paid k1",
            "+5s event 2 ended k1 expired",
        ],
    );
    then(world.admit("reader", performer("d1")), &["reader= admitted e1.2", "write seen d1", "event 3 d1 online e1.2"]);
}

#[test]
fn work_a_performer_has_goes_on_to_its_second_deadline() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1").deliver_in(s(5)));
    then(world.wait(s(29)), &[]);
    then(
        world.wait(s(1)),
        &[
            "+30s write ended k1 expired unknown",
            "+30s write owed k1 to shop until +90s",
            "+30s till: outcome k1 expired unknown",
            "+30s write paid k1",
            "+30s reader: withdrawn k1 expired",
            "+30s event 3 ended k1 expired",
        ],
    );
}

#[test]
fn at_the_exact_instant_the_deadline_wins_over_an_answer() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.sleep(s(30));
    then(
        world.answer("reader", "k1", completed("seen")),
        &[
            "write ended k1 expired unknown",
            "write owed k1 to shop until +90s",
            "till: outcome k1 expired unknown",
            "write paid k1",
            "reader: withdrawn k1 expired",
            "event 3 ended k1 expired",
            "reader= taken k1 late expired",
        ],
    );
}

#[test]
fn an_answer_just_before_the_deadline_wins() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.wait(s(30) - Duration::from_millis(1));
    then(
        world.answer("reader", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +89999ms",
            "till: outcome k1 completed seen",
            "write paid k1",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
    then(world.wait(s(10)), &[]);
}

#[test]
fn at_the_exact_instant_the_deadline_wins_over_a_performer_that_comes() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.submit("till", Work::new("k1").deliver_in(s(5)));
    world.sleep(s(5));
    then(
        world.admit("reader", performer("d1")),
        &[
            "write ended k1 expired not_delivered",
            "write owed k1 to shop until +65s",
            "till: outcome k1 expired not_delivered",
            "write paid k1",
            "event 2 ended k1 expired",
            "reader= admitted e1.2",
            "write seen d1",
            "event 3 d1 online e1.2",
        ],
    );
}

#[test]
fn at_the_exact_instant_the_deadline_wins_over_a_cancel() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.sleep(s(30));
    then(
        world.cancel("till", "k1"),
        &[
            "write ended k1 expired unknown",
            "write owed k1 to shop until +90s",
            "till: outcome k1 expired unknown",
            "write paid k1",
            "reader: withdrawn k1 expired",
            "event 3 ended k1 expired",
            "till= refused k1 not_found",
        ],
    );
}

#[test]
fn work_whose_deadline_has_passed_on_the_way_here_is_never_offered() {
    let mut world = shop_and_reader();
    then(
        world.submit("till", Work::new("k1").answer_in(s(0))),
        &[
            "write accepted k1",
            "till= accepted k1",
            "event 2 accepted k1 scan",
            "write ended k1 expired not_delivered",
            "write owed k1 to shop until +60s",
            "till: outcome k1 expired not_delivered",
            "write paid k1",
            "event 3 ended k1 expired",
        ],
    );
    then(
        world.submit("till", Work::new("k2").deliver_in(s(0))),
        &[
            "write accepted k2",
            "till= accepted k2",
            "event 4 accepted k2 scan",
            "write ended k2 expired not_delivered",
            "write owed k2 to shop until +60s",
            "till: outcome k2 expired not_delivered",
            "write paid k2",
            "event 5 ended k2 expired",
        ],
    );
}

#[test]
fn overdue_work_is_not_offered_with_the_room_anothers_deadline_made() {
    let mut world = shop_and_reader();
    let work = |key| Work::new(key).device("d1").rules(|rules| rules.capacity = Capacity::Queue(s(60)));
    world.submit("till", work("k1").answer_in(s(10)));
    world.submit("till", work("k2").answer_in(s(20)));
    world.sleep(s(25));
    then(
        world.wait(s(0)),
        &[
            "+25s write ended k1 expired unknown",
            "+25s write owed k1 to shop until +85s",
            "+25s till: outcome k1 expired unknown",
            "+25s write paid k1",
            "+25s reader: withdrawn k1 expired",
            "+25s event 4 ended k1 expired",
            "+25s write ended k2 expired not_delivered",
            "+25s write owed k2 to shop until +85s",
            "+25s till: outcome k2 expired not_delivered",
            "+25s write paid k2",
            "+25s event 5 ended k2 expired",
        ],
    );
}

#[test]
fn work_taken_back_before_anybody_had_it_was_not_delivered() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.submit("till", Work::new("k1"));
    then(
        world.cancel("till", "k1"),
        &[
            "till= cancelling k1",
            "write ended k1 cancelled not_delivered",
            "write owed k1 to shop until +60s",
            "till: outcome k1 cancelled not_delivered",
            "write paid k1",
            "event 2 ended k1 cancelled",
        ],
    );
}

#[test]
fn work_taken_back_after_it_was_offered_may_have_been_done() {
    let mut world = shop_and_two_readers();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", Verdict::Started);
    then(
        world.cancel("till", "k1"),
        &[
            "till= cancelling k1",
            "write ended k1 cancelled unknown",
            "write owed k1 to shop until +60s",
            "till: outcome k1 cancelled unknown",
            "write paid k1",
            "reader: withdrawn k1 cancelled",
            "second: withdrawn k1 cancelled",
            "event 4 ended k1 cancelled",
        ],
    );
    then(world.answer("reader", "k1", completed("seen")), &["reader= taken k1 late cancelled"]);
    then(world.cancel("till", "k1"), &["till= refused k1 not_found"]);
}

#[test]
fn only_who_asked_takes_work_back() {
    let mut world = shop_and_reader();
    world.admit("stranger", requester("kiosk"));
    world.admit("operator", admin("operator"));
    world.submit("till", Work::new("k1"));
    for name in ["stranger", "operator", "reader"] {
        assert_eq!(world.cancel(name, "k1"), [format!("{name}= refused k1 not_found")]);
    }
    world.admit("other till", requester("shop"));
    then(
        world.cancel("other till", "k1"),
        &[
            "other till= cancelling k1",
            "write ended k1 cancelled unknown",
            "write owed k1 to shop until +60s",
            "till: outcome k1 cancelled unknown",
            "write paid k1",
            "reader: withdrawn k1 cancelled",
            "event 3 ended k1 cancelled",
        ],
    );
}

#[test]
fn there_is_one_outcome_whatever_comes_after_it() {
    let mut world = shop_and_two_readers();
    world.submit("till", Work::new("k1"));
    then(
        world.answer("reader", "k1", Verdict::Failed(bytes("jammed"))),
        &[
            "write ended k1 failed performer unknown jammed",
            "write owed k1 to shop until +60s",
            "till: outcome k1 failed performer unknown jammed",
            "write paid k1",
            "second: withdrawn k1 failed",
            "event 4 ended k1 failed",
            "reader= taken k1 ended failed",
        ],
    );
    then(world.answer("second", "k1", completed("seen")), &["second= taken k1 late failed"]);
    then(world.answer("reader", "k1", completed("seen after all")), &["reader= taken k1 late failed"]);
    then(world.cancel("till", "k1"), &["till= refused k1 not_found"]);
    then(world.leave("second"), &["write seen d2", "event 5 d2 offline e1.3"]);
    then(world.wait(s(61)), &[]);
}

#[test]
fn progress_goes_to_the_session_that_asked_or_else_the_newest() {
    let mut world = shop_and_reader();
    world.admit("other till", requester("shop"));
    world.admit("third till", requester("shop"));
    world.submit("till", Work::new("k1"));
    then(
        world.answer("reader", "k1", Verdict::Note(bytes("hold still"))),
        &["till: progress k1 hold still", "reader= taken k1 noted"],
    );
    world.leave("till");
    then(
        world.answer("reader", "k1", Verdict::Note(bytes("closer"))),
        &["third till: progress k1 closer", "reader= taken k1 noted"],
    );
    world.leave("third till");
    world.leave("other till");
    then(world.answer("reader", "k1", Verdict::Note(bytes("nobody hears"))), &["reader= taken k1 noted"]);
}

#[test]
fn a_performer_may_begin_and_say_how_it_goes_before_it_is_done() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    then(world.answer("reader", "k1", Verdict::Started), &["reader= taken k1 noted"]);
    then(
        world.answer("reader", "k1", Verdict::Note(bytes("half way"))),
        &["till: progress k1 half way", "reader= taken k1 noted"],
    );
    then(
        world.answer("reader", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "till: outcome k1 completed seen",
            "write paid k1",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
}

#[test]
fn only_performers_answer() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    then(world.answer("till", "k1", completed("seen")), &["till= taken k1 not_yours"]);
}
