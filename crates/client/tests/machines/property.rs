//! Whatever comes, in whatever order: no panic, nothing said on a line that is not there, each ask settled once.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use client::boop::{
    ContextId, Requirements, Scan, Scanner, ScannerCommand, ScannerConfig, ScannerEvent, Vendor, VendorCommand,
    VendorConfig, VendorEvent,
};
use client::modulus::{PaymentRequest, Pos, PosCommand, PosConfig, PosEvent};
use client::{Input, Lost, Machine, Output, Preset, Problem, State};
use model::{Secret, Side, Timestamp};
use proptest::prelude::*;

/// What may happen, before it is known whether it makes sense.
#[derive(Clone, Debug)]
enum Happening {
    Opened,
    Text(String),
    Lost(u8),
    Ask(u8, u16),
    Cancel(u8),
    Time(u16),
    Close,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => Just(Happening::Opened),
        8 => frame().prop_map(Happening::Text),
        2 => any::<u8>().prop_map(Happening::Lost),
        4 => (0_u8..6, 0_u16..40).prop_map(|(id, wait)| Happening::Ask(id, wait)),
        1 => (0_u8..6).prop_map(Happening::Cancel),
        6 => (0_u16..20_000).prop_map(Happening::Time),
        1 => Just(Happening::Close),
    ]
}

