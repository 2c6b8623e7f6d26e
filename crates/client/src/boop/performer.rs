//! The scanner's side of `/ws/pvs`: hears of open contexts, and says what happened at the glass.
//!
//! The names on this wire are our own proposal: the vendor's page about it was never public. A scan is settled by the
//! server's word about it, by an error that names its context, by our own timer, or by the end of the connection.

use std::collections::BTreeMap;

use model::{Secret, Timestamp};

use super::choices::Choices;
use super::codes;
use super::types::{CloseReason, Context, ContextId, Failure, Scan, ScanStatus};
use super::wire::{self, Incoming};
use crate::link::{Change, Ended, Link, Lost, NotSent, Preset, Sent, State};
use crate::login::{Login, Meaning};
use crate::machine::{Output, Text};
use crate::problem::Problem;
use crate::side::Side;

/// Which scanner it is, and how it behaves.
#[derive(Clone, Debug)]
pub struct ScannerConfig {
    /// The device's id.
    pub device_id: String,
    /// Its key.
    pub device_key: Secret,
    /// Manners on the line.
    pub preset: Preset,
    /// Numbers of the dialect.
    pub choices: Choices,
}

/// What an application wants of a scanner's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannerCommand {
    /// Say what happened at the glass. It is settled exactly once.
    Scan {
        /// For which context; open or not, the server decides.
        context_id: ContextId,
        /// What happened.
        scan: Scan,
        /// When it stops making sense to send it.
        send_by: Timestamp,
    },
}

/// What an application hears from a scanner's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannerEvent {
    /// How far the connection has come.
    State(State),
    /// An attempt failed, or the connection was lost.
    Lost(Lost),
    /// A palm is awaited. Told again after a reconnect when that is still so.
    Opened(Context),
    /// A palm is no longer awaited.
    Closed {
        /// For which context.
        context_id: ContextId,
        /// How it ended.
        reason: CloseReason,
    },
    /// The server's word about a scan, or the lack of it.
    Settled {
        /// For which context.
        context_id: ContextId,
        /// What became of the scan.
        result: Result<ScanStatus, Failure>,
    },
    /// The server complains about something that is not one of our scans.
    Problem {
        /// The context it names.
        context_id: Option<ContextId>,
        /// What it says.
        problem: Problem,
    },
    /// A frame of a type this client does not know.
    Unknown {
        /// Its type.
        kind: String,
        /// The whole frame.
        frame: String,
    },
    /// A frame that could not be read. The connection lives on.
    Malformed {
        /// How many there have been.
        count: u64,
    },
}

impl From<Change> for ScannerEvent {
    fn from(change: Change) -> Self {
        match change {
            Change::State(state) => Self::State(state),
            Change::Lost(lost) => Self::Lost(lost),
        }
    }
}

type Out = Vec<Output<ScannerEvent>>;

/// The machine.
///
/// ```
/// use client::boop::{Scanner, ScannerConfig};
/// use client::{Input, Machine, Output};
/// use model::{Secret, Timestamp};
///
/// let now = Timestamp::from_millis(1_000);
/// let mut scanner = Scanner::new(ScannerConfig::new("pvs_till2", Secret::new("dk_test_77c")), 7, now);
/// let mut out = Vec::new();
/// scanner.handle(now, Input::Wake, &mut out);
/// scanner.handle(now, Input::Opened, &mut out);
/// let Some(Output::Send(login)) = out.last() else { panic!("the login comes first") };
/// assert_eq!(login.reveal(), r#"{"type":"authenticate","device_id":"pvs_till2","device_key":"dk_test_77c"}"#);
/// ```
#[derive(Debug)]
pub struct Scanner {
    choices: Choices,
    link: Link<ContextId>,
    scans: BTreeMap<ContextId, Awaits>,
    malformed: u64,
}

/// What a scan waits for.
#[derive(Debug, PartialEq, Eq)]
enum Awaits {
    /// To be sent after the login.
    Login,
    /// The server's word, until our own timer ends.
    Ack { until: Timestamp },
}

impl ScannerConfig {
    /// A scanner with the defaults.
    #[must_use]
    pub fn new(device_id: &str, device_key: Secret) -> Self {
        Self { device_id: device_id.to_owned(), device_key, preset: Preset::default(), choices: Choices::default() }
    }
}

impl Login for ScannerConfig {
    const PING: &'static str = wire::PING;

    fn frame(&self) -> Option<Text> {
        Some(wire::scanner_login(&self.device_id, &self.device_key))
    }

    fn preset(&self) -> &Preset {
        &self.preset
    }

    fn preset_mut(&mut self) -> &mut Preset {
        &mut self.preset
    }

    fn meaning(frame: &str, is_logging_in: bool) -> Meaning {
        codes::meaning(frame, is_logging_in)
    }
}

impl Scanner {
    /// A scanner that wants to connect at once. The seed spreads its reconnects; use another for every device.
    #[must_use]
    pub fn new(config: ScannerConfig, seed: u64, now: Timestamp) -> Self {
        Self { link: Link::new(&config, seed, now), choices: config.choices, scans: BTreeMap::new(), malformed: 0 }
    }

