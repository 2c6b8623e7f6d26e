//! The till's side of `/v1`: asks terminals for payments, and hears what became of each.
//!
//! A payment is settled exactly once: by its outcome, by an error that says it was not begun, by our own timer, or by the
//! end of the connection. After a lost connection every payment without an outcome is asked for again, under the same id
//! and with the same body: the gateway joins it to the first one, or answers with its outcome.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{Secret, Timestamp};

use super::choices::{self, Choices};
use super::codes::{self, Asked, Says};
use super::types::{Failure, Payment, PaymentRequest, Status, TerminalChange, TerminalInfo, TransactionId, Voided};
use super::wire::{self, Complaint, Incoming};
use crate::link::{Change, Link, Lost, NotSent, Preset, State};
use crate::login::{Login, Meaning};
use crate::machine::{Output, Text};
use crate::problem::Problem;
use crate::shell::Endpoint;
use crate::side::Side;

/// Who a till is, and how it behaves.
#[derive(Clone, Debug)]
pub struct PosConfig {
    /// Its key. One connection each: a second one takes the first one's place.
    pub api_key: Secret,
    /// Its group, for a server that wants it said.
    pub group_id: Option<String>,
    /// Manners on the line.
    pub preset: Preset,
    /// Numbers of the dialect.
    pub choices: Choices,
}

/// What an application wants of a till's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PosCommand {
    /// Ask for a payment. It is settled exactly once.
    Pay {
        /// Its id: made before the first try, and kept for every further one.
        transaction_id: TransactionId,
        /// On which terminal.
        terminal_id: String,
        /// What is to be paid.
        request: PaymentRequest,
        /// When it stops making sense to ask for the first time.
        send_by: Timestamp,
    },
    /// Ask for the terminals of the group. Told as [`PosEvent::Listed`]; who asks while that is under way shares it.
    List,
}

/// What an application hears from a till's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PosEvent {
    /// How far the connection has come.
    State(State),
    /// An attempt failed, or the connection was lost.
    Lost(Lost),
    /// A payment has its outcome, or never will.
    Settled {
        /// Which one.
        transaction_id: TransactionId,
        /// What became of it.
        result: Result<Payment, Failure>,
    },
    /// The gateway complains about a payment, or says that it is not over, and it goes on.
    Progress {
        /// Which one.
        transaction_id: TransactionId,
        /// What it says.
        problem: Problem,
    },
    /// An outcome nobody waits for: it came after our own timer, or belongs to an earlier process. Told once.
    Unclaimed(Payment),
    /// A payment that was settled as failed was paid too late, and given back. Told once.
    Voided(Voided),
    /// The terminals of the group, or why they are not known.
    Listed(Result<Vec<TerminalInfo>, Failure>),
    /// A terminal came or went.
    Terminal(TerminalChange),
    /// The gateway complains about something that is not one of our payments, or says why it ends the connection.
    Problem {
        /// The payment it names.
        transaction_id: Option<TransactionId>,
        /// What it says.
        problem: Problem,
    },
    /// A message with an action this client does not know.
    Unknown {
        /// The action.
        action: String,
        /// The whole frame.
        frame: String,
    },
    /// A frame that could not be read. The connection lives on.
    Malformed {
        /// How many there have been.
        count: u64,
    },
}

impl From<Change> for PosEvent {
    fn from(change: Change) -> Self {
        match change {
            Change::State(state) => Self::State(state),
            Change::Lost(lost) => Self::Lost(lost),
        }
    }
}

type Out = Vec<Output<PosEvent>>;

/// The machine.
///
/// ```
/// use std::time::Duration;
///
/// use client::modulus::{PaymentRequest, Pos, PosCommand, PosConfig, TransactionId};
/// use client::{Input, Machine, Output};
/// use model::{Secret, Timestamp};
///
/// let now = Timestamp::from_millis(1_000);
/// let mut pos = Pos::new(PosConfig::new(Secret::new("mk_test_till4")), 7, now);
/// let mut out = Vec::new();
/// pos.handle(now, Input::Wake, &mut out);
/// pos.handle(now, Input::Opened, &mut out);
/// let transaction_id = TransactionId::parse("K-118").map_err(|bad| bad.to_string())?;
/// let request = PaymentRequest::new("1250.00", "PHP");
/// let send_by = now.after(Duration::from_secs(30));
/// let pay = PosCommand::Pay { transaction_id, terminal_id: "lane-7".to_owned(), request, send_by };
/// pos.handle(now, Input::Command(pay), &mut out);
/// let Some(Output::Send(frame)) = out.last() else { panic!("the upgrade was the login") };
/// assert!(frame.reveal().starts_with(r#"{"action":"payment","terminalId":"lane-7","paymentRequest":{"#));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug)]
pub struct Pos {
    choices: Choices,
    link: Link<()>,
    payments: BTreeMap<TransactionId, Open>,
    /// Counts payments, so that they are asked for again in the order of their first time.
    turn: u64,
    list: Option<Timestamp>,
    told: Told,
    malformed: u64,
}

