//! An operator takes work back, and what it sees of devices.

use model::{Dialect, GroupId, Sight};

use crate::support::{Work, World, again, completed, decided, evidence, group, performer, requester, s};
use crate::{shop_and_reader, then};

#[test]
fn waiting_work_ends_undelivered_and_its_requester_hears_it() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.submit("till", Work::new("k1"));
    then(
        world.take_back("k1"),
        &[
            "write ended k1 cancelled not_delivered",
            "write owed k1 to shop until +60s",
            "till: outcome k1 cancelled not_delivered",
            "write paid k1",
            "event 2 ended k1 cancelled",
        ],
    );
    then(world.take_back("k1"), &[]);
}

#[test]
fn offered_work_ends_unknown_and_is_withdrawn() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    then(
        world.take_back("k1"),
        &[
            "write ended k1 cancelled unknown",
            "write owed k1 to shop until +60s",
            "till: outcome k1 cancelled unknown",
            "write paid k1",
            "reader: withdrawn k1 cancelled",
            "event 3 ended k1 cancelled",
        ],
    );
    let late = world.answer("reader", "k1", completed("late"));
    assert!(late.iter().any(|line| line == "reader= taken k1 late cancelled"), "{late:?}");
}

#[test]
fn work_of_somebody_who_is_away_is_owed_its_end() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.leave("till");
    then(
        world.take_back("k1"),
        &[
            "write ended k1 cancelled unknown",
            "write owed k1 to shop until +60s",
            "reader: withdrawn k1 cancelled",
            "event 3 ended k1 cancelled",
        ],
    );
}

#[test]
fn work_that_is_being_decided_upon_ends_as_decided() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", evidence("palm"));
    then(world.take_back("k1"), &[]);
    let ended = world.settled("k1", decided("paid"));
    assert_eq!(ended[0], "till: outcome k1 completed paid");
}

#[test]
fn work_that_would_go_on_after_the_decision_does_not() {
    let mut world = shop_and_reader();
    world.submit("till", Work::new("k1"));
    world.answer("reader", "k1", evidence("blur"));
    world.take_back("k1");
    then(
        world.settled("k1", again("once more")),
        &[
            "write ended k1 cancelled unknown",
            "write owed k1 to shop until +60s",
            "till: outcome k1 cancelled unknown",
            "write paid k1",
            "event 3 ended k1 cancelled",
            "reader= taken k1 late cancelled",
        ],
    );
}

#[test]
fn devices_are_seen_by_group_and_name_and_only_where_one_may_look() {
    let mut world = World::new();
    world.admit("b", performer("b"));
    world.admit("a", performer("a"));
    world.admit("other", performer("c").of_group("elsewhere"));
    world.wait(s(1));
    let elsewhere = GroupId::parse("elsewhere").expect("a name");
    let every = world.seen(&Sight::Every, None);
    assert_eq!(every.len(), 3);
    assert!(every.is_sorted());
    let own: Vec<String> = world.seen(&Sight::Group(group()), None).into_iter().map(|(_, device)| device).collect();
    assert_eq!(own, ["a", "b"]);
    let after = world.seen(&Sight::Group(group()), Some("a"));
    assert_eq!(after.into_iter().map(|(_, device)| device).collect::<Vec<_>>(), ["b"]);
    assert_eq!(world.seen(&Sight::Group(elsewhere), None).len(), 1);
    assert!(world.seen(&Sight::Dialect(Dialect::Fd1), None).is_empty());
}
