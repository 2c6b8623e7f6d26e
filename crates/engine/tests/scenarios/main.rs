//! What a partition does, told as stories: a scene, one act, and the complete list of what follows.

mod admission;
mod amends;
mod bounds;
mod deciding;
mod ending;
mod events;
mod inquiries;
mod lists;
mod losses;
mod mailbox;
mod presence;
mod repeats;
mod rest;
mod restart;
mod taken_back;
mod targets;
mod waiting;
mod windows;

#[path = "../support/mod.rs"]
mod support;

use support::{World, performer, requester};

/// What followed is this, in this order, and nothing else.
#[track_caller]
fn then(lines: Vec<String>, expected: &[&str]) {
    assert!(lines == expected, "expected:\n    {}\ncame:\n    {}", expected.join("\n    "), lines.join("\n    "));
}

/// A shop at its till and one reader, both in, and a listener's worth of history behind them.
fn shop_and_reader() -> World {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.admit("reader", performer("d1"));
    world
}

/// The same with a reader that is waited for an hour.
fn shop_and_reader_that_comes_back() -> World {
    let mut world = World::new();
    world.admit("till", requester("shop"));
    world.admit("reader", performer("d1").grace(3_600));
    world
}

/// A shop at its till and two readers.
fn shop_and_two_readers() -> World {
    let mut world = shop_and_reader();
    world.admit("second", performer("d2"));
    world
}
