//! The client's machines, driven by a program: what a server, a network and an application do, in any order.
//!
//! ```text
//! v3                  the head: vendor, scanner or lines (`l`); then attempts at most
//! o                   the connection that was asked for is open
//! L2                  it is lost, in one of several ways
//! y                   the server lets it in; `>{"type":"pong"}`: any text
//! a3 40               the application asks, about context 3, to be sent within 40 s; `x3` takes it back
//! @1500               time passes, in milliseconds
//! C                   the application wants out
//! ```

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use client::boop::{
    ContextId, Requirements, Scan, Scanner, ScannerCommand, ScannerConfig, ScannerEvent, Vendor, VendorCommand,
    VendorConfig, VendorEvent,
};
use client::{Input, Line, Lines, LinesEvent, Lost, Machine, Output, Preset, Problem, State, Text};
use model::{Secret, Side, Timestamp};

use crate::program::{self, first, number};

/// The longest sleep.
const SLEEP_MOST: u64 = 200_000;
/// Wakes within one sleep.
const MAX_WAKES: u32 = 10_000;

/// Nothing is said on a line that is not there, the login comes first and once, each ask is settled once, no machine
/// wakes for ever, and one that is told to end ends.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    let (head, lines) = program::lines(data);
    let attempts = u32::try_from(number(head.get(1..).unwrap_or_default(), 5)).unwrap_or(0);
    let preset = Preset {
        attempts_most: attempts,
        queue_messages: 3,
        stable_after: Duration::from_secs(20),
        ..Preset::default()
    };
    let vendor = VendorConfig { preset: preset.clone(), ..VendorConfig::new("ven_1", Secret::new("sk_1")) };
    let start = Timestamp::from_millis(0);
    match head.chars().next() {
        Some('s') => {
            let config = ScannerConfig { preset, ..ScannerConfig::new("pvs_1", Secret::new("dk_1")) };
            Stage::new(Scanner::new(config, 7, start)).play(lines);
        }
        Some('l') => Stage::new(Lines::new(&vendor, 7, start)).play(lines),
        Some(_) | None => Stage::new(Vendor::new(vendor, 7, start)).play(lines),
    }
}

/// How the kinds of machine are asked and watched alike.
trait Watched: Machine {
    fn ask(id: &ContextId, send_by: Timestamp) -> Self::Command;
    fn cancel(id: &ContextId) -> Option<Self::Command>;
    /// The ask an event settles, by its id.
    fn settles(event: &Self::Event) -> Option<String>;
    /// Whether an ask under an id that is open is refused under that id, without settling it.
    fn refuses_repeat(event: &Self::Event) -> bool;
    fn state(event: &Self::Event) -> Option<&State>;
    /// Whether every ask is settled; lines that were sent are not.
    const SETTLES_ALL: bool;
}

impl Watched for Vendor {
    fn ask(id: &ContextId, send_by: Timestamp) -> VendorCommand {
        VendorCommand::Create { context_id: id.clone(), requirements: Requirements::entrance(), send_by }
    }
    fn cancel(id: &ContextId) -> Option<VendorCommand> {
        Some(VendorCommand::Cancel { context_id: id.clone() })
    }
    fn settles(event: &VendorEvent) -> Option<String> {
        if let VendorEvent::Settled { context_id, .. } = event { Some(context_id.to_string()) } else { None }
    }
    fn refuses_repeat(event: &VendorEvent) -> bool {
        matches!(event, VendorEvent::Problem { .. })
    }
    fn state(event: &VendorEvent) -> Option<&State> {
        if let VendorEvent::State(state) = event { Some(state) } else { None }
    }
    const SETTLES_ALL: bool = true;
}

