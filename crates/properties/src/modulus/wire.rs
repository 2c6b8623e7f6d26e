//! Any text as a frame, a body or a request, followed through everything behind it: what one side takes, the other side
//! must understand, and money is everywhere what the till wrote.
//!
//! The first byte says what it is: `t` a till's frame, `p` a terminal's, `b` the body of a call that pays, `o` a payment
//! as our till writes it, `h` a whole call and `u` a whole upgrade (see `Knock`), `c` a gateway's frame to clients.

use std::collections::BTreeMap;
use std::time::Duration;

use client::modulus::{
    Offer, PaymentRequest, Pos, PosCommand, PosConfig, PosEvent, Report, Terminal, TerminalCommand, TerminalConfig,
    TerminalEvent, TransactionId,
};
use client::{Input as ToClient, Lines, Machine, Output as OfClient};
use dialects::modulus::{Choices, Kind};
use dialects::{Way, ledger};
use model::{
    Answer, Ask, Outcome, OutcomeKind, Output, Request, RequestKey, Response, Secret, Standing, Submit, Taken, Tell,
    Verdict, Which,
};
use serde_json::json;
use serde_json::value::RawValue;

use super::session::{Peer, Stage, ended, outcomes, ready, row, stage};
use super::{START, object, request};
use crate::program;
use crate::session::{operation, sent};

/// Headers and query pairs looked at.
const MAX_HEADERS: usize = 64;

/// Whatever text comes: no panic, at most one answer, each one a message; a payment that is taken comes up on a
/// terminal as it was asked for, and whatever that says reaches our own till as one outcome about the same money.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind {
        b'b' => return from_body(rest),
        b'h' => return knock(rest, Way::Call),
        b'u' => return knock(rest, Way::Socket),
        _ => {}
    }
    let Ok(text) = std::str::from_utf8(rest) else { return };
    match kind {
        b't' => from_till(text),
        b'p' => from_terminal(text),
        b'o' => from_our_till(text),
        _ => to_clients(text),
    }
}

fn from_till(text: &str) {
    let mut till = ready(Peer::Till);
    let out = till.frame(text);
    assert_eq!(out.len(), 1, "one frame, one answer or one ask: {out:?}");
    if let Some(answer) = sent(&out) {
        our_till(None).understands(answer);
    }
    if let Some(Output::Ask { ask: Ask::Submit(submit), .. }) = out.first() {
        follow(submit);
    }
}

fn from_our_till(text: &str) {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(text) else { return };
    let transaction_id = TransactionId::parse("K").expect("an id");
    let payment = PaymentRequest::new("25.00", "PHP");
    let request = fields.into_iter().fold(payment, |all, (key, value)| all.with(&key, value));
    let mut ours = our_till(None);
    let (terminal_id, send_by) = ("lane-7".to_owned(), START.after(Duration::from_secs(9)));
    let pay = PosCommand::Pay { transaction_id, terminal_id, request, send_by };
    let out = ours.input(ToClient::Command(pay));
    let Some(OfClient::Send(frame)) = out.first() else { panic!("a payment is sent: {out:?}") };
    let out = ready(Peer::Till).frame(frame.reveal());
    match out.first() {
        Some(Output::Ask { ask: Ask::Submit(submit), .. }) => follow(submit),
        // Or it is refused by its id, so that our till need not wait for its own timer.
        _ => {
            let told = ours.understands(sent(&out).expect("a payment is answered"));
            let settled = matches!(&told[..], [PosEvent::Settled { result: Err(_), .. }]);
            assert!(settled, "{}: {told:?}", frame.reveal());
        }
    }
}

