//! The machine: follows a script in every context that opens, on top of the client's machine of a scanner.
//!
//! Each context takes the next step of the script when it opens, and another one whenever it goes on after a step. Several
//! contexts may be open at once; each keeps its own time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use client::boop::{
    self, Capture, ContextId, Failure, Sample, Scan, ScanStatus, ScannerCommand, ScannerConfig, ScannerEvent,
};
use client::{Input, Lost, Machine, Output, Text};
use model::{Side, Timestamp};

use super::script::{Act, Script, Step};

/// How many contexts are attended to at once; more are left to run their time.
const VISITS: usize = 1_000;

/// How long a context is remembered when the server does not say that it is over; twice the life it has.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// How long it takes at the least to do the next thing in the same context.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// How long a scan may wait for a login.
const SEND_WITHIN: Duration = Duration::from_secs(30);

/// A frame that means nothing.
const GARBAGE: &str = "\u{1F91A} {]";

/// What the scanner does and hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What the client's machine tells: the connection's state, contexts, words about scans.
    Heard(ScannerEvent),
    /// A step of the script was carried out.
    Did {
        /// In which context.
        context_id: ContextId,
        /// What was done.
        act: Act,
    },
}

/// The machine.
#[derive(Debug)]
pub struct Scanner {
    line: boop::Scanner,
    steps: std::vec::IntoIter<Step>,
    otherwise: Step,
    visits: BTreeMap<ContextId, Visit>,
    /// Counts visits, so that those due at the same time are served as they came.
    turn: u64,
}

/// Somebody may come to the glass for this context.
#[derive(Debug)]
struct Visit {
    turn: u64,
    forgotten: Timestamp,
    plan: Plan,
}

#[derive(Debug)]
enum Plan {
    /// This happens then.
    Act { act: Act, at: Timestamp },
    /// This happens so long after the context is over.
    AwaitsEnd { act: Act, after: Duration },
    /// A scan was sent; the server's word decides how it goes on.
    AwaitsWord,
    /// Nobody comes.
    Nothing,
}

impl Scanner {
    /// A scanner that wants to connect at once.
    #[must_use]
    pub fn new(config: ScannerConfig, script: Script, seed: u64, now: Timestamp) -> Self {
        let Script { steps, otherwise } = script;
        Self {
            line: boop::Scanner::new(config, seed, now),
            steps: steps.into_iter(),
            otherwise,
            visits: BTreeMap::new(),
            turn: 0,
        }
    }

    /// Tells the client's machine something, passes on what it wants, and follows what it says.
    fn tell(&mut self, now: Timestamp, input: Input<'_, ScannerCommand>, out: &mut Vec<Output<Event>>) {
        let mut said = Vec::new();
        self.line.handle(now, input, &mut said);
        for output in said {
            out.push(match output {
                Output::Connect => Output::Connect,
                Output::Send(text) => Output::Send(text),
                Output::Close(code) => Output::Close(code),
                Output::Cut => Output::Cut,
                Output::Event(event) => {
                    self.follow(now, &event);
                    Output::Event(Event::Heard(event))
                }
            });
        }
    }

    fn follow(&mut self, now: Timestamp, event: &ScannerEvent) {
        match event {
            ScannerEvent::Opened(context) => self.opened(now, &context.context_id),
            ScannerEvent::Closed { context_id, .. } => self.closed(now, context_id),
            ScannerEvent::Settled { context_id, result } => match result {
                Ok(ScanStatus::Rescan) | Err(Failure::NoAnswer) => self.again(now, context_id),
                Ok(ScanStatus::Matched | ScanStatus::Rejected | ScanStatus::Late)
                | Err(Failure::NotSent(_) | Failure::Refused(_) | Failure::Expired | Failure::Closed) => {
                    self.visits.remove(context_id);
                }
            },
            ScannerEvent::State(_)
            | ScannerEvent::Lost(_)
            | ScannerEvent::Problem { .. }
            | ScannerEvent::Unknown { .. }
            | ScannerEvent::Malformed { .. } => {}
        }
    }

    /// A context opened. One that is only offered again goes on as it was.
    fn opened(&mut self, now: Timestamp, context_id: &ContextId) {
        if self.visits.contains_key(context_id) || self.visits.len() >= VISITS {
            return;
        }
        let Step { act, after } = self.next_step();
        let plan = plan(act, after, now);
        self.turn += 1;
        let visit = Visit { turn: self.turn, forgotten: now.after(FORGOTTEN_AFTER), plan };
        self.visits.insert(context_id.clone(), visit);
    }

    /// A context is over: whoever comes late comes now, everybody else leaves.
    fn closed(&mut self, now: Timestamp, context_id: &ContextId) {
        match self.visits.remove(context_id) {
            Some(Visit { plan: Plan::AwaitsEnd { act, after }, turn, .. }) => {
                let plan = Plan::Act { act, at: now.after(after) };
                let forgotten = now.after(after).after(FORGOTTEN_AFTER);
                self.visits.insert(context_id.clone(), Visit { turn, forgotten, plan });
            }
            // A late palm is on its way already.
            Some(visit @ Visit { plan: Plan::Act { act: Act::Late { .. }, .. }, .. }) => {
                self.visits.insert(context_id.clone(), visit);
            }
            Some(Visit { plan: Plan::Act { .. } | Plan::AwaitsWord | Plan::Nothing, .. }) | None => {}
        }
    }

