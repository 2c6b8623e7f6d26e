//! The client's machines, driven by a program: what a gateway, a network and an application do, in any order.
//!
//! ```text
//! t3                  the head: till, terminal (`p`) or lines (`l`); then attempts at most
//! o                   the connection that was asked for is open
//! L2                  it is lost, in one of several ways
//! >{"action":"pong"}  the gateway says any text; about payment 3: `c3` done, `f3` failed, `v3` voided, `e3` an error
//! O3 q3 w3 k3 j3 x3   about payment 3: offered, asked about, to be reversed, acknowledged, rejected, closed
//! a3 40               the application asks for payment 3, to be sent within 40 s; `g`: for the terminals
//! r3 d3 n3 y3         it says of payment 3: paid, declined, never begun, reversed
//! @1500               time passes, in milliseconds
//! C                   the application wants out
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use client::modulus::{
    Ack, Offer, PaymentRequest, Pos, PosCommand, PosConfig, PosEvent, Report, Terminal, TerminalCommand,
    TerminalConfig, TerminalEvent, TransactionId,
};
use client::{Input, Line, Lines, LinesEvent, Machine, Output, Preset, State, Text};
use model::{Secret, Timestamp, Wall};
use serde_json::{Value, json};

use crate::client::lost;
use crate::program::{self, first, number};

/// The longest sleep.
const SLEEP_MOST: u64 = 200_000;
/// Wakes within one sleep.
const MAX_WAKES: u32 = 10_000;

/// Nothing is said on a line that is not there, each payment is settled once and each outcome told once, a result on a
/// terminal is kept and never replaced unasked, no machine wakes for ever, and one that is told to end ends.
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
    let till = PosConfig { preset: preset.clone(), ..PosConfig::new(Secret::new("mk_1")) };
    let start = Timestamp::from_millis(0);
    match head.chars().next() {
        Some('p') => {
            let config = TerminalConfig { preset, ..TerminalConfig::new(Secret::new("mk_2"), "lane-7") };
            Stage::new(Terminal::new(config, 7, start)).play(lines);
        }
        Some('l') => Stage::new(Lines::new(&till, 7, start)).play(lines),
        Some(_) | None => Stage::new(Pos::new(till, 7, start)).play(lines),
    }
}

/// How the kinds of machine are asked and watched alike.
trait Watched: Machine {
    /// What the application may want of it, by the program's letter.
    fn command(watch: &Watch, op: char, id: &TransactionId, send_by: Timestamp) -> Option<Self::Command>;
    fn state(event: &Self::Event) -> Option<&State>;
    /// Whether an event may be told after the end: the answer to what is asked then.
    fn answers(event: &Self::Event) -> bool;
    /// Whether it refuses what the application wants, without settling it.
    fn refuses(_: &Self::Event) -> bool {
        false
    }
    /// The frame of a result the application wants said.
    fn result(_: &Self::Command) -> Option<String> {
        None
    }
    /// Holds an event against what was told before.
    fn keep(_: &mut Watch, _: &Self::Event) {}
    /// Whether every ask is settled; lines that were sent are not, and a terminal asks nothing.
    const SETTLES_ALL: bool = false;
}

/// What was asked, said and told, by payment.
#[derive(Debug, Default)]
struct Watch {
    now: Timestamp,
    asked: BTreeMap<TransactionId, u32>,
    settled: BTreeMap<TransactionId, u32>,
    /// What may be told once only, in a word.
    told: BTreeSet<(&'static str, TransactionId)>,
    offers: BTreeMap<TransactionId, Offer>,
    /// A terminal's results, and whether the gateway has said a last word about them.
    results: BTreeMap<TransactionId, (String, bool)>,
    /// Those of which the gateway has said that they cannot be right.
    disputed: BTreeSet<TransactionId>,
}

impl Watch {
    fn once(&mut self, what: &'static str, id: &TransactionId) {
        assert!(self.told.insert((what, id.clone())), "{id} was told twice: {what}");
    }

