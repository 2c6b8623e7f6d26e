//! Which devices there are, and where a piece of work stands.

use crate::support::{World, admin, bytes, completed, nameless, payment, performer, requester, s};
use crate::{shop_and_reader_that_comes_back, then};
use model::Verdict;

#[test]
fn devices_are_listed_with_what_their_dialect_shows_of_them() {
    let mut world = World::new();
    world.admit("operator", admin("operator"));
    then(world.devices("operator"), &["operator= devices "]);
    world.admit("reader", performer("d1").grace(10).facts("lane 7"));
    world.wait(s(3));
    world.admit("other", nameless("reader"));
    then(
        world.devices("operator"),
        &["operator= devices c8d1-3 online e1.3 since +3s active +3s -, d1 online e1.2 since +0s active +0s lane 7"],
    );
}

#[test]
fn what_a_dialect_shows_of_a_device_is_kept_until_that_is_offline() {
    let mut world = World::new();
    world.admit("operator", admin("operator"));
    world.admit("reader", performer("d1").grace(10).facts("lane 7"));
    world.admit("other", performer("d2").facts("lane 8"));
    world.leave("reader");
    world.leave("other");
    let other = "d2 offline e1.3 since +0s active +0s -";
    then(world.devices("operator"), &[&format!("operator= devices d1 away e1.2 since +0s active +0s lane 7, {other}")]);
    world.wait(s(10));
    then(world.devices("operator"), &[&format!("operator= devices d1 offline e1.2 since +0s active +0s -, {other}")]);
}

#[test]
fn a_device_stays_listed_for_a_day_after_it_was_seen_last() {
    let mut world = World::new();
    world.admit("operator", admin("operator"));
    world.admit("reader", performer("d1").grace(10));
    world.wait(s(5));
    world.leave("reader");
    then(world.devices("operator"), &["operator= devices d1 away e1.2 since +0s active +0s -"]);
    world.wait(s(10));
    then(world.devices("operator"), &["operator= devices d1 offline e1.2 since +0s active +0s -"]);
    world.wait(s(24 * 60 * 60 - 1));
    then(world.devices("operator"), &["operator= devices d1 offline e1.2 since +0s active +0s -"]);
    world.wait(s(1));
    then(world.devices("operator"), &["operator= devices "]);
}

#[test]
fn a_device_is_active_when_it_says_something_about_work() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", payment("k1"));
    world.wait(s(4));
    world.answer("reader", "k1", Verdict::Started);
    then(world.devices("till"), &["till= devices d1 online e1.2 since +0s active +4s -"]);
}

#[test]
fn after_a_restart_the_devices_of_the_last_day_are_listed() {
    let mut world = World::new();
    world.admit("reader", performer("d1").facts("lane 7"));
    world.admit("other", nameless("reader"));
    world.wait(s(24 * 60 * 60 - 10));
    world.restart();
    world.admit("operator", admin("operator"));
    then(world.devices("operator"), &["operator= devices d1 offline stored since +0s active +0s -"]);
    world.wait(s(10));
    then(world.devices("operator"), &["operator= devices "]);
}

#[test]
fn a_restart_lists_no_more_devices_than_a_group_may_have() {
    let mut world = World::new();
    world.admit("reader", performer("d1"));
    let row = world.seen.values().next().cloned().expect("it was seen");
    for number in 0..engine::bounds::DEVICES_LISTED {
        let device = model::DeviceId::parse(&format!("e{number}")).expect("a good name");
        world.seen.insert(device.clone(), model::DeviceRow { device, ..row.clone() });
    }
    world.restart();
    world.admit("operator", admin("operator"));
    let listed = world.devices("operator").concat();
    assert_eq!(listed.matches(" offline ").count(), engine::bounds::DEVICES_LISTED);
}

#[test]
fn a_performer_without_a_device_is_known_by_its_connection_and_forgotten_at_once() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    then(world.admit("reader", nameless("reader").grace(60)), &["reader= admitted e1.2", "event 1 c8d1-2 online e1.2"]);
    then(
        world.submit("till", payment("k1").device("c8d1-2")),
        &["write accepted k1", "till= accepted k1", "event 2 accepted k1 scan", "reader: offer k1 by +30s"],
    );
    then(
        world.leave("reader"),
        &[
            "event 3 c8d1-2 offline e1.2",
            "write ended k1 failed performer_lost unknown -",
            "write owed k1 to shop until +60s",
            "till: outcome k1 failed performer_lost unknown -",
            "write paid k1",
            "event 4 ended k1 failed",
        ],
    );
    then(world.devices("till"), &["till= devices "]);
    then(world.submit("till", payment("k2").device("c8d1-2")), &["till= refused k2 unknown"]);
}

