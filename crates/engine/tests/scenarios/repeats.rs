//! The same key again, the same offer again, an answer too late, and work that leaves no trace.

use model::{Durability, Late, Reoffer, Repeat, Verdict};

use crate::support::{Work, World, bytes, completed, evidence, performer, requester, s};
use crate::{shop_and_reader, shop_and_reader_that_comes_back, then};

fn joining(key: &str) -> Work {
    Work::new(key).rules(|rules| rules.repeat = Repeat::Join)
}

#[test]
fn a_repeat_joins_the_work_that_runs_and_both_sessions_hear_the_outcome_once() {
    let mut world = shop_and_reader();
    world.submit("till", joining("k1"));
    world.admit("other till", requester("shop"));
    then(world.submit("other till", joining("k1")), &["other till= accepted k1"]);
    then(
        world.answer("reader", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "till: outcome k1 completed seen",
            "other till: outcome k1 completed seen",
            "write paid k1",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
}

#[test]
fn a_repeat_after_the_end_replays_the_outcome() {
    let mut world = shop_and_reader();
    world.submit("till", joining("k1"));
    world.answer("reader", "k1", completed("seen"));
    then(world.submit("till", joining("k1")), &["till= accepted k1", "till: outcome k1 completed seen"]);
}

#[test]
fn a_repeat_with_another_body_is_a_conflict() {
    let mut world = shop_and_reader();
    world.submit("till", joining("k1"));
    then(world.submit("till", joining("k1").body("something else")), &["till= refused k1 conflict"]);
}

#[test]
fn a_repeat_by_another_principal_is_a_conflict() {
    let mut world = shop_and_reader();
    world.admit("stranger", requester("kiosk"));
    world.submit("till", joining("k1"));
    then(world.submit("stranger", joining("k1")), &["stranger= refused k1 conflict"]);
    world.answer("reader", "k1", completed("seen"));
    then(world.submit("stranger", joining("k1")), &["stranger= refused k1 conflict"]);
    let row = world.rows.values().next().cloned();
    world.wait(s(61));
    then(world.submit_with("stranger", joining("k1"), row), &["stranger= refused k1 conflict"]);
}

#[test]
fn where_repeats_are_refused_the_first_goes_on_untouched() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    then(world.submit("till", Work::new("k1")), &["till= refused k1 duplicate"]);
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
    then(world.submit("till", Work::new("k1")), &["till= refused k1 duplicate"]);
}

#[test]
fn where_repeats_run_each_is_a_piece_of_work_of_its_own() {
    let mut world = shop_and_reader();
    let work = || Work::new("k1").rules(|rules| rules.repeat = Repeat::Run);
    world.submit("till", work());
    then(
        world.submit("till", work()),
        &["write accepted k1'", "till= accepted k1'", "event 3 accepted k1' scan", "reader: offer k1' by +30s"],
    );
    then(
        world.answer("reader", "k1", completed("the newest")),
        &[
            "write ended k1' completed the newest",
            "write owed k1' to shop until +60s",
            "till: outcome k1' completed the newest",
            "write paid k1'",
            "event 4 ended k1' completed",
            "reader= taken k1' ended completed",
        ],
    );
    then(
        world.wait(s(30)),
        &[
            "+30s write ended k1 expired unknown",
            "+30s write owed k1 to shop until +90s",
            "+30s till: outcome k1 expired unknown",
            "+30s write paid k1",
            "+30s reader: withdrawn k1 expired",
            "+30s event 5 ended k1 expired",
        ],
    );
}

#[test]
fn a_repeat_after_days_gets_the_stored_outcome() {
    let mut world = shop_and_reader();
    world.submit("till", joining("k1"));
    world.answer("reader", "k1", completed("seen"));
    world.wait(s(3 * 24 * 60 * 60));
    let row = world.rows.values().next().cloned();
    then(
        world.submit_with("till", joining("k1"), row.clone()),
        &["till= accepted k1", "till: outcome k1 completed seen"],
    );
    then(world.submit_with("till", joining("k1").body("something else"), row.clone()), &["till= refused k1 conflict"]);
    then(world.submit_with("till", Work::new("k1"), row.clone()), &["till= refused k1 duplicate"]);
    then(
        world.submit_with("till", joining("k1").rules(|rules| rules.repeat = Repeat::Run), row),
        &["write accepted k1'", "till= accepted k1'", "event 4 accepted k1' scan", "reader: offer k1' by +259230s"],
    );
}

#[test]
fn the_stored_row_is_wanted_only_for_keys_memory_does_not_know() {
    let mut world = shop_and_reader();
    let wants = |world: &World, key: &str| {
        let verdict = Verdict::Completed(bytes("seen"));
        let ask = model::Ask::Answer(model::Answer { which: model::Which::Key(crate::support::key(key)), verdict });
        world.partition.wants_earlier(model::Route { core: 0, slot: 2 }, &ask).is_some()
    };
    assert!(wants(&world, "k1"));
    world.submit("till", Work::new("k1"));
    assert!(!wants(&world, "k1"));
    world.answer("reader", "k1", completed("seen"));
    assert!(!wants(&world, "k1"));
    world.wait(s(61));
    assert!(wants(&world, "k1"));
}

#[test]
fn an_offer_is_said_again_to_a_device_that_comes_back_where_its_kind_wants_that() {
    for (reoffer, again) in [(Reoffer::Never, 0), (Reoffer::OnReturn, 1)] {
        let mut world = shop_and_reader();
        world.submit("till", Work::new("k1").rules(|rules| rules.reoffer = reoffer));
        world.leave("reader");
        let lines = world.admit("back", performer("d1"));
        assert_eq!(lines.iter().filter(|line| line.contains("offer")).count(), again, "{lines:?}");
    }
}

fn every(key: &str) -> Work {
    let reoffer = Reoffer::Every { pause: s(2), until: s(7) };
    Work::new(key).rules(|rules| rules.reoffer = reoffer)
}

#[test]
fn an_offer_is_said_again_and_again_until_its_time_is_over() {
    let mut world = shop_and_reader();
    world.submit("till", every("k1"));
    then(
        world.wait(s(29)),
        &["+2s reader: offer k1 by +30s", "+4s reader: offer k1 by +30s", "+6s reader: offer k1 by +30s"],
    );
}

#[test]
fn an_offer_is_said_again_until_the_performer_reacts() {
    for verdict in [Verdict::Started, Verdict::Note(bytes("warming up")), evidence("a palm")] {
        let mut world = shop_and_reader();
        world.submit("till", every("k1"));
        world.wait(s(2));
        world.answer("reader", "k1", verdict);
        then(world.wait(s(20)), &[]);
    }
}

#[test]
fn re_offers_are_counted_from_the_first_offer_also_after_a_hold() {
    let mut world = shop_and_reader_that_comes_back();
    let work = every("k1").rules(|rules| rules.performer_lost = model::PerformerLost::Hold(s(20)));
    world.submit("till", work);
    world.leave("reader");
    world.wait(s(6));
    then(
        world.admit("back", performer("d1")),
        &["back= admitted e1.3", "write seen d1", "event 4 d1 online e1.3", "back: offer k1 by +30s"],
    );
    then(world.wait(s(10)), &[]);
}

#[test]
fn a_pause_of_nothing_between_offers_still_lets_time_pass() {
    let mut world = shop_and_reader();
    let reoffer = Reoffer::Every { pause: s(0), until: std::time::Duration::from_millis(2) };
    world.submit("till", Work::new("k1").rules(|rules| rules.reoffer = reoffer));
    then(world.wait(s(1)), &["+1ms reader: offer k1 by +30s", "+2ms reader: offer k1 by +30s"]);
}

#[test]
fn a_late_answer_is_acknowledged_and_kept_only_where_its_kind_wants_that() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.submit("till", Work::new("k2").rules(|rules| rules.late = Late::Record));
    world.wait(s(30));
    then(world.answer("reader", "k1", completed("too late")), &["reader= taken k1 late expired"]);
    then(
        world.answer("reader", "k2", completed("too late")),
        &["reader= taken k2 late expired", "write late k2 too late"],
    );
    then(world.answer_by_id("reader", "k2", evidence("a palm")), &["reader= taken k2 late expired"]);
    then(world.answer("reader", "k2", Verdict::Started), &["reader= taken k2 late expired"]);
}

