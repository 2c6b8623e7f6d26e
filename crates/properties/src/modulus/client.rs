//! The machines of tills and terminals, driven by a program: see `crate::client` for what is the same for all.
//!
//! ```text
//! t3                  the head: till, terminal (`p`) or lines (`l`); then attempts at most
//! c3 f3 v3 e3         the gateway says of payment 3: done, failed, voided, an error
//! O3 q3 w3 k3 j3 x3   about payment 3: offered, asked about, to be reversed, acknowledged, rejected, closed
//! a3 40               the application asks for payment 3, to be sent within 40 s; `g`: for the terminals
//! r3 d3 n3 y3         it says of payment 3: paid, declined, never begun, reversed; the first two also of one of before
//! ```

use std::collections::{BTreeMap, BTreeSet};

use client::modulus::{
    Ack, Offer, PaymentRequest, Pos, PosCommand, PosConfig, PosEvent, Report, Terminal, TerminalCommand,
    TerminalConfig, TerminalEvent, TransactionId,
};
use client::{Held, Lines, Output, State};
use model::{Secret, Timestamp, Wall};
use serde_json::{Value, json};

use crate::client::{SEED, START, Stage, Watch, Watched, preset};
use crate::program;

/// Nothing is said on a line that is not there, each payment is settled once and each outcome told once, a result on a
/// terminal is kept and never replaced unasked, no machine wakes for ever, and one that is told to end ends.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    let (head, lines) = program::lines(data);
    let preset = preset(&head);
    let till = PosConfig { preset: preset.clone(), ..PosConfig::new(Secret::new("mk_1")) };
    match head.chars().next() {
        Some('p') => {
            let config = TerminalConfig { preset, ..TerminalConfig::new(Secret::new("mk_2"), "lane-7") };
            Stage::new(Terminal::new(config, SEED, START)).play(lines);
        }
        Some('l') => Stage::new(Lines::new(&till, SEED, START)).play(lines),
        Some(_) | None => Stage::new(Pos::new(till, SEED, START)).play(lines),
    }
}

