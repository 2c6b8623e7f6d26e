//! What listeners hear: everything in order from where they were, or plainly that there is a gap.

use engine::bounds::EVENTS_PER_GROUP;

use crate::support::{Work, World, admin, completed, performer, requester, s};
use crate::{shop_and_reader, then};

#[test]
fn a_listener_hears_what_happens_from_now_on() {
    let mut world = shop_and_reader();
    world.admit("operator", admin("operator"));
    then(world.listen("operator", None), &["operator= listening at 1.1"]);
    then(
        world.submit("till", Work::new("k1")),
        &[
            "write accepted k1",
            "till= accepted k1",
            "operator: hears 2 accepted k1 scan",
            "event 2 accepted k1 scan",
            "reader: offer k1 by +30s",
        ],
    );
    then(
        world.answer("reader", "k1", completed("seen")),
        &[
            "write ended k1 completed seen",
            "write owed k1 to shop until +60s",
            "till: outcome k1 completed seen",
            "write paid k1",
            "operator: hears 3 ended k1 completed",
            "event 3 ended k1 completed",
            "reader= taken k1 ended completed",
        ],
    );
    world.leave("operator");
    then(world.leave("reader"), &["write seen d1", "event 4 d1 offline e1.2"]);
}

#[test]
fn a_listener_that_says_where_it_was_is_told_everything_since() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.admit("operator", admin("operator"));
    then(world.listen("operator", Some((1, 1))), &["operator= listening at 1.2", "operator: hears 2 accepted k1 scan"]);
    then(world.listen("operator", Some((1, 2))), &["operator= listening at 1.2"]);
    then(
        world.listen("operator", Some((1, 0))),
        &["operator= listening at 1.2", "operator: hears 1 d1 online e1.2", "operator: hears 2 accepted k1 scan"],
    );
}

#[test]
fn a_listener_whose_place_was_forgotten_is_told_of_the_gap() {
    let mut world = World::new();
    for n in 0..EVENTS_PER_GROUP / 2 {
        world.admit(&format!("reader {n}"), performer("d1"));
        world.leave(&format!("reader {n}"));
    }
    world.admit("operator", admin("operator"));
    let lines = world.listen("operator", Some((1, 0)));
    assert_eq!((lines.len(), &*lines[0]), (1 + EVENTS_PER_GROUP, "operator= listening at 1.1024"));
    world.admit("one more", performer("d1"));
    let lines = world.listen("operator", Some((1, 0)));
    assert_eq!((lines.len(), &*lines[0]), (1 + EVENTS_PER_GROUP, "operator= listening at 1.1025 gap"));
    assert_eq!(lines[1], "operator: hears 2 d1 offline e1.1");
    let lines = world.listen("operator", Some((1, 1)));
    assert_eq!((lines.len(), &*lines[0]), (1 + EVENTS_PER_GROUP, "operator= listening at 1.1025"));
}

#[test]
fn events_are_kept_for_five_minutes_also_while_nobody_is_there() {
    let mut world = shop_and_reader();
    world.leave("till");
    world.leave("reader");
    world.wait(s(100));
    world.admit("reader again", performer("d1"));
    world.wait(s(199));
    world.admit("operator", admin("operator"));
    then(
        world.listen("operator", Some((1, 1))),
        &["operator= listening at 1.3", "operator: hears 2 d1 offline e1.2", "operator: hears 3 d1 online e1.3"],
    );
    world.wait(s(1));
    then(
        world.listen("operator", Some((1, 1))),
        &["operator= listening at 1.3 gap", "operator: hears 3 d1 online e1.3"],
    );
    then(world.listen("operator", Some((1, 2))), &["operator= listening at 1.3", "operator: hears 3 d1 online e1.3"]);
}

#[test]
fn a_changed_fence_is_a_gap() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.restart();
    world.admit("reader again", performer("d1"));
    world.admit("operator", admin("operator"));
    then(
        world.listen("operator", Some((1, 2))),
        &["operator= listening at 2.1 gap", "operator: hears 1 d1 online e2.1"],
    );
}

#[test]
fn a_place_that_never_was_is_a_gap() {
    let mut world = shop_and_reader();
    world.admit("operator", admin("operator"));
    then(
        world.listen("operator", Some((1, 9))),
        &["operator= listening at 1.1 gap", "operator: hears 1 d1 online e1.2"],
    );
}

#[test]
fn a_displaced_listener_hears_nothing_more() {
    let mut world = World::new();
    world.admit("old", admin("operator").single("operator"));
    world.listen("old", None);
    world.admit("new", admin("operator").single("operator"));
    then(world.admit("reader", performer("d1")), &["reader= admitted e1.2", "write seen d1", "event 1 d1 online e1.2"]);
    then(world.listen("old", Some((1, 0))), &["old= listening at 1.1"]);
    then(world.leave("old"), &["new= admitted e1.3"]);
    then(world.leave("reader"), &["write seen d1", "event 2 d1 offline e1.2"]);
}

#[test]
fn groups_count_for_themselves() {
    let mut world = shop_and_reader();
    then(
        world.admit("elsewhere", performer("d1").of_group("elsewhere")),
        &["elsewhere= admitted e1.3", "write seen d1", "event 1 d1 online e1.3"],
    );
    world.admit("operator", requester("operator"));
    then(world.listen("operator", Some((1, 0))), &["operator= listening at 1.1", "operator: hears 1 d1 online e1.2"]);
}
