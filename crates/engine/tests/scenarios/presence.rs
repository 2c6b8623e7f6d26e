//! Devices online, away and offline.

use std::time::Duration;

use crate::support::{Work, World, performer, requester, s};
use crate::{shop_and_reader, then};

#[test]
fn a_device_is_online_with_its_session_and_offline_without() {
    let mut world = World::new();
    then(world.admit("reader", performer("d1")), &["reader= admitted e1.1", "write seen d1", "event 1 d1 online e1.1"]);
    then(world.leave("reader"), &["write seen d1", "event 2 d1 offline e1.1"]);
    then(world.wait(s(60)), &[]);
}

#[test]
fn with_grace_a_device_is_away_first_and_offline_at_its_exact_end() {
    let mut world = World::new();
    world.admit("reader", performer("d1").grace(10));
    then(world.leave("reader"), &["write seen d1", "event 2 d1 away e1.1"]);
    then(world.wait(s(10) - Duration::from_millis(1)), &[]);
    then(world.wait(Duration::from_millis(1)), &["+10s event 3 d1 offline e1.1"]);
}

#[test]
fn a_device_that_is_back_within_its_grace_was_never_offline() {
    let mut world = World::new();
    world.admit("reader", performer("d1").grace(10));
    world.leave("reader");
    world.wait(s(9));
    then(
        world.admit("again", performer("d1").grace(10)),
        &["again= admitted e1.2", "write seen d1", "event 3 d1 online e1.2"],
    );
    then(world.wait(s(60)), &[]);
}

#[test]
fn at_the_instant_the_grace_ends_it_is_over() {
    let mut world = World::new();
    world.admit("reader", performer("d1").grace(10));
    world.leave("reader");
    world.sleep(s(10));
    then(
        world.admit("again", performer("d1").grace(10)),
        &["event 3 d1 offline e1.1", "again= admitted e1.2", "write seen d1", "event 4 d1 online e1.2"],
    );
}

#[test]
fn a_second_session_of_a_device_takes_its_work_and_the_firsts_end_changes_nothing() {
    let mut world = shop_and_reader();
    then(world.admit("other", performer("d1")), &["other= admitted e1.3", "write seen d1", "event 2 d1 online e1.3"]);
    then(world.leave("reader"), &["write seen d1"]);
    then(
        world.submit("till", Work::new("k1")),
        &["write accepted k1", "till= accepted k1", "event 3 accepted k1 scan", "other: offer k1 by +30s"],
    );
    then(world.leave("other"), &["write seen d1", "event 4 d1 offline e1.3"]);
}

#[test]
fn a_device_that_is_handed_over_is_online_and_its_offers_wait_for_the_newcomer() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.admit("old", performer("d1").single("d1"));
    world.admit("new", performer("d1").single("d1"));
    let work = Work::new("k1").device("d1").rules(|rules| {
        rules.absent = model::Absent::Refuse;
        rules.reoffer = model::Reoffer::Never;
    });
    then(world.submit("till", work), &["write accepted k1", "till= accepted k1", "event 2 accepted k1 scan"]);
    then(
        world.leave("old"),
        &["new= admitted e1.3", "write seen d1", "event 3 d1 online e1.3", "new: offer k1 by +30s", "write seen d1"],
    );
}

#[test]
fn a_device_whose_newcomer_gave_up_is_gone_with_its_older_session() {
    let mut world = World::new();
    world.admit("old", performer("d1").single("d1").grace(5));
    world.admit("new", performer("d1").single("d1").grace(5));
    then(world.leave("new"), &[]);
    then(world.leave("old"), &["write seen d1", "event 2 d1 away e1.1"]);
    then(world.wait(s(60)), &["+5s event 3 d1 offline e1.1"]);
}