/// A payment without an outcome.
#[derive(Debug)]
struct Open {
    turn: u64,
    text: Text,
    awaits: Awaits,
}

#[derive(Debug)]
enum Awaits {
    /// To be asked for after the login.
    Login { send_by: Timestamp },
    /// Its outcome, until our own timer ends.
    Outcome { until: Timestamp, asked: Asked },
}

/// What has been told already, oldest first.
#[derive(Debug, Default)]
struct Told {
    order: VecDeque<(What, TransactionId)>,
    all: BTreeSet<(What, TransactionId)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Complete,
    Voided,
}

impl Told {
    /// Gives whether it is told for the first time.
    fn first(&mut self, what: What, transaction_id: &TransactionId, most: usize) -> bool {
        let item = (what, transaction_id.clone());
        if !self.all.insert(item.clone()) {
            return false;
        }
        self.order.push_back(item);
        if self.order.len() > most
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
        true
    }
}

impl PosConfig {
    /// A till with the defaults.
    #[must_use]
    pub fn new(api_key: Secret) -> Self {
        Self { api_key, group_id: None, preset: choices::preset(), choices: Choices::default() }
    }
}

impl Login for PosConfig {
    const PING: &'static str = wire::PING;

    fn endpoint(&self, endpoint: Endpoint) -> Endpoint {
        let endpoint = endpoint.messages_by_default(choices::MESSAGE_BYTES).header("x-api-key", self.api_key.clone());
        match &self.group_id {
            Some(group) => endpoint.header("x-group-id", Secret::new(group)),
            None => endpoint,
        }
    }

    fn preset(&self) -> &Preset {
        &self.preset
    }

    fn preset_mut(&mut self) -> &mut Preset {
        &mut self.preset
    }

    fn meaning(frame: &str, _: bool) -> Meaning {
        codes::meaning(frame)
    }
}

impl Pos {
    /// A till that wants to connect at once. The seed spreads its reconnects; use another for every process.
    #[must_use]
    pub fn new(config: PosConfig, seed: u64, now: Timestamp) -> Self {
        let link = Link::new(&config, seed, now);
        let (choices, told) = (config.choices, Told::default());
        Self { choices, link, payments: BTreeMap::new(), turn: 0, list: None, told, malformed: 0 }
    }

    fn complete(&mut self, payment: Payment, out: &mut Out) {
        let transaction_id = payment.transaction_id.clone();
        if !payment.status.is_final() {
            let problem = Problem::new(Some(Status::Pending.name().to_owned()), "");
            out.push(Output::Event(PosEvent::Progress { transaction_id, problem }));
            return;
        }
        let is_first = self.told.first(What::Complete, &transaction_id, self.choices.remembered_most);
        if self.payments.contains_key(&transaction_id) {
            // Asked for once more under an id that was settled before, it is settled once more.
            self.settle(transaction_id, Ok(payment), out);
        } else if is_first {
            out.push(Output::Event(PosEvent::Unclaimed(payment)));
        }
    }

    fn complaint(&mut self, complaint: Complaint, out: &mut Out) {
        let about = self.about(&complaint);
        let Complaint { transaction_id, problem, .. } = complaint;
        let asked = about.as_ref().and_then(|id| self.asked(id));
        match (about, asked) {
            (Some(transaction_id), Some(asked)) => match codes::about_payment(&problem, asked) {
                Says::Refused => self.settle(transaction_id, Err(Failure::Refused(problem)), out),
                Says::RefusedAgain => self.settle(transaction_id, Err(Failure::RefusedAgain(problem)), out),
                Says::Nothing => out.push(Output::Event(PosEvent::Progress { transaction_id, problem })),
            },
            _ => out.push(Output::Event(PosEvent::Problem { transaction_id, problem })),
        }
    }