    /// A context goes on after a step: it takes another one.
    fn again(&mut self, now: Timestamp, context_id: &ContextId) {
        if self.visits.contains_key(context_id) {
            let Step { act, after } = self.next_step();
            let plan = plan(act, after.max(AGAIN_AFTER), now);
            if let Some(visit) = self.visits.get_mut(context_id) {
                visit.plan = plan;
            }
        }
    }

    fn next_step(&mut self) -> Step {
        self.steps.next().unwrap_or_else(|| self.otherwise.clone())
    }

    /// Does what is due, the earliest first.
    fn act(&mut self, now: Timestamp, out: &mut Vec<Output<Event>>) {
        while let Some((context_id, act)) = self.due(now) {
            let scan = match &act {
                Act::Palm { user, side, quality } => Some(captured(Some(user.as_str()), *side, *quality)),
                Act::Unregistered { side } => Some(Scan::test_user(None, *side)),
                Act::Late { user } => Some(Scan::test_user(user.as_ref().map(|user| user.as_str()), Side::Right)),
                Act::PoorQuality => Some(Scan::PoorQuality),
                Act::DeviceError => Some(Scan::DeviceError),
                Act::Decline => Some(Scan::Cancelled),
                Act::Silence | Act::Garbage | Act::DropConnection => None,
            };
            out.push(Output::Event(Event::Did { context_id: context_id.clone(), act: act.clone() }));
            match (scan, act) {
                (Some(scan), _) => {
                    if let Some(visit) = self.visits.get_mut(&context_id) {
                        visit.plan = Plan::AwaitsWord;
                    }
                    let command = ScannerCommand::Scan { context_id, scan, send_by: now.after(SEND_WITHIN) };
                    self.tell(now, Input::Command(command), out);
                }
                (None, Act::Garbage) => {
                    if self.line.is_logged_in() {
                        out.push(Output::Send(Text::new(GARBAGE)));
                    }
                    self.again(now, &context_id);
                }
                (None, Act::DropConnection) => {
                    self.visits.remove(&context_id);
                    if self.line.is_logged_in() {
                        out.push(Output::Cut);
                        self.tell(now, Input::Lost(Lost::Broken("dropped by the script".to_owned())), out);
                    }
                }
                (None, _) => {
                    if let Some(visit) = self.visits.get_mut(&context_id) {
                        visit.plan = Plan::Nothing;
                    }
                }
            }
        }
    }

    /// The earliest thing that is due, and forgets what is old.
    fn due(&mut self, now: Timestamp) -> Option<(ContextId, Act)> {
        let old = |visit: &Visit| now >= visit.forgotten && !matches!(visit.plan, Plan::Act { .. });
        let late: Vec<ContextId> =
            self.visits.iter().filter(|(_, visit)| old(visit)).map(|(context_id, _)| context_id.clone()).collect();
        for context_id in late {
            // As good as over.
            self.closed(now, &context_id);
        }
        let due = self.visits.iter().filter_map(|(context_id, visit)| match &visit.plan {
            Plan::Act { act, at } if now >= *at => Some((at, visit.turn, context_id, act)),
            Plan::Act { .. } | Plan::AwaitsEnd { .. } | Plan::AwaitsWord | Plan::Nothing => None,
        });
        let (_, _, context_id, act) = due.min_by_key(|(at, turn, _, _)| (*at, *turn))?;
        Some((context_id.clone(), act.clone()))
    }
}

fn plan(act: Act, after: Duration, now: Timestamp) -> Plan {
    match act {
        Act::Late { .. } => Plan::AwaitsEnd { act, after },
        Act::Palm { .. }
        | Act::Unregistered { .. }
        | Act::PoorQuality
        | Act::DeviceError
        | Act::Decline
        | Act::Silence
        | Act::Garbage
        | Act::DropConnection => Plan::Act { act, at: now.after(after) },
    }
}

fn captured(user: Option<&str>, side: Side, quality: u8) -> Scan {
    Scan::Captured(Capture { sample: Sample::TestUser(user.map(str::to_owned)), side, quality })
}

impl Machine for Scanner {
    /// It takes no orders: the script has said it all.
    type Command = Infallible;
    type Event = Event;

    fn handle(&mut self, now: Timestamp, input: Input<'_, Infallible>, out: &mut Vec<Output<Event>>) {
        let input = match input {
            Input::Opened => Input::Opened,
            Input::Text(text) => Input::Text(text),
            Input::Lost(lost) => Input::Lost(lost),
            Input::Wake => Input::Wake,
            Input::Command(never) => match never {},
            Input::Close => Input::Close,
        };
        self.tell(now, input, out);
        if self.line.is_over() {
            self.visits.clear();
        }
        self.act(now, out);
    }

    fn deadline(&self) -> Option<Timestamp> {
        let visits = self.visits.values().map(|visit| match &visit.plan {
            Plan::Act { at, .. } => *at,
            Plan::AwaitsEnd { .. } | Plan::AwaitsWord | Plan::Nothing => visit.forgotten,
        });
        visits.chain(self.line.deadline()).min()
    }

    fn is_over(&self) -> bool {
        self.line.is_over()
    }
}