fn from_body(body: &[u8]) {
    let mut caller = stage(Peer::Caller, Choices::default());
    caller.open(&request("POST", "/v1/terminals/lane-7/payments", &[("x-api-key", "mk_1")], body));
    caller.enter();
    let Some(submit) = caller.submits().next().cloned() else {
        return assert!(caller.closed, "neither asked for nor answered");
    };
    follow(&submit);
    let asked = Money::of(&submit.request);
    let out = caller.tell(None, ended(&submit, outcomes()[4].clone(), caller.now));
    let [Output::Respond(response)] = &out[..] else { panic!("a call is answered: {out:?}") };
    assert_eq!((response.status, Money::of(&fields(&response.body)["paymentResponse"])), (200, asked));
}

/// What was asked for or paid, as it is written.
#[derive(Debug, PartialEq, Eq)]
struct Money {
    amount: String,
    currency: String,
}

impl Money {
    fn of(json: impl AsRef<[u8]>) -> Self {
        let fields = fields(json.as_ref());
        let currency = serde_json::from_str(&fields["currency"]).expect("a currency is a text");
        Self { amount: fields["amount"].clone(), currency }
    }

    /// The amount without quotes.
    fn text(&self) -> &str {
        self.amount.trim_matches('"')
    }
}

/// The fields of an object, as they are written.
fn fields(json: &[u8]) -> BTreeMap<String, String> {
    let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(json)
        .unwrap_or_else(|error| panic!("no object ({error}): {}", String::from_utf8_lossy(json)));
    fields.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect()
}

/// A payment that was taken: it comes up on a terminal, and whatever that says reaches the till.
fn follow(submit: &Submit) {
    let asked = Money::of(&submit.request);
    assert!(asked.text().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "no decimal: {asked:?}");
    let mut terminal = ready(Peer::Terminal);
    let inquired = our_terminal().understands(&asks(&mut terminal, submit, &submit.kind, true));
    let [TerminalEvent::Inquired(inquiry)] = &inquired[..] else { panic!("{inquired:?}") };
    let offered = our_terminal().understands(&asks(&mut terminal, submit, &submit.kind, false));
    let [TerminalEvent::Offered(offer)] = &offered[..] else { panic!("{offered:?}") };
    assert_eq!(offer, inquiry);
    assert_eq!(offer.transaction_id, submit.key);
    assert_eq!((&offer.amount, &offer.currency), (&asked.amount, &asked.currency));
    assert_eq!(offer.request.as_bytes(), &*submit.request, "the request as it was written");

    let wall = terminal.now.wall;
    let reports = [
        Report::approved(offer, "77Q2LM", wall),
        Report::declined(offer, "51", "insufficient funds", wall),
        Report::cancelled(offer, wall),
    ];
    for report in &reports {
        let outcome = match said(&mut terminal, report).expect("our own report is taken") {
            Verdict::Completed(body) => {
                assert!((submit.rules.fits.0)(&submit.memo, &body), "what was asked for was not taken");
                Outcome::Completed { body }
            }
            Verdict::Declined(body) => Outcome::Declined { body },
            other => panic!("our own report means {other:?}"),
        };
        told(submit, outcome, &asked);
    }
    let other = Report::approved(offer, "77Q2LM", wall).amount(&format!("\"{}1\"", asked.text()));
    let other = said(&mut terminal, &other);
    let is_taken = |verdict| match verdict {
        Verdict::Completed(body) => (submit.rules.fits.0)(&submit.memo, &body),
        other => panic!("a success means {other:?}"),
    };
    assert!(!other.is_some_and(is_taken), "other money was taken");
    for outcome in outcomes().into_iter().skip(2) {
        told(submit, outcome, &asked);
    }
    reversed(&mut terminal, submit);
}

/// The frame that asks a terminal for work.
fn asks(terminal: &mut Stage, submit: &Submit, kind: &str, inquiry: bool) -> String {
    let offer = Tell::Offer {
        operation: operation(terminal.now),
        key: submit.key.clone(),
        kind: kind.into(),
        inquiry,
        from: "Till 4".into(),
        request: submit.request.clone(),
        answer_by: submit.answer_by,
    };
    sent(&terminal.tell(None, offer)).expect("what was taken comes up on a terminal").to_owned()
}

