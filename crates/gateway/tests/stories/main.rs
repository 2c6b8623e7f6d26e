//! Every story of every dialect through the real HTTP upgrade, codec and connections, over pipes in memory and with a
//! clock moved by hand: the same text at the same instants as on pure nodes.
//!
//! Order among peers within one instant is compared on pure nodes only. What the codec and HTTP add of themselves is
//! checked by the peers: pongs, echoes of closes, the accept key, lengths, the end of the stream.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod caller;
mod client;
mod clock;
mod fickle;
mod forgotten;
mod listening;
mod loud;
mod receivers;
mod shell;
mod watched;
mod webhooks;

use std::path::{Path, PathBuf};

use client::Patience;
use gateway::Settings;
use model::Reason;
use shell::{Manner, Shell};
use store::Memory;
use transcript::check::Order;
use transcript::play::{Failure, Mode, play_on};
use transcript::story::{Act, Happen, Item, Story};
use transcript::{run_folder, run_folder_on, scene, world};

/// One core with all it could want, and two with pipes that cut every frame and peers that do not wait.
const MANNERS: [Manner; 3] = [
    Manner { cores: 1, pipe: 1 << 20, patience: Patience::Waits },
    Manner { cores: 2, pipe: 4096, patience: Patience::Rushes },
    Manner { cores: 3, pipe: 61, patience: Patience::Waits },
];

/// Stories in which something happens that cannot be brought about from outside: see [`cannot_happen`].
const NOT_FOR_THE_SHELL: [&str; 0] = [];

/// What only a World can make happen: that a writer drops so many frames, and that it has room again, follows in the
/// shell from what a peer reads; and only what a peer can send makes the codec give up.
fn cannot_happen(happen: &Happen) -> bool {
    match happen {
        Happen::Dropped(..) | Happen::Room(_) => true,
        Happen::Fault(_, reason) => !matches!(reason, Reason::TooBig | Reason::BadText | Reason::Protocol),
        Happen::Open { .. }
        | Happen::Drop(_)
        | Happen::Restart
        | Happen::Drain(_)
        | Happen::FailCommit
        | Happen::FailLoad
        | Happen::HoldCommits
        | Happen::ReleaseCommits
        | Happen::Revoke(_)
        | Happen::Cancel(_)
        | Happen::Dismiss(_) => false,
    }
}

fn is_for_the_shell(story: &Story) -> bool {
    !story.lines.iter().any(|line| matches!(&line.item, Item::Act(Act::Happen(happen)) if cannot_happen(happen)))
}

/// How many errors a story orders: each failure of the store is logged as one.
fn errors_ordered(story: &Story) -> usize {
    let ordered = |line: &&transcript::story::Line| {
        matches!(&line.item, Item::Act(Act::Happen(Happen::FailCommit | Happen::FailLoad)))
    };
    story.lines.iter().filter(ordered).count()
}

/// Plays a story through the shell in one manner.
fn play(story: &Story, manner: Manner) -> Result<(), Box<Failure>> {
    let mut store: Box<dyn store::Store> = Box::new(Memory::new());
    let place = format!("{manner:?}");
    let setup = scene(story, manner.cores, &mut *store);
    let setup = setup.map_err(|(line, why)| Failure::new(story, place.clone(), line, why))?;
    let (played, errors) = loud::errors_of(|| {
        let mut shell = Shell::new(setup, manner, store);
        play_on(story, &mut shell, Order::PerPeer, Mode::Check)?;
        match shell.end().first() {
            None => Ok(()),
            Some(why) => Err(Failure::new(story, place.clone(), 1, format!("at the end: {why}"))),
        }
    });
    played?;
    match errors.get(errors_ordered(story)) {
        None => Ok(()),
        Some(_) => Err(Failure::new(story, place, 1, format!("errors were logged: {errors:#?}"))),
    }
}

fn in_every_manner(story: &Story) -> Result<(), Box<Failure>> {
    if !is_for_the_shell(story) {
        return Ok(());
    }
    MANNERS.iter().try_for_each(|manner| play(story, *manner))
}

/// The folders with stories: one for each dialect.
fn specs() -> Vec<PathBuf> {
    let dialects = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialects/src");
    let folders = std::fs::read_dir(dialects).unwrap().map(|entry| entry.unwrap().path().join("spec"));
    let mut specs: Vec<PathBuf> = folders.filter(|spec| spec.is_dir()).collect();
    specs.sort();
    assert!(!specs.is_empty(), "no dialect has stories");
    specs
}

#[test]
fn every_story_of_every_dialect_holds_through_the_shell() {
    for spec in specs() {
        let mut skipped = Vec::new();
        let report = run_folder_on(&spec, |story| {
            if !is_for_the_shell(story) {
                skipped.push(story.name.clone());
            }
            in_every_manner(story)
        });
        report.expect_all_hold();
        let left_out = |name: &String| !NOT_FOR_THE_SHELL.iter().any(|known| name.ends_with(known));
        skipped.retain(left_out);
        assert_eq!(skipped, [""; 0], "not for the shell, and not in the list");
    }
}

/// What a World tells of itself, and what only a codec can be told: offences, control frames, losses.
#[test]
fn the_worlds_own_stories_and_the_codecs_hold_on_both() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let worlds = run_folder_on(here.join("../transcript/tests/stories"), in_every_manner);
    worlds.expect_all_hold();
    let ours = here.join("tests/stories/spec");
    run_folder(&ours).expect_all_hold();
    run_folder_on(&ours, in_every_manner).expect_all_hold();
}

#[test]
fn what_does_not_hold_fails_here_too() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories/spec/silence.txt");
    let text = std::fs::read_to_string(file).unwrap();
    let failed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let story = transcript::parse("story.txt", &text.replace(from, to)).unwrap();
        in_every_manner(&story).expect_err(from).why
    };
    assert!(failed("@ +1ms\n", "@ +2ms\n").starts_with("`@ +2ms` sleeps past what comes at `@ +1ms`"));
    assert_eq!(failed("@ +9s999ms\n@", "@ +9s998ms\n@"), "it did not come");
    assert_eq!(failed("deaf< close 4408 silent_before_login\n", ""), "it came and is not written");
    assert_eq!(
        failed("deaf< close 4408", "deaf< close 4409"),
        "expected \"4409 silent_before_login\", got \"4408 silent_before_login\""
    );
    assert_eq!(failed("@ +3s", "@ +2s999ms"), "the socket of `deaf` is still there");
}

#[test]
fn what_a_receiver_does_not_hear_fails_here_too() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialects/src/modulus/spec/webhook_retried.txt");
    let text = std::fs::read_to_string(file).unwrap();
    for (from, to) in
        [("@ +14m\n", "@ +13m\n"), ("hook> 302\n", "hook> 204\n"), ("\"check\":\"K-118\"}}}", "\"check\":1}}}")]
    {
        assert!(text.contains(from), "{from}");
        let story = transcript::parse("story.txt", &text.replace(from, to)).unwrap();
        in_every_manner(&story).expect_err(from);
    }
}

/// A World has no writer and no settings: what it mirrors of them stays in step.
#[test]
fn the_worlds_numbers_are_the_shells() {
    let settings = Settings::default();
    assert_eq!(world::CLOSE_WAIT, settings.close_wait);
    assert_eq!(world::FIRST_LIMIT, settings.message_first);
    assert_eq!(world::LOAD_PAUSE, gateway::LOAD_AGAIN);
}
