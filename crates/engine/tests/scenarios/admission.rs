//! Who is let in, who is displaced, and who has to wait.

use crate::support::{NOTHING, Work, World, admin, completed, performer, requester, s};
use crate::then;

#[test]
fn every_session_is_let_in_with_a_higher_epoch() {
    let mut world = World::new();
    then(world.admit("one", requester("shop")), &["one= admitted e1.1"]);
    then(world.admit("two", requester("shop")), &["two= admitted e1.2"]);
    then(world.admit("three", admin("operator")), &["three= admitted e1.3"]);
}

#[test]
fn a_newcomer_displaces_the_older_and_is_let_in_when_that_has_left() {
    let mut world = World::new();
    world.admit("old", requester("shop").single("shop"));
    then(world.admit("new", requester("shop").single("shop")), &["old: displaced"]);
    then(world.leave("old"), &["new= admitted e1.2"]);
    assert_eq!(world.unanswered(), NOTHING);
}

#[test]
fn a_displaced_session_commands_nothing_but_its_results_are_facts() {
    let mut world = World::new();
    world.admit("till", requester("shop").single("shop"));
    world.admit("reader", performer("d1").single("d1"));
    world.submit("till", Work::new("k1"));
    world.admit("new till", requester("shop").single("shop"));
    world.admit("new reader", performer("d1").single("d1"));
    then(world.submit("till", Work::new("k2")), &["till= refused k2 full"]);
    then(world.cancel("till", "k1"), &["till= refused k1 not_found"]);
    then(
        world.answer("reader", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
    then(
        world.leave("till"),
        &["new till= admitted e1.3 owed 1", "new till: outcome k1 completed seen", "write paid k1"],
    );
}

#[test]
fn the_late_close_of_the_older_never_erases_the_newer() {
    let mut world = World::new();
    world.admit("old", performer("d1").single("d1").grace(10));
    world.admit("new", performer("d1").single("d1").grace(10));
    then(world.leave("old"), &["new= admitted e1.2", "write seen d1", "event 2 d1 online e1.2", "write seen d1"]);
    then(world.parted("old", true), &[]);
    then(world.parted("old", true), &[]);
    then(world.wait(s(60)), &[]);
    world.admit("till", requester("shop"));
    then(
        world.submit("till", Work::new("k1").device("d1")),
        &["write accepted k1", "till= accepted k1", "event 3 accepted k1 scan", "new: offer k1 by +90s"],
    );
}

#[test]
fn an_older_session_that_does_not_hand_back_in_time_is_let_go() {
    let mut world = World::new();
    world.admit("old", performer("d1").single("d1"));
    world.admit("till", requester("shop"));
    world.submit("till", Work::new("k1"));
    world.admit("new", performer("d1").single("d1"));
    then(
        world.wait(s(1)),
        &[
            "+1s new= admitted e1.3",
            "+1s write seen d1",
            "+1s event 3 d1 online e1.3",
            "+1s new: offer k1 by +30s",
            "+1s write seen d1",
        ],
    );
    // What it had said before is still on its way: a result is a fact.
    then(
        world.answer("old", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +61s",
            "till: outcome k1 completed seen",
            "write paid k1",
            "event 4 ended k1 completed",
            "old= taken k1 ended completed",
        ],
    );
    then(world.leave("old"), &[]);
    then(world.parted("old", true), &[]);
    then(world.leave("new"), &["write seen d1", "event 5 d1 offline e1.3"]);
}

#[test]
fn of_two_newcomers_at_once_the_newest_waits_on() {
    let mut world = World::new();
    world.admit("old", requester("shop").single("shop"));
    world.admit("first", requester("shop").single("shop"));
    then(world.admit("second", requester("shop").single("shop")), &["first= occupied"]);
    then(world.leave("old"), &["second= admitted e1.2"]);
    then(world.leave("first"), &[]);
}

#[test]
fn newcomers_that_keep_coming_do_not_put_off_the_hand_over() {
    let mut world = World::new();
    world.admit("old", requester("shop").single("shop"));
    world.admit("first", requester("shop").single("shop"));
    then(world.wait(s(1) / 2), &[]);
    world.admit("second", requester("shop").single("shop"));
    then(world.wait(s(1) / 2), &["+1s second= admitted e1.2"]);
}

#[test]
fn a_newcomer_that_leaves_while_it_waits_is_forgotten() {
    let mut world = World::new();
    world.admit("old", requester("shop").single("shop"));
    world.admit("new", requester("shop").single("shop"));
    then(world.leave("new"), &[]);
    // The older was told already and is not told again.
    then(world.admit("newer", requester("shop").single("shop")), &[]);
    then(world.leave("newer"), &[]);
    then(world.leave("old"), &[]);
    then(world.admit("next", requester("shop").single("shop")), &["next= admitted e1.2"]);
}

#[test]
fn where_the_incumbent_stays_the_newcomer_is_refused() {
    let mut world = World::new();
    world.admit("old", requester("shop").single("shop").stays());
    then(world.admit("new", requester("shop").single("shop").stays()), &["new= occupied"]);
    then(world.submit("old", Work::new("k1")), &["write accepted k1", "old= accepted k1", "event 1 accepted k1 scan"]);
    world.leave("old");
    then(world.admit("next", requester("shop").single("shop").stays()), &["next= admitted e1.2"]);
}

/// Takes the name over so often, one second apart; each displaced peer is found alive, or not.
fn take_over(world: &mut World, times: u32, alive: bool) {
    for n in 1..=times {
        world.admit(&format!("till {n}"), requester("shop").single("shop"));
        world.leave(&format!("till {}", n - 1));
        world.parted(&format!("till {}", n - 1), alive);
        world.wait(s(1));
    }
}

#[test]
fn after_five_takeovers_of_living_peers_the_newcomer_waits_and_the_incumbent_stays() {
    let mut world = World::new();
    world.admit("till 0", requester("shop").single("shop"));
    take_over(&mut world, 5, true);
    then(
        world.admit("one more", requester("shop").single("shop")),
        &["one more= damped for 25s", "event 1 alert takeover_war shop"],
    );
    then(
        world.submit("till 5", Work::new("k1").answer_in(s(600))),
        &["write accepted k1", "till 5= accepted k1", "event 2 accepted k1 scan"],
    );
    then(world.wait(s(25)), &[]);
    then(world.admit("later", requester("shop").single("shop")), &["till 5: displaced"]);
}

#[test]
fn replacing_ones_own_dead_connection_is_never_punished() {
    let mut world = World::new();
    world.admit("till 0", requester("shop").single("shop"));
    take_over(&mut world, 20, false);
    then(world.admit("one more", requester("shop").single("shop")), &["till 20: displaced"]);
}

#[test]
fn a_peer_whose_end_is_never_heard_of_was_not_alive() {
    let mut world = World::new();
    world.admit("till 0", requester("shop").single("shop"));
    for n in 1..=10 {
        world.admit(&format!("till {n}"), requester("shop").single("shop"));
        world.leave(&format!("till {}", n - 1));
    }
    then(world.wait(s(30)), &[]);
    then(world.parted("till 3", true), &[]);
    then(world.admit("one more", requester("shop").single("shop")), &["till 10: displaced"]);
}

#[test]
fn a_session_the_partition_let_go_gets_an_answer_to_everything_it_still_asks() {
    let mut world = World::new();
    world.admit("old", requester("shop").single("shop"));
    world.admit("new", requester("shop").single("shop"));
    world.wait(s(1));
    then(world.submit("old", Work::new("k1")), &["old= refused k1 full"]);
    then(world.cancel("old", "k1"), &["old= refused k1 not_found"]);
    then(world.answer("old", "k1", completed("seen")), &["old= taken k1? not_yours"]);
    then(world.serve("old", &["name"]), &["old= serving"]);
    then(world.listen("old", None), &["old= listening at 1.0"]);
}

#[test]
fn a_newcomer_that_was_refused_gets_an_answer_to_everything_it_still_asks() {
    let mut world = World::new();
    world.admit("old", requester("shop").single("shop").stays());
    world.admit("new", requester("shop").single("shop").stays());
    then(world.submit("new", Work::new("k1")), &["new= refused k1 full"]);
    then(world.cancel("new", "k1"), &["new= refused k1 not_found"]);
    then(world.answer("new", "k1", completed("seen")), &["new= taken ? not_yours"]);
    then(world.serve("new", &["name"]), &["new= serving"]);
    then(world.listen("new", None), &["new= listening at 0.0 gap"]);
    then(world.leave("new"), &[]);
}
