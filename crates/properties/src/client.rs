//! A client's machine on a stage, driven by a program: what a server, a network and an application do, in any order.
//!
//! ```text
//! v3                  the head: whose machine it is, or lines (`l`); then attempts at most
//! o                   the connection that was asked for is open
//! L2                  it is lost, in one of several ways
//! >{"type":"pong"}    the server says any text
//! a3 40               the application asks, about 3, to be sent within 40 s
//! @1500               time passes, in milliseconds
//! C                   the application wants out
//! ```
//!
//! Every other letter is a dialect's own: what the application wants, or the server says, about one of a few ids.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use client::{Input, Line, Lines, LinesEvent, Login, Lost, Machine, Output, Preset, Problem, State, Text};
use model::{RequestKey, Timestamp};

use crate::program::{first, number};

/// The longest sleep.
const SLEEP_MOST: u64 = 200_000;
/// Wakes within one sleep.
const MAX_WAKES: u32 = 10_000;

/// The seed of every machine.
pub(crate) const SEED: u64 = 7;
/// When every machine begins.
pub(crate) const START: Timestamp = Timestamp::from_millis(0);

/// The manners a program's head asks for.
pub(crate) fn preset(head: &str) -> Preset {
    let attempts_most = u32::try_from(number(head.get(1..).unwrap_or_default(), 5)).unwrap_or(0);
    Preset { attempts_most, queue_messages: 3, stable_after: Duration::from_secs(20), ..Preset::default() }
}

/// How a kind of machine is asked and watched.
pub(crate) trait Watched: Machine<Command: Clone, Event: Debug> + Sized {
    /// What is kept of it beside the line and what was asked.
    type Watch: Watch<Self>;

    /// What ids begin with.
    const ID: &'static str;
    /// Whether every ask is settled; lines that were sent are not.
    const SETTLES_ALL: bool = true;

    /// What the application may want, by the program's letter.
    fn command(watch: &Self::Watch, op: char, id: &RequestKey, send_by: Timestamp) -> Option<Self::Command>;

    /// What a server may say, by the program's letter.
    fn server(op: char, id: &RequestKey) -> Option<String>;

    /// How far the connection has come, if an event says that.
    fn state(event: &Self::Event) -> Option<&State>;

    /// The ask an event settles.
    fn settles(event: &Self::Event) -> Option<RequestKey>;

    /// Whether it refuses what the application wants, without settling it.
    fn refuses(_: &Self::Event) -> bool {
        false
    }

    /// Whether an event may be told after the end: the answer to what is asked then.
    fn answers(event: &Self::Event) -> bool {
        Self::settles(event).is_some()
    }
}

/// What is kept of what a machine said and told, and held against what it says next.
pub(crate) trait Watch<M: Machine>: Default {
    /// The application wants something.
    fn wanted(&mut self, _: &M::Command, _is_refused: bool) {}

    /// A frame goes out.
    fn said(&mut self, _: &str) {}

    /// The application is told something.
    fn told(&mut self, _: &M::Event) {}

    /// All that came of a new connection.
    fn connected(&self, _: &[Output<M::Event>]) {}
}

impl<M: Machine> Watch<M> for () {}

impl<L: Login> Watched for Lines<L> {
    type Watch = ();

    const ID: &'static str = "c";
    const SETTLES_ALL: bool = false;

    fn command((): &(), op: char, id: &RequestKey, _: Timestamp) -> Option<Line> {
        (op == 'a').then(|| Line(Text::new(id.to_string())))
    }

    fn server(_: char, _: &RequestKey) -> Option<String> {
        None
    }

    fn state(event: &LinesEvent) -> Option<&State> {
        if let LinesEvent::State(state) = event { Some(state) } else { None }
    }

    fn settles(event: &LinesEvent) -> Option<RequestKey> {
        let LinesEvent::NotSent { line, .. } = event else { return None };
        Some(RequestKey::parse(line.reveal()).expect("a line of ours is an id"))
    }
}

/// One of several ways to lose a line.
fn lost(kind: u64) -> Lost {
    match kind % 8 {
        0 => Lost::Closed { code: Some(4409), reason: String::new() },
        1 => Lost::Closed { code: Some(1001), reason: "retry_after=99999999999".to_owned() },
        2 => {
            Lost::Rejected { status: 503, problem: Problem { retry_after: Some(Duration::MAX), ..Problem::default() } }
        }
        3 => Lost::Closed { code: None, reason: String::new() },
        4 => Lost::Tls("untrusted".to_owned()),
        5 => Lost::Closed { code: Some(4401), reason: String::new() },
        6 => Lost::Rejected { status: 401, problem: Problem::default() },
        _ => Lost::Broken("cable".to_owned()),
    }
}