#[test]
fn a_device_may_be_named_by_its_connection_and_its_work_stays_its_own() {
    let mut world = shop_and_reader_that_comes_back();
    then(
        world.submit("till", payment("k1").device("c8d1-2")),
        &["write accepted k1", "till= accepted k1", "event 2 accepted k1 scan", "reader: offer k1 by +30s"],
    );
    world.leave("reader");
    then(
        world.admit("back", performer("d1")),
        &["back= admitted e1.3", "write seen d1", "event 4 d1 online e1.3", "back: inquiry k1 by +30s"],
    );
    then(world.submit("till", payment("k2").device("c8d1-2")), &["till= refused k2 unknown"]);
    then(world.submit("till", payment("k2").device("c8d1-3")), &["till= refused k2 busy"]);
}

#[test]
fn a_connection_of_another_group_or_partition_is_foreign_and_one_of_before_unknown() {
    let mut world = shop_and_reader_that_comes_back();
    world.admit("stranger", performer("d1").of_group("kiosk"));
    then(world.submit("till", payment("k1").device("c8d1-3")), &["till= refused k1 foreign"]);
    then(world.submit("till", payment("k1").device("c8e1-2")), &["till= refused k1 foreign"]);
    then(world.submit("till", payment("k1").device("c8d0-2")), &["till= refused k1 unknown"]);
    then(world.submit("till", payment("k1").device("c8d1-1")), &["till= refused k1 unknown"]);
    then(world.submit("till", payment("k1").device("d2")), &["till= refused k1 unknown"]);
    world.leave("reader");
    then(world.submit("till", payment("k1")), &["till= refused k1 absent"]);
}

#[test]
fn a_device_whose_name_reads_like_a_connection_is_a_device() {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.admit("reader", performer("cafe-1").grace(60));
    then(
        world.submit("till", payment("k1").device("cafe-1")),
        &["write accepted k1", "till= accepted k1", "event 2 accepted k1 scan", "reader: offer k1 by +30s"],
    );
    world.leave("reader");
    then(world.submit("till", payment("k2").device("cafe-1")), &["till= refused k2 absent"]);
    // Where work waits for who is absent, it waits for a device nobody has seen.
    let waits = payment("k3").device("cafe-2").rules(|rules| rules.absent = model::Absent::Wait);
    then(world.submit("till", waits), &["write accepted k3", "till= accepted k3", "event 4 accepted k3 scan"]);
}

#[test]
fn work_is_found_wherever_it_stands() {
    let mut world = shop_and_reader_that_comes_back();
    world.admit("operator", admin("operator"));
    then(world.look("operator", "k1"), &["operator= found nothing"]);
    world.submit("till", payment("k1"));
    then(world.look("operator", "k1"), &["operator= found k1 offered"]);
    world.leave("reader");
    then(world.look("operator", "k1"), &["operator= found k1 held"]);
    world.admit("back", performer("d1"));
    then(world.look("operator", "k1"), &["operator= found k1 offered"]);
    world.answer("back", "k1", completed("approved"));
    then(world.look("operator", "k1"), &["operator= found k1 ended completed approved at +0s"]);
    world.wait(s(3 * 24 * 60 * 60));
    then(world.look("operator", "k1"), &["operator= found k1 ended completed approved at +0s"]);
    let waits = payment("k2").device("d2").rules(|rules| rules.absent = model::Absent::Wait);
    world.submit("till", waits);
    then(world.look("operator", "k2"), &["operator= found k2 waiting"]);
    world.restart();
    world.admit("operator again", admin("operator"));
    then(world.look("operator again", "k2"), &["operator again= found k2 held"]);
}

#[test]
fn work_is_found_with_what_came_late_and_what_makes_good_for_it() {
    let mut world = shop_and_reader_that_comes_back();
    world.submit("till", payment("k1"));
    world.wait(s(30));
    world.answer("reader", "k1", Verdict::Failed(bytes("no card")));
    then(world.look("till", "k1"), &["till= found k1 ended expired unknown at +30s, late no card at +30s"]);
    world.wait(s(2));
    world.answer("reader", "k1", completed("did after all"));
    let found = "till= found k1 ended expired unknown at +30s, late did after all at +32s, made good by k1'";
    then(world.look("till", "k1"), &[found]);
    world.answer_about("reader", "k1", completed("undone"));
    let found = [found, " completed at +32s"].concat();
    then(world.look("till", "k1"), &[&found]);
    world.wait(s(3 * 24 * 60 * 60));
    then(world.look("till", "k1"), &[&found]);
}
