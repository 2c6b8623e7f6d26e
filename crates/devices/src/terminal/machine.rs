//! The machine: does to every payment that is offered what the script says, on top of the client's machine of a terminal.
//!
//! Each payment takes the next step of the script when it is offered for the first time, and keeps its own time.
//! Whatever happens, one id is one payment: the machine below answers repeats and inquiries from what was done.

use std::collections::BTreeMap;

use client::modulus::{self, Ack, Offer, Report, TerminalCommand, TerminalConfig, TerminalEvent, TransactionId};
use client::{Input, Lost, Machine, Output, State, Text};
use model::{Digest, Timestamp, Wall};

use super::cents::cents;
use super::script::{Act, Script, Step, Void};

/// How many payments are remembered; beyond it those that are over are forgotten, the oldest first.
const PAYMENTS: usize = 1_000;

/// How long it takes to do the next thing to the same payment.
const AGAIN_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// A frame that means nothing.
const GARBAGE: &str = "\u{1F4B3} {]";

/// Whose payment is said to be paid when nobody asked for it.
const ANOTHER: &str = "nobody-asked-for-this";

/// What the terminal does and hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What the client's machine tells: the connection's state, payments, words about results.
    Heard(TerminalEvent),
    /// A step of the script was carried out, or a button was pressed.
    Did {
        /// To which payment.
        transaction_id: TransactionId,
        /// What was done.
        act: Act,
    },
    /// A payment was given back, or not.
    Voided {
        /// Which one.
        transaction_id: TransactionId,
        /// Whether it was.
        success: bool,
    },
}

/// What whoever stands at the terminal does with the payment on its screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// Pays.
    Approve,
    /// Has a card that is declined.
    Decline,
    /// Does not want to.
    Cancel,
}

/// The machine.
#[derive(Debug)]
pub struct Terminal {
    line: modulus::Terminal,
    steps: std::vec::IntoIter<Step>,
    otherwise: Step,
    payments: BTreeMap<TransactionId, Payment>,
    /// Counts payments, so that those due at the same time are served as they came.
    turn: u64,
    /// Until when the line stays down.
    down: Option<Timestamp>,
}

#[derive(Debug)]
struct Payment {
    turn: u64,
    offer: Offer,
    plan: Plan,
    money: Money,
}

/// Where the customer's money is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Money {
    /// Still theirs.
    Theirs,
    /// Taken, and this happens when it is asked back.
    Taken(Void),
}

#[derive(Debug)]
enum Plan {
    /// This happens then.
    Act { act: Act, at: Timestamp },
    /// The customer pays some time after the line is back.
    AwaitsLine,
    /// Somebody presses a button.
    AwaitsPress,
    /// It was never begun; offered again, it is paid.
    AwaitsOffer,
    /// Nothing more happens by itself.
    Nothing,
}

impl Terminal {
    /// A terminal that wants to connect at once.
    #[must_use]
    pub fn new(config: TerminalConfig, script: Script, seed: u64, now: Timestamp) -> Self {
        let Script { steps, otherwise } = script;
        Self {
            line: modulus::Terminal::new(config, seed, now),
            steps: steps.into_iter(),
            otherwise,
            payments: BTreeMap::new(),
            turn: 0,
            down: None,
        }
    }

    /// Tells the client's machine something, passes on what it wants, and follows what it says.
    fn tell(&mut self, now: Timestamp, input: Input<'_, TerminalCommand>, out: &mut Vec<Output<Event>>) {
        let mut said = Vec::new();
        self.line.handle(now, input, &mut said);
        for output in said {
            match output {
                Output::Connect => out.push(Output::Connect),
                Output::Send(text) => out.push(Output::Send(text)),
                Output::Close(code) => out.push(Output::Close(code)),
                Output::Cut => out.push(Output::Cut),
                Output::Event(event) => {
                    out.push(Output::Event(Event::Heard(event.clone())));
                    self.follow(now, event, out);
                }
            }
        }
    }

    fn command(&mut self, now: Timestamp, command: TerminalCommand, out: &mut Vec<Output<Event>>) {
        self.tell(now, Input::Command(command), out);
    }

