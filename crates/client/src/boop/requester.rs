//! The vendor's side of `/ws/vendor`: asks for palms, and hears what became of each context.
//!
//! A context is settled exactly once: by its result, by an error that ends it, by our own timer, or by the end of the
//! connection. One that was written is never sent again: the server knows it, and holds its outcome while we are away.

use std::collections::BTreeMap;

use model::{Secret, Timestamp};

use super::choices::Choices;
use super::codes::{self, Asked};
use super::types::{AuthResult, ContextId, Failure, Requirements};
use super::wire::{self, Incoming};
use crate::link::{Change, Ended, Link, Lost, NotSent, Preset, Sent, State};
use crate::login::{Login, Meaning};
use crate::machine::{Output, Text};
use crate::problem::Problem;
use crate::side::Side;

/// Who a vendor is, and how it behaves.
#[derive(Clone, Debug)]
pub struct VendorConfig {
    /// The vendor's id.
    pub vendor_id: String,
    /// Its key.
    pub api_key: Secret,
    /// Manners on the line.
    pub preset: Preset,
    /// Numbers of the dialect.
    pub choices: Choices,
}

/// What an application wants of a vendor's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VendorCommand {
    /// Open a context. It is settled exactly once.
    Create {
        /// A fresh id, never used before.
        context_id: ContextId,
        /// What is wanted.
        requirements: Requirements,
        /// When it stops making sense to send it.
        send_by: Timestamp,
    },
    /// Take a context back. It is still settled as any other, most likely as declined with the code `cancelled`.
    Cancel {
        /// Which one.
        context_id: ContextId,
    },
}

/// What an application hears from a vendor's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VendorEvent {
    /// How far the connection has come.
    State(State),
    /// An attempt failed, or the connection was lost.
    Lost(Lost),
    /// A context has its outcome, or never will.
    Settled {
        /// Which one.
        context_id: ContextId,
        /// What became of it.
        result: Result<AuthResult, Failure>,
    },
    /// Something happened and the context goes on, such as a palm that could not be read.
    Progress {
        /// Which one.
        context_id: ContextId,
        /// What happened.
        problem: Problem,
    },
    /// An outcome nobody waits for: it came after our own timer, or belongs to an earlier process.
    Unclaimed {
        /// Which context.
        context_id: ContextId,
        /// What became of it.
        result: AuthResult,
    },
    /// The server complains about something that is not one of our open contexts.
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

impl From<Change> for VendorEvent {
    fn from(change: Change) -> Self {
        match change {
            Change::State(state) => Self::State(state),
            Change::Lost(lost) => Self::Lost(lost),
        }
    }
}

type Out = Vec<Output<VendorEvent>>;

/// The machine.
///
/// ```
/// use client::boop::{Vendor, VendorConfig};
/// use client::{Input, Machine, Output};
/// use model::{Secret, Timestamp};
///
/// let now = Timestamp::from_millis(1_000);
/// let mut vendor = Vendor::new(VendorConfig::new("ven_test_bakery7", Secret::new("sk_test_Qm41")), 7, now);
/// let mut out = Vec::new();
/// vendor.handle(now, Input::Wake, &mut out);
/// assert!(out.contains(&Output::Connect));
///
/// out.clear();
/// vendor.handle(now, Input::Opened, &mut out);
/// let Some(Output::Send(login)) = out.last() else { panic!("the login comes first") };
/// assert_eq!(login.reveal(), r#"{"type":"authenticate","vendor_id":"ven_test_bakery7","api_key":"sk_test_Qm41"}"#);
/// ```
#[derive(Debug)]
pub struct Vendor {
    choices: Choices,
    link: Link<Queued>,
    contexts: BTreeMap<ContextId, Awaits>,
    malformed: u64,
}

/// What a waiting message belongs to.
#[derive(Debug, PartialEq, Eq)]
pub enum Queued {
    /// To a context that is to be opened.
    Create(ContextId),
    /// To one that is to be taken back.
    Cancel,
}

/// What an open context waits for.
#[derive(Debug, PartialEq, Eq)]
enum Awaits {
    /// To be sent after the login.
    Login,
    /// Its outcome, until our own timer ends.
    Outcome { until: Timestamp, asked: Asked },
}