fn frame() -> impl Strategy<Value = String> {
    let about = |template: &'static str| (0_u8..6).prop_map(move |id| template.replace('@', &format!("c{id}")));
    prop_oneof![
        6 => Just(r#"{"type":"authenticated"}"#.to_owned()),
        1 => Just(r#"{"type":"pong"}"#.to_owned()),
        1 => Just(r#"{"type":"vendor_hello_response","success":false}"#.to_owned()),
        1 => Just(r#"{"type":"error","code":"INVALID_CREDENTIALS"}"#.to_owned()),
        1 => Just(r#"{"type":"error","code":"CONNECTION_REPLACED"}"#.to_owned()),
        1 => Just(r#"{"type":"error","code":"GOING_AWAY","retry_after":1e300}"#.to_owned()),
        1 => Just(r#"{"type":"error","retry_after":-4}"#.to_owned()),
        3 => about(r#"{"type":"auth_result","context_id":"@","success":true}"#),
        2 => about(r#"{"type":"error","error":"Context expired","context_id":"@"}"#),
        2 => about(r#"{"type":"error","code":"VENDOR_RATE_LIMIT","context_id":"@","details":{"retry_allowed":true}}"#),
        2 => about(r#"{"type":"error","code":"AUTH_FAILED","context_id":"@","details":{"retry_allowed":true}}"#),
        3 => about(r#"{"type":"scan_ack","context_id":"@","status":"matched"}"#),
        1 => about(r#"{"type":"context_open","context_id":"@","auth_type":"entrance"}"#),
        1 => about(r#"{"type":"context_closed","context_id":"@"}"#),
        1 => ".{0,40}",
    ]
}

/// What a Modulus gateway may say.
fn payment() -> impl Strategy<Value = String> {
    let about = |template: &'static str| (0_u8..6).prop_map(move |id| template.replace('@', &format!("c{id}")));
    prop_oneof![
        6 => about(r#"{"action":"paymentComplete","transactionId":"@","status":"SUCCESS"}"#),
        2 => about(r#"{"action":"paymentComplete","paymentResponse":{"transactionId":"@","status":"PENDING"}}"#),
        2 => about(r#"{"action":"paymentVoided","transactionId":"@"}"#),
        3 => about(r#"{"action":"error","error":"Not Found","transactionId":"@"}"#),
        3 => about(r#"{"action":"error","error":"Conflict","transactionId":"@"}"#),
        2 => Just(r#"{"message":"no","requestAction":"payment"}"#.to_owned()),
        1 => Just(r#"{"action":"forceDisconnect","reason":"NEW_CONNECTION"}"#.to_owned()),
        1 => Just(r#"{"action":"forceDisconnect","reason":"SERVER_RESTART"}"#.to_owned()),
        1 => Just(r#"{"action":"terminalsResponse","terminals":[]}"#.to_owned()),
        1 => Just(r#"{"action":"pong"}"#.to_owned()),
        1 => ".{0,40}",
    ]
}

fn lost(kind: u8) -> Lost {
    match kind % 8 {
        0 => Lost::Closed { code: Some(4409), reason: String::new() },
        1 => Lost::Closed { code: Some(1001), reason: "retry_after=99999999999".to_owned() },
        2 => {
            Lost::Rejected { status: 503, problem: Problem { retry_after: Some(Duration::MAX), ..Problem::default() } }
        }
        3 => Lost::Closed { code: None, reason: String::new() },
        4 => Lost::Tls("untrusted".to_owned()),
        _ => Lost::Broken("cable".to_owned()),
    }
}

/// What the line looks like from outside, held against what the machine says.
#[derive(Debug, Default)]
struct Watch {
    dialing: bool,
    up: bool,
    closing: bool,
    over: bool,
    logged_in: bool,
    asked: BTreeMap<ContextId, u32>,
    settled: BTreeMap<ContextId, u32>,
}

/// How the two kinds of machine are asked and watched alike.
trait Watched: Machine
where
    Self::Event: Debug,
{
    fn ask(id: ContextId, send_by: Timestamp) -> Self::Command;
    fn cancel(id: ContextId) -> Option<Self::Command>;
    fn settles(event: &Self::Event) -> Option<&ContextId>;
    /// Whether an ask under an id that is open is refused under that id, without settling it.
    fn refuses_repeat(event: &Self::Event) -> bool;
    fn state(event: &Self::Event) -> Option<&State>;
    /// Whether it answers something that can be asked after the end too.
    fn answers(_: &Self::Event) -> bool {
        false
    }
}

impl Watched for Vendor {
    fn ask(context_id: ContextId, send_by: Timestamp) -> VendorCommand {
        VendorCommand::Create { context_id, requirements: Requirements::entrance(), send_by }
    }
    fn cancel(context_id: ContextId) -> Option<VendorCommand> {
        Some(VendorCommand::Cancel { context_id })
    }
    fn settles(event: &VendorEvent) -> Option<&ContextId> {
        if let VendorEvent::Settled { context_id, .. } = event { Some(context_id) } else { None }
    }
    fn refuses_repeat(event: &VendorEvent) -> bool {
        matches!(event, VendorEvent::Problem { .. })
    }
    fn state(event: &VendorEvent) -> Option<&State> {
        if let VendorEvent::State(state) = event { Some(state) } else { None }
    }
}

impl Watched for Scanner {
    fn ask(context_id: ContextId, send_by: Timestamp) -> ScannerCommand {
        ScannerCommand::Scan { context_id, scan: Scan::test_user(None, Side::Left), send_by }
    }
    fn cancel(_: ContextId) -> Option<ScannerCommand> {
        None
    }
    fn settles(event: &ScannerEvent) -> Option<&ContextId> {
        if let ScannerEvent::Settled { context_id, .. } = event { Some(context_id) } else { None }
    }
    fn refuses_repeat(event: &ScannerEvent) -> bool {
        matches!(event, ScannerEvent::Problem { .. })
    }
    fn state(event: &ScannerEvent) -> Option<&State> {
        if let ScannerEvent::State(state) = event { Some(state) } else { None }
    }
}

impl Watched for Pos {
    fn ask(transaction_id: ContextId, send_by: Timestamp) -> PosCommand {
        let request = PaymentRequest::new("25.00", "PHP");
        PosCommand::Pay { transaction_id, terminal_id: "lane-7".to_owned(), request, send_by }
    }
    /// There is no taking back; the list has its own answer.
    fn cancel(_: ContextId) -> Option<PosCommand> {
        Some(PosCommand::List)
    }
    fn settles(event: &PosEvent) -> Option<&ContextId> {
        if let PosEvent::Settled { transaction_id, .. } = event { Some(transaction_id) } else { None }
    }
    fn refuses_repeat(event: &PosEvent) -> bool {
        matches!(event, PosEvent::Problem { .. })
    }
    fn state(event: &PosEvent) -> Option<&State> {
        if let PosEvent::State(state) = event { Some(state) } else { None }
    }
    fn answers(event: &PosEvent) -> bool {
        matches!(event, PosEvent::Listed(Err(_)))
    }
}

impl Watch {
    fn see<M: Watched>(&mut self, out: &[Output<M::Event>])
    where
        M::Event: Debug,
    {
        for output in out {
            match output {
                Output::Connect => {
                    assert!(!self.dialing && !self.up && !self.over, "a second line");
                    self.dialing = true;
                }
                Output::Send(text) => {
                    assert!(self.up && !self.closing && !self.over, "said where nobody hears: {text:?}");
                    let login = text.reveal().contains("authenticate");
                    assert_eq!(self.logged_in, !login, "the login first, and once");
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
                    if let Some(id) = M::settles(event) {
                        *self.settled.entry(id.clone()).or_default() += 1;
                    } else {
                        assert!(!self.over || M::answers(event), "told after the end: {event:?}");
                    }
                    match M::state(event) {
                        Some(State::Authenticated) => self.logged_in = true,
                        Some(State::Closed(_)) => self.over = true,
                        Some(State::Connecting { .. } | State::Open | State::Closing) | None => {}
                    }
                }
            }
        }
        for (id, settled) in &self.settled {
            assert!(settled <= self.asked.get(id).unwrap_or(&0), "{id} was settled more often than asked");
        }
    }

    fn down(&mut self) {
        self.dialing = false;
        self.up = false;
        self.closing = false;
        self.logged_in = false;
    }
}

fn play<M: Watched>(mut machine: M, happenings: Vec<Happening>)
where
    M::Event: Debug,
{
    let mut now = Timestamp::from_millis(0);
    let mut watch = Watch::default();
    let mut last = happenings;
    last.push(Happening::Close);
    last.push(Happening::Time(6_000));
    for happening in last {
        let mut out = Vec::new();
        let id = |n: u8| ContextId::parse(&format!("c{n}")).unwrap();
        match happening {
            Happening::Opened if watch.dialing => {
                watch.dialing = false;
                watch.up = true;
                machine.handle(now, Input::Opened, &mut out);
            }
            Happening::Text(text) if watch.up => machine.handle(now, Input::Text(&text), &mut out),
            Happening::Lost(kind) if watch.up || watch.dialing => {
                watch.down();
                machine.handle(now, Input::Lost(lost(kind)), &mut out);
            }
            Happening::Ask(n, wait) => {
                let send_by = now.after(Duration::from_secs(wait.into()));
                machine.handle(now, Input::Command(M::ask(id(n), send_by)), &mut out);
                let repeat = matches!(&out[..], [Output::Event(event)] if M::refuses_repeat(event));
                *watch.asked.entry(id(n)).or_default() += u32::from(!repeat);
            }
            Happening::Cancel(n) => {
                if let Some(command) = M::cancel(id(n)) {
                    machine.handle(now, Input::Command(command), &mut out);
                }
            }
            Happening::Time(millis) => {
                let end = now.after(Duration::from_millis(millis.into()));
                let mut turns = 0;
                while let Some(deadline) = machine.deadline().filter(|deadline| *deadline <= end) {
                    now = now.max(deadline);
                    machine.handle(now, Input::Wake, &mut out);
                    watch.see::<M>(&out);
                    out.clear();
                    turns += 1;
                    assert!(turns < 10_000, "it wakes for ever");
                }
                now = end;
            }
            Happening::Close => machine.handle(now, Input::Close, &mut out),
            Happening::Opened | Happening::Text(_) | Happening::Lost(_) => {}
        }
        watch.see::<M>(&out);
    }
    assert!(machine.is_over() && watch.over, "it ends when it is told to");
    assert_eq!(machine.deadline(), None);
    watch.asked.retain(|_, asked| *asked > 0);
    assert_eq!(watch.asked, watch.settled, "each ask is settled once");
}

fn preset(attempts_most: u32) -> Preset {
    Preset { attempts_most, queue_messages: 3, stable_after: Duration::from_secs(20), ..Preset::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_vendor_holds_its_promises(
        happenings in prop::collection::vec(happening(), 0..120), seed: u64, attempts in 0_u32..6,
    ) {
        let config = VendorConfig::new("ven_1", Secret::new("sk_1"));
        let config = VendorConfig { preset: preset(attempts), ..config };
        play(Vendor::new(config, seed, Timestamp::from_millis(0)), happenings);
    }

    #[test]
    fn a_till_holds_its_promises(
        mut happenings in prop::collection::vec(happening(), 0..120),
        said in prop::collection::vec(payment(), 120),
        seed: u64,
        attempts in 0_u32..6,
    ) {
        for (happening, said) in happenings.iter_mut().zip(said) {
            if let Happening::Text(text) = happening {
                *text = said;
            }
        }
        let config = PosConfig { preset: preset(attempts), ..PosConfig::new(Secret::new("mk_1")) };
        play(Pos::new(config, seed, Timestamp::from_millis(0)), happenings);
    }

    #[test]
    fn a_scanner_holds_its_promises(
        happenings in prop::collection::vec(happening(), 0..120), seed: u64, attempts in 0_u32..6,
    ) {
        let config = ScannerConfig::new("pvs_1", Secret::new("dk_1"));
        let config = ScannerConfig { preset: preset(attempts), ..config };
        play(Scanner::new(config, seed, Timestamp::from_millis(0)), happenings);
    }
}
