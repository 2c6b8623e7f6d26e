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
use crate::machine::{Input, Machine, Output};
use crate::problem::Problem;

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
    config: VendorConfig,
    link: Link<Queued>,
    contexts: BTreeMap<ContextId, Awaits>,
    malformed: u64,
    over: bool,
}

/// What a waiting message belongs to.
#[derive(Debug, PartialEq, Eq)]
enum Queued {
    Create(ContextId),
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

impl Vendor {
    /// A vendor that wants to connect at once. The seed spreads its reconnects; use another for every process.
    #[must_use]
    pub fn new(config: VendorConfig, seed: u64, now: Timestamp) -> Self {
        let link = Link::new(config.preset.clone(), wire::PING, seed, now);
        Self { config, link, contexts: BTreeMap::new(), malformed: 0, over: false }
    }

    fn text(&mut self, now: Timestamp, text: &str, out: &mut Out) {
        if !self.link.hears() {
            return;
        }
        self.link.heard();
        let Ok(incoming) = Incoming::parse(text) else {
            self.malformed += 1;
            out.push(Output::Event(VendorEvent::Malformed { count: self.malformed }));
            return;
        };
        match incoming {
            Incoming::Authenticated => {
                for queued in self.link.authenticated(now, out) {
                    match queued {
                        Queued::Create(context_id) => self.written(now, context_id),
                        Queued::Cancel => {}
                    }
                }
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

    fn problem(&mut self, now: Timestamp, context_id: Option<ContextId>, problem: Problem, out: &mut Out) {
        if let Some(stay_away) = problem.retry_after {
            self.link.hint(now, stay_away);
        }
        if context_id.is_none()
            && let Some(ended) = codes::ends_connection(&self.link, &problem)
        {
            return self.link.end(now, ended, out);
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
        if self.contexts.len() >= self.config.choices.contexts_most {
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
        let Choices { context_life, context_slack, .. } = self.config.choices;
        let until = now.after(context_life).after(context_slack);
        self.contexts.insert(context_id, Awaits::Outcome { until, asked: Asked::Create });
    }

    fn settle(&mut self, context_id: ContextId, result: Result<AuthResult, Failure>, out: &mut Out) {
        if self.contexts.remove(&context_id).is_some() {
            out.push(Output::Event(VendorEvent::Settled { context_id, result }));
        }
    }

    /// Settles what waited too long for a login.
    fn expire(&mut self, now: Timestamp, out: &mut Out) {
        for queued in self.link.expire(now) {
            match queued {
                Queued::Create(context_id) => self.settle(context_id, Err(NotSent::Expired.into()), out),
                Queued::Cancel => {}
            }
        }
    }

    /// Settles what was never answered, and has the last word when the link has ended.
    fn tidy(&mut self, now: Timestamp, out: &mut Out) {
        for context_id in self.overdue(now) {
            self.settle(context_id, Err(Failure::NoAnswer), out);
        }
        if let Some(ended) = self.link.ended().cloned() {
            for (context_id, awaits) in std::mem::take(&mut self.contexts) {
                let failure = match awaits {
                    Awaits::Login => NotSent::Closed.into(),
                    Awaits::Outcome { .. } => Failure::Closed,
                };
                out.push(Output::Event(VendorEvent::Settled { context_id, result: Err(failure) }));
            }
            self.over = true;
            out.push(Output::Event(VendorEvent::State(State::Closed(ended))));
        }
    }

    fn overdue(&self, now: Timestamp) -> Vec<ContextId> {
        let overdue = |awaits: &Awaits| matches!(awaits, Awaits::Outcome { until, .. } if now >= *until);
        self.contexts.iter().filter(|(_, awaits)| overdue(awaits)).map(|(id, _)| id.clone()).collect()
    }
}

fn unknown(kind: &str, frame: &str, out: &mut Out) {
    out.push(Output::Event(VendorEvent::Unknown { kind: kind.to_owned(), frame: frame.to_owned() }));
}

impl Machine for Vendor {
    type Command = VendorCommand;
    type Event = VendorEvent;

    fn handle(&mut self, now: Timestamp, input: Input<'_, VendorCommand>, out: &mut Out) {
        if self.over {
            if let Input::Command(VendorCommand::Create { context_id, .. }) = input {
                let result = Err(NotSent::Closed.into());
                out.push(Output::Event(VendorEvent::Settled { context_id, result }));
            }
            return;
        }
        // What has waited too long must not be flushed by a login that arrives in the same instant.
        self.expire(now, out);
        match input {
            Input::Opened => {
                let login = wire::vendor_login(&self.config.vendor_id, &self.config.api_key);
                self.link.opened(now, login, out);
            }
            Input::Text(text) => self.text(now, text, out),
            Input::Lost(lost) => self.link.lost(now, lost, out),
            Input::Wake => self.link.wake(now, out),
            Input::Command(VendorCommand::Create { context_id, requirements, send_by }) => {
                self.create(now, context_id, &requirements, send_by, out);
            }
            Input::Command(VendorCommand::Cancel { context_id }) => self.cancel(now, context_id, out),
            Input::Close => self.link.end(now, Ended::Finished, out),
        }
        self.tidy(now, out);
    }

    fn deadline(&self) -> Option<Timestamp> {
        let contexts = self.contexts.values().filter_map(|awaits| match awaits {
            Awaits::Outcome { until, .. } => Some(*until),
            Awaits::Login => None,
        });
        contexts.chain(self.link.deadline()).min().filter(|_| !self.over)
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
