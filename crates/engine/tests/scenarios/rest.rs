//! A group of which nothing is left leaves memory, and nobody can tell when it comes back.

use engine::bounds::{DAMPING_SPAN, DEVICE_LISTED, EVENTS_KEPT, PARTING};
use model::Window;

use crate::support::{Work, World, admin, at, completed, nameless, performer, requester, s};
use crate::then;

/// Whether memory holds a group.
fn is_held(world: &World) -> bool {
    !format!("{:?}", world.partition).contains(" groups: {}")
}

#[test]
fn a_till_that_did_nothing_leaves_nothing() {
    let mut world = World::new();
    then(world.admit("till", requester("shop")), &["till= admitted e1.1"]);
    assert!(is_held(&world));
    then(world.leave("till"), &[]);
    assert!(!is_held(&world));
    then(world.admit("back", requester("shop")), &["back= admitted e1.2"]);
}

#[test]
fn a_window_keeps_the_group_until_it_has_slid_empty() {
    let mut world = World::new();
    let mut frames = Window::new("frames", s(60), 100);
    world.admit("till", requester("shop").windows(vec![frames.clone()]));
    frames.add(at(0));
    world.leave_with("till", vec![frames.clone()]);
    world.wait(s(59));
    assert!(is_held(&world));
    world.admit("back", requester("shop").windows(vec![Window::new("frames", s(60), 100)]));
    assert_eq!(world.lent["back"], [frames]);
    world.leave("back");
    assert!(!is_held(&world));
}

#[test]
fn takeovers_that_count_keep_the_group() {
    let mut world = World::new();
    world.admit("old", requester("shop").single("shop"));
    world.admit("new", requester("shop").single("shop"));
    world.leave("old");
    world.leave("new");
    world.wait(PARTING / 2);
    assert!(is_held(&world), "it may still be proven alive");
    world.parted("old", true);
    world.wait(DAMPING_SPAN - s(1));
    assert!(is_held(&world), "it counts");
    world.wait(s(1));
    assert!(!is_held(&world));
}

#[test]
fn work_that_is_remembered_keeps_the_group() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.admit("reader", nameless("nobody"));
    world.submit("till", Work::new("k1").rules(|rules| rules.remember = s(900)));
    world.leave("till");
    world.answer("reader", "k1", completed("seen"));
    world.leave("reader");
    world.wait(s(899));
    assert!(is_held(&world));
    world.wait(s(1));
    assert!(!is_held(&world));
}

#[test]
fn a_device_keeps_the_group_as_long_as_it_is_listed() {
    let mut world = World::new();
    world.admit("reader", performer("d1"));
    world.leave("reader");
    world.wait(DEVICE_LISTED - s(1));
    assert!(is_held(&world));
    world.wait(s(1));
    assert!(!is_held(&world));
}

#[test]
fn a_listener_of_a_group_that_left_finds_its_place_or_a_gap() {
    let mut world = World::new();
    world.admit("operator", admin("operator"));
    world.admit("reader", nameless("nobody"));
    world.listen("operator", None);
    world.leave("reader");
    world.leave("operator");
    world.wait(EVENTS_KEPT);
    assert!(!is_held(&world));
    world.admit("again", admin("operator"));
    then(world.listen("again", Some((1, 2))), &["again= listening at 1.2"]);
    then(world.listen("again", Some((1, 1))), &["again= listening at 1.2 gap"]);
    then(
        world.admit("reader again", nameless("nobody")),
        &["reader again= admitted e1.4", "again: hears 3 c8d1-4 online e1.4", "event 3 c8d1-4 online e1.4"],
    );
}
