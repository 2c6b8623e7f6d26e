//! Every bound of the engine is reached once, and what an idle session costs is held.

use engine::bounds::{
    DAMPING_AFTER, DAMPING_SPAN, EVENTS_KEPT, EVENTS_PER_GROUP, HANDOVER, NAMES_PER_PERFORMER, PARTING,
    RUNNING_PER_GROUP,
};
use model::Target;

use crate::support::{Work, World, admin, completed, performer, requester, s};
use crate::{shop_and_reader, then};

#[test]
fn a_group_that_runs_its_most_is_full_until_one_ends() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    for n in 0..RUNNING_PER_GROUP {
        let lines = world.submit("till", Work::new(&format!("k{n}")));
        assert_eq!(lines.len(), 3);
    }
    then(world.submit("till", Work::new("one more")), &["till= refused one more full"]);
    world.cancel("till", "k7");
    then(
        world.submit("till", Work::new("one more")),
        &["write accepted one more", "till= accepted one more", "event 20002 accepted one more scan"],
    );
}

#[test]
fn a_performer_serves_its_most_names_and_no_more() {
    let mut world = shop_and_reader();
    let names: Vec<String> = (0..=NAMES_PER_PERFORMER).map(|n| format!("name {n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    then(world.serve("reader", &names[..NAMES_PER_PERFORMER]), &["reader= serving"]);
    then(world.serve("reader", &names), &["reader= at most 256 names"]);
    let serving = |name: &str| Work::new(name).to(Target::Serving(name.into()));
    then(
        world.submit("till", serving("name 255")),
        &[
            "write accepted name 255",
            "till= accepted name 255",
            "event 2 accepted name 255 scan",
            "reader: offer name 255 by +30s",
        ],
    );
    then(
        world.submit("till", serving("name 256")),
        &["write accepted name 256", "till= accepted name 256", "event 3 accepted name 256 scan"],
    );
}

#[test]
fn the_bounds_are_those_the_stories_tell() {
    // The other stories reach these: events.rs, admission.rs.
    assert_eq!((EVENTS_PER_GROUP, DAMPING_AFTER), (1_024, 5));
    assert_eq!((EVENTS_KEPT, DAMPING_SPAN, HANDOVER, PARTING), (s(300), s(30), s(1), s(30)));
}

#[test]
fn an_idle_session_costs_no_timer() {
    let mut world = World::new();
    world.admit("till", requester("shop").single("shop"));
    world.admit("reader", performer("d1").single("d1").grace(60));
    world.admit("operator", admin("operator"));
    world.serve("reader", &["orders"]);
    world.listen("operator", None);
    world.wait(EVENTS_KEPT);
    assert_eq!(world.partition.deadline(), None);
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", completed("seen"));
    world.wait(EVENTS_KEPT);
    assert_eq!(world.partition.deadline(), None);
}
