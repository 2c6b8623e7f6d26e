//! A payment terminal that never lies: what it began, charged and gave back is on its disk before it is said, and all it
//! says is read from there. It drops its line, dies, answers late or never, and complains when it is asked for what no
//! gateway may ask.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use client::modulus::TerminalConfig;
use client::{Input, Lines, LinesEvent, Machine, Output, State, Text};
use model::Timestamp;
use serde_json::{Value, json};

use crate::common::crash::Dice;

/// A result without a last word is said again after so long.
const AGAIN_AFTER: Duration = Duration::from_millis(400);
/// Longer than a terminal may take for a payment.
const TOO_LONG: Duration = Duration::from_millis(1_700);

/// What survives a terminal.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) payments: BTreeMap<String, Payment>,
    /// What no gateway may have said.
    pub(crate) wrongs: Vec<String>,
    pub(crate) inquiries: u32,
    /// Whether it can be talked to, or wants to be away.
    pub(crate) presence: Presence,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Presence {
    #[default]
    Connecting,
    There,
    Away,
}

/// One payment, as the terminal knows it.
#[derive(Debug, Default)]
pub(crate) struct Payment {
    request: Value,
    /// It was asked for, and the terminal has not said since that it had not begun.
    asked: bool,
    begun: bool,
    pub(crate) result: Option<Result>,
    /// Until then the result is not ready to be said.
    ready_at: Option<Timestamp>,
    pub(crate) charges: u32,
    pub(crate) reversals: u32,
    /// Its processor will not give the money back.
    pub(crate) keeps: bool,
    /// The gateway has the result.
    pub(crate) acknowledged: bool,
    /// It was ended elsewhere.
    closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Result {
    Charged,
    Declined,
    Cancelled,
}

impl Payment {
    /// Whether somebody's money is gone.
    pub(crate) fn has_money(&self) -> bool {
        self.charges > self.reversals
    }
}

pub(crate) type Shared = Arc<Mutex<Disk>>;

/// The machine.
pub(crate) struct Terminal {
    config: TerminalConfig,
    lines: Lines<TerminalConfig>,
    disk: Shared,
    dice: Dice,
    /// What this process means to do; gone when it dies.
    plans: Vec<(Timestamp, Plan)>,
    /// What was said on this connection and has no word yet: of which payment, and whether it was its result. Words
    /// come in the order in which they were earned.
    unheard: VecDeque<(String, bool)>,
    /// Until when the line stays down.
    down: Option<Timestamp>,
}

enum Plan {
    /// The customer has decided.
    Decide(String),
    /// What was decided is said, until the gateway has it.
    Say(String),
}

type Out = Vec<Output<()>>;

impl Terminal {
    pub(crate) fn new(config: TerminalConfig, disk: Shared, dice: Dice, seed: u64, now: Timestamp) -> Self {
        let lines = Lines::new(&config, seed, now);
        Self { config, lines, disk, dice, plans: Vec::new(), unheard: VecDeque::new(), down: None }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }

    fn wrong(&self, what: impl Into<String>) {
        self.disk().wrongs.push(what.into());
    }

    fn payment<T>(&self, id: &str, change: impl FnOnce(&mut Payment) -> T) -> T {
        change(self.disk().payments.entry(id.to_owned()).or_default())
    }

    // The line.

    fn tell(&mut self, now: Timestamp, input: Input<'_, client::Line>, out: &mut Out) {
        let mut said = Vec::new();
        self.lines.handle(now, input, &mut said);
        for output in said {
            match output {
                Output::Connect => out.push(Output::Connect),
                Output::Send(text) => out.push(Output::Send(text)),
                Output::Close(code) => out.push(Output::Close(code)),
                Output::Cut => out.push(Output::Cut),
                Output::Event(LinesEvent::Frame(frame)) => self.frame(now, &frame, out),
                Output::Event(LinesEvent::State(State::Authenticated)) => self.online(now),
                Output::Event(LinesEvent::State(State::Closed(ended))) => self.wrong(format!("it is over: {ended}")),
                Output::Event(LinesEvent::State(_) | LinesEvent::NotSent { .. }) => {}
                Output::Event(LinesEvent::Lost(_)) => {
                    self.disk().presence = Presence::Connecting;
                    // Sometimes the same thunderstorm takes both.
                    if self.dice.roll(4) == 0 {
                        self.plans.clear();
                    }
                }
            }
        }
    }