/// What a partition hears of a report; none when it cannot be right.
fn said(terminal: &mut Stage, report: &Report) -> Option<Verdict> {
    let out = terminal.frame(report.frame().reveal());
    let [Output::Ask { ask: Ask::Answer(answer), .. }] = &out[..] else {
        our_terminal().understands(sent(&out).expect("a report is answered"));
        return None;
    };
    assert!(matches!(answer.which, Which::Key(_)));
    let verdict = answer.verdict.clone();
    let ack = terminal.answer(Tell::Taken { operation: None, key: None, taken: Taken::Ended(OutcomeKind::Completed) });
    our_terminal().understands(sent(&ack).expect("a report is acknowledged"));
    Some(verdict)
}

/// The till's socket says it, and our till with that payment open understands it; so does looking it up.
fn told(submit: &Submit, outcome: Outcome, asked: &Money) {
    let mut till = ready(Peer::Till);
    let row = row(submit, Some(outcome.clone()), till.now);
    let entry = ledger::entry(&row).expect("the ledger can read it");
    let money = entry.money.expect("a payment is about money");
    assert_eq!((&*money.text, &*money.currency, entry.doubt), (asked.text(), &*asked.currency, None));

    let out = till.tell(None, ended(submit, outcome, till.now));
    let frame = sent(&out).expect("a till hears what became of its payment");
    let response = &fields(frame.as_bytes())["paymentResponse"];
    assert_eq!(&Money::of(response), asked, "{frame}");
    let events = our_till(Some(&submit.key)).understands(frame);
    let [PosEvent::Settled { result: Ok(payment), .. }] = &events[..] else { panic!("{frame}: {events:?}") };
    let paid = payment.response.as_ref().expect("an outcome has a response");
    assert_eq!((paid.amount.as_deref(), paid.currency.as_deref()), (Some(asked.text()), Some(&*asked.currency)));

    let mut caller = stage(Peer::Caller, Choices::default());
    caller.open(&request("GET", "/v1/transactions/K", &[("x-api-key", "mk_1")], b""));
    caller.enter();
    let out = caller.answer(Tell::Found(Some(Box::new(model::Found { row, standing: Standing::Ended }))));
    let [Output::Respond(Response { status: 200, body, .. })] = &out[..] else { panic!("{out:?}") };
    let looked_up = fields(body);
    assert_eq!(looked_up["request"].as_bytes(), &*submit.request);
    assert_eq!(&Money::of(&looked_up["response"]), asked);
}

/// A reversal comes up on a terminal, and its result is about the payment.
fn reversed(terminal: &mut Stage, submit: &Submit) {
    let mut ours = our_terminal();
    let events = ours.understands(&asks(terminal, submit, Kind::Void.name(), false));
    let [TerminalEvent::Void { transaction_id, .. }] = &events[..] else { panic!("{events:?}") };
    let transaction_id = transaction_id.clone();
    let done = TerminalCommand::VoidDone { transaction_id, success: true, message: None };
    let out = ours.input(ToClient::Command(done));
    let Some(OfClient::Send(frame)) = out.first() else { panic!("a reversal is answered: {out:?}") };
    let out = terminal.frame(frame.reveal());
    let [Output::Ask { ask: Ask::Answer(Answer { which, verdict: Verdict::Completed(_) }), .. }] = &out[..] else {
        panic!("our own result: {out:?}")
    };
    assert_eq!(which, &Which::Compensation(submit.key.clone()));
}

