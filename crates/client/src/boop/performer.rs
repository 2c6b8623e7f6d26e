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
use crate::machine::{Input, Machine, Output};
use crate::problem::Problem;

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
    config: ScannerConfig,
    link: Link<ContextId>,
    scans: BTreeMap<ContextId, Awaits>,
    malformed: u64,
    over: bool,
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

impl Scanner {
    /// A scanner that wants to connect at once. The seed spreads its reconnects; use another for every device.
    #[must_use]
    pub fn new(config: ScannerConfig, seed: u64, now: Timestamp) -> Self {
        let link = Link::new(config.preset.clone(), wire::PING, seed, now);
        Self { config, link, scans: BTreeMap::new(), malformed: 0, over: false }
    }

    /// Whether scans go out at once.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        self.link.is_logged_in()
    }

    fn text(&mut self, now: Timestamp, text: &str, out: &mut Out) {
        if !self.link.hears() {
            return;
        }
        self.link.heard();
        let Ok(incoming) = Incoming::parse(text) else {
            self.malformed += 1;
            out.push(Output::Event(ScannerEvent::Malformed { count: self.malformed }));
            return;
        };
        match incoming {
            Incoming::Authenticated => {
                for context_id in self.link.authenticated(now, out) {
                    self.written(now, context_id);
                }
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

    fn problem(&mut self, now: Timestamp, context_id: Option<ContextId>, problem: Problem, out: &mut Out) {
        if let Some(stay_away) = problem.retry_after {
            self.link.hint(now, stay_away);
        }
        if context_id.is_none()
            && let Some(ended) = codes::ends_connection(&self.link, &problem)
        {
            return self.link.end(now, ended, out);
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
        } else if self.scans.len() >= self.config.choices.contexts_most {
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
        self.scans.insert(context_id, Awaits::Ack { until: now.after(self.config.choices.ack_within) });
    }

    fn settle(&mut self, context_id: ContextId, result: Result<ScanStatus, Failure>, out: &mut Out) {
        if self.scans.remove(&context_id).is_some() {
            out.push(Output::Event(ScannerEvent::Settled { context_id, result }));
        }
    }

    /// Settles what was never answered, and has the last word when the link has ended.
    fn tidy(&mut self, now: Timestamp, out: &mut Out) {
        let overdue = |awaits: &Awaits| matches!(awaits, Awaits::Ack { until } if now >= *until);
        let ids: Vec<_> = self.scans.iter().filter(|(_, awaits)| overdue(awaits)).map(|(id, _)| id.clone()).collect();
        for context_id in ids {
            self.settle(context_id, Err(Failure::NoAnswer), out);
        }
        if let Some(ended) = self.link.ended().cloned() {
            for (context_id, awaits) in std::mem::take(&mut self.scans) {
                let failure = match awaits {
                    Awaits::Login => NotSent::Closed.into(),
                    Awaits::Ack { .. } => Failure::Closed,
                };
                out.push(Output::Event(ScannerEvent::Settled { context_id, result: Err(failure) }));
            }
            self.over = true;
            out.push(Output::Event(ScannerEvent::State(State::Closed(ended))));
        }
    }
}

fn unknown(kind: &str, frame: &str, out: &mut Out) {
    out.push(Output::Event(ScannerEvent::Unknown { kind: kind.to_owned(), frame: frame.to_owned() }));
}

impl Machine for Scanner {
    type Command = ScannerCommand;
    type Event = ScannerEvent;

    fn handle(&mut self, now: Timestamp, input: Input<'_, ScannerCommand>, out: &mut Out) {
        if self.over {
            if let Input::Command(ScannerCommand::Scan { context_id, .. }) = input {
                let result = Err(NotSent::Closed.into());
                out.push(Output::Event(ScannerEvent::Settled { context_id, result }));
            }
            return;
        }
        // What has waited too long must not be flushed by a login that arrives in the same instant.
        for context_id in self.link.expire(now) {
            self.settle(context_id, Err(NotSent::Expired.into()), out);
        }
        match input {
            Input::Opened => {
                let login = wire::scanner_login(&self.config.device_id, &self.config.device_key);
                self.link.opened(now, login, out);
            }
            Input::Text(text) => self.text(now, text, out),
            Input::Lost(lost) => self.link.lost(now, lost, out),
            Input::Wake => self.link.wake(now, out),
            Input::Command(ScannerCommand::Scan { context_id, scan, send_by }) => {
                self.scan(now, context_id, &scan, send_by, out);
            }
            Input::Close => self.link.end(now, Ended::Finished, out),
        }
        self.tidy(now, out);
    }

    fn deadline(&self) -> Option<Timestamp> {
        let scans = self.scans.values().filter_map(|awaits| match awaits {
            Awaits::Ack { until } => Some(*until),
            Awaits::Login => None,
        });
        scans.chain(self.link.deadline()).min().filter(|_| !self.over)
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