    fn follow(&mut self, now: Timestamp, event: TerminalEvent, out: &mut Vec<Output<Event>>) {
        match event {
            TerminalEvent::Offered(offer) => self.offered(now, offer),
            // No money moved before this process began.
            TerminalEvent::Inquired(offer) => {
                self.command(now, TerminalCommand::NotBegun { transaction_id: offer.transaction_id }, out);
            }
            TerminalEvent::Void { transaction_id, .. } => self.void(now, transaction_id, out),
            TerminalEvent::Acknowledged { transaction_id, ack: Ack::Rejected, .. } => {
                if let Some(payment) = self.payments.get_mut(&transaction_id) {
                    payment.plan = Plan::Act { act: Act::Approve, at: now.after(AGAIN_AFTER) };
                }
            }
            TerminalEvent::Closed { transaction_id, .. } => {
                if let Some(payment) = self.payments.get_mut(&transaction_id) {
                    payment.plan = Plan::Nothing;
                }
            }
            TerminalEvent::State(State::Authenticated) => {
                for payment in self.payments.values_mut() {
                    if matches!(payment.plan, Plan::AwaitsLine) {
                        payment.plan = Plan::Act { act: Act::Approve, at: now.after(AGAIN_AFTER) };
                    }
                }
            }
            TerminalEvent::Acknowledged { .. }
            | TerminalEvent::State(_)
            | TerminalEvent::Lost(_)
            | TerminalEvent::Problem { .. }
            | TerminalEvent::Unknown { .. }
            | TerminalEvent::Malformed { .. } => {}
        }
    }

    /// A payment is on the screen. One that was offered before and not begun is paid now.
    fn offered(&mut self, now: Timestamp, offer: Offer) {
        let id = offer.transaction_id.clone();
        if let Some(payment) = self.payments.get_mut(&id) {
            if matches!(payment.plan, Plan::AwaitsOffer) {
                payment.plan = Plan::Act { act: Act::Approve, at: now.after(AGAIN_AFTER) };
            }
            return;
        }
        if self.payments.len() >= PAYMENTS {
            let over = self.payments.iter().filter(|(_, payment)| matches!(payment.plan, Plan::Nothing));
            let Some(oldest) = over.min_by_key(|(_, payment)| payment.turn).map(|(id, _)| id.clone()) else { return };
            self.payments.remove(&oldest);
        }
        let step = self.steps.next().unwrap_or_else(|| self.otherwise.clone());
        let step = match step.act {
            Act::ByAmount => cents(offer.amount_text(), step.after),
            _ => step,
        };
        let plan = match step.act {
            Act::Person => Plan::AwaitsPress,
            act => Plan::Act { act, at: now.after(step.after) },
        };
        self.turn += 1;
        self.payments.insert(id, Payment { turn: self.turn, offer, plan, money: Money::Theirs });
    }

    fn void(&mut self, now: Timestamp, transaction_id: TransactionId, out: &mut Vec<Output<Event>>) {
        let money = self.payments.get(&transaction_id).map_or(Money::Theirs, |payment| payment.money);
        let (success, message) = match money {
            Money::Taken(Void::Works) => (true, None),
            Money::Taken(Void::Refused) => (false, Some("the processor refuses to give it back".to_owned())),
            Money::Theirs => (false, Some("nothing was taken for it here".to_owned())),
        };
        if success && let Some(payment) = self.payments.get_mut(&transaction_id) {
            payment.money = Money::Theirs;
        }
        out.push(Output::Event(Event::Voided { transaction_id: transaction_id.clone(), success }));
        self.command(now, TerminalCommand::VoidDone { transaction_id, success, message }, out);
    }

    /// Somebody pressed a button: it is about the oldest payment that waits for one.
    fn press(&mut self, now: Timestamp, press: Press) {
        let waiting = self.payments.values_mut().filter(|payment| matches!(payment.plan, Plan::AwaitsPress));
        if let Some(payment) = waiting.min_by_key(|payment| payment.turn) {
            let act = match press {
                Press::Approve => Act::Approve,
                Press::Decline => Act::Decline { code: "CARD_DECLINED".to_owned() },
                Press::Cancel => Act::Cancel,
            };
            payment.plan = Plan::Act { act, at: now };
        }
    }

