//! The terminal's side of `/v1`: is offered payments, says what became of each, and gives back what came too late.
//!
//! The names on this wire are our own proposal: the vendor's page about it was never public. What happened on the screen
//! is a fact: a result is kept until the gateway has acknowledged it, is said again after a lost connection and when no
//! word comes, and is never replaced by another one unless the gateway rejects it.
//!
//! After a lost connection the gateway asks what became of a payment. The machine answers by itself for those it knows;
//! for one it does not know, the application must say, for only it knows whether the time before this process counts. It
//! need not wait to be asked: a result from a record of its own is said like any other.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{Secret, Timestamp, Wall};

use super::choices::{self, Choices};
use super::codes;
use super::types::{Ack, Offer, Report, Status, TransactionId};
use super::wire::{self, Complaint, Incoming};
use crate::link::{Change, Link, Lost, Preset, State};
use crate::login::{Login, Meaning};
use crate::machine::{Output, Text};
use crate::problem::Problem;
use crate::shell::Endpoint;
use crate::side::Side;

/// Which terminal it is, and how it behaves.
#[derive(Clone, Debug)]
pub struct TerminalConfig {
    /// Its key; terminals of a group may share one.
    pub api_key: Secret,
    /// Its group, for a server that wants it said.
    pub group_id: Option<String>,
    /// Its own name. Without one it is another terminal after every reconnect, and no payment waits for it.
    pub device_id: Option<String>,
    /// What tills may know of it: a JSON object.
    pub metadata: Option<String>,
    /// Manners on the line.
    pub preset: Preset,
    /// Numbers of the dialect.
    pub choices: Choices,
}

/// What an application wants of a terminal's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminalCommand {
    /// Say what became of a payment: one that was offered or asked about, or one of before this process. The first word
    /// about each counts, unless the gateway rejects it.
    Answer(Box<Report>),
    /// Say that a payment was certainly not begun: it will be offered again.
    NotBegun {
        /// Which one.
        transaction_id: TransactionId,
    },
    /// Say whether a payment was given back.
    VoidDone {
        /// Which one.
        transaction_id: TransactionId,
        /// Whether it was.
        success: bool,
        /// Why not, or how.
        message: Option<String>,
    },
}

/// What an application hears from a terminal's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminalEvent {
    /// How far the connection has come.
    State(State),
    /// An attempt failed, or the connection was lost.
    Lost(Lost),
    /// A payment is to be done. Told once; only after [`TerminalCommand::NotBegun`] it may come again.
    Offered(Offer),
    /// The gateway asks what became of a payment this machine has never seen. Answer with what is known of it, or
    /// with [`TerminalCommand::NotBegun`]; until then the gateway waits.
    Inquired(Offer),
    /// A payment is to be given back. Answer with [`TerminalCommand::VoidDone`]. Told once.
    Void {
        /// Which one.
        transaction_id: TransactionId,
        /// Why.
        reason: String,
    },
    /// The gateway's word about a result, or about a payment that was given back. After [`Ack::Rejected`] another
    /// result is awaited.
    Acknowledged {
        /// Which one.
        transaction_id: TransactionId,
        /// Its word.
        ack: Ack,
        /// The same for people.
        message: Option<String>,
    },
    /// A payment on the screen has ended without us: take it away. If it was paid all the same, say so.
    Closed {
        /// Which one.
        transaction_id: TransactionId,
        /// How it ended.
        status: Option<Status>,
    },
    /// The gateway complains, or says why it ends the connection.
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

impl From<Change> for TerminalEvent {
    fn from(change: Change) -> Self {
        match change {
            Change::State(state) => Self::State(state),
            Change::Lost(lost) => Self::Lost(lost),
        }
    }
}

type Out = Vec<Output<TerminalEvent>>;

/// The machine.
///
/// ```
/// use client::modulus::{Report, Terminal, TerminalCommand, TerminalConfig, TerminalEvent};
/// use client::{Input, Machine, Output};
/// use model::{Secret, Timestamp, Wall};
///
/// let now = Timestamp::from_millis(1_000);
/// let mut terminal = Terminal::new(TerminalConfig::new(Secret::new("mk_test_lanes"), "lane-7"), 7, now);
/// let mut out = Vec::new();
/// terminal.handle(now, Input::Wake, &mut out);
/// terminal.handle(now, Input::Opened, &mut out);
/// let offer = r#"{"action":"payment","terminalId":"lane-7","paymentRequest":
///     {"transactionId":"K-118","amount":"1250.00","currency":"PHP","paymentMethod":"CARD"}}"#;
/// terminal.handle(now, Input::Text(offer), &mut out);
/// let Some(Output::Event(TerminalEvent::Offered(offer))) = out.pop() else { panic!("a payment") };
///
/// let report = Report::approved(&offer, "77Q2LM", Wall::from_millis(2_000));
/// terminal.handle(now, Input::Command(TerminalCommand::Answer(Box::new(report))), &mut out);
/// let Some(Output::Send(frame)) = out.last() else { panic!("its result") };
/// assert!(frame.reveal().starts_with(r#"{"action":"paymentResponse","transactionId":"K-118","#));
/// ```
#[derive(Debug)]
pub struct Terminal {
    choices: Choices,
    link: Link<()>,
    known: BTreeMap<TransactionId, Known>,
    voids: BTreeMap<TransactionId, Void>,
    /// Counts what is known, so that the oldest is forgotten first.
    turn: u64,
    malformed: u64,
}