impl Watched for Scanner {
    fn ask(id: &ContextId, send_by: Timestamp) -> ScannerCommand {
        ScannerCommand::Scan { context_id: id.clone(), scan: Scan::test_user(None, Side::Left), send_by }
    }
    fn cancel(_: &ContextId) -> Option<ScannerCommand> {
        None
    }
    fn settles(event: &ScannerEvent) -> Option<String> {
        if let ScannerEvent::Settled { context_id, .. } = event { Some(context_id.to_string()) } else { None }
    }
    fn refuses_repeat(event: &ScannerEvent) -> bool {
        matches!(event, ScannerEvent::Problem { .. })
    }
    fn state(event: &ScannerEvent) -> Option<&State> {
        if let ScannerEvent::State(state) = event { Some(state) } else { None }
    }
    const SETTLES_ALL: bool = true;
}

impl Watched for Lines<VendorConfig> {
    fn ask(id: &ContextId, _: Timestamp) -> Line {
        Line(Text::new(id.to_string()))
    }
    fn cancel(_: &ContextId) -> Option<Line> {
        None
    }
    fn settles(event: &LinesEvent) -> Option<String> {
        if let LinesEvent::NotSent { line, .. } = event { Some(line.reveal().to_owned()) } else { None }
    }
    fn refuses_repeat(_: &LinesEvent) -> bool {
        false
    }
    fn state(event: &LinesEvent) -> Option<&State> {
        if let LinesEvent::State(state) = event { Some(state) } else { None }
    }
    const SETTLES_ALL: bool = false;
}

/// One of several ways to lose a line.
pub(crate) fn lost(kind: u64) -> Lost {
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
struct Stage<M> {
    machine: M,
    now: Timestamp,
    dialing: bool,
    up: bool,
    closing: bool,
    over: bool,
    logged_in: bool,
    asked: BTreeMap<String, u32>,
    settled: BTreeMap<String, u32>,
}

impl<M: Watched> Stage<M>
where
    M::Event: Debug,
{
    fn new(machine: M) -> Self {
        Self {
            machine,
            now: Timestamp::from_millis(0),
            dialing: false,
            up: false,
            closing: false,
            over: false,
            logged_in: false,
            asked: BTreeMap::new(),
            settled: BTreeMap::new(),
        }
    }

    fn play<'a>(mut self, lines: impl Iterator<Item = std::borrow::Cow<'a, str>>) {
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
                self.input(Input::Opened);
            }
            'L' if self.up || self.dialing => {
                self.down();
                self.input(Input::Lost(lost(number(rest, 7))));
            }
            'y' if self.up => self.input(Input::Text(r#"{"type":"authenticated"}"#)),
            '>' if self.up => self.input(Input::Text(rest)),
            'a' => {
                let (id, wait) = asked(rest);
                let send_by = self.now.after(Duration::from_secs(wait));
                let mut out = Vec::new();
                self.machine.handle(self.now, Input::Command(M::ask(&id, send_by)), &mut out);
                let repeat = matches!(&out[..], [Output::Event(event)] if M::refuses_repeat(event));
                *self.asked.entry(id.to_string()).or_default() += u32::from(!repeat);
                self.see(&out);
            }
            'x' => {
                if let Some(command) = M::cancel(&asked(rest).0) {
                    self.input(Input::Command(command));
                }
            }
            '@' => self.sleep(Duration::from_millis(number(rest, SLEEP_MOST))),
            'C' => self.input(Input::Close),
            _ => {}
        }
    }

    fn input(&mut self, input: Input<'_, M::Command>) {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
        self.see(&out);
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
                    if let Some(id) = M::settles(event) {
                        *self.settled.entry(id).or_default() += 1;
                    } else {
                        assert!(!self.over, "told after the end: {event:?}");
                    }
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

/// Which context, and how many seconds its wish may wait.
fn asked(rest: &str) -> (ContextId, u64) {
    let (id, wait) = rest.split_once(' ').unwrap_or((rest, "40"));
    let id = ContextId::parse(&format!("c{}", number(id, 5))).expect("letters and digits are an id");
    (id, number(wait, 60))
}