    /// Whether scans go out at once.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        self.link.is_logged_in()
    }

    fn problem(&mut self, now: Timestamp, context_id: Option<ContextId>, problem: Problem, out: &mut Out) {
        let meaning = codes::about_connection(context_id.as_ref(), &problem, self.link.is_logging_in());
        if self.link.obey(now, meaning, out) {
            return;
        }
        match context_id {
            Some(context_id) if self.is_written(&context_id) => {
                self.settle(context_id, Err(Failure::Refused(problem)), out);
            }
            Some(_) | None => out.push(Output::Event(ScannerEvent::Problem { context_id, problem })),
        }
    }

    fn scan(&mut self, now: Timestamp, context_id: ContextId, scan: &Scan, send_by: Timestamp, out: &mut Out) {
        let why = if self.scans.contains_key(&context_id) {
            NotSent::Repeated
        } else if self.scans.len() >= self.choices.contexts_most {
            NotSent::Full
        } else {
            let text = wire::scan_result(&context_id, scan);
            match self.link.send(now, context_id.clone(), text, send_by, out) {
                Ok(Sent::Written) => return self.written(now, context_id),
                Ok(Sent::Queued) => {
                    self.scans.insert(context_id, Awaits::Login);
                    return;
                }
                Err(why) => why,
            }
        };
        match why {
            // The scan that is under way keeps its own settlement under this id.
            NotSent::Repeated => out.push(Output::Event(ScannerEvent::Problem {
                context_id: Some(context_id),
                problem: Problem::new(None, why.to_string()),
            })),
            why => out.push(Output::Event(ScannerEvent::Settled { context_id, result: Err(why.into()) })),
        }
    }

    /// Whether the server can be answering our scan under this id.
    fn is_written(&self, context_id: &ContextId) -> bool {
        matches!(self.scans.get(context_id), Some(Awaits::Ack { .. }))
    }

    fn written(&mut self, now: Timestamp, context_id: ContextId) {
        self.scans.insert(context_id, Awaits::Ack { until: now.after(self.choices.ack_within) });
    }

    fn settle(&mut self, context_id: ContextId, result: Result<ScanStatus, Failure>, out: &mut Out) {
        if self.scans.remove(&context_id).is_some() {
            out.push(Output::Event(ScannerEvent::Settled { context_id, result }));
        }
    }
}

fn unknown(kind: &str, frame: &str, out: &mut Out) {
    out.push(Output::Event(ScannerEvent::Unknown { kind: kind.to_owned(), frame: frame.to_owned() }));
}

impl Side for Scanner {
    type Command = ScannerCommand;
    type Event = ScannerEvent;
    type Waiting = ContextId;

    fn link(&self) -> &Link<ContextId> {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link<ContextId> {
        &mut self.link
    }

    fn expire(&mut self, now: Timestamp, out: &mut Out) {
        for context_id in self.link.expire(now) {
            self.settle(context_id, Err(NotSent::Expired.into()), out);
        }
        let overdue = |awaits: &Awaits| matches!(awaits, Awaits::Ack { until } if now >= *until);
        let overdue: Vec<ContextId> =
            self.scans.iter().filter(|(_, awaits)| overdue(awaits)).map(|(id, _)| id.clone()).collect();
        for context_id in overdue {
            self.settle(context_id, Err(Failure::NoAnswer), out);
        }
    }

    fn logged_in(&mut self, now: Timestamp, written: Vec<ContextId>, _: &mut Out) {
        for context_id in written {
            self.written(now, context_id);
        }
    }

    fn text(&mut self, now: Timestamp, text: &str, out: &mut Out) {
        let Ok(incoming) = Incoming::parse(text) else {
            self.malformed += 1;
            out.push(Output::Event(ScannerEvent::Malformed { count: self.malformed }));
            return;
        };
        match incoming {
            Incoming::Authenticated => {
                let written = self.link.authenticated(now, out);
                self.logged_in(now, written, out);
            }
            Incoming::LoginRefused(problem) => {
                if self.link.is_logging_in() {
                    self.link.end(now, Ended::Refused(problem), out);
                }
            }
            Incoming::Pong => {}
            Incoming::ContextOpen(context) => out.push(Output::Event(ScannerEvent::Opened(*context))),
            Incoming::ContextClosed(context_id, reason) => {
                out.push(Output::Event(ScannerEvent::Closed { context_id, reason }));
            }
            Incoming::ScanAck(context_id, status) => {
                if self.is_written(&context_id) {
                    self.settle(context_id, Ok(status), out);
                }
            }
            Incoming::Error(context_id, problem) => self.problem(now, context_id, problem, out),
            Incoming::Outcome(..) => unknown("auth_result", text, out),
            Incoming::Expired(_) => unknown("context_expired", text, out),
            Incoming::Unknown(kind) => unknown(&kind, text, out),
        }
    }

    fn command(&mut self, now: Timestamp, command: ScannerCommand, out: &mut Out) {
        match command {
            ScannerCommand::Scan { context_id, scan, send_by } => self.scan(now, context_id, &scan, send_by, out),
        }
    }

    fn refuse(&mut self, command: ScannerCommand, out: &mut Out) {
        match command {
            ScannerCommand::Scan { context_id, .. } => {
                let result = Err(NotSent::Closed.into());
                out.push(Output::Event(ScannerEvent::Settled { context_id, result }));
            }
        }
    }

    fn abandon(&mut self, out: &mut Out) {
        for (context_id, awaits) in std::mem::take(&mut self.scans) {
            let failure = match awaits {
                Awaits::Login => NotSent::Closed.into(),
                Awaits::Ack { .. } => Failure::Closed,
            };
            out.push(Output::Event(ScannerEvent::Settled { context_id, result: Err(failure) }));
        }
    }

    fn due(&self) -> Option<Timestamp> {
        let scans = self.scans.values().filter_map(|awaits| match awaits {
            Awaits::Ack { until } => Some(*until),
            Awaits::Login => None,
        });
        scans.min()
    }
}