    /// Does what is due, the earliest first.
    fn act(&mut self, now: Timestamp, out: &mut Vec<Output<Event>>) {
        while let Some((id, act)) = self.due(now) {
            out.push(Output::Event(Event::Did { transaction_id: id.clone(), act: act.clone() }));
            let Some(payment) = self.payments.get_mut(&id) else { return };
            let (offer, wall) = (payment.offer.clone(), Wall::from_millis(now.millis()));
            payment.plan = Plan::Nothing;
            let paid = || Report::approved(&offer, &code(&id), wall);
            match act {
                Act::Approve => self.take(now, &id, paid(), Void::Works, out),
                Act::ApproveTwice => {
                    let report = paid();
                    let again = report.frame();
                    self.take(now, &id, report, Void::Works, out);
                    self.say(again, out);
                }
                Act::ApproveWrong => {
                    let wrong = paid().amount(&format!("\"9{}\"", offer.amount_text()));
                    self.take(now, &id, wrong, Void::Works, out);
                }
                Act::ApproveAnother => {
                    if let Ok(transaction_id) = TransactionId::parse(ANOTHER) {
                        let another = Offer { transaction_id, ..offer.clone() };
                        self.say(Report::approved(&another, &code(&id), wall).frame(), out);
                    }
                    self.take(now, &id, paid(), Void::Works, out);
                }
                Act::Decline { code } => {
                    let report = Report::declined(&offer, &code, "the card was declined", wall);
                    self.answer(now, report, out);
                }
                Act::Cancel => self.answer(now, Report::cancelled(&offer, wall), out),
                Act::Busy => {
                    let report = Report::declined(&offer, "TERMINAL_BUSY", "the terminal does something else", wall);
                    self.answer(now, report, out);
                }
                Act::Garbage => {
                    payment.plan = Plan::Act { act: Act::Approve, at: now.after(AGAIN_AFTER) };
                    self.say(Text::new(GARBAGE), out);
                }
                Act::DropUnstarted { down } => {
                    payment.plan = Plan::AwaitsOffer;
                    self.drop_line(now, now.after(down), out);
                    self.command(now, TerminalCommand::NotBegun { transaction_id: id }, out);
                }
                Act::DropStarted { down } => {
                    payment.plan = Plan::AwaitsLine;
                    self.drop_line(now, now.after(down), out);
                }
                Act::DropPaid { down, void } => {
                    let report = paid();
                    self.drop_line(now, now.after(down), out);
                    self.take(now, &id, report, void, out);
                }
                Act::Silence | Act::ByAmount | Act::Person => {}
            }
        }
    }

    /// The customer has paid: it is said, now or when the line is back.
    fn take(&mut self, now: Timestamp, id: &TransactionId, report: Report, void: Void, out: &mut Vec<Output<Event>>) {
        if let Some(payment) = self.payments.get_mut(id) {
            payment.money = Money::Taken(void);
        }
        self.answer(now, report, out);
    }

    fn answer(&mut self, now: Timestamp, report: Report, out: &mut Vec<Output<Event>>) {
        self.command(now, TerminalCommand::Answer(Box::new(report)), out);
    }

    /// Says something the machine below would not.
    fn say(&self, text: Text, out: &mut Vec<Output<Event>>) {
        if self.line.is_logged_in() {
            out.push(Output::Send(text));
        }
    }

    fn drop_line(&mut self, now: Timestamp, until: Timestamp, out: &mut Vec<Output<Event>>) {
        if self.line.is_logged_in() {
            self.down = Some(until);
            out.push(Output::Cut);
            self.tell(now, Input::Lost(Lost::Broken("dropped by the script".to_owned())), out);
        }
    }

    /// The earliest thing that is due.
    fn due(&self, now: Timestamp) -> Option<(TransactionId, Act)> {
        let due = self.payments.iter().filter_map(|(id, payment)| match &payment.plan {
            Plan::Act { act, at } if now >= *at => Some((*at, payment.turn, id, act)),
            Plan::Act { .. } | Plan::AwaitsLine | Plan::AwaitsPress | Plan::AwaitsOffer | Plan::Nothing => None,
        });
        let (_, _, id, act) = due.min_by_key(|(at, turn, _, _)| (*at, *turn))?;
        Some((id.clone(), act.clone()))
    }
}

/// What a processor gives for a payment: six signs, the same for the same payment.
fn code(id: &TransactionId) -> String {
    Digest::of(id.as_str().as_bytes()).0.iter().take(3).map(|byte| format!("{byte:02X}")).collect()
}

impl Machine for Terminal {
    type Command = Press;
    type Event = Event;

    fn handle(&mut self, now: Timestamp, input: Input<'_, Press>, out: &mut Vec<Output<Event>>) {
        if self.down.is_some_and(|until| now >= until) {
            self.down = None;
        }
        match input {
            Input::Opened => self.tell(now, Input::Opened, out),
            Input::Text(text) => self.tell(now, Input::Text(text), out),
            Input::Lost(lost) => self.tell(now, Input::Lost(lost), out),
            Input::Wake if self.down.is_some() => {}
            Input::Wake => self.tell(now, Input::Wake, out),
            Input::Command(press) => self.press(now, press),
            Input::Close => self.tell(now, Input::Close, out),
        }
        if self.line.is_over() {
            self.payments.clear();
        }
        self.act(now, out);
    }

    fn deadline(&self) -> Option<Timestamp> {
        let acts = self.payments.values().filter_map(|payment| match &payment.plan {
            Plan::Act { at, .. } => Some(*at),
            Plan::AwaitsLine | Plan::AwaitsPress | Plan::AwaitsOffer | Plan::Nothing => None,
        });
        let line = self.line.deadline().map(|line| self.down.map_or(line, |down| down.max(line)));
        acts.chain(line).min()
    }

    fn is_over(&self) -> bool {
        self.line.is_over()
    }
}