    /// Whatever has no last word is said again.
    fn online(&mut self, now: Timestamp) {
        self.unheard.clear();
        let unsaid: Vec<(Timestamp, Plan)> = {
            let mut disk = self.disk();
            disk.presence = Presence::There;
            let unsaid = disk.payments.iter().filter(|(_, it)| it.result.is_some() && !it.acknowledged);
            unsaid.map(|(id, it)| (it.ready_at.unwrap_or(now), Plan::Say(id.clone()))).collect()
        };
        self.plans.retain(|(_, plan)| !matches!(plan, Plan::Say(_)));
        self.plans.extend(unsaid);
    }

    /// The line breaks, at its own end.
    fn drop_line(&mut self, now: Timestamp, away: Duration, out: &mut Out) {
        self.down = Some(now.after(away));
        self.disk().presence = Presence::Away;
        out.push(Output::Cut);
        self.lines = Lines::new(&self.config, self.dice.roll(u64::MAX), now);
    }

    /// The process ends: only the disk is left.
    fn die(&mut self, now: Timestamp, away: Duration, out: &mut Out) {
        self.plans.clear();
        self.drop_line(now, away, out);
    }

    fn send(&self, frame: &Value, out: &mut Out) {
        if self.disk().presence == Presence::There {
            out.push(Output::Send(Text::new(frame.to_string())));
        }
    }

    // What the gateway says.

    fn frame(&mut self, now: Timestamp, frame: &str, out: &mut Out) {
        let frame: Value = serde_json::from_str(frame).unwrap();
        let id = frame["transactionId"].as_str().or(frame["paymentRequest"]["transactionId"].as_str());
        let id = id.unwrap_or_default().to_owned();
        match frame["action"].as_str().unwrap_or_default() {
            "payment" => self.asked(now, id, frame["paymentRequest"].clone(), out),
            "paymentInquiry" => self.inquired(now, id, &frame["paymentRequest"], out),
            "voidPayment" => self.void(now, &id, out),
            "paymentAck" => {
                let word = frame["result"].as_str().unwrap_or_default();
                let first = self.unheard.iter().position(|(other, _)| *other == id);
                if !first.and_then(|first| self.unheard.remove(first)).is_some_and(|(_, is_result)| is_result) {
                    return;
                }
                let is_wrong = self.payment(&id, |it| match (it.result, word) {
                    (Some(_), "accepted" | "late") => {
                        it.acknowledged = true;
                        false
                    }
                    (Some(_), "rejected" | "unknown") => !it.acknowledged,
                    (Some(_) | None, _) => false,
                });
                if is_wrong {
                    self.wrong(format!("the result of {id} was {word}: {frame}"));
                }
            }
            "paymentClosed" => {
                self.payment(&id, |it| it.closed = true);
                self.plans.retain(|(_, plan)| !matches!(plan, Plan::Decide(other) if *other == id));
            }
            "pong" => {}
            _ => self.wrong(format!("it was told {frame}")),
        }
    }

    fn asked(&mut self, now: Timestamp, id: String, request: Value, out: &mut Out) {
        let what = self.payment(&id, |it| {
            let again = (it.asked || it.begun).then(|| format!("{id} was offered again: {it:?}"));
            (it.request, it.asked) = (request, true);
            again
        });
        if let Some(what) = what {
            return self.wrong(what);
        }
        let throw = self.dice.roll(40);
        let short = self.dice.millis(700);
        let long = self.dice.millis(1_500);
        if throw == 0 {
            return self.die(now, short, out);
        }
        self.payment(&id, |it| it.begun = true);
        match throw {
            1 => {
                self.decide(&id, Result::Charged);
                self.die(now, long, out);
            }
            2 => {
                self.decide(&id, Result::Charged);
                self.drop_line(now, long, out);
            }
            3 => self.die(now, short, out),
            4 => {
                self.decide(&id, Result::Charged);
                self.payment(&id, |it| it.ready_at = Some(now.after(TOO_LONG)));
                self.plans.push((now.after(TOO_LONG), Plan::Say(id)));
            }
            5 if self.dice.roll(4) == 0 => {}
            6 => {
                self.decide(&id, Result::Charged);
                self.say(&id, out);
                self.say(&id, out);
                self.plans.push((now.after(AGAIN_AFTER), Plan::Say(id)));
            }
            7 => {
                self.report(&id, "PENDING", out);
                self.plans.push((now.after(short), Plan::Decide(id)));
            }
            _ => self.plans.push((now.after(self.dice.millis(25)), Plan::Decide(id))),
        }
    }