    /// Which of our payments an error is about. Where it names none, there must be only one it can mean.
    fn about(&self, complaint: &Complaint) -> Option<TransactionId> {
        if complaint.transaction_id.is_some() {
            return complaint.transaction_id.clone();
        }
        if complaint.request_action.as_deref().is_some_and(|action| action != "payment") {
            return None;
        }
        // What was too much is not named: it may have been anything that was said.
        if complaint.request_action.is_none() && (self.list.is_some() || complaint.problem.is(codes::TOO_MANY_REQUESTS))
        {
            return None;
        }
        let mut candidates = self.payments.keys().filter(|id| self.asked(id).is_some());
        let only = candidates.next()?;
        candidates.next().is_none().then(|| only.clone())
    }

    /// How often the gateway was asked for this payment; none when it was not, or when it is not ours.
    fn asked(&self, transaction_id: &TransactionId) -> Option<Asked> {
        match self.payments.get(transaction_id)?.awaits {
            Awaits::Outcome { asked, .. } => Some(asked),
            Awaits::Login { .. } => None,
        }
    }

    fn pay(
        &mut self,
        now: Timestamp,
        transaction_id: TransactionId,
        terminal_id: &str,
        request: &PaymentRequest,
        send_by: Timestamp,
        out: &mut Out,
    ) {
        let text = wire::payment(terminal_id, &request.under(&transaction_id));
        let (bytes, most) = (text.reveal().len(), self.link.preset().message_bytes);
        let why = if self.payments.contains_key(&transaction_id) {
            // The first one keeps its own settlement; the repeat is refused under the same id.
            let problem = Problem::new(None, NotSent::Repeated.to_string());
            out.push(Output::Event(PosEvent::Problem { transaction_id: Some(transaction_id), problem }));
            return;
        } else if !self.link.accepts() {
            NotSent::Closed
        } else if self.payments.len() >= self.choices.payments_most {
            NotSent::Full
        } else if bytes > most {
            NotSent::TooBig { bytes, most }
        } else if now >= send_by {
            NotSent::Expired
        } else {
            self.turn += 1;
            let awaits = if self.link.is_logged_in() {
                out.push(Output::Send(text.clone()));
                Awaits::Outcome { until: now.after(self.choices.payment_within), asked: Asked::Once }
            } else {
                Awaits::Login { send_by }
            };
            self.payments.insert(transaction_id, Open { turn: self.turn, text, awaits });
            return;
        };
        out.push(Output::Event(PosEvent::Settled { transaction_id, result: Err(why.into()) }));
    }

    fn list(&mut self, now: Timestamp, out: &mut Out) {
        if !self.link.accepts() {
            out.push(Output::Event(PosEvent::Listed(Err(NotSent::Closed.into()))));
        } else if self.list.is_none() {
            self.list = Some(now.after(self.choices.list_within));
            if self.link.is_logged_in() {
                out.push(Output::Send(Text::new(wire::GET_TERMINALS)));
            }
        }
    }

    fn settle(&mut self, transaction_id: TransactionId, result: Result<Payment, Failure>, out: &mut Out) {
        if self.payments.remove(&transaction_id).is_some() {
            out.push(Output::Event(PosEvent::Settled { transaction_id, result }));
        }
    }
}

fn unknown(action: &str, frame: &str, out: &mut Out) {
    out.push(Output::Event(PosEvent::Unknown { action: action.to_owned(), frame: frame.to_owned() }));
}

impl Side for Pos {
    type Command = PosCommand;
    type Event = PosEvent;
    /// A payment waits here, not in the link: it is asked for at every login until it has its outcome.
    type Waiting = ();