    /// A result that is said is the one that was said before.
    fn said(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"));
        if frame["action"] != "paymentResponse" || frame["paymentResponse"]["status"] == "PENDING" {
            return;
        }
        let id = frame["transactionId"].as_str().and_then(|id| TransactionId::parse(id).ok()).expect("it names one");
        let (before, _) = self.results.entry(id.clone()).or_insert_with(|| (text.to_owned(), false));
        assert!(before == text || self.disputed.contains(&id), "another result than before: {before} and {text}");
    }
}

impl Watched for Pos {
    fn command(_: &Watch, op: char, id: &TransactionId, send_by: Timestamp) -> Option<PosCommand> {
        let (transaction_id, terminal_id) = (id.clone(), "lane-7".to_owned());
        let request = PaymentRequest::new("25.00", "PHP");
        match op {
            'a' => Some(PosCommand::Pay { transaction_id, terminal_id, request, send_by }),
            'g' => Some(PosCommand::List),
            _ => None,
        }
    }
    fn state(event: &PosEvent) -> Option<&State> {
        if let PosEvent::State(state) = event { Some(state) } else { None }
    }
    fn answers(event: &PosEvent) -> bool {
        matches!(event, PosEvent::Settled { .. } | PosEvent::Listed(Err(_)))
    }
    fn refuses(event: &PosEvent) -> bool {
        matches!(event, PosEvent::Problem { .. })
    }
    const SETTLES_ALL: bool = true;
    fn keep(watch: &mut Watch, event: &PosEvent) {
        match event {
            PosEvent::Settled { transaction_id, .. } => {
                *watch.settled.entry(transaction_id.clone()).or_default() += 1;
            }
            PosEvent::Unclaimed(payment) => watch.once("unclaimed", &payment.transaction_id),
            PosEvent::Voided(voided) => watch.once("voided", &voided.transaction_id),
            _ => {}
        }
    }
}

impl Watched for Terminal {
    fn command(watch: &Watch, op: char, id: &TransactionId, _: Timestamp) -> Option<TerminalCommand> {
        let transaction_id = id.clone();
        let wall = Wall::from_millis(watch.now.millis());
        let report = match op {
            'r' => Report::approved(watch.offers.get(id)?, "77Q2LM", wall),
            'd' => Report::declined(watch.offers.get(id)?, "51", "insufficient funds", wall),
            'n' => return Some(TerminalCommand::NotBegun { transaction_id }),
            'y' => return Some(TerminalCommand::VoidDone { transaction_id, success: true, message: None }),
            _ => return None,
        };
        Some(TerminalCommand::Answer(Box::new(report)))
    }
    fn state(event: &TerminalEvent) -> Option<&State> {
        if let TerminalEvent::State(state) = event { Some(state) } else { None }
    }
    fn answers(_: &TerminalEvent) -> bool {
        false
    }
    fn refuses(event: &TerminalEvent) -> bool {
        matches!(event, TerminalEvent::Problem { .. })
    }
    fn result(command: &TerminalCommand) -> Option<String> {
        match command {
            TerminalCommand::Answer(report) => Some(report.frame().reveal().to_owned()),
            TerminalCommand::NotBegun { .. } | TerminalCommand::VoidDone { .. } => None,
        }
    }
    fn keep(watch: &mut Watch, event: &TerminalEvent) {
        match event {
            TerminalEvent::Offered(offer) | TerminalEvent::Inquired(offer) => {
                watch.once("offered", &offer.transaction_id);
                watch.offers.insert(offer.transaction_id.clone(), offer.clone());
            }
            TerminalEvent::Void { transaction_id, .. } => watch.once("to be reversed", transaction_id),
            // Another result may be awaited; this one need not be said again.
            TerminalEvent::Acknowledged { transaction_id, ack: Ack::Rejected, .. }
            | TerminalEvent::Problem { transaction_id: Some(transaction_id), .. } => {
                watch.disputed.insert(transaction_id.clone());
            }
            TerminalEvent::Acknowledged { transaction_id, .. } => {
                if let Some((_, is_over)) = watch.results.get_mut(transaction_id) {
                    *is_over = true;
                }
            }
            _ => {}
        }
    }
}

impl Watched for Lines<PosConfig> {
    fn command(_: &Watch, op: char, id: &TransactionId, _: Timestamp) -> Option<Line> {
        (op == 'a').then(|| Line(Text::new(format!("{{\"action\":\"{id}\"}}"))))
    }
    fn state(event: &LinesEvent) -> Option<&State> {
        if let LinesEvent::State(state) = event { Some(state) } else { None }
    }
    fn answers(event: &LinesEvent) -> bool {
        matches!(event, LinesEvent::NotSent { .. })
    }
}

/// A machine, and what the line looks like from outside.
struct Stage<M> {
    machine: M,
    dialing: bool,
    up: bool,
    closing: bool,
    over: bool,
    logged_in: bool,
    watch: Watch,
}

impl<M: Watched> Stage<M>
where
    M::Event: Debug,
{
    fn new(machine: M) -> Self {
        Self {
            machine,
            dialing: false,
            up: false,
            closing: false,
            over: false,
            logged_in: false,
            watch: Watch::default(),
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
        self.watch.asked.retain(|_, asked| *asked > 0);
        assert_eq!(self.watch.asked, self.watch.settled, "each payment is settled once");
    }

    fn step(&mut self, op: char, rest: &str) {
        let (id, more) = rest.split_once(' ').unwrap_or((rest, "40"));
        let id = TransactionId::parse(&format!("K{}", number(id, 5))).expect("letters and digits are an id");
        match op {
            'o' if self.dialing => {
                self.dialing = false;
                self.up = true;
                let out = self.input(Input::Opened);
                self.says_again(&out);
            }
            'L' if self.up || self.dialing => {
                self.down();
                self.input(Input::Lost(lost(number(rest, 7))));
            }
            '>' if self.up => drop(self.input(Input::Text(rest))),
            '@' => self.sleep(Duration::from_millis(number(rest, SLEEP_MOST))),
            'C' => drop(self.input(Input::Close)),
            'a' | 'g' | 'r' | 'd' | 'n' | 'y' => {
                let send_by = self.watch.now.after(Duration::from_secs(number(more, 60)));
                if let Some(command) = M::command(&self.watch, op, &id, send_by) {
                    self.command(op, &id, command);
                }
            }
            _ if self.up => {
                if let Some(text) = gateway(op, &id) {
                    self.input(Input::Text(&text));
                }
            }
            _ => {}
        }
    }

    fn command(&mut self, op: char, id: &TransactionId, command: M::Command) {
        let result = M::result(&command);
        let mut out = Vec::new();
        self.machine.handle(self.watch.now, Input::Command(command), &mut out);
        let is_refused = out.iter().any(|output| matches!(output, Output::Event(event) if M::refuses(event)));
        if op == 'a' && M::SETTLES_ALL {
            *self.watch.asked.entry(id.clone()).or_default() += u32::from(!is_refused);
        }
        if op == 'n' && !is_refused {
            // It may be offered anew.
            self.watch.told.remove(&("offered", id.clone()));
        }
        let was_disputed = self.watch.disputed.contains(id);
        if let Some(result) = result.filter(|_| !is_refused) {
            self.watch.disputed.remove(id);
            self.watch.results.insert(id.clone(), (result, false));
        }
        self.see(&out);
        if !was_disputed {
            // What is refused to the application is no word of the gateway.
            self.watch.disputed.remove(id);
        }
    }

    fn input(&mut self, input: Input<'_, M::Command>) -> Vec<Output<M::Event>> {
        let mut out = Vec::new();
        self.machine.handle(self.watch.now, input, &mut out);
        self.see(&out);
        out
    }

    /// A new connection hears every result there is no last word about.
    fn says_again(&self, out: &[Output<M::Event>]) {
        let says = |text: &str| out.iter().any(|output| matches!(output, Output::Send(said) if said.reveal() == text));
        for (id, (text, is_over)) in &self.watch.results {
            let is_settled = *is_over || self.watch.disputed.contains(id);
            assert!(is_settled || !self.logged_in || says(text), "the result of {id} is forgotten");
        }
    }

    fn sleep(&mut self, duration: Duration) {
        let end = self.watch.now.after(duration);
        let mut wakes = 0;
        while let Some(deadline) = self.machine.deadline().filter(|deadline| *deadline <= end) {
            self.watch.now = self.watch.now.max(deadline);
            self.input(Input::Wake);
            wakes += 1;
            assert!(wakes < MAX_WAKES, "it wakes for ever");
        }
        self.watch.now = end;
    }

    fn see(&mut self, out: &[Output<M::Event>]) {
        for output in out {
            match output {
                Output::Connect => {
                    assert!(!self.dialing && !self.up && !self.over, "a second line");
                    self.dialing = true;
                }
                Output::Send(text) => {
                    let is_heard = self.up && self.logged_in && !self.closing && !self.over;
                    assert!(is_heard, "said where nobody hears: {text:?}");
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
                    M::keep(&mut self.watch, event);
                    match M::state(event) {
                        Some(State::Authenticated) => self.logged_in = true,
                        Some(State::Closed(_)) => self.over = true,
                        Some(State::Connecting { .. } | State::Open | State::Closing) | None => {}
                    }
                }
            }
        }
        for (id, settled) in &self.watch.settled {
            assert!(settled <= self.watch.asked.get(id).unwrap_or(&0), "{id} was settled more often than asked");
        }
    }

    fn down(&mut self) {
        self.dialing = false;
        self.up = false;
        self.closing = false;
        self.logged_in = false;
    }
}

/// What a gateway says about a payment, by the program's letter.
fn gateway(op: char, id: &TransactionId) -> Option<String> {
    let request = json!({"transactionId": id.as_str(), "amount": "25.00", "currency": "PHP", "paymentMethod": "CARD"});
    let said = match op {
        'c' => json!({"action": "paymentComplete", "transactionId": id.as_str(), "status": "SUCCESS"}),
        'f' => json!({"action": "paymentComplete", "transactionId": id.as_str(), "status": "FAILED"}),
        'v' => json!({"action": "paymentVoided", "transactionId": id.as_str()}),
        'e' => json!({"action": "error", "error": "Bad Request", "message": "no", "transactionId": id.as_str()}),
        'O' => json!({"action": "payment", "terminalId": "lane-7", "paymentRequest": request}),
        'q' => json!({"action": "paymentInquiry", "terminalId": "lane-7", "paymentRequest": request}),
        'w' => json!({"action": "voidPayment", "transactionId": id.as_str(), "reason": "LATE_RECONNECTION"}),
        'k' => json!({"action": "paymentAck", "transactionId": id.as_str(), "result": "accepted"}),
        'j' => json!({"action": "paymentAck", "transactionId": id.as_str(), "result": "rejected"}),
        'x' => json!({"action": "paymentClosed", "transactionId": id.as_str(), "status": "FAILED"}),
        _ => return None,
    };
    Some(said.to_string())
}