    fn inquired(&mut self, now: Timestamp, id: String, request: &Value, out: &mut Out) {
        let known = self.payment(&id, |it| {
            it.request = request.clone();
            (it.begun, it.result.filter(|_| it.ready_at.is_none_or(|at| at <= now)), it.result.is_none(), it.closed)
        });
        self.disk().inquiries += 1;
        match known {
            (_, _, _, true) => self.wrong(format!("{id} was closed, and is asked about")),
            (false, ..) => {
                self.payment(&id, |it| it.asked = false);
                self.unheard.push_back((id.clone(), false));
                self.send(&json!({"action": "paymentUnknown", "transactionId": id}), out);
            }
            (true, Some(_), ..) => self.say(&id, out),
            (true, None, false, _) => self.report(&id, "PENDING", out),
            (true, None, true, _) => {
                if self.dice.roll(2) == 0 {
                    self.report(&id, "PENDING", out);
                }
                let is_planned = self.plans.iter().any(|(_, plan)| matches!(plan, Plan::Decide(other) if *other == id));
                if !is_planned {
                    self.plans.push((now.after(self.dice.millis(80)), Plan::Decide(id)));
                }
            }
        }
    }

    fn void(&mut self, now: Timestamp, id: &str, out: &mut Out) {
        let keeps = self.dice.roll(20) == 0;
        let what = self.payment(id, |it| {
            if it.charges == 0 {
                return Some(format!("{id} was never charged, and is to be given back: {it:?}"));
            }
            if it.reversals == 0 {
                it.keeps |= keeps;
                it.reversals = u32::from(!it.keeps);
            }
            None
        });
        if let Some(what) = what {
            return self.wrong(what);
        }
        if self.dice.roll(8) == 0 {
            let away = self.dice.millis(300);
            return self.die(now, away, out);
        }
        let success = self.payment(id, |it| !it.keeps);
        self.unheard.push_back((id.to_owned(), false));
        self.send(&json!({"action": "voidResult", "transactionId": id, "success": success}), out);
    }

    // What it does.

    fn decide(&mut self, id: &str, result: Result) {
        self.payment(id, |it| {
            it.result = Some(result);
            it.charges += u32::from(result == Result::Charged);
        });
    }

    fn say(&mut self, id: &str, out: &mut Out) {
        let word = match self.payment(id, |it| it.result) {
            Some(Result::Charged) => "SUCCESS",
            Some(Result::Declined) => "FAILED",
            Some(Result::Cancelled) => "CANCELLED",
            None => return,
        };
        self.report(id, word, out);
    }

    fn report(&mut self, id: &str, status: &str, out: &mut Out) {
        let mut response = self.payment(id, |it| it.request.clone());
        response["status"] = status.into();
        response["timestamp"] = "2031-03-04T05:06:29.410Z".into();
        match status {
            "SUCCESS" => response["authorizationCode"] = format!("A-{id}").into(),
            "FAILED" => response["errorCode"] = "CARD_DECLINED".into(),
            _ => {}
        }
        self.unheard.push_back((id.to_owned(), status != "PENDING"));
        self.send(&json!({"action": "paymentResponse", "transactionId": id, "paymentResponse": response}), out);
    }

    fn act(&mut self, now: Timestamp, out: &mut Out) {
        while let Some(due) = self.plans.iter().position(|(at, _)| *at <= now) {
            let id = match self.plans.swap_remove(due) {
                (_, Plan::Decide(id)) => {
                    let result = match self.dice.roll(10) {
                        0 => Result::Declined,
                        1 => Result::Cancelled,
                        _ => Result::Charged,
                    };
                    self.decide(&id, result);
                    id
                }
                (_, Plan::Say(id)) => id,
            };
            if !self.payment(&id, |it| it.acknowledged) {
                self.say(&id, out);
                self.plans.push((now.after(AGAIN_AFTER), Plan::Say(id)));
            }
        }
    }
}

impl Machine for Terminal {
    type Command = ();
    type Event = ();

    fn handle(&mut self, now: Timestamp, input: Input<'_, ()>, out: &mut Out) {
        if self.down.is_some_and(|until| now >= until) {
            self.down = None;
            self.disk().presence = Presence::Connecting;
        }
        match input {
            Input::Opened => self.tell(now, Input::Opened, out),
            Input::Text(text) => self.tell(now, Input::Text(text), out),
            Input::Lost(lost) => self.tell(now, Input::Lost(lost), out),
            Input::Wake if self.down.is_some() => {}
            Input::Wake => self.tell(now, Input::Wake, out),
            Input::Command(()) => {}
            Input::Close => self.tell(now, Input::Close, out),
        }
        self.act(now, out);
    }

    fn deadline(&self) -> Option<Timestamp> {
        let line = self.lines.deadline().map(|line| self.down.map_or(line, |down| down.max(line)));
        self.plans.iter().map(|(at, _)| *at).chain(line).chain(self.down).min()
    }

    fn is_over(&self) -> bool {
        self.lines.is_over()
    }
}