    fn link(&self) -> &Link<()> {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link<()> {
        &mut self.link
    }

    fn expire(&mut self, now: Timestamp, out: &mut Out) {
        let overdue = |open: &Open| match open.awaits {
            Awaits::Login { send_by } if now >= send_by => Some(Failure::NotSent(NotSent::Expired)),
            Awaits::Outcome { until, .. } if now >= until => Some(Failure::NoAnswer),
            Awaits::Login { .. } | Awaits::Outcome { .. } => None,
        };
        let overdue: Vec<(TransactionId, Failure)> =
            self.payments.iter().filter_map(|(id, open)| Some((id.clone(), overdue(open)?))).collect();
        for (transaction_id, failure) in overdue {
            self.settle(transaction_id, Err(failure), out);
        }
        if self.list.is_some_and(|until| now >= until) {
            self.list = None;
            out.push(Output::Event(PosEvent::Listed(Err(Failure::NoAnswer))));
        }
    }

    /// Whatever has no answer is asked for, in the order of the first time.
    fn logged_in(&mut self, now: Timestamp, _: Vec<()>, out: &mut Out) {
        let until = now.after(self.choices.payment_within);
        let mut open: Vec<&mut Open> = self.payments.values_mut().collect();
        open.sort_by_key(|open| open.turn);
        for open in open {
            out.push(Output::Send(open.text.clone()));
            open.awaits = match open.awaits {
                Awaits::Login { .. } => Awaits::Outcome { until, asked: Asked::Once },
                Awaits::Outcome { until, .. } => Awaits::Outcome { until, asked: Asked::Again },
            };
        }
        if self.list.is_some() {
            out.push(Output::Send(Text::new(wire::GET_TERMINALS)));
        }
    }

    fn text(&mut self, now: Timestamp, text: &str, out: &mut Out) {
        let Ok(incoming) = Incoming::parse(text) else {
            self.malformed += 1;
            out.push(Output::Event(PosEvent::Malformed { count: self.malformed }));
            return;
        };
        match incoming {
            Incoming::Pong => {}
            Incoming::Terminals(terminals) => {
                if self.list.take().is_some() {
                    out.push(Output::Event(PosEvent::Listed(Ok(terminals))));
                }
            }
            Incoming::TerminalStatus(change) => out.push(Output::Event(PosEvent::Terminal(change))),
            Incoming::Complete(payment) => self.complete(*payment, out),
            Incoming::Voided(voided) => {
                let most = self.choices.remembered_most;
                if self.told.first(What::Voided, &voided.transaction_id, most) {
                    out.push(Output::Event(PosEvent::Voided(*voided)));
                }
            }
            Incoming::ForceDisconnect { reason, problem } => {
                let meaning = codes::about_connection(&reason, &problem);
                out.push(Output::Event(PosEvent::Problem { transaction_id: None, problem }));
                self.link.obey(now, meaning, out);
            }
            Incoming::Error(complaint) => self.complaint(complaint, out),
            Incoming::Offer(_) => unknown("payment", text, out),
            Incoming::Inquiry(_) => unknown("paymentInquiry", text, out),
            Incoming::Void { .. } => unknown("voidPayment", text, out),
            Incoming::Ack { .. } => unknown("paymentAck", text, out),
            Incoming::Closed { .. } => unknown("paymentClosed", text, out),
            Incoming::Unknown(action) => unknown(&action, text, out),
        }
    }

    fn command(&mut self, now: Timestamp, command: PosCommand, out: &mut Out) {
        match command {
            PosCommand::Pay { transaction_id, terminal_id, request, send_by } => {
                self.pay(now, transaction_id, &terminal_id, &request, send_by, out);
            }
            PosCommand::List => self.list(now, out),
        }
    }

    fn refuse(&mut self, command: PosCommand, out: &mut Out) {
        out.push(Output::Event(match command {
            PosCommand::Pay { transaction_id, .. } => {
                PosEvent::Settled { transaction_id, result: Err(NotSent::Closed.into()) }
            }
            PosCommand::List => PosEvent::Listed(Err(NotSent::Closed.into())),
        }));
    }

    fn abandon(&mut self, out: &mut Out) {
        for (transaction_id, open) in std::mem::take(&mut self.payments) {
            let failure = match open.awaits {
                Awaits::Login { .. } => NotSent::Closed.into(),
                Awaits::Outcome { .. } => Failure::Closed,
            };
            out.push(Output::Event(PosEvent::Settled { transaction_id, result: Err(failure) }));
        }
        if self.list.take().is_some() {
            out.push(Output::Event(PosEvent::Listed(Err(Failure::Closed))));
        }
    }

    fn due(&self) -> Option<Timestamp> {
        let payments = self.payments.values().map(|open| match open.awaits {
            Awaits::Login { send_by } => send_by,
            Awaits::Outcome { until, .. } => until,
        });
        payments.chain(self.list).min()
    }
}