fn from_terminal(text: &str) {
    let mut terminal = ready(Peer::Terminal);
    let out = terminal.frame(text);
    assert!(out.len() <= 1, "{out:?}");
    if let Some(answer) = sent(&out) {
        our_terminal().understands(answer);
    }
    match out.first() {
        Some(Output::Ask { ask: Ask::Answer(Answer { which, verdict }), .. }) => {
            for taken in [Taken::NotYours, Taken::Noted] {
                let ack = terminal.answer(Tell::Taken { operation: None, key: None, taken });
                // The second one answers nothing.
                sent(&ack).map(|ack| our_terminal().understands(ack));
            }
            match (which, verdict) {
                (Which::Key(key), Verdict::Completed(body)) => heard(key, Outcome::Completed { body: body.clone() }),
                (Which::Key(key), Verdict::Declined(body)) => heard(key, Outcome::Declined { body: body.clone() }),
                (Which::Key(_), Verdict::Started | Verdict::NotStarted)
                | (Which::Compensation(_), Verdict::Completed(_) | Verdict::Failed(_)) => {}
                (which, verdict) => panic!("no terminal says {verdict:?} of {which:?}"),
            }
        }
        Some(_) => {}
        None => assert_eq!(object(text.as_bytes())["action"], "pong", "a frame without any answer"),
    }
}

/// A till hears a terminal's own words, whatever they are.
fn heard(key: &RequestKey, outcome: Outcome) {
    let mut till = ready(Peer::Till);
    let request = json!({"transactionId": key.as_str(), "amount": "25.00", "currency": "PHP", "paymentMethod": "CARD"});
    let frame = json!({"action": "payment", "terminalId": "lane-7", "paymentRequest": request});
    let out = till.frame(&frame.to_string());
    let Some(Output::Ask { ask: Ask::Submit(submit), .. }) = out.first() else { panic!("{key:?} is an id: {out:?}") };
    let (Outcome::Completed { body } | Outcome::Declined { body }) = &outcome else { panic!("a terminal's word") };
    let body = body.clone();
    let out = till.tell(None, ended(submit, outcome, till.now));
    let frame = sent(&out).expect("a till hears what became of its payment");
    assert_eq!(fields(frame.as_bytes())["paymentResponse"].as_bytes(), &*body, "as the terminal wrote it");
    let events = our_till(Some(key)).understands(frame);
    assert!(matches!(&events[..], [PosEvent::Settled { result: Ok(_), .. }]), "{frame}: {events:?}");
}

/// A whole request: its method and path, a line for each header, `?name=value` for each query pair, and the body behind
/// an empty line.
struct Knock(Request);

impl Knock {
    fn read(data: &[u8]) -> Self {
        let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
            Some(at) => (&data[..at], &data[at + 2..]),
            None => (data, &b""[..]),
        };
        let (first, lines) = program::lines(head);
        let (method, path) = first.split_once(' ').unwrap_or(("GET", &first));
        let mut request = request(method, path, &[], body);
        request.headers.clear();
        for line in lines.take(MAX_HEADERS) {
            if let Some((name, value)) = line.strip_prefix('?').and_then(|pair| pair.split_once('=')) {
                request.query.push((name.into(), value.into()));
            } else if let Some((name, value)) = line.split_once(':') {
                request.headers.push((name.to_ascii_lowercase().into(), value.trim().into()));
            }
        }
        Self(request)
    }
}

/// Whoever knocks with whatever request: it is let in or refused, a call is answered, and that once.
fn knock(data: &[u8], way: Way) {
    let Knock(request) = Knock::read(data);
    if dialects::door(&request, way).is_none_or(|door| door.dialect != model::Dialect::Modulus) {
        return;
    }
    let peers = match way {
        Way::Socket => &[Peer::Till, Peer::Terminal][..],
        Way::Call => &[Peer::Caller],
    };
    for peer in peers {
        let mut stage = stage(*peer, Choices::default());
        stage.open(&request);
        stage.enter();
        if let Some(submit) = stage.submits().next().cloned() {
            follow(&submit);
        } else if *peer == Peer::Caller {
            stage.answer(Tell::Devices(Vec::new()));
            assert!(stage.closed, "a call without an answer");
        }
        let once = |output: &&Output| matches!(output, Output::Accept | Output::Refuse(_) | Output::Respond(_));
        assert_eq!(stage.end().iter().filter(once).count(), 1);
    }
}

/// A client's machine that is connected.
struct Ours<M: Machine> {
    machine: M,
}