/// A payment this terminal knows.
#[derive(Debug)]
struct Known {
    turn: u64,
    stage: Stage,
    /// Words that are still to come on this connection about its being on the screen: they are none about its result.
    pendings: u32,
}

#[derive(Debug)]
enum Stage {
    /// It is on the screen.
    OnScreen,
    /// The gateway asks about it, and the application has to say.
    Asked,
    /// It ended elsewhere while it was on the screen.
    Closed,
    /// Its result waits for the gateway's word. It is said at the next login, or again at that time.
    Said { report: Text, again_at: Timestamp },
    /// The gateway has its result.
    Acknowledged { report: Text },
}

#[derive(Debug)]
struct Void {
    turn: u64,
    /// None while the application works on it.
    result: Option<Text>,
}

impl TerminalConfig {
    /// A terminal with the defaults.
    #[must_use]
    pub fn new(api_key: Secret, device_id: &str) -> Self {
        Self {
            api_key,
            group_id: None,
            device_id: Some(device_id.to_owned()),
            metadata: None,
            preset: choices::preset(),
            choices: Choices::default(),
        }
    }
}

impl Login for TerminalConfig {
    const PING: &'static str = wire::PING;

    fn endpoint(&self, endpoint: Endpoint) -> Endpoint {
        let headers = [
            ("x-group-id", self.group_id.clone()),
            ("x-device-id", self.device_id.clone()),
            ("x-terminal-metadata", self.metadata.as_ref().map(|json| STANDARD.encode(json))),
        ];
        let endpoint = endpoint.messages_by_default(choices::MESSAGE_BYTES).header("x-api-key", self.api_key.clone());
        headers.into_iter().fold(endpoint, |endpoint, (name, value)| match value {
            Some(value) => endpoint.header(name, Secret::new(&value)),
            None => endpoint,
        })
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

impl Terminal {
    /// A terminal that wants to connect at once. The seed spreads its reconnects; use another for every device.
    #[must_use]
    pub fn new(config: TerminalConfig, seed: u64, now: Timestamp) -> Self {
        let link = Link::new(&config, seed, now);
        let (known, voids) = (BTreeMap::new(), BTreeMap::new());
        Self { choices: config.choices, link, known, voids, turn: 0, malformed: 0 }
    }

    /// Whether results go out at once.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        self.link.is_logged_in()
    }

    /// A payment is to be done, or asked about. For one that is known, what it is now is said.
    fn offered(
        &mut self,
        now: Timestamp,
        offer: Offer,
        (fresh, event): (Stage, fn(Offer) -> TerminalEvent),
        out: &mut Out,
    ) {
        if let Some(known) = self.known.get_mut(&offer.transaction_id) {
            match &known.stage {
                Stage::OnScreen | Stage::Closed => {
                    let pending = Report::pending(&offer, Wall::from_millis(now.millis()));
                    known.pendings += 1;
                    self.send(wire::payment_response(&offer.transaction_id, &pending), out);
                }
                Stage::Asked => {}
                // Said on this connection already: the gateway's word is on its way, or it is said again soon.
                Stage::Said { .. } => {}
                Stage::Acknowledged { report } => {
                    let report = report.clone();
                    self.send(report, out);
                }
            }
            return;
        }
        if !self.make_room() {
            // Certainly not begun.
            return self.send(wire::payment_unknown(&offer.transaction_id), out);
        }
        self.know(offer.transaction_id.clone(), fresh);
        out.push(Output::Event(event(offer)));
    }

    fn know(&mut self, transaction_id: TransactionId, stage: Stage) {
        self.turn += 1;
        self.known.insert(transaction_id, Known { turn: self.turn, stage, pendings: 0 });
    }

    /// Forgets the oldest payment that is over, if too many are known. Gives whether there is room for another.
    fn make_room(&mut self) -> bool {
        if self.known.len() < self.choices.transactions_most {
            return true;
        }
        let over = |known: &Known| matches!(known.stage, Stage::Acknowledged { .. } | Stage::Closed);
        let oldest = self.known.iter().filter(|(_, known)| over(known)).min_by_key(|(_, known)| known.turn);
        let Some(oldest) = oldest.map(|(id, _)| id.clone()) else { return false };
        self.known.remove(&oldest);
        true
    }

    fn void(&mut self, transaction_id: TransactionId, reason: String, out: &mut Out) {
        if let Some(void) = self.voids.get(&transaction_id) {
            if let Some(result) = void.result.clone() {
                self.send(result, out);
            }
            return;
        }
        if self.voids.len() >= self.choices.transactions_most {
            let done = self.voids.iter().filter(|(_, void)| void.result.is_some());
            let Some(oldest) = done.min_by_key(|(_, void)| void.turn).map(|(id, _)| id.clone()) else {
                // The gateway asks again.
                return;
            };
            self.voids.remove(&oldest);
        }
        self.turn += 1;
        self.voids.insert(transaction_id.clone(), Void { turn: self.turn, result: None });
        out.push(Output::Event(TerminalEvent::Void { transaction_id, reason }));
    }

    fn acknowledged(&mut self, transaction_id: TransactionId, ack: Ack, message: Option<String>, out: &mut Out) {
        if let Some(known) = self.known.get_mut(&transaction_id)
            && let Stage::Said { report, .. } = &known.stage
        {
            if known.pendings > 0 && ack != Ack::Accepted {
                // The gateway may not have come to the result yet.
                known.pendings -= 1;
                return;
            }
            match ack {
                // It will be said again until there is a last word.
                Ack::Pending => return,
                Ack::Rejected => known.stage = Stage::OnScreen,
                Ack::Accepted | Ack::Late | Ack::Unknown => {
                    known.stage = Stage::Acknowledged { report: report.clone() };
                }
            }
        }
        if let Some(known) = self.known.get_mut(&transaction_id) {
            known.pendings = known.pendings.saturating_sub(1);
        }
        out.push(Output::Event(TerminalEvent::Acknowledged { transaction_id, ack, message }));
    }

    fn complaint(&mut self, complaint: Complaint, out: &mut Out) {
        let Complaint { transaction_id, problem, .. } = complaint;
        // A result that cannot be right would be refused for ever: another is awaited.
        if problem.is(codes::BAD_REQUEST)
            && let Some(id) = &transaction_id
            && let Some(Known { stage: stage @ Stage::Said { .. }, .. }) = self.known.get_mut(id)
        {
            *stage = Stage::OnScreen;
        }
        out.push(Output::Event(TerminalEvent::Problem { transaction_id, problem }));
    }

    fn answer(&mut self, now: Timestamp, report: &Report, out: &mut Out) {
        let transaction_id = report.transaction_id().clone();
        let said = |known: &Known| matches!(known.stage, Stage::Said { .. } | Stage::Acknowledged { .. });
        match self.known.get(&transaction_id).map(said) {
            Some(true) => return out.push(complain(transaction_id, "its result was said already")),
            None if !self.make_room() => {
                return out.push(complain(transaction_id, "too many results wait for a word already"));
            }
            Some(false) | None => {}
        }
        let frame = report.frame();
        let again_at = now.after(self.choices.ack_within);
        let stage = Stage::Said { report: frame.clone(), again_at };
        match self.known.get_mut(&transaction_id) {
            Some(known) => known.stage = stage,
            None => self.know(transaction_id, stage),
        }
        self.send(frame, out);
    }

    fn not_begun(&mut self, transaction_id: TransactionId, out: &mut Out) {
        match self.known.get(&transaction_id) {
            Some(Known { stage: Stage::OnScreen | Stage::Asked | Stage::Closed, .. }) => {
                self.known.remove(&transaction_id);
                self.send(wire::payment_unknown(&transaction_id), out);
            }
            Some(Known { stage: Stage::Said { .. } | Stage::Acknowledged { .. }, .. }) => {
                out.push(complain(transaction_id, "its result was said already"));
            }
            None => out.push(complain(transaction_id, "no such payment was offered")),
        }
    }

    fn void_done(&mut self, transaction_id: TransactionId, success: bool, message: Option<&str>, out: &mut Out) {
        match self.voids.get_mut(&transaction_id) {
            Some(void) if void.result.is_none() => {
                let result = wire::void_result(&transaction_id, success, message);
                void.result = Some(result.clone());
                self.send(result, out);
            }
            Some(_) | None => out.push(complain(transaction_id, "nobody asked to give it back")),
        }
    }

    /// Says it if there is a connection. What must not be lost is said again on the next one.
    fn send(&self, text: Text, out: &mut Out) {
        if self.link.is_logged_in() {
            out.push(Output::Send(text));
        }
    }
}

fn complain(transaction_id: TransactionId, text: &str) -> Output<TerminalEvent> {
    let problem = Problem::new(None, text);
    Output::Event(TerminalEvent::Problem { transaction_id: Some(transaction_id), problem })
}

fn unknown(action: &str, frame: &str, out: &mut Out) {
    out.push(Output::Event(TerminalEvent::Unknown { action: action.to_owned(), frame: frame.to_owned() }));
}

impl Side for Terminal {
    type Command = TerminalCommand;
    type Event = TerminalEvent;
    /// What must not be lost waits here, not in the link: it is said at every login until there is a word about it.
    type Waiting = ();