/// A machine, and what the line looks like from outside.
pub(crate) struct Stage<M: Watched> {
    machine: M,
    now: Timestamp,
    dialing: bool,
    up: bool,
    closing: bool,
    over: bool,
    logged_in: bool,
    asked: BTreeMap<RequestKey, u32>,
    settled: BTreeMap<RequestKey, u32>,
    watch: M::Watch,
}

impl<M: Watched> Stage<M> {
    pub(crate) fn new(machine: M) -> Self {
        Self {
            machine,
            now: START,
            dialing: false,
            up: false,
            closing: false,
            over: false,
            logged_in: false,
            asked: BTreeMap::new(),
            settled: BTreeMap::new(),
            watch: M::Watch::default(),
        }
    }

    /// Plays a program, and ends it.
    pub(crate) fn play<'a>(mut self, lines: impl Iterator<Item = Cow<'a, str>>) {
        self.sleep(Duration::ZERO);
        for line in lines {
            let Some((op, rest)) = first(&line) else { continue };
            self.step(op, rest);
        }
        self.input(Input::Close);
        self.sleep(Duration::from_secs(6));
        assert!(self.machine.is_over() && self.over, "it ends when it is told to");
        assert_eq!(self.machine.deadline(), None);
        self.asked.retain(|_, asked| *asked > 0);
        if M::SETTLES_ALL {
            assert_eq!(self.asked, self.settled, "each ask is settled once");
        }
    }

    fn step(&mut self, op: char, rest: &str) {
        match op {
            'o' if self.dialing => {
                self.dialing = false;
                self.up = true;
                let out = self.input(Input::Opened);
                self.watch.connected(&out);
            }
            'L' if self.up || self.dialing => {
                self.down();
                self.input(Input::Lost(lost(number(rest, 7))));
            }
            '>' if self.up => drop(self.input(Input::Text(rest))),
            '@' => self.sleep(Duration::from_millis(number(rest, SLEEP_MOST))),
            'C' => drop(self.input(Input::Close)),
            'o' | 'L' | '>' => {}
            _ => {
                let (id, wait) = rest.split_once(' ').unwrap_or((rest, "40"));
                let id =
                    RequestKey::parse(&format!("{}{}", M::ID, number(id, 5))).expect("letters and digits are an id");
                let send_by = self.now.after(Duration::from_secs(number(wait, 60)));
                if let Some(command) = M::command(&self.watch, op, &id, send_by) {
                    self.command(op, id, command);
                } else if let Some(text) = M::server(op, &id).filter(|_| self.up) {
                    self.input(Input::Text(&text));
                }
            }
        }
    }

    fn command(&mut self, op: char, id: RequestKey, command: M::Command) {
        let mut out = Vec::new();
        self.machine.handle(self.now, Input::Command(command.clone()), &mut out);
        let is_refused = out.iter().any(|output| matches!(output, Output::Event(event) if M::refuses(event)));
        if op == 'a' {
            *self.asked.entry(id).or_default() += u32::from(!is_refused);
        }
        self.watch.wanted(&command, is_refused);
        self.see(&out);
    }

    fn input(&mut self, input: Input<'_, M::Command>) -> Vec<Output<M::Event>> {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
        self.see(&out);
        out
    }

    fn sleep(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        let mut wakes = 0;
        while let Some(deadline) = self.machine.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.input(Input::Wake);
            wakes += 1;
            assert!(wakes < MAX_WAKES, "it wakes for ever");
        }
        self.now = end;
    }

    fn see(&mut self, out: &[Output<M::Event>]) {
        for output in out {
            match output {
                Output::Connect => {
                    assert!(!self.dialing && !self.up && !self.over, "a second line");
                    self.dialing = true;
                }
                Output::Send(text) => {
                    assert!(self.up && !self.closing && !self.over, "said where nobody hears: {text:?}");
                    let login = text.reveal().contains("authenticate");
                    assert_eq!(self.logged_in, !login, "the login first, and once");
                    self.watch.said(text.reveal());
                }
                Output::Close(_) => {
                    assert!(self.up && !self.closing, "closed twice");
                    self.closing = true;
                }
                Output::Cut => {
                    assert!(self.dialing || self.up, "cut what is not there");
                    self.down();
                }
                Output::Event(event) => {
                    assert!(!self.over || M::answers(event), "told after the end: {event:?}");
                    if let Some(id) = M::settles(event) {
                        *self.settled.entry(id).or_default() += 1;
                    }
                    self.watch.told(event);
                    match M::state(event) {
                        Some(State::Authenticated) => self.logged_in = true,
                        Some(State::Closed(_)) => self.over = true,
                        Some(State::Connecting { .. } | State::Open | State::Closing) | None => {}
                    }
                }
            }
        }
        for (id, settled) in &self.settled {
            assert!(settled <= self.asked.get(id).unwrap_or(&0), "{id} was settled more often than asked");
        }
    }

    fn down(&mut self) {
        self.dialing = false;
        self.up = false;
        self.closing = false;
        self.logged_in = false;
    }
}