#[test]
fn a_late_answer_after_days_is_told_how_it_had_ended() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1").device("d1"));
    world.admit("second", performer("d2"));
    world.wait(s(3 * 24 * 60 * 60));
    let row = world.rows.values().next().cloned();
    let answer = |key: &str| {
        let which = model::Which::Key(crate::support::key(key));
        model::Ask::Answer(model::Answer { which, verdict: Verdict::Completed(bytes("seen")) })
    };
    then(world.ask_with("reader", "answer", answer("k1"), row.clone()), &["reader= taken k1 late expired"]);
    then(world.ask_with("second", "answer", answer("k1"), row), &["second= taken k1 not_yours"]);
    then(
        world.ask("reader", "answer", answer("never asked")),
        &["reader= taken never asked? late", "event 5 alert unasked never asked d1"],
    );
}

#[test]
fn fleeting_work_writes_nothing_whatever_becomes_of_it() {
    let mut world = shop_and_reader();
    let work = |key: &str| {
        Work::new(key).rules(|rules| {
            rules.durability = Durability::Fleeting;
            rules.late = Late::Record;
            rules.owed_most = 1;
        })
    };
    let mut lines = world.submit("till", work("k1"));
    lines.extend(world.answer("reader", "k1", completed("seen")));
    lines.extend(world.answer("reader", "k1", completed("late")));
    lines.extend(world.submit("till", work("k2")));
    lines.extend(world.submit("till", work("k3")));
    lines.extend(world.submit("till", work("k4")));
    lines.extend(world.leave("till"));
    lines.extend(world.answer("reader", "k2", completed("owed")));
    // The mailbox holds one: the older is given up.
    lines.extend(world.answer("reader", "k3", completed("owed")));
    lines.extend(world.admit("back", requester("shop")));
    lines.extend(world.undelivered("k3"));
    lines.extend(world.leave("back"));
    lines.extend(world.undelivered("k3"));
    lines.extend(world.wait(s(600)));
    assert_eq!(lines.iter().filter(|line| line.contains("write")).count(), 0, "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.contains("outcome k3")).count(), 2, "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.contains("given_up")).count(), 3, "{lines:#?}");
}
