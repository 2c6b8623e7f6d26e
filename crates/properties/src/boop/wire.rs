//! Any text as a frame, followed through everything behind it: what one side takes, the other side must understand.
//!
//! The first byte says whose frame it is: `v` a vendor's, `s` a scanner's, `r` a vendor's requirements as our client
//! writes them, `c` a server's, to a client.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::boop::{
    ContextId, Requirements, Scan, Scanner, ScannerCommand, ScannerConfig, ScannerEvent, Vendor, VendorCommand,
    VendorConfig, VendorEvent,
};
use client::{Input as ToClient, Lines, Machine, Output as OfClient};
use dialects::boop::{self, Choices};
use model::{
    Answer, Ask, Attribute, Currency, Dialect, GroupId, Input, Member, MemberId, Money, NetworkId, Opaque, OperationId,
    Outcome, Output, Partition, Question, RequestKey, Role, Secret, Settled, Side, Submit, Tell, Timestamp, Verdict,
    Which,
};

use super::session::{Stage, ready};
use crate::session::sent;

/// Whatever text comes: no panic, at most one answer, each one a message; a context that is taken opens at a scanner as
/// it was wished for, and whatever the service decides reaches our own client as one outcome.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match kind {
        b'v' => from_vendor(text),
        b's' => from_scanner(text),
        b'r' => from_our_vendor(text),
        _ => to_clients(text),
    }
}

fn choices() -> Choices {
    Choices { test_user_ids: true, scan_attempts: 2, ..Choices::default() }
}

fn from_vendor(text: &str) {
    let mut vendor = ready(Role::Requester, choices());
    let out = vendor.frame(text);
    assert!(out.len() <= 2, "{out:?}");
    if let Some(answer) = sent(&out) {
        our_vendor(None).understands(answer);
    }
    if let Some(Output::Ask { ask: Ask::Submit(submit), .. }) = out.first() {
        follow(&mut vendor, submit);
    }
    assert!(out.iter().any(|output| !matches!(output, Output::Limit(_))), "a frame without any answer: {text}");
}

fn from_our_vendor(text: &str) {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(text) else { return };
    let id = ContextId::parse("k").expect("an id");
    let requirements = fields.into_iter().fold(Requirements::of("payment"), |all, (key, value)| all.with(&key, value));
    let mut ours = our_vendor(None);
    let send_by = ours.now.after(Duration::from_secs(9));
    let out = ours.input(ToClient::Command(VendorCommand::Create { context_id: id, requirements, send_by }));
    let Some(OfClient::Send(frame)) = out.first() else { return };
    let mut vendor = ready(Role::Requester, choices());
    let out = vendor.frame(frame.reveal());
    match out.first() {
        Some(Output::Ask { ask: Ask::Submit(submit), .. }) => follow(&mut vendor, submit),
        // Or it is refused by its id, so that our client need not wait for its own timer.
        _ => {
            let told = ours.understands(sent(&out).expect("a wish is answered"));
            assert!(
                told.iter().any(|event| matches!(event, VendorEvent::Settled { .. })),
                "{}: {told:?}",
                frame.reveal()
            );
        }
    }
}

fn from_scanner(text: &str) {
    let mut scanner = ready(Role::Performer, choices());
    let out = scanner.frame(text);
    assert!(out.len() <= 2, "{out:?}");
    if let Some(answer) = sent(&out) {
        our_scanner().understands(answer);
    }
    if let Some(Output::Ask { ask: Ask::Answer(Answer { which: Which::Key(key), verdict }), .. }) = out.first() {
        let mut vendor = ready(Role::Requester, choices());
        let frame = format!(
            r#"{{"type":"create_context","context_id":{},"requirements":{{"type":"payment","amount":5}}}}"#,
            serde_json::Value::from(key.as_str())
        );
        let out = vendor.frame(&frame);
        let Some(Output::Ask { ask: Ask::Submit(submit), .. }) = out.first() else {
            panic!("{key:?} is an id: {out:?}")
        };
        match verdict {
            Verdict::Evidence(evidence) => judge(&mut vendor, submit, evidence),
            Verdict::Note(note) => tell(&mut vendor, submit, progress(submit, note.clone()), Told::Progress),
            Verdict::Declined(body) => {
                let outcome = Outcome::Declined { body: body.clone() };
                tell(&mut vendor, submit, ended(submit, outcome), Told::Settled);
            }
            Verdict::Started | Verdict::NotStarted | Verdict::Completed(_) | Verdict::Failed(_) => {
                panic!("no scanner says {verdict:?}")
            }
        }
    }
}