    fn link(&self) -> &Link<()> {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link<()> {
        &mut self.link
    }

    /// Says results again that nobody has said a word about.
    fn expire(&mut self, now: Timestamp, out: &mut Out) {
        if !self.link.is_logged_in() {
            return;
        }
        let again = now.after(self.choices.ack_within);
        for known in self.known.values_mut() {
            if let Stage::Said { report, again_at } = &mut known.stage
                && now >= *again_at
            {
                *again_at = again;
                out.push(Output::Send(report.clone()));
            }
        }
    }

    /// Results without a word about them are said again, the oldest first.
    fn logged_in(&mut self, now: Timestamp, _: Vec<()>, out: &mut Out) {
        let again = now.after(self.choices.ack_within);
        let mut said: Vec<&mut Known> = self.known.values_mut().collect();
        said.sort_by_key(|known| known.turn);
        for known in said {
            known.pendings = 0;
            if let Stage::Said { report, again_at } = &mut known.stage {
                out.push(Output::Send(report.clone()));
                *again_at = again;
            }
        }
    }

    fn text(&mut self, now: Timestamp, text: &str, out: &mut Out) {
        let Ok(incoming) = Incoming::parse(text) else {
            self.malformed += 1;
            out.push(Output::Event(TerminalEvent::Malformed { count: self.malformed }));
            return;
        };
        match incoming {
            Incoming::Pong => {}
            Incoming::Offer(offer) => {
                self.offered(now, *offer, (Stage::OnScreen, TerminalEvent::Offered), out);
            }
            Incoming::Inquiry(offer) => {
                self.offered(now, *offer, (Stage::Asked, TerminalEvent::Inquired), out);
            }
            Incoming::Void { transaction_id, reason } => self.void(transaction_id, reason, out),
            Incoming::Ack { transaction_id, ack, message } => self.acknowledged(transaction_id, ack, message, out),
            Incoming::Closed { transaction_id, status } => {
                if let Some(Known { stage: stage @ (Stage::OnScreen | Stage::Asked), .. }) =
                    self.known.get_mut(&transaction_id)
                {
                    *stage = Stage::Closed;
                }
                out.push(Output::Event(TerminalEvent::Closed { transaction_id, status }));
            }
            Incoming::ForceDisconnect { reason, problem } => {
                let meaning = codes::about_connection(&reason, &problem);
                out.push(Output::Event(TerminalEvent::Problem { transaction_id: None, problem }));
                self.link.obey(now, meaning, out);
            }
            Incoming::Error(complaint) => self.complaint(complaint, out),
            Incoming::Terminals(_) => unknown("terminalsResponse", text, out),
            Incoming::TerminalStatus(_) => unknown("terminalStatusUpdate", text, out),
            Incoming::Complete(_) => unknown("paymentComplete", text, out),
            Incoming::Voided(_) => unknown("paymentVoided", text, out),
            Incoming::Unknown(action) => unknown(&action, text, out),
        }
    }

    fn command(&mut self, now: Timestamp, command: TerminalCommand, out: &mut Out) {
        match command {
            TerminalCommand::Answer(report) => self.answer(now, &report, out),
            TerminalCommand::NotBegun { transaction_id } => self.not_begun(transaction_id, out),
            TerminalCommand::VoidDone { transaction_id, success, message } => {
                self.void_done(transaction_id, success, message.as_deref(), out);
            }
        }
    }

    /// Nothing a terminal says is answered to whoever said it.
    fn refuse(&mut self, _: TerminalCommand, _: &mut Out) {}

    fn abandon(&mut self, _: &mut Out) {}

    fn due(&self) -> Option<Timestamp> {
        let results = self.known.values().filter_map(|known| match &known.stage {
            Stage::Said { again_at, .. } => Some(*again_at),
            Stage::OnScreen | Stage::Asked | Stage::Closed | Stage::Acknowledged { .. } => None,
        });
        results.min().filter(|_| self.link.is_logged_in())
    }
}