impl VendorConfig {
    /// A vendor with the defaults.
    #[must_use]
    pub fn new(vendor_id: &str, api_key: Secret) -> Self {
        Self { vendor_id: vendor_id.to_owned(), api_key, preset: Preset::default(), choices: Choices::default() }
    }
}

impl Login for VendorConfig {
    const PING: &'static str = wire::PING;

    fn frame(&self) -> Option<Text> {
        Some(wire::vendor_login(&self.vendor_id, &self.api_key))
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

impl Vendor {
    /// A vendor that wants to connect at once. The seed spreads its reconnects; use another for every process.
    #[must_use]
    pub fn new(config: VendorConfig, seed: u64, now: Timestamp) -> Self {
        Self { link: Link::new(&config, seed, now), choices: config.choices, contexts: BTreeMap::new(), malformed: 0 }
    }

    fn problem(&mut self, now: Timestamp, context_id: Option<ContextId>, problem: Problem, out: &mut Out) {
        let meaning = codes::about_connection(context_id.as_ref(), &problem, self.link.is_logging_in());
        if self.link.obey(now, meaning, out) {
            return;
        }
        let asked = context_id.as_ref().and_then(|context_id| self.asked(context_id));
        match (context_id, asked) {
            (Some(context_id), Some(asked)) => {
                if !codes::ends_context(&problem, asked) {
                    out.push(Output::Event(VendorEvent::Progress { context_id, problem }));
                } else if codes::says_expired(&problem) {
                    self.settle(context_id, Err(Failure::Expired), out);
                } else {
                    self.settle(context_id, Err(Failure::Refused(problem)), out);
                }
            }
            (context_id, _) => out.push(Output::Event(VendorEvent::Problem { context_id, problem })),
        }
    }

    fn create(
        &mut self,
        now: Timestamp,
        context_id: ContextId,
        requirements: &Requirements,
        send_by: Timestamp,
        out: &mut Out,
    ) {
        let failed = |context_id, why: NotSent| {
            Output::Event(VendorEvent::Settled { context_id, result: Err(Failure::NotSent(why)) })
        };
        if self.contexts.contains_key(&context_id) {
            // The first one keeps its own settlement; the repeat is refused under the same id.
            out.push(Output::Event(VendorEvent::Problem {
                context_id: Some(context_id),
                problem: Problem::new(None, NotSent::Repeated.to_string()),
            }));
            return;
        }
        if self.contexts.len() >= self.choices.contexts_most {
            out.push(failed(context_id, NotSent::Full));
            return;
        }
        let text = wire::create_context(&context_id, requirements);
        match self.link.send(now, Queued::Create(context_id.clone()), text, send_by, out) {
            Ok(Sent::Written) => self.written(now, context_id),
            Ok(Sent::Queued) => {
                self.contexts.insert(context_id, Awaits::Login);
            }
            Err(why) => out.push(failed(context_id, why)),
        }
    }

    fn cancel(&mut self, now: Timestamp, context_id: ContextId, out: &mut Out) {
        match self.contexts.get_mut(&context_id) {
            Some(Awaits::Login) => {
                self.link.take_back(&Queued::Create(context_id.clone()));
                self.settle(context_id, Err(Failure::NotSent(NotSent::Cancelled)), out);
            }
            Some(Awaits::Outcome { until, asked }) => {
                *asked = Asked::CreateAndCancel;
                // Best effort: without room for it, the context simply runs its time.
                let text = wire::cancel_context(&context_id);
                let _ = self.link.send(now, Queued::Cancel, text, *until, out);
            }
            None => {}
        }
    }

    /// What the server can be answering under this id: nothing, if we have not written it.
    fn asked(&self, context_id: &ContextId) -> Option<Asked> {
        match self.contexts.get(context_id)? {
            Awaits::Outcome { asked, .. } => Some(*asked),
            Awaits::Login => None,
        }
    }

    fn written(&mut self, now: Timestamp, context_id: ContextId) {
        let Choices { context_life, context_slack, .. } = self.choices;
        let until = now.after(context_life).after(context_slack);
        self.contexts.insert(context_id, Awaits::Outcome { until, asked: Asked::Create });
    }

    fn settle(&mut self, context_id: ContextId, result: Result<AuthResult, Failure>, out: &mut Out) {
        if self.contexts.remove(&context_id).is_some() {
            out.push(Output::Event(VendorEvent::Settled { context_id, result }));
        }
    }
}

fn unknown(kind: &str, frame: &str, out: &mut Out) {
    out.push(Output::Event(VendorEvent::Unknown { kind: kind.to_owned(), frame: frame.to_owned() }));
}

impl Side for Vendor {
    type Command = VendorCommand;
    type Event = VendorEvent;
    type Waiting = Queued;

    fn link(&self) -> &Link<Queued> {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link<Queued> {
        &mut self.link
    }

    fn expire(&mut self, now: Timestamp, out: &mut Out) {
        for queued in self.link.expire(now) {
            match queued {
                Queued::Create(context_id) => self.settle(context_id, Err(NotSent::Expired.into()), out),
                Queued::Cancel => {}
            }
        }
        let overdue = |awaits: &Awaits| matches!(awaits, Awaits::Outcome { until, .. } if now >= *until);
        let overdue: Vec<ContextId> =
            self.contexts.iter().filter(|(_, awaits)| overdue(awaits)).map(|(id, _)| id.clone()).collect();
        for context_id in overdue {
            self.settle(context_id, Err(Failure::NoAnswer), out);
        }
    }

    fn logged_in(&mut self, now: Timestamp, written: Vec<Queued>, _: &mut Out) {
        for queued in written {
            match queued {
                Queued::Create(context_id) => self.written(now, context_id),
                Queued::Cancel => {}
            }
        }
    }

    fn text(&mut self, now: Timestamp, text: &str, out: &mut Out) {
        let Ok(incoming) = Incoming::parse(text) else {
            self.malformed += 1;
            out.push(Output::Event(VendorEvent::Malformed { count: self.malformed }));
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
            Incoming::Outcome(context_id, result) => {
                if self.asked(&context_id).is_some() {
                    self.settle(context_id, Ok(result), out);
                } else {
                    out.push(Output::Event(VendorEvent::Unclaimed { context_id, result }));
                }
            }
            Incoming::Expired(context_id) => {
                if self.asked(&context_id).is_some() {
                    self.settle(context_id, Err(Failure::Expired), out);
                }
            }
            Incoming::Error(context_id, problem) => self.problem(now, context_id, problem, out),
            Incoming::ContextOpen(_) => unknown("context_open", text, out),
            Incoming::ContextClosed(..) => unknown("context_closed", text, out),
            Incoming::ScanAck(..) => unknown("scan_ack", text, out),
            Incoming::Unknown(kind) => unknown(&kind, text, out),
        }
    }

    fn command(&mut self, now: Timestamp, command: VendorCommand, out: &mut Out) {
        match command {
            VendorCommand::Create { context_id, requirements, send_by } => {
                self.create(now, context_id, &requirements, send_by, out);
            }
            VendorCommand::Cancel { context_id } => self.cancel(now, context_id, out),
        }
    }

    fn refuse(&mut self, command: VendorCommand, out: &mut Out) {
        match command {
            VendorCommand::Create { context_id, .. } => {
                let result = Err(NotSent::Closed.into());
                out.push(Output::Event(VendorEvent::Settled { context_id, result }));
            }
            VendorCommand::Cancel { .. } => {}
        }
    }

    fn abandon(&mut self, out: &mut Out) {
        for (context_id, awaits) in std::mem::take(&mut self.contexts) {
            let failure = match awaits {
                Awaits::Login => NotSent::Closed.into(),
                Awaits::Outcome { .. } => Failure::Closed,
            };
            out.push(Output::Event(VendorEvent::Settled { context_id, result: Err(failure) }));
        }
    }

    fn due(&self) -> Option<Timestamp> {
        let contexts = self.contexts.values().filter_map(|awaits| match awaits {
            Awaits::Outcome { until, .. } => Some(*until),
            Awaits::Login => None,
        });
        contexts.min()
    }
}
