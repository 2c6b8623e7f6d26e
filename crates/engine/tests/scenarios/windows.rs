//! Limits that survive reconnects: lent at admission, handed back at the end.

use model::Window;

use crate::support::{World, at, requester, s};
use crate::then;

fn window(name: &'static str) -> Window {
    Window::new(name, s(60), 100)
}

fn used(name: &'static str, times: u32, seconds: u64) -> Window {
    let mut window = window(name);
    for _ in 0..times {
        window.add(at(seconds));
    }
    window
}

#[test]
fn a_window_handed_back_is_lent_again_with_its_history() {
    let mut world = World::new();
    world.admit("till", requester("shop").windows(vec![window("frames"), window("contexts")]));
    assert_eq!(world.lent["till"], [window("frames"), window("contexts")]);
    world.leave_with("till", vec![used("frames", 3, 0), window("contexts")]);
    world.wait(s(30));
    world.admit("back", requester("shop").windows(vec![window("contexts"), window("frames")]));
    assert_eq!(world.lent["back"], [window("contexts"), used("frames", 3, 0)]);
}

#[test]
fn a_window_is_only_its_principals() {
    let mut world = World::new();
    world.admit("till", requester("shop").windows(vec![window("frames")]));
    world.leave_with("till", vec![used("frames", 3, 0)]);
    world.admit("stranger", requester("kiosk").windows(vec![window("frames")]));
    assert_eq!(world.lent["stranger"], [window("frames")]);
}

#[test]
fn a_window_that_has_slid_empty_is_forgotten() {
    let mut world = World::new();
    world.admit("till", requester("shop").windows(vec![window("frames")]));
    world.leave_with("till", vec![used("frames", 3, 0)]);
    assert_eq!(world.partition.deadline(), Some(at(60)));
    then(world.wait(s(60)), &[]);
    assert_eq!(world.partition.deadline(), None);
    world.admit("back", requester("shop").windows(vec![window("frames")]));
    assert_eq!(world.lent["back"], [window("frames")]);
}

#[test]
fn an_empty_window_handed_back_is_not_kept_at_all() {
    let mut world = World::new();
    world.admit("till", requester("shop").windows(vec![window("frames")]));
    world.leave_with("till", vec![window("frames")]);
    assert_eq!(world.partition.deadline(), None);
}

#[test]
fn a_window_not_asked_for_waits_for_a_session_that_wants_it() {
    let mut world = World::new();
    world.admit("till", requester("shop").windows(vec![window("frames"), window("contexts")]));
    world.leave_with("till", vec![used("frames", 3, 0), used("contexts", 2, 0)]);
    world.admit("other", requester("shop").windows(vec![window("frames")]));
    world.admit("third", requester("shop").windows(vec![window("contexts")]));
    assert_eq!(world.lent["third"], [used("contexts", 2, 0)]);
}

#[test]
fn of_two_sessions_that_hand_back_the_fuller_history_is_kept() {
    let mut world = World::new();
    world.admit("one", requester("shop").windows(vec![window("frames")]));
    world.admit("two", requester("shop").windows(vec![window("frames")]));
    world.leave_with("one", vec![used("frames", 50, 0)]);
    world.leave_with("two", vec![used("frames", 1, 0)]);
    world.admit("back", requester("shop").windows(vec![window("frames")]));
    assert_eq!(world.lent["back"], [used("frames", 50, 0)]);
}

#[test]
fn a_newcomer_is_lent_what_the_session_it_displaced_handed_back() {
    let mut world = World::new();
    world.admit("old", requester("shop").single("shop").windows(vec![window("frames")]));
    world.admit("new", requester("shop").single("shop").windows(vec![window("frames")]));
    world.leave_with("old", vec![used("frames", 7, 0)]);
    assert_eq!(world.lent["new"], [used("frames", 7, 0)]);
}

#[test]
fn windows_handed_back_after_the_hand_over_count_for_the_next_session() {
    let mut world = World::new();
    world.admit("old", requester("shop").single("shop").windows(vec![window("frames")]));
    world.admit("new", requester("shop").single("shop").windows(vec![window("frames")]));
    world.wait(s(1));
    assert_eq!(world.lent["new"], [window("frames")]);
    world.leave_with("old", vec![used("frames", 7, 0)]);
    world.leave_with("new", vec![used("frames", 1, 1)]);
    world.admit("next", requester("shop").single("shop").windows(vec![window("frames")]));
    assert_eq!(world.lent["next"], [used("frames", 7, 0)]);
}