/// What may be told once only, in a word and by payment.
#[derive(Debug, Default)]
pub(crate) struct Once(BTreeSet<(&'static str, TransactionId)>);

impl Once {
    fn mark(&mut self, what: &'static str, id: &TransactionId) {
        assert!(self.0.insert((what, id.clone())), "{id} was told twice: {what}");
    }
}

impl Watched for Pos {
    type Watch = Once;

    const ID: &'static str = "K";

    fn command(_: &Once, op: char, id: &TransactionId, send_by: Timestamp) -> Option<PosCommand> {
        let (transaction_id, terminal_id) = (id.clone(), "lane-7".to_owned());
        let request = PaymentRequest::new("25.00", "PHP");
        match op {
            'a' => Some(PosCommand::Pay { transaction_id, terminal_id, request, send_by }),
            'g' => Some(PosCommand::List),
            _ => None,
        }
    }

    fn server(op: char, id: &TransactionId) -> Option<String> {
        gateway(op, id)
    }

    fn state(event: &PosEvent) -> Option<&State> {
        <Self as Held>::state(event)
    }

    fn settles(event: &PosEvent) -> Option<TransactionId> {
        if let PosEvent::Settled { transaction_id, .. } = event { Some(transaction_id.clone()) } else { None }
    }

    fn refuses(event: &PosEvent) -> bool {
        matches!(event, PosEvent::Problem { .. })
    }

    fn answers(event: &PosEvent) -> bool {
        matches!(event, PosEvent::Settled { .. } | PosEvent::Listed(Err(_)))
    }
}

impl Watch<Pos> for Once {
    fn told(&mut self, event: &PosEvent) {
        match event {
            PosEvent::Unclaimed(payment) => self.mark("unclaimed", &payment.transaction_id),
            PosEvent::Voided(voided) => self.mark("voided", &voided.transaction_id),
            _ => {}
        }
    }
}

/// What a terminal was asked for, and what it said became of it.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    once: Once,
    offers: BTreeMap<TransactionId, Offer>,
    /// Results, and whether the gateway has said a last word about them.
    results: BTreeMap<TransactionId, (String, bool)>,
    /// Those of which the gateway has said that they cannot be right.
    disputed: BTreeSet<TransactionId>,
    /// The next complaint is about what the application wants: no word of the gateway.
    is_refused: bool,
}

impl Watched for Terminal {
    type Watch = Journal;

    const ID: &'static str = "K";

    fn command(watch: &Journal, op: char, id: &TransactionId, _: Timestamp) -> Option<TerminalCommand> {
        let (transaction_id, wall) = (id.clone(), Wall::from_millis(0));
        let offer = watch.offers.get(id).cloned().unwrap_or_else(|| earlier(id));
        let report = match op {
            'r' => Report::approved(&offer, "77Q2LM", wall),
            'd' => Report::declined(&offer, "51", "insufficient funds", wall),
            'n' => return Some(TerminalCommand::NotBegun { transaction_id }),
            'y' => return Some(TerminalCommand::VoidDone { transaction_id, success: true, message: None }),
            _ => return None,
        };
        Some(TerminalCommand::Answer(Box::new(report)))
    }

    fn server(op: char, id: &TransactionId) -> Option<String> {
        gateway(op, id)
    }

    fn state(event: &TerminalEvent) -> Option<&State> {
        <Self as Held>::state(event)
    }

    /// Nothing a terminal says is answered to whoever said it.
    fn settles(_: &TerminalEvent) -> Option<TransactionId> {
        None
    }

    fn refuses(event: &TerminalEvent) -> bool {
        matches!(event, TerminalEvent::Problem { .. })
    }
}

/// A payment of before this process.
fn earlier(id: &TransactionId) -> Offer {
    Offer {
        transaction_id: id.clone(),
        amount: "25".to_owned(),
        currency: "PHP".to_owned(),
        payment_method: "CARD".to_owned(),
        metadata: None,
        request: "{}".to_owned(),
    }
}

impl Watch<Terminal> for Journal {
    fn wanted(&mut self, command: &TerminalCommand, is_refused: bool) {
        self.is_refused = is_refused;
        match command {
            TerminalCommand::Answer(report) if !is_refused => {
                let id = report.transaction_id().clone();
                self.disputed.remove(&id);
                self.results.insert(id, (report.frame().reveal().to_owned(), false));
            }
            // It may be offered anew.
            TerminalCommand::NotBegun { transaction_id } if !is_refused => {
                self.once.0.remove(&("offered", transaction_id.clone()));
            }
            TerminalCommand::Answer(_) | TerminalCommand::NotBegun { .. } | TerminalCommand::VoidDone { .. } => {}
        }
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

    fn told(&mut self, event: &TerminalEvent) {
        match event {
            TerminalEvent::Offered(offer) | TerminalEvent::Inquired(offer) => {
                self.once.mark("offered", &offer.transaction_id);
                self.offers.insert(offer.transaction_id.clone(), offer.clone());
            }
            TerminalEvent::Void { transaction_id, .. } => self.once.mark("to be reversed", transaction_id),
            TerminalEvent::Problem { .. } if std::mem::take(&mut self.is_refused) => {}
            // Another result may be awaited; this one need not be said again.
            TerminalEvent::Acknowledged { transaction_id, ack: Ack::Rejected, .. }
            | TerminalEvent::Problem { transaction_id: Some(transaction_id), .. } => {
                self.disputed.insert(transaction_id.clone());
            }
            TerminalEvent::Acknowledged { transaction_id, .. } => {
                if let Some((_, is_over)) = self.results.get_mut(transaction_id) {
                    *is_over = true;
                }
            }
            _ => {}
        }
    }

    /// A new connection hears every result there is no last word about.
    fn connected(&self, out: &[Output<TerminalEvent>]) {
        let says = |text: &str| out.iter().any(|output| matches!(output, Output::Send(said) if said.reveal() == text));
        for (id, (text, is_over)) in &self.results {
            assert!(*is_over || self.disputed.contains(id) || says(text), "the result of {id} is forgotten");
        }
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