/// A wish that was taken: it opens at a scanner, and whatever a scan shows is decided and told.
fn follow(vendor: &mut Stage, submit: &Submit) {
    let mut scanner = ready(Role::Performer, choices());
    let offer = Tell::Offer {
        operation: operation(),
        key: submit.key.clone(),
        kind: submit.kind.clone(),
        inquiry: false,
        from: "Harbour Bakery".into(),
        request: submit.request.clone(),
        answer_by: submit.answer_by,
    };
    let out = scanner.input(Input::Tell { ask: None, tell: offer });
    let opened = our_scanner().understands(sent(&out).expect("what was taken opens at a scanner"));
    let [ScannerEvent::Opened(context)] = &opened[..] else { panic!("{opened:?}") };
    assert_eq!((&context.context_id, &*context.auth_type), (&submit.key, &*submit.kind));

    let scans = [
        Scan::test_user(Some("m"), Side::Left),
        Scan::test_user(None, Side::Right),
        Scan::PoorQuality,
        Scan::DeviceError,
        Scan::Cancelled,
    ];
    for scan in scans {
        let mut ours = our_scanner();
        let send_by = ours.now.after(Duration::from_secs(9));
        let scan = ScannerCommand::Scan { context_id: submit.key.clone(), scan, send_by };
        let out = ours.input(ToClient::Command(scan));
        let Some(OfClient::Send(frame)) = out.first() else { panic!("a scan is sent: {out:?}") };
        let out = scanner.frame(frame.reveal());
        let Some(Output::Ask { ask: Ask::Answer(answer), .. }) = out.first() else { panic!("our own scan: {out:?}") };
        assert_eq!(answer.which, Which::Key(submit.key.clone()));
        if let Verdict::Evidence(evidence) = &answer.verdict {
            judge(vendor, submit, evidence);
        }
    }
}

/// What our own server makes of it, for everybody it could be, and what the vendor hears.
fn judge(vendor: &mut Stage, submit: &Submit, evidence: &Opaque) {
    let service = dialects::service(Dialect::Boop).expect("BOOP decides itself");
    for attempt in [1, 2] {
        let question = Question {
            operation: operation(),
            key: submit.key.clone(),
            network: NetworkId::parse("main").expect("an id"),
            group: GroupId::parse("v").expect("an id"),
            request: submit.request.clone(),
            memo: submit.memo.clone(),
            evidence: evidence.clone(),
            attempt,
            wall: vendor.now.wall,
        };
        let _ = (service.subject)(&question);
        for member in [None, Some(member(7)), Some(member(i64::MAX))] {
            let decision = (service.decide)(&question, member.as_ref());
            if let (Some(debit), Some(member)) = (&decision.debit, &member) {
                let fits = (0..=member.balance.minor).contains(&debit.money.minor);
                assert!(fits && debit.money.currency == member.balance.currency, "{debit:?}");
            }
            match decision.settled {
                Settled::Outcome(outcome) => tell(vendor, submit, ended(submit, outcome), Told::Settled),
                Settled::Again { note } => tell(vendor, submit, progress(submit, note), Told::Progress),
            }
        }
    }
}