impl<M: Machine> Ours<M> {
    fn new(machine: M) -> Self {
        let mut ours = Self { machine };
        ours.input(ToClient::Wake);
        ours.input(ToClient::Opened);
        ours
    }

    fn input(&mut self, input: ToClient<'_, M::Command>) -> Vec<OfClient<M::Event>> {
        let mut out = Vec::new();
        self.machine.handle(START, input, &mut out);
        out
    }

    fn hear(&mut self, text: &str) -> Vec<M::Event> {
        let events = |output| match output {
            OfClient::Event(event) => Some(event),
            OfClient::Connect | OfClient::Send(_) | OfClient::Close(_) | OfClient::Cut => None,
        };
        self.input(ToClient::Text(text)).into_iter().filter_map(events).collect()
    }
}

impl Ours<Pos> {
    fn understands(&mut self, frame: &str) -> Vec<PosEvent> {
        let events = self.hear(frame);
        let strange = |event: &PosEvent| matches!(event, PosEvent::Malformed { .. } | PosEvent::Unknown { .. });
        assert!(!events.iter().any(strange), "our till cannot read {frame}");
        events
    }
}

impl Ours<Terminal> {
    fn understands(&mut self, frame: &str) -> Vec<TerminalEvent> {
        let events = self.hear(frame);
        let strange =
            |event: &TerminalEvent| matches!(event, TerminalEvent::Malformed { .. } | TerminalEvent::Unknown { .. });
        assert!(!events.iter().any(strange), "our terminal cannot read {frame}");
        events
    }
}

fn our_till(open: Option<&TransactionId>) -> Ours<Pos> {
    let mut ours = Ours::new(Pos::new(PosConfig::new(Secret::new("mk_1")), 7, START));
    if let Some(transaction_id) = open {
        let (terminal_id, request) = ("lane-7".to_owned(), PaymentRequest::new("25.00", "PHP"));
        let (transaction_id, send_by) = (transaction_id.clone(), START.after(Duration::from_secs(9)));
        ours.input(ToClient::Command(PosCommand::Pay { transaction_id, terminal_id, request, send_by }));
    }
    ours
}

fn our_terminal() -> Ours<Terminal> {
    Ours::new(Terminal::new(TerminalConfig::new(Secret::new("mk_2"), "lane-7"), 7, START))
}

/// Whatever a gateway says to our clients: no panic, a few events, and what a tap shows is redacted without one too.
fn to_clients(text: &str) {
    let key = TransactionId::parse("K").expect("an id");
    let mut till = our_till(Some(&key));
    till.input(ToClient::Command(PosCommand::List));
    assert!(till.hear(text).len() <= 6);
    let mut terminal = our_terminal();
    let events = terminal.hear(text);
    assert!(events.len() <= 4);
    if let [TerminalEvent::Offered(offer) | TerminalEvent::Inquired(offer)] = &events[..] {
        shown(&mut terminal, offer);
    }
    let config = PosConfig::new(Secret::new("mk_1"));
    assert!(Ours::new(Lines::new(&config, 7, START)).hear(text).len() <= 3);
    let _ = client::redact(text);
    // Nothing a gateway says before it has let us in breaks a client either.
    let mut early = Pos::new(PosConfig::new(Secret::new("mk_1")), 7, START);
    let mut out = Vec::new();
    early.handle(START, ToClient::Wake, &mut out);
    early.handle(START, ToClient::Text(text), &mut out);
}

/// Whatever is offered can be answered, with the money that was asked for.
fn shown(terminal: &mut Ours<Terminal>, offer: &Offer) {
    let report = Box::new(Report::approved(offer, "77Q2LM", model::Wall::from_millis(START.millis())));
    let answer = TerminalCommand::Answer(report);
    let out = terminal.input(ToClient::Command(answer));
    let [OfClient::Send(frame)] = &out[..] else { panic!("a report is sent: {out:?}") };
    assert_eq!(fields(fields(frame.reveal().as_bytes())["paymentResponse"].as_bytes())["amount"], offer.amount);
}
