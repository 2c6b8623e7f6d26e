//! What a story that does not hold says, on the real node and a real dialect.

use std::path::{Path, PathBuf};

use transcript::check::Order;
use transcript::parse;
use transcript::play::{Failure, Mode, play};

fn read(name: &str) -> String {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    std::fs::read_to_string(folder.join(name)).expect("the story is in the folder")
}

fn failure(text: &str) -> Failure {
    let story = parse("story.txt", text).expect("it is the language");
    let store = Box::new(store::memory::Memory::default());
    *play(&story, 1, Order::Exact, store, Mode::Check).expect_err("it does not hold")
}

#[test]
fn sleeping_past_an_output_says_when_it_came() {
    let past = read("crash_and_failed_commit.txt").replace("@ +30s", "@ +31s");
    let told = failure(&past);
    assert!(told.why.starts_with("`@ +31s` sleeps past what comes at `@ +30s`: * event ended expired (and 1 more)"));
    let early = read("crash_and_failed_commit.txt").replace("@ +30s", "@ +29s999ms");
    assert_eq!(failure(&early).why, "it did not come");
}

#[test]
fn a_line_that_differs_is_shown_with_what_came_and_where() {
    let told = failure(&read("palm_pays.txt").replace("\"success\":true", "\"success\":false"));
    assert_eq!(told.why, "at result.success: expected false, got true");
    let shown = told.to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], format!("story.txt:{}: {}", told.line, told.why));
    assert!(lines[1].starts_with("  expected  vendor< {\"type\":\"auth_result\""), "{shown}");
    assert!(lines[2].starts_with("  got       vendor< {\"type\":\"auth_result\""), "{shown}");
    assert_eq!(lines[3], "  all that came in this step:");
    assert_eq!(lines.len(), 7);
}

#[test]
fn an_output_that_is_not_written_fails_even_where_nothing_else_does() {
    let silent = read("palm_pays.txt").replace("* event ended completed\n", "");
    assert_eq!(failure(&silent).why, "something else came first");
    let last = read("palm_pays.txt")
        .replace("lane< {\"type\":\"scan_ack\",\"context_id\":\"till2-91\",\"status\":\"matched\"}\n", "");
    let told = failure(&last);
    assert_eq!((told.why.as_str(), told.expected), ("it came and is not written", None));
}

#[test]
fn every_number_of_cores_says_the_same() {
    for name in ["palm_pays.txt", "crash_and_failed_commit.txt", "half_open.txt", "unwelcome.txt"] {
        let story = parse(name, &read(name)).unwrap();
        for cores in [1, 2, 3, 8] {
            let store = Box::new(store::memory::Memory::default());
            play(&story, cores, Order::PerPeer, store, Mode::Check).unwrap_or_else(|failure| panic!("{failure}"));
        }
    }
}

#[test]
fn the_same_story_says_the_same_every_time() {
    let named = read("palm_pays.txt").replace("txn_$payment", "$payment");
    let seen = |text: &str| {
        let mut rewrites = Vec::new();
        let story = parse("story.txt", &text.replace("$payment", "?")).unwrap();
        let store = Box::new(store::memory::Memory::default());
        play(&story, 1, Order::Exact, store, Mode::Update(&mut rewrites)).unwrap();
        transcript::update::rewritten(text, &rewrites)
    };
    let first = seen(&named);
    assert!(first.contains("\"transaction_id\":\"txn_") && first == seen(&named), "{first}");
}

#[test]
fn an_answer_to_a_call_is_written_at_its_instant_once_and_whole() {
    let story = read("calls.txt");
    let early = story.replace("@ +20s\n", "@ +1m30s\n");
    assert_eq!(failure(&early).why, "it came and is not written");
    let past = story.replace("@ +20s\n", "@ +1m31s\n");
    assert!(failure(&past).why.starts_with("`@ +1m31s` sleeps past what comes at `@ +1m30s`: pos< 504"));
    let silent = story.replace("nobody< 401\n  {\"error\":$error,", "nobody< 403\n  {\"error\":$error,");
    assert_eq!(failure(&silent).why, "expected \"403\", got \"401\"");
    let header = story.replace("nobody< 401\n", "nobody< 401\n  retry-after: 5\n");
    assert_eq!(failure(&header).why, "expected the header retry-after, which is not there");
    let body = story.replace("\"code\":\"UNAUTHORIZED\"", "\"code\":\"FORBIDDEN\"");
    assert_eq!(failure(&body).why, "at code: expected \"FORBIDDEN\", got \"UNAUTHORIZED\"");
    let hook = story.replace("nobody> GET /v1/terminals\n", "nobody> 200\n");
    assert!(failure(&hook).why.starts_with("a call begins with its method"));
}

#[test]
fn nothing_is_dropped_that_is_not_there_and_one_key_is_of_one_group() {
    let story = read("calls.txt");
    let told = failure(&story.replace("! drop pos\n", "! drop nobody\n"));
    assert_eq!(told.why, "`nobody` never opened a socket");
    let told = failure(&story.replace("key=mk_lane device=lane-8", "key=mk_lane group=store-2 device=lane-8"));
    assert_eq!(told.why, "`lane` has the same key in another group");
}