fn member(minor: i64) -> Member {
    let attribute =
        |json: &str| Attribute { json: json.into(), attested: true, sides: BTreeSet::from([Side::Left, Side::Right]) };
    Member {
        id: MemberId::parse("m").expect("an id"),
        network: NetworkId::parse("main").expect("an id"),
        groups: None,
        attributes: BTreeMap::from([
            ("email".into(), attribute(r#""m@sample.test""#)),
            ("date-of-birth".into(), attribute(r#""1990-02-29""#)),
            ("age-verify".into(), attribute("true")),
        ]),
        balance: Money { minor, currency: Currency::USD },
        subjects: vec![(boop::test_user_subject("m"), Side::Left)],
    }
}

fn operation() -> OperationId {
    OperationId::next(Partition(7), 1_930_000_000_000, None)
}

fn ended(submit: &Submit, outcome: Outcome) -> Tell {
    let (key, kind, memo) = (submit.key.clone(), submit.kind.clone(), submit.memo.clone());
    let target = submit.target.clone();
    Tell::Outcome { operation: operation(), key, kind, target, memo, outcome, at: Timestamp::from_millis(0) }
}

fn progress(submit: &Submit, note: Opaque) -> Tell {
    Tell::Progress { operation: operation(), key: submit.key.clone(), memo: submit.memo.clone(), note }
}

/// What our client must make of a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Settled,
    Progress,
}

/// The vendor's socket says it, and a client with that context open understands it.
fn tell(vendor: &mut Stage, submit: &Submit, what: Tell, told: Told) {
    let out = vendor.input(Input::Tell { ask: None, tell: what });
    let frame = sent(&out).expect("a vendor hears what became of its context");
    let events = our_vendor(Some(&submit.key)).understands(frame);
    let fits = matches!(
        (&events[..], told),
        ([VendorEvent::Settled { .. }], Told::Settled) | ([VendorEvent::Progress { .. }], Told::Progress)
    );
    assert!(fits, "{frame}: {events:?}");
}

/// A client's machine that is logged in.
struct Ours<M: Machine> {
    machine: M,
    now: Timestamp,
}

impl<M: Machine> Ours<M> {
    fn new(machine: M, now: Timestamp) -> Self {
        let mut ours = Self { machine, now };
        ours.input(ToClient::Wake);
        ours.input(ToClient::Opened);
        ours.input(ToClient::Text(r#"{"type":"authenticated"}"#));
        ours
    }

    fn input(&mut self, input: ToClient<'_, M::Command>) -> Vec<OfClient<M::Event>> {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
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

impl Ours<Vendor> {
    fn understands(&mut self, frame: &str) -> Vec<VendorEvent> {
        let events = self.hear(frame);
        let strange =
            |event: &VendorEvent| matches!(event, VendorEvent::Malformed { .. } | VendorEvent::Unknown { .. });
        assert!(!events.iter().any(strange), "our client cannot read {frame}");
        events
    }
}

impl Ours<Scanner> {
    fn understands(&mut self, frame: &str) -> Vec<ScannerEvent> {
        let events = self.hear(frame);
        let strange =
            |event: &ScannerEvent| matches!(event, ScannerEvent::Malformed { .. } | ScannerEvent::Unknown { .. });
        assert!(!events.iter().any(strange), "our client cannot read {frame}");
        events
    }
}

const NOON: Timestamp = Timestamp::from_millis(1_930_000_000_000);

fn our_vendor(open: Option<&RequestKey>) -> Ours<Vendor> {
    let config = VendorConfig::new("v", Secret::new("sk"));
    let mut ours = Ours::new(Vendor::new(config, 7, NOON), NOON);
    if let Some(key) = open {
        let requirements = Requirements::entrance();
        let send_by = NOON.after(Duration::from_secs(9));
        ours.input(ToClient::Command(VendorCommand::Create { context_id: key.clone(), requirements, send_by }));
    }
    ours
}

fn our_scanner() -> Ours<Scanner> {
    Ours::new(Scanner::new(ScannerConfig::new("s", Secret::new("dk")), 7, NOON), NOON)
}

/// Whatever a server says to our clients: no panic, a few events, and what a tap shows is redacted without one too.
fn to_clients(text: &str) {
    let key = RequestKey::parse("k").expect("an id");
    assert!(our_vendor(Some(&key)).hear(text).len() <= 3);
    let mut scanner = our_scanner();
    let scan = ScannerCommand::Scan { context_id: key, scan: Scan::PoorQuality, send_by: NOON };
    scanner.input(ToClient::Command(scan));
    assert!(scanner.hear(text).len() <= 3);
    let config = VendorConfig::new("v", Secret::new("sk"));
    assert!(Ours::new(Lines::new(&config, 7, NOON), NOON).hear(text).len() <= 3);
    let _ = client::redact(text);
    // Nothing a server says before it has let us in breaks a client either.
    let mut early = Vendor::new(VendorConfig::new("v", Secret::new("sk")), 7, NOON);
    let mut out = Vec::new();
    early.handle(NOON, ToClient::Wake, &mut out);
    early.handle(NOON, ToClient::Opened, &mut out);
    early.handle(NOON, ToClient::Text(text), &mut out);
}
